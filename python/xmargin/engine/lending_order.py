"""Which lending accounts a price or interest makes liquidatable at their venue, and where exactly.

The venue's own integers (Aave v3): ``docs/health-index.md``, *Lending*.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from xmargin.engine.aave_v3_facts import FIRST_RELEASE
from xmargin.engine.numbers import typed_faults

if TYPE_CHECKING:
    import pyarrow as pa

_BYTES = 32


class VenueStatus(StrEnum):
    """What the venue makes of an account."""

    SAFE = "safe"
    """Its health factor is at least one, or it owes nothing."""
    LIQUIDATABLE = "liquidatable"
    """Its health factor is below one."""
    REVERTS = "reverts"
    """The contract cannot compute it."""
    UNREAD = "unread"
    """Nobody knows: its facts, or parts of its venue, were not read. The order holds none such."""


@dataclass(frozen=True, slots=True)
class LendingPosition:
    """One reserve of an account: amounts in token units, ratios in basis points.

    ``price`` is the number of the price that the venue values it at, each ``*_index`` that of the
    level (in ray) that the amount is scaled by; an amount without one is the balance. ``debt`` is
    variable debt; the index of stable debt is its own growth since. A balance is ``None`` where
    computing it reverts.
    """

    price: int
    supply: int | None
    debt: int | None
    as_collateral: bool
    borrowing: bool
    ltv_bps: int
    liquidation_threshold_bps: int
    decimals: int
    emode: int = 0
    supply_index: int | None = None
    debt_index: int | None = None
    stable_debt: int | None = 0
    stable_debt_index: int | None = None


@dataclass(frozen=True, slots=True)
class LendingAccount:
    """What an account has, its eMode category (0 for none) with ratios, and whose rules hold."""

    positions: tuple[LendingPosition, ...]
    emode: int = 0
    emode_ltv_bps: int = 0
    emode_liquidation_threshold_bps: int = 0
    release: str = FIRST_RELEASE


@dataclass(frozen=True, slots=True)
class VenueHealth:
    """What the venue says of an account; the health factor is a wad, ``None`` without debt."""

    status: VenueStatus
    health_factor_wad: int | None


@dataclass(frozen=True, slots=True)
class VenueCrossing:
    """An account whose status a level has changed."""

    id: int
    before: VenueStatus
    after: VenueHealth


@dataclass(frozen=True, slots=True)
class Change:
    """Where a status changes first: from ``low`` to ``high``, one price unless roundings are many.

    Then no price nearer than the range changes it, and it was not searched further.
    """

    low: int
    high: int

    @property
    def is_exact(self) -> bool:
        """Whether it is at this very price."""
        return self.low == self.high


class LendingOrder:
    """Lending accounts at levels: prices in the venue's base units, indices in ray.

    A level is ``None`` where the contract reverts when it computes it.
    """

    def __init__(self, levels: Sequence[int | None] = ()) -> None:
        """No accounts, at these levels.

        Raises:
            EngineError: a level is negative, or 2^256 or more.
        """
        from xmargin import _core

        self._order = _core.LendingOrder([_level(level) for level in levels])

    def extend(self, levels: Sequence[int | None]) -> int:
        """Add levels; the number of the first.

        Raises:
            EngineError: a level is negative, or 2^256 or more; nothing has changed.
        """
        return self._order.extend([_level(level) for level in levels])

    def set(self, accounts: Mapping[int, LendingAccount]) -> list[VenueHealth]:
        """Add accounts by id, or tell them anew; what the venue says of each, in their order.

        Raises:
            EngineError: a number is out of range or a level is not there; nothing has changed.
        """
        from xmargin.errors import EngineError

        try:
            tables = _account_table(accounts), _position_table(accounts.values())
        except (ValueError, OverflowError) as fault:
            raise EngineError(f"accounts: a number is out of its column's range: {fault}") from None
        return [_health(*found) for found in self._order.set(*tables)]

    def remove(self, account_id: int) -> bool:
        """Take an account out; whether it was there."""
        return self._order.remove(account_id)

    def tick(self, levels: Mapping[int, int | None]) -> tuple[list[VenueCrossing], int]:
        """Move levels, by number: exactly who changes, by id, and how many were evaluated.

        Raises:
            EngineError: a level is not there or out of range; nothing has changed.
        """
        moved = [_level(level) for level in levels.values()]
        with typed_faults("levels"):
            crossed, reevaluated = self._order.tick(list(levels), moved)
        return [
            VenueCrossing(account_id, VenueStatus(before), _health(*after))
            for account_id, before, after in crossed
        ], reevaluated

    def status(self, account_id: int) -> VenueStatus | None:
        """The account's status, if it is there."""
        status = self._order.status(account_id)
        return None if status is None else VenueStatus(status)

    def health(self, account_id: int) -> VenueHealth | None:
        """What the venue says of the account now, if it is there."""
        found = self._order.health(account_id)
        return None if found is None else _health(*found)

    def changes(self, account_id: int, price: int) -> tuple[Change | None, Change | None]:
        """Where below and above the price of this number the status is another one.

        All other levels as they are; ``None``: nowhere down to zero, or up to 2^20 times it.

        Raises:
            EngineError: there is no such account or level.
        """
        with typed_faults("accounts"):
            below, above = self._order.changes(account_id, price)
        return _change(below[1]), _change(above[1])

    def audit(self) -> list[int]:
        """Ids whose status is not what the contract's arithmetic says: none."""
        return self._order.audit()


def _health(status: str, health_factor: bytes | None) -> VenueHealth:
    wad = None if health_factor is None else int.from_bytes(health_factor)
    return VenueHealth(VenueStatus(status), wad)


def _change(ends: tuple[bytes, bytes] | None) -> Change | None:
    return None if ends is None else Change(*map(int.from_bytes, ends))


def _level(level: int | None) -> bytes | None:
    return None if level is None else _bytes(level, "levels")


def _bytes(value: int, what: str) -> bytes:
    from xmargin.errors import EngineError

    if not 0 <= value < 1 << 8 * _BYTES:
        raise EngineError(f"{what}: {value} is not an unsigned 256-bit integer")
    return value.to_bytes(_BYTES)


def _account_table(accounts: Mapping[int, LendingAccount]) -> "pa.RecordBatch":
    import pyarrow as pa

    ends, held = [], 0
    for account in accounts.values():
        held += len(account.positions)
        ends.append(held)
    told = accounts.values()
    thresholds = [one.emode_liquidation_threshold_bps for one in told]
    return pa.record_batch(
        {
            "id": pa.array(accounts, pa.uint64()),
            "positions_end": pa.array(ends, pa.uint64()),
            "release": pa.array([one.release for one in told], pa.utf8()),
            "emode": pa.array([one.emode for one in told], pa.uint8()),
            "emode_ltv_bps": pa.array([one.emode_ltv_bps for one in told], pa.uint16()),
            "emode_liquidation_threshold_bps": pa.array(thresholds, pa.uint16()),
        }
    )


def _position_table(accounts: Iterable[LendingAccount]) -> "pa.RecordBatch":
    import pyarrow as pa

    rows = [position for account in accounts for position in account.positions]

    def balances(amounts: Iterable[int | None]) -> "pa.Array":
        cells = [None if amount is None else _bytes(amount, "balance") for amount in amounts]
        return pa.array(cells, pa.binary(_BYTES))

    def indices(numbers: Iterable[int | None]) -> "pa.Array":
        return pa.array(numbers, pa.uint32())

    thresholds = [row.liquidation_threshold_bps for row in rows]
    return pa.record_batch(
        {
            "price": pa.array([row.price for row in rows], pa.uint32()),
            "supply": balances(row.supply for row in rows),
            "supply_index": indices(row.supply_index for row in rows),
            "debt": balances(row.debt for row in rows),
            "debt_index": indices(row.debt_index for row in rows),
            "stable_debt": balances(row.stable_debt for row in rows),
            "stable_debt_index": indices(row.stable_debt_index for row in rows),
            "as_collateral": pa.array([row.as_collateral for row in rows], pa.bool_()),
            "borrowing": pa.array([row.borrowing for row in rows], pa.bool_()),
            "ltv_bps": pa.array([row.ltv_bps for row in rows], pa.uint16()),
            "liquidation_threshold_bps": pa.array(thresholds, pa.uint16()),
            "emode": pa.array([row.emode for row in rows], pa.uint8()),
            "decimals": pa.array([row.decimals for row in rows], pa.uint8()),
        }
    )
