"""What moves the accounts of a venue with each block: its prices and grown indices, by key."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from xmargin.engine.aave_v3_facts import (
    bits,
    decimals_of,
    is_in_emode,
    is_known,
    own_category,
    release_of,
    uses,
    venue_releases,
)
from xmargin.engine.columns import u256
from xmargin.model import (
    AaveV3Account,
    AaveV3EMode,
    AaveV3Position,
    AaveV3Reserve,
    AccountId,
    ChainId,
    TokenId,
    VenueId,
    chain_of,
    venue_of,
)
from xmargin.snapshot import Snapshot

if TYPE_CHECKING:
    import pyarrow as pa

LevelKey: TypeAlias = tuple[str, ...]
"""Kind of a level, then what it is of."""

Setting: TypeAlias = int | str

VenuePart: TypeAlias = tuple[str, VenueId, int]
"""``reserve`` or ``emode``, the venue, and the venue's number of it."""


class ReserveSettings(NamedTuple):
    """What a status takes of a reserve's configuration, and by which rules."""

    ltv_bps: int
    liquidation_threshold_bps: int
    decimals: int
    emode: int
    release: str

    @classmethod
    def of(cls, reserve: AaveV3Reserve) -> "ReserveSettings":
        """From the reserve's bitmap."""
        word = reserve.configuration
        category, release = own_category(reserve), release_of(reserve)
        ratios = bits(word, 0, 16), bits(word, 16, 16)
        return cls(*ratios, decimals_of(reserve), category, release)


@dataclass(frozen=True, slots=True)
class StableDebt:
    """A debt that grows by its own rate (ray), of one account in one reserve."""

    account: AccountId
    reserve_id: int
    rate: int
    updated_at_s: int


class Venues:
    """The reserves and eMode categories of a snapshot's venues, and their clocks."""

    def __init__(self, snapshot: Snapshot) -> None:
        watched = {venue.id for venue in snapshot.registry.venues}
        self._times_s: dict[ChainId, int] = {
            chain.chain: 0 if chain.block is None else chain.block.time_s
            for chain in snapshot.chains
        }
        self.reserves: dict[tuple[VenueId, int], AaveV3Reserve] = {
            (fact.venue, fact.reserve_id): fact
            for fact in snapshot.facts["aave-v3-reserve"].values()
            if isinstance(fact, AaveV3Reserve) and fact.venue in watched and is_known(fact)
        }
        self.emodes: dict[tuple[VenueId, int], AaveV3EMode] = {
            (fact.venue, fact.category): fact
            for fact in snapshot.facts["aave-v3-emode"].values()
            if isinstance(fact, AaveV3EMode) and fact.venue in watched
        }
        self.reserve_settings: dict[tuple[VenueId, int], ReserveSettings] = {
            at: ReserveSettings.of(fact) for at, fact in self.reserves.items()
        }
        self.releases = venue_releases(self.reserves.values())

    def settings(self) -> dict[VenuePart, tuple[Setting, ...]]:
        """All that a venue's accounts are told by, but its levels: it changes hardly ever."""
        settings: dict[VenuePart, tuple[Setting, ...]] = {
            ("reserve", *at): of_reserve for at, of_reserve in self.reserve_settings.items()
        }
        for at, emode in self.emodes.items():
            has_price = int(emode.price_base != 0)
            ratios = emode.ltv, emode.liquidation_threshold
            settings["emode", *at] = (*ratios, has_price, emode.collateral_bitmap)
        return settings

    def levels(self, stable_debts: Sequence[StableDebt]) -> dict[LevelKey, int | None]:
        """Every level as of its chain's block; ``None`` where the contract would revert.

        Raises:
            OverflowError, ValueError: a fact does not fit its column.
        """
        levels: dict[LevelKey, int | None] = {}
        reserves = list(self.reserves.values())
        for reserve, (supply, debt) in zip(reserves, self._indices(reserves), strict=True):
            levels[reserve_key("price", reserve.venue, reserve.reserve_id)] = reserve.price_base
            levels[reserve_key("supply", reserve.venue, reserve.reserve_id)] = supply
            levels[reserve_key("debt", reserve.venue, reserve.reserve_id)] = debt
        for (venue, category), emode in self.emodes.items():
            levels[reserve_key("emode", venue, category)] = emode.price_base
        growths = self._growths(stable_debts)
        for stable, growth in zip(stable_debts, growths, strict=True):
            levels[reserve_key("stable", stable.account, stable.reserve_id)] = growth
        return levels

    def price_key(self, account: AaveV3Account, venue: VenueId, reserve_id: int) -> LevelKey:
        """The price that counts for an account: its category's own, where there is one."""
        emode = self.emode_of(account, reserve_id)
        if emode is not None and emode.price_base:
            return reserve_key("emode", venue, emode.category)
        return reserve_key("price", venue, reserve_id)

    def emode_of(self, account: AaveV3Account, reserve_id: int) -> AaveV3EMode | None:
        """The account's category, if it holds for the reserve."""
        venue = venue_of(account.account)
        emode = self.emodes[venue, account.emode] if account.emode else None
        return emode if is_in_emode(self.reserves[venue, reserve_id], emode) else None

    def _indices(
        self, reserves: Sequence[AaveV3Reserve]
    ) -> Iterable[tuple[int | None, int | None]]:
        from xmargin import _core

        stored = _table(
            liquidity_index=u256(r.liquidity_index for r in reserves),
            liquidity_rate=u256(r.liquidity_rate for r in reserves),
            variable_borrow_index=u256(r.variable_borrow_index for r in reserves),
            variable_borrow_rate=u256(r.variable_borrow_rate for r in reserves),
            updated_at_s=_seconds(r.updated_at_s for r in reserves),
            now_s=_seconds(self._times_s[chain_of(r.venue)] for r in reserves),
            release=_names(self.releases[r.venue] for r in reserves),
        )
        grown = _core.aave_v3_indices(stored)
        return ((_integer(supply), _integer(debt)) for supply, debt in grown)

    def _growths(self, debts: Sequence[StableDebt]) -> Iterable[int | None]:
        from xmargin import _core

        if not debts:
            return ()
        stored = _table(
            rate=u256(debt.rate for debt in debts),
            updated_at_s=_seconds(debt.updated_at_s for debt in debts),
            now_s=_seconds(self._times_s[chain_of(debt.account)] for debt in debts),
        )
        return map(_integer, _core.aave_v3_stable_growths(stored))


@dataclass(frozen=True, slots=True)
class HeldReserve:
    """A reserve that counts for an account: what it is, and the levels that its value follows."""

    position: AaveV3Position
    token: TokenId
    as_collateral: bool
    borrowing: bool
    settings: ReserveSettings
    emode: int
    """The account's category where it holds for the reserve, else 0."""
    price: LevelKey
    supply: LevelKey
    debt: LevelKey
    stable: LevelKey | None
    """Of a principal that is not nothing."""

    def indices(self) -> tuple[LevelKey, ...]:
        """The indices that its balances grow by."""
        supply = (self.supply,) if self.as_collateral else ()
        if not self.borrowing:
            return supply
        return (*supply, self.debt) if self.stable is None else (*supply, self.debt, self.stable)


def held_reserves(account: AaveV3Account, venues: Venues) -> tuple[HeldReserve, ...]:
    """What an account that was read has."""
    venue = venue_of(account.account)
    held = []
    for position in account.positions:
        number = position.reserve_id
        is_stable = position.stable_debt_principal != 0
        as_collateral, borrowing = uses(account, number)
        emode = venues.emode_of(account, number)
        held.append(
            HeldReserve(
                position=position,
                token=venues.reserves[venue, number].token,
                as_collateral=as_collateral,
                borrowing=borrowing,
                settings=venues.reserve_settings[venue, number],
                emode=0 if emode is None else emode.category,
                price=venues.price_key(account, venue, number),
                supply=reserve_key("supply", venue, number),
                debt=reserve_key("debt", venue, number),
                stable=reserve_key("stable", account.account, number) if is_stable else None,
            )
        )
    return tuple(held)


def stable_debts(account: AaveV3Account) -> tuple[StableDebt, ...]:
    """The debts of an account that grow by rates of their own."""
    return tuple(
        StableDebt(account.account, one.reserve_id, one.stable_rate, one.stable_updated_at_s)
        for one in account.positions
        if one.stable_debt_principal
    )


def reserve_key(kind: str, owner: str, number: int) -> LevelKey:
    """The key of a level of a reserve, a category or a debt."""
    return (kind, owner, f"{number:05d}")


def changed_parts(
    before: Mapping[VenuePart, tuple[Setting, ...]], after: Mapping[VenuePart, tuple[Setting, ...]]
) -> set[VenuePart]:
    """The parts of venues that came, went or have other settings."""
    return {part for part, _ in before.items() ^ after.items()}


def _table(**columns: "pa.Array") -> "pa.RecordBatch":
    import pyarrow as pa

    return pa.record_batch(columns)


def _seconds(times_s: Iterable[int]) -> "pa.Array":
    import pyarrow as pa

    return pa.array(times_s, pa.uint64())


def _names(names: Iterable[str]) -> "pa.Array":
    import pyarrow as pa

    return pa.array(names, pa.utf8())


def _integer(word: bytes | None) -> int | None:
    return None if word is None else int.from_bytes(word)
