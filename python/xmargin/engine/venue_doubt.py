"""Whom a venue would liquidate though there is reason to wait.

The venue's truth stays what it is, and is told. But it is not proposed to liquidate somebody by a
price that no source confirms (a cap that is out of date, a feed that was set up wrongly), nor on a
chain whose sequencer is down or only just back: its owners could not have acted. What a price on
HOLD keeps off the order at Aave, in the core, it keeps off here at venues with a rule of their own.
"""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Final

from xmargin.engine.columns import AAVE_BASE_DECIMALS
from xmargin.model import (
    AaveV3Account,
    AaveV3Reserve,
    AccountId,
    Condition,
    JudgedPrice,
    VenueId,
    Verdict,
    chain_of,
    venue_of,
)
from xmargin.model.standings import VenueStanding
from xmargin.snapshot import Snapshot

_BPS: Final = 10_000


class VenueDoubts:
    """What of a snapshot's venues is in doubt: reserves by their price, and suspended chains."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._reserves = _doubtful(snapshot) if snapshot.registry.venue_price_bps_max else {}
        self._base_of = {token.id: token.price for token in snapshot.registry.tokens}
        self._held = {p.base for p in snapshot.prices.values() if p.verdict is Verdict.HOLD}
        self._suspended = frozenset(
            chain.chain for chain in snapshot.chains if chain.condition is Condition.SUSPENDED
        )

    @property
    def flags(self) -> tuple[str, ...]:
        """One a reserve, by venue and reserve."""
        return tuple(self._reserves[key] for key in sorted(self._reserves))

    def has_standing(self, account: AccountId, standing: VenueStanding) -> bool:
        """The same of a venue with a rule of its own: by its chain, and by prices on HOLD."""
        if chain_of(account) in self._suspended:
            return True
        bases = (self._base_of.get(leg.token) for leg in standing.legs if leg.amount)
        return any(base in self._held for base in bases)

    def has(self, account: AccountId) -> bool:
        """Whether an account's chain is suspended, or its venue prices some of it doubtfully."""
        if chain_of(account) in self._suspended:
            return True
        if not self._reserves:
            return False
        fact = self._snapshot.facts["aave-v3-account"].get(("aave-v3-account", account))
        if not isinstance(fact, AaveV3Account):
            return False
        venue = venue_of(account)
        return any(
            (venue, position.reserve_id) in self._reserves
            for position in fact.positions
            if position.supply_scaled
            or position.variable_debt_scaled
            or position.stable_debt_principal
        )


def _doubtful(snapshot: Snapshot) -> dict[tuple[VenueId, int], str]:
    bound_bps = snapshot.registry.venue_price_bps_max
    base_of = {token.id: token.price for token in snapshot.registry.tokens}
    found = {}
    for fact in snapshot.facts["aave-v3-reserve"].values():
        if not isinstance(fact, AaveV3Reserve) or fact.token not in base_of:
            continue
        apart_bps = _apart_bps(fact, snapshot.prices, base_of[fact.token])
        if apart_bps > bound_bps:
            found[fact.venue, fact.reserve_id] = (
                f"{fact.venue} prices {base_of[fact.token]} {apart_bps:,} bps outside the judged "
                f"range; the bound is {bound_bps:,} bps: nobody with it is proposed for liquidation"
            )
    return found


def _apart_bps(fact: AaveV3Reserve, prices: Mapping[str, JudgedPrice], base: str) -> int:
    """How far the venue's price lies outside the judged range, rounded up; zero without one."""
    judged = prices.get(base)
    if judged is None or judged.verdict is Verdict.REFUSE or not fact.price_base:
        return 0
    return bps_outside(judged, Fraction(fact.price_base, 10**AAVE_BASE_DECIMALS))


def bps_outside(judged: JudgedPrice, price: Fraction) -> int:
    """How far a price lies outside a judged range, rounded up; zero inside."""
    return max(0, _bps_below(judged.low, price), _bps_above(judged.high, price))


def _bps_below(low: Decimal, price: Fraction) -> int:
    return -int((price / Fraction(low) - 1) * _BPS // 1)


def _bps_above(high: Decimal, price: Fraction) -> int:
    return -int((1 - price / Fraction(high)) * _BPS // 1)
