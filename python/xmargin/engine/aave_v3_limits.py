"""What an Aave v3 pool lets nobody do, or no more of: paused, frozen, caps, eModes, isolation.

Caps and isolation are those of 3.6 (``ValidationLogic.validateSupply`` and ``validateBorrow``,
``IsolationModeLogic.increaseIsolatedDebtIfIsolated`` of aave-v3-origin 3.6.0); of 3.0 the totals
that they bind are not read. None of it enters a health factor.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from xmargin.engine.aave_v3_facts import (
    FIRST_RELEASE,
    bits,
    decimals_of,
    is_in_emode,
    is_stopped,
    release_of,
    uses,
)
from xmargin.engine.components import scaled
from xmargin.engine.venue_levels import Venues, reserve_key
from xmargin.model import AaveV3Account, AaveV3EMode, AaveV3Reserve, TokenId, venue_of
from xmargin.snapshot import Snapshot

_RAY = 10**27
_CEILING_DECIMALS = 2


@dataclass(frozen=True, slots=True)
class Room:
    """How much more fits, in smallest units: ``None`` where there is no cap."""

    supply: int | None
    borrow: int | None


def room_under_caps(reserve: AaveV3Reserve, supply_index: int, debt_index: int) -> Room:
    """The most that one more supply and one more borrow may be of, at these indices (ray)."""
    unit: int = 10 ** decimals_of(reserve)
    return Room(
        supply=_supply_room(reserve, bits(reserve.configuration, 116, 36) * unit, supply_index),
        borrow=_borrow_room(reserve, bits(reserve.configuration, 80, 36) * unit, debt_index),
    )


def _supply_room(reserve: AaveV3Reserve, cap: int, index: int) -> int | None:
    """⌊(total + treasury + ⌊amount ÷ index⌋) × index⌋ must not pass the cap."""
    if not cap:
        return None
    scaled_max = ((cap + 1) * _RAY - 1) // index
    left = scaled_max - reserve.supply_scaled_total - reserve.treasury_scaled
    return max(0, ((left + 1) * index - 1) // _RAY)


def _borrow_room(reserve: AaveV3Reserve, cap: int, index: int) -> int | None:
    """⌈(total + ⌈amount ÷ index⌉) × index⌉ must not pass the cap."""
    if not cap:
        return None
    left = cap * _RAY // index - reserve.debt_scaled_total
    return max(0, left * index // _RAY)


def isolating_reserve(user: AaveV3Account, venues: Venues) -> AaveV3Reserve | None:
    """The only collateral of an account, where it has a debt ceiling: isolation mode."""
    venue = venue_of(user.account)
    held = [number for (of, number) in venues.reserves if of == venue and uses(user, number)[0]]
    if len(held) != 1:
        return None
    reserve = venues.reserves[venue, held[0]]
    return reserve if debt_ceiling_cents(reserve) else None


def debt_ceiling_cents(reserve: AaveV3Reserve) -> int:
    """How much may be owed in isolation mode against the reserve by all, with two decimals."""
    return bits(reserve.configuration, 212, 40)


class VenueLimits:
    """Notes on the accounts of one snapshot's pools."""

    def __init__(self, snapshot: Snapshot, symbol_of: Callable[[TokenId], str]) -> None:
        """Tokens are named by ``symbol_of``."""
        self._venues = Venues(snapshot)
        self._levels = self._venues.levels(())
        self._symbol_of = symbol_of

    def notes(self, user: AaveV3Account) -> tuple[str, ...]:
        """What an account that was read is forbidden or cannot have more of, reserve by reserve."""
        venue = venue_of(user.account)
        emode = self._venues.emodes.get((venue, user.emode)) if user.emode else None
        said: list[str] = []
        for position in sorted(user.positions, key=lambda one: one.reserve_id):
            reserve = self._venues.reserves.get((venue, position.reserve_id))
            if reserve is not None:
                said += self._of_reserve(user, reserve, emode)
        isolating = isolating_reserve(user, self._venues)
        if isolating is not None:
            said.append(self._isolation(isolating))
        return tuple(said)

    def _of_reserve(
        self, user: AaveV3Account, reserve: AaveV3Reserve, emode: AaveV3EMode | None
    ) -> Iterator[str]:
        symbol = self._symbol_of(reserve.token)
        as_collateral, borrowing = uses(user, reserve.reserve_id)
        yield from standstill(symbol, reserve)
        if as_collateral and lends_nothing(reserve, emode):
            yield f"nothing can be borrowed against {symbol}; it must leave before other collateral"
        if borrowing and not _is_borrowable(reserve, emode):
            yield f"no more {symbol} can be borrowed{_in(emode)}"
        yield from self._caps(symbol, reserve)

    def _caps(self, symbol: str, reserve: AaveV3Reserve) -> Iterator[str]:
        indices = [
            self._levels.get(reserve_key(kind, reserve.venue, reserve.reserve_id))
            for kind in ("supply", "debt")
        ]
        if release_of(reserve) == FIRST_RELEASE or not all(indices):
            return
        room = room_under_caps(reserve, indices[0] or 0, indices[1] or 0)
        if room.supply == 0:
            yield f"the supply cap of {symbol} is reached"
        if room.borrow == 0:
            yield f"the borrow cap of {symbol} is reached"

    def _isolation(self, reserve: AaveV3Reserve) -> str:
        ceiling, owed = debt_ceiling_cents(reserve), reserve.isolated_debt_cents
        amounts = scaled(owed, _CEILING_DECIMALS), scaled(ceiling, _CEILING_DECIMALS)
        state = "; its debt ceiling is reached" if owed >= ceiling else ""
        return (
            f"isolated on {self._symbol_of(reserve.token)}: {amounts[0]} of {amounts[1]} USD are "
            f"owed against it by all{state}"
        )


def standstill(symbol: str, reserve: AaveV3Reserve) -> Iterator[str]:
    """What of a reserve stands still for everybody."""
    if is_stopped(reserve):
        state = "paused" if bits(reserve.configuration, 60, 1) else "not active"
        yield f"{symbol} is {state}: none of it is supplied, withdrawn, owed, repaid or liquidated"
    elif bits(reserve.configuration, 57, 1):
        yield f"{symbol} is frozen: no more of it is supplied or borrowed"
    if reserve.liquidation_grace_until_s:
        until_s = reserve.liquidation_grace_until_s
        yield f"none of {symbol} is liquidated up to {until_s} (Unix seconds)"


def lends_nothing(reserve: AaveV3Reserve, emode: AaveV3EMode | None) -> bool:
    """Whether the loan to value that counts is zero (``getUserReserveLtv``)."""
    if release_of(reserve) == FIRST_RELEASE or emode is None or not is_in_emode(reserve, emode):
        return not bits(reserve.configuration, 0, 16)
    return bool(bits(emode.ltvzero_bitmap, reserve.reserve_id, 1)) or not emode.ltv


def _is_borrowable(reserve: AaveV3Reserve, emode: AaveV3EMode | None) -> bool:
    if emode is None:
        return bool(bits(reserve.configuration, 58, 1))
    if release_of(reserve) == FIRST_RELEASE:
        return is_in_emode(reserve, emode) and bool(bits(reserve.configuration, 58, 1))
    return bool(bits(emode.borrowable_bitmap, reserve.reserve_id, 1))


def _in(emode: AaveV3EMode | None) -> str:
    return "" if emode is None else f" in eMode {emode.category}"
