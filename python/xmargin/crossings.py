"""Crossings: every change of status from view to view, in order, none left out.

A watcher of health may skip views; who was liquidatable in between must still be told. Venue
accounts are found by the venues' exact index, without looking at the others; portfolios by their
statuses in both views, since no index covers all of the unified model.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import fields
from decimal import Decimal
from functools import cached_property
from itertools import islice
from operator import attrgetter
from typing import NamedTuple

from xmargin.engine.components import factor_of
from xmargin.engine.lending_order import VenueStatus
from xmargin.engine.venue_watch import Moved, StatusChange
from xmargin.model import (
    AccountId,
    ChainId,
    Crossing,
    HealthStatus,
    JudgedPrice,
    LiquidationKind,
    PortfolioId,
    Verdict,
    chain_of,
)
from xmargin.view import View

HELD_MAX = 100_000
"""So many crossings are held for watchers who fall behind."""

_BUT_NUMBER = attrgetter(*(field.name for field in fields(Crossing) if field.name != "number"))

_CALM = frozenset({HealthStatus.HEALTHY, HealthStatus.NO_DEBT})


class AccountChange(NamedTuple):
    """A venue account's status, and the one before where there was one."""

    account: AccountId
    before: HealthStatus | None
    after: HealthStatus
    health_factor_wad: int | None


class CrossingLog:
    """The newest crossings by number, and the view that they lead to."""

    def __init__(self, held_max: int = HELD_MAX) -> None:
        self._held: deque[Crossing] = deque(maxlen=held_max)
        self._view: View | None = None
        self.newest = 0

    def follow(self, view: View, changes: Sequence[StatusChange]) -> None:
        """Take the next view, and all that changed at venues since the one before."""
        if self._view is not None:
            for crossing in crossings(self._view, view, changes):
                self.newest += 1
                self._held.append(Crossing(self.newest, *_BUT_NUMBER(crossing)))
        self._view = view

    def after(self, number: int) -> tuple[Crossing, ...] | None:
        """What came after ``number``; ``None`` when part of it is no longer held."""
        missed = self.newest - number
        if missed > len(self._held):
            return None
        return tuple(islice(reversed(self._held), missed))[::-1]


def at_risk(view: View) -> tuple[Crossing, ...]:
    """Everyone who is neither healthy nor without debt, unnumbered, portfolio by portfolio."""
    cause = "as it stood when the watch began"
    portfolios = (
        _portfolio_crossing(view, portfolio, None, status, cause)
        for portfolio, status in zip(view.portfolio_ids, view.statuses, strict=True)
    )
    accounts = (
        _account_crossing(
            view,
            portfolio,
            AccountChange(health.account, None, health.status, health.health_factor_wad),
            cause,
        )
        for portfolio, health in view.venue_accounts()
    )
    found = (one for one in (*portfolios, *accounts) if one.after not in _CALM)
    return tuple(sorted(found, key=_subject))


def crossings(before: View, after: View, changes: Sequence[StatusChange]) -> list[Crossing]:
    """Whose status differs between two views, portfolio by portfolio, its accounts after it."""
    causes = _Causes(before, after)
    found = [
        *_of_portfolios(before, after, causes),
        *_of_accounts(before, after, changes, causes),
        *_of_debts(before, after, changes, causes),
        *_of_moved_accounts(before, after),
    ]
    # Stable: what changed twice stays in its order.
    return sorted(found, key=_subject)


def _subject(crossing: Crossing) -> tuple[PortfolioId, AccountId]:
    return crossing.portfolio, crossing.account


def _of_portfolios(before: View, after: View, causes: "_Causes") -> Iterator[Crossing]:
    if after.has_statuses_of(before):
        return
    earlier = dict(zip(before.portfolio_ids, before.statuses, strict=True))
    for portfolio, status in zip(after.portfolio_ids, after.statuses, strict=True):
        was = earlier.get(portfolio)
        if was is not status:
            yield _portfolio_crossing(after, portfolio, was, status, causes.of(portfolio))


def _of_accounts(
    before: View, after: View, changes: Sequence[StatusChange], causes: "_Causes"
) -> Iterator[Crossing]:
    for change in changes:
        if change.after is None or not after.has_account(change.account):
            continue  # no longer watched: there is nobody to tell of
        portfolio = after.portfolio_of(change.account)
        if _has_moved(before, after, change.account):
            continue  # told as one that did
        told = AccountChange(
            change.account,
            None if change.before is None else _status(change.before, change.account, before),
            _status(change.after, change.account, after),
            change.health_factor_wad,
        )
        # A venue can refuse an account for one reason and then for another.
        if told.before is not told.after:
            cause = causes.of_account(portfolio, change.account, change.moved)
            yield _account_crossing(after, portfolio, told, cause)


_STATUS = {
    VenueStatus.SAFE: HealthStatus.HEALTHY,
    VenueStatus.LIQUIDATABLE: HealthStatus.LIQUIDATABLE,
    VenueStatus.REVERTS: HealthStatus.REFUSED,
    VenueStatus.UNREAD: HealthStatus.REFUSED,
}


def _status(status: VenueStatus, account: AccountId, view: View) -> HealthStatus:
    is_safe = status is VenueStatus.SAFE
    return HealthStatus.NO_DEBT if is_safe and account in view.owing_nothing else _STATUS[status]


def _of_debts(
    before: View, after: View, changes: Sequence[StatusChange], causes: "_Causes"
) -> Iterator[Crossing]:
    """Accounts that their venue calls safe before and after, and that begin or cease to owe."""
    if after.has_statuses_of(before):
        return
    told = {change.account for change in changes}
    for account in before.owing_nothing ^ after.owing_nothing:
        stays = before.has_account(account) and after.has_account(account)
        if account in told or not stays or _has_moved(before, after, account):
            continue
        was, now = (_status(VenueStatus.SAFE, account, view) for view in (before, after))
        portfolio, wad = after.portfolio_of(account), after.venue_health_factors_wad[account]
        change = AccountChange(account, was, now, wad)
        cause = causes.of_account(portfolio, account, None)
        yield _account_crossing(after, portfolio, change, cause)


def _has_moved(before: View, after: View, account: AccountId) -> bool:
    return before.has_account(account) and before.portfolio_of(account) != after.portfolio_of(
        account
    )


def _of_moved_accounts(before: View, after: View) -> Iterator[Crossing]:
    """Accounts that come from another portfolio: whoever watches this one has not heard of them."""
    for portfolio, health in after.moved_accounts(before):
        change = AccountChange(health.account, None, health.status, health.health_factor_wad)
        yield _account_crossing(after, portfolio, change, "it is of this portfolio from now on")


def _portfolio_crossing(
    view: View, portfolio: PortfolioId, was: HealthStatus | None, now: HealthStatus, cause: str
) -> Crossing:
    return Crossing(
        number=0,
        kind=LiquidationKind.PORTFOLIO,
        portfolio=portfolio,
        account="",
        before=was,
        after=now,
        health_factor=view.health_factor(portfolio),
        cause=cause,
        tape_sequence=view.metadata.tape_sequence,
        now_ms=view.metadata.now_ms,
    )


def _account_crossing(
    view: View, portfolio: PortfolioId, change: AccountChange, cause: str
) -> Crossing:
    return Crossing(
        number=0,
        kind=LiquidationKind.VENUE_ACCOUNT,
        portfolio=portfolio,
        account=change.account,
        before=change.before,
        after=change.after,
        health_factor=factor_of(change.health_factor_wad),
        cause=cause,
        tape_sequence=view.metadata.tape_sequence,
        now_ms=view.metadata.now_ms,
    )


# --- Causes --------------------------------------------------------------------------------------


_NEW = "it is watched from now on"


def _joined(moved: Sequence[str]) -> str:
    return "; ".join(moved) or "its positions, interest or what could be read of it"


class _Causes:
    """What moved between two views, looked for once: a fall takes thousands across at a time."""

    def __init__(self, before: View, after: View) -> None:
        self._before, self._after = before, after

    def of(self, portfolio: PortfolioId) -> str:
        """Of a portfolio: its chains and the guarded prices of its positions."""
        if not self._before.has(portfolio):
            return _NEW
        chains = self._after.chains_of(portfolio) if self._chains else ()
        bases = self._after.bases_of(portfolio) if self._prices else ()
        return _joined(
            [
                *(text for chain, text in self._chains.items() if chain in chains),
                *(text for base, text in self._prices.items() if base in bases),
            ]
        )

    def of_account(self, portfolio: PortfolioId, account: AccountId, moved: Moved | None) -> str:
        """Of a venue account: its own chain, and what moved at its venue."""
        if not self._before.has(portfolio):
            return _NEW
        chain = self._chains.get(chain_of(account))
        return _joined([*([chain] if chain else []), *self._at_venue(moved)])

    def _at_venue(self, moved: Moved | None) -> Iterator[str]:
        """The venue's own prices, with ours of the same; what else only where no price moved."""
        if moved is None:
            return
        if moved.prices:
            tokens = moved.prices
            yield f"venue price of {', '.join(map(self._after.symbol_of, tokens))}"
            bases = {self._after.base_of(token) for token in tokens}
            yield from (text for base, text in self._prices.items() if base in bases)
        elif moved.is_told:
            yield "its positions or the venue's settings"
        elif moved.interest:
            yield "interest"

    @cached_property
    def _chains(self) -> dict[ChainId, str]:
        earlier = {chain.chain: chain.condition for chain in self._before.metadata.as_of}
        return {
            chain.chain: f"chain {chain.name} is {chain.condition}"
            for chain in self._after.metadata.as_of
            if earlier.get(chain.chain) is not chain.condition
        }

    @cached_property
    def _prices(self) -> dict[str, str]:
        earlier = {price.base: price for price in self._before.metadata.prices}
        return {
            price.base: f"{price.base} {_shown(was)} -> {_shown(price)}"
            for price in self._after.metadata.prices
            if (was := earlier.get(price.base)) is not None and _worth(was) != _worth(price)
        }


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
