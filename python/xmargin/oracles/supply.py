"""How much of a token there may be: what was made out of nothing has no price to go by.

A price says what the last unit fetched. When there is suddenly more of a token than was approved,
or more than is locked for it elsewhere, that says nothing of what the rest will fetch: the base is
held, from next to nothing up to its price, and an alarm is told. Nothing is lent against it and
nobody is liquidated on it; who owes it owes it at its price.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Final

from xmargin.model import (
    JudgedPrice,
    SupplySpec,
    TokenBalance,
    TokenId,
    TokenState,
    TokenSupply,
    Verdict,
    worst,
)
from xmargin.oracles.findings import Guard
from xmargin.oracles.numbers import EXACT

YEAR_S: Final = 365 * 86_400
FLOOR: Final = Decimal("1e-6")
"""Of its price, the low end of a base of which there is too much."""

_BPS: Final = 10_000


@dataclass(frozen=True, slots=True)
class SupplyFacts:
    """What was read: supplies and states by ``(token,)``, balances by ``(escrow, locked)``."""

    supplies: Mapping[tuple[str, ...], TokenSupply]
    states: Mapping[tuple[str, ...], TokenState]
    balances: Mapping[tuple[str, ...], TokenBalance]


def supply_doubts(
    specs: Sequence[SupplySpec], facts: SupplyFacts, now_ms: int
) -> Iterator[tuple[TokenId, str]]:
    """Each token of which there is too much, or nobody knows how much, and why."""
    for spec in specs:
        supply = facts.supplies.get((spec.token,))
        if supply is None or supply.fault:
            why = "has not been read yet" if supply is None else f"is not known: {supply.fault}"
            yield spec.token, f"the supply of {spec.token} {why}"
            continue
        if spec.approved is not None:
            most = approved_most(spec, now_ms)
            if supply.amount > most:
                over_bps = -(-(supply.amount - most) * _BPS // max(most, 1))
                yield (
                    spec.token,
                    f"there is {over_bps:,} bps more of {spec.token} than was approved: "
                    f"{supply.amount}, at most {most}",
                )
    yield from _escrow_doubts(specs, facts)


def approved_most(spec: SupplySpec, now_ms: int) -> int:
    """What may be there now: what was approved, grown by the bound, in smallest units."""
    age_s = max(0, now_ms // 1000 - spec.approved_at_s)
    approved = spec.approved or 0
    return approved + approved * spec.growth_bps_max * age_s // (_BPS * YEAR_S)


def _escrow_doubts(
    specs: Sequence[SupplySpec], facts: SupplyFacts
) -> Iterator[tuple[TokenId, str]]:
    """All twins that one escrow locks for, against what it holds."""
    escrows = sorted({(spec.escrow, spec.locked) for spec in specs if spec.escrow})
    for escrow, locked in escrows:
        twins = [spec.token for spec in specs if (spec.escrow, spec.locked) == (escrow, locked)]
        held = facts.balances.get((escrow, locked))
        units = None if held is None or held.fault else _units(locked, held.amount, facts)
        issued = [_issued(twin, facts) for twin in twins]
        known = [amount for amount in issued if amount is not None]
        if units is None or len(known) < len(issued):
            why = f"what {escrow} locks for it is not known"
        elif sum(known) > units:
            backed_bps = int(units * _BPS / sum(known))
            why = f"{escrow} locks {backed_bps:,} bps of what was issued against it"
        else:
            continue
        for token in (*twins, locked):
            yield token, f"{token}: {why}"


def _issued(token: TokenId, facts: SupplyFacts) -> Fraction | None:
    supply = facts.supplies.get((token,))
    return None if supply is None or supply.fault else _units(token, supply.amount, facts)


def _units(token: TokenId, amount: int, facts: SupplyFacts) -> Fraction | None:
    state = facts.states.get((token,))
    return None if state is None or state.fault else Fraction(amount, 10**state.decimals)


def held(price: JudgedPrice, reasons: Sequence[str]) -> JudgedPrice:
    """The price of a base of which there is too much of some token; as it is where there is not."""
    if not reasons or price.verdict is Verdict.REFUSE:
        return price
    with localcontext(EXACT):
        low = min(price.low, price.mark * FLOOR)
    return replace(
        price,
        verdict=worst(price.verdict, Verdict.HOLD),
        reasons=(*price.reasons, *reasons),
        guards=(*price.guards, *(Guard.SUPPLY for _ in reasons)),
        alarms=(*price.alarms, *reasons),
        low=low,
    )
