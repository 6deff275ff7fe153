"""The one checker of all incidents: what of a step's view is unsafe.

Three things are unsafe whatever a file expects, by the engine's own measure at the true prices
(:mod:`truth`): somebody may borrow more than the truth allows, somebody is to be liquidated who is
not due, somebody is called sound who is short. The rest is what the file names.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from xmargin.incidents.document import Expected
from xmargin.incidents.truth import TrueBook, due_at
from xmargin.model import Crossing, HealthStatus, PortfolioHealth, Verdict
from xmargin.view import View

EXCESS_TOLERANCE_USD: Final = Decimal("0.01")
"""Money is served in floats: a book of 10^12 USD is exact to 10^-4."""

_SOUND: Final = frozenset({HealthStatus.HEALTHY, HealthStatus.NO_DEBT})


class Wrong(StrEnum):
    """What kind of unsafe."""

    OVERVALUED = "overvalued"  # more may be borrowed than the truth allows
    WRONGLY_LIQUIDATED = "wrongly liquidated"  # due, though not at any true price
    CALLED_SOUND = "called sound"  # and short at every true price
    LIQUIDATED_IN_DOUBT = "liquidated in doubt"  # due, though a price of it is on HOLD
    UNEXPECTED = "unexpected"  # other than the file allows


@dataclass(frozen=True, slots=True)
class Unsafe:
    """One thing that is wrong with a step's view; ``subject`` is a base, a chain or whose it is."""

    wrong: Wrong
    subject: str
    said: str


def unsafe_in(
    view: View, expected: Expected, book: TrueBook, crossed: Sequence[Crossing]
) -> tuple[Unsafe, ...]:
    """All that is unsafe in a view; nothing when it is as it should be."""
    return (
        *_against_truth(view, book),
        *_liquidated_in_doubt(view),
        *_against_file(view, expected, crossed),
    )


# --- Whatever a file expects ----------------------------------------------------------------------


def _against_truth(view: View, book: TrueBook) -> Iterator[Unsafe]:
    for portfolio in view.portfolio_ids:
        health, standing = view.health(portfolio), book.portfolios[portfolio]
        best = standing.initial_excess_best
        served = health.initial_excess
        if served is not None and served > (best or 0) + EXCESS_TOLERANCE_USD and served > 0:
            said = f"{served:,.2f} USD may be borrowed; at the true prices {best or 0:,.2f}"
            yield Unsafe(Wrong.OVERVALUED, portfolio, said)
        if standing.always_short and health.status in _SOUND:
            said = f"is {health.status}, and short of maintenance margin at the true prices"
            yield Unsafe(Wrong.CALLED_SOUND, portfolio, said)
    for due in due_at(view):
        if due not in book.liquidatable:
            said = "is to be liquidated, and would not be at any true price"
            yield Unsafe(Wrong.WRONGLY_LIQUIDATED, due, said)


def _liquidated_in_doubt(view: View) -> Iterator[Unsafe]:
    held = {p.base for p in view.metadata.prices if p.verdict is Verdict.HOLD}
    for entry in view.liquidations():
        in_doubt = held.intersection(_bases(view, view.health(entry.portfolio), entry.account))
        if in_doubt:
            said = f"is to be liquidated while {', '.join(sorted(in_doubt))} is on HOLD"
            yield Unsafe(Wrong.LIQUIDATED_IN_DOUBT, entry.account or entry.portfolio, said)


def _bases(view: View, health: PortfolioHealth, account: str) -> set[str]:
    """The bases of an account's positions; of the whole portfolio's, where none is named."""
    return {view.base_of(p.token) for p in health.positions if account in ("", p.account)}


# --- What the file names --------------------------------------------------------------------------


def _against_file(view: View, expected: Expected, crossed: Sequence[Crossing]) -> Iterator[Unsafe]:
    yield from _prices(view, expected)
    yield from _statuses(view, expected)
    order = due_at(view)
    if order != expected.order:
        said = f"{list(order)}; expected {list(expected.order)}"
        yield Unsafe(Wrong.UNEXPECTED, "the liquidation order", said)
    planned = tuple(
        entry.account or entry.portfolio
        for entry in view.liquidations()
        if entry.rank_reason is not None and entry.rank_reason.batch is not None
    )
    if expected.planned is not None and planned != expected.planned:
        said = f"{list(planned)}; expected {list(expected.planned)}"
        yield Unsafe(Wrong.UNEXPECTED, "what is planned to be liquidated", said)
    conditions = {chain.chain: chain.condition for chain in view.metadata.as_of}
    for chain, allowed in expected.chains.items():
        if conditions.get(chain) not in allowed:
            said = f"is {conditions.get(chain)}; allowed: {', '.join(allowed)}"
            yield Unsafe(Wrong.UNEXPECTED, chain, said)
    told = {f"{one.account or one.portfolio} {one.after}" for one in crossed}
    for crossing in expected.crossings:
        if crossing not in told:
            yield Unsafe(Wrong.UNEXPECTED, crossing, f"was not told; told: {sorted(told)}")
    for flag in expected.flags:
        if not any(flag in one for one in view.metadata.flags):
            yield Unsafe(Wrong.UNEXPECTED, flag, f"no flag says so: {list(view.metadata.flags)}")


def _prices(view: View, expected: Expected) -> Iterator[Unsafe]:
    prices = {price.base: price for price in view.metadata.prices}
    for base, allowed in expected.prices.items():
        verdict = prices[base].verdict if base in prices else "not there"
        if verdict not in allowed:
            yield Unsafe(Wrong.UNEXPECTED, base, f"is {verdict}; allowed: {', '.join(allowed)}")
    for base, (low, high) in expected.ranges.items():
        price = prices.get(base)
        if price is None or not (price.low <= low and high <= price.high):
            served = "not there" if price is None else f"[{price.low}, {price.high}]"
            yield Unsafe(Wrong.UNEXPECTED, base, f"is {served}, without [{low}, {high}]")


def _statuses(view: View, expected: Expected) -> Iterator[Unsafe]:
    accounts = {health.account: health for _, health in view.venue_accounts()}
    for one, allowed in expected.statuses.items():
        if view.has(one):
            status: str = view.health(one).status
        else:
            status = accounts[one].status if one in accounts else "not there"
        if status not in allowed:
            yield Unsafe(Wrong.UNEXPECTED, one, f"is {status}; allowed: {', '.join(allowed)}")
    for portfolio, most in expected.excess_max.items():
        served = view.health(portfolio).initial_excess if view.has(portfolio) else None
        if served is not None and served > most:
            said = f"{served:,.2f} USD may be borrowed; at most {most:,.2f} is safe"
            yield Unsafe(Wrong.OVERVALUED, portfolio, said)
