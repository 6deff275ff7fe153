"""The venue's own status of accounts at venues with a rule of their own, from view to view.

They are few beside those that the index of lending accounts follows, and each is evaluated whenever
what it rests on moves, so their changes are found by comparing.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from xmargin.engine.lending_order import VenueStatus
from xmargin.engine.standings import Standings
from xmargin.engine.venue_watch import Moved, StatusChange
from xmargin.model import AccountId
from xmargin.model.standings import VenueStanding

_SOMETHING: Final = Moved(prices=(), interest=(), is_told=True)


class StandingWatch:
    """Follows standings. Not for several threads at once."""

    def __init__(self) -> None:
        """Nothing is watched yet."""
        self._standings: Standings = MappingProxyType({})

    def advance(self, standings: Standings) -> list[StatusChange]:
        """Go on to ``standings``, whatever came between: all that changed, by account."""
        before, self._standings = self._standings, standings
        if standings is before:
            return []
        return [
            _change(account, before.get(account), standings.get(account))
            for account in sorted(before.keys() | standings.keys())
            if _status_in(before, account) != _status_in(standings, account)
        ]


def _status_in(standings: Mapping[AccountId, VenueStanding], account: AccountId) -> object:
    standing = standings.get(account)
    return None if standing is None else _status(standing)


def _change(
    account: AccountId, before: VenueStanding | None, after: VenueStanding | None
) -> StatusChange:
    return StatusChange(
        account=account,
        before=None if before is None else _status(before),
        after=None if after is None else _status(after),
        health_factor_wad=None if after is None else after.health_factor_wad,
        moved=_SOMETHING,
    )


def _status(standing: VenueStanding) -> VenueStatus:
    if standing.fault:
        return VenueStatus.UNREAD
    return VenueStatus.LIQUIDATABLE if standing.is_liquidatable else VenueStatus.SAFE
