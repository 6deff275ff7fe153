"""Crossings: every change of status from view to view, in order, none left out.

A watcher of health may skip views; who was liquidatable in between must still be told.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from xmargin.model import (
    Crossing,
    HealthStatus,
    JudgedPrice,
    LiquidationKind,
    PortfolioId,
    Verdict,
)
from xmargin.view import Subject, View

HELD_MAX = 100_000
"""So many crossings are held for watchers who fall behind."""

_CALM = frozenset({HealthStatus.HEALTHY, HealthStatus.NO_DEBT})


class CrossingLog:
    """The newest crossings by number, and the view that they lead to."""

    def __init__(self, held_max: int = HELD_MAX) -> None:
        self._held: deque[Crossing] = deque(maxlen=held_max)
        self._view: View | None = None
        self.newest = 0

    def follow(self, view: View) -> None:
        """Take the next view. It must be given every one: what is between two is not seen."""
        if self._view is not None:
            for crossing in crossings(self._view, view):
                self.newest += 1
                self._held.append(replace(crossing, number=self.newest))
        self._view = view

    def after(self, number: int) -> tuple[Crossing, ...] | None:
        """What came after ``number``; ``None`` when part of it is no longer held."""
        missed = self.newest - number
        if missed > len(self._held):
            return None
        return tuple(self._held[row] for row in range(len(self._held) - missed, len(self._held)))


def at_risk(view: View) -> tuple[Crossing, ...]:
    """Everyone who is neither healthy nor without debt, unnumbered, portfolio by portfolio."""
    subjects = sorted(one for one, status in view.statuses.items() if status not in _CALM)
    cause = "as it stood when the watch began"
    return tuple(_crossing(view, subject, None, cause) for subject in subjects)


def crossings(before: View, after: View) -> Iterator[Crossing]:
    """Whose status differs between two views, portfolio by portfolio, its accounts after it."""
    if after.has_statuses_of(before):
        return
    earlier, now = before.statuses, after.statuses
    for subject in sorted(one for one, status in now.items() if earlier.get(one) is not status):
        yield _crossing(after, subject, earlier.get(subject), _cause(before, after, subject))


def _crossing(view: View, subject: Subject, was: HealthStatus | None, cause: str) -> Crossing:
    portfolio, account = subject
    return Crossing(
        number=0,
        kind=LiquidationKind.VENUE_ACCOUNT if account else LiquidationKind.PORTFOLIO,
        portfolio=portfolio,
        account=account,
        before=was,
        after=view.statuses[subject],
        health_factor=view.health_factor(subject),
        cause=cause,
        tape_sequence=view.metadata.tape_sequence,
        now_ms=view.metadata.now_ms,
    )


def _cause(before: View, after: View, subject: Subject) -> str:
    """What moved between the views, of all that this status rests on."""
    portfolio, account = subject
    if not before.has(portfolio):
        return "it is watched from now on"
    moved = [*_moved_chains(before, after, portfolio), *_moved_prices(before, after, portfolio)]
    if account:
        moved = moved or ["the venue's own prices, interest or positions"]
    return "; ".join(moved) or "its positions, interest or what could be read of it"


def _moved_chains(before: View, after: View, portfolio: PortfolioId) -> Iterator[str]:
    chains = after.chains_of(portfolio)
    earlier = {chain.chain: chain.condition for chain in before.metadata.as_of}
    for chain in after.metadata.as_of:
        if chain.chain in chains and earlier.get(chain.chain) is not chain.condition:
            yield f"chain {chain.name} is {chain.condition}"


def _moved_prices(before: View, after: View, portfolio: PortfolioId) -> Iterator[str]:
    earlier = {price.base: price for price in before.metadata.prices}
    bases = after.bases_of(portfolio)
    for price in after.metadata.prices:
        was = earlier.get(price.base)
        if price.base in bases and was is not None and _worth(was) != _worth(price):
            yield f"{price.base} {_shown(was)} -> {_shown(price)}"


def _worth(price: JudgedPrice) -> tuple[object, ...]:
    return price.verdict, price.mark, price.low, price.high


def _shown(price: JudgedPrice) -> str:
    """The mark, with its range and verdict where they are not the plain ones."""
    if price.verdict is Verdict.REFUSE:
        return str(price.verdict)
    text = _digits(price.mark)
    if price.low != price.high:
        text += f" [{_digits(price.low)}, {_digits(price.high)}]"
    return text if price.verdict is Verdict.OK else f"{text} {price.verdict}"


def _digits(price: Decimal) -> str:
    """Seven digits: what a person compares."""
    return f"{price:.7g}"
