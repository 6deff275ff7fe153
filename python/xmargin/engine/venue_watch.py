"""The venue's own status of every watched account, kept from snapshot to snapshot.

Prices and indices move with each block; which accounts that takes across is asked of the
:class:`LendingOrder`, which looks at hardly any of them. Accounts are told to it again only when
something else of theirs has changed: ``docs/health-index.md``, *Lending*.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from xmargin.engine.aave_v3_facts import FIRST_RELEASE
from xmargin.engine.columns import AAVE_BASE_DECIMALS, why_unread
from xmargin.engine.components import scaled
from xmargin.engine.lending_order import (
    Change,
    LendingAccount,
    LendingOrder,
    LendingPosition,
    VenueHealth,
    VenueStatus,
)
from xmargin.engine.standings import INDEXED_KINDS
from xmargin.engine.venue_levels import (
    HeldReserve,
    LevelKey,
    Setting,
    StableDebt,
    VenuePart,
    Venues,
    changed_parts,
    held_reserves,
    stable_debts,
)
from xmargin.errors import AccountNotFoundError, EngineError
from xmargin.model import AaveV3Account, AccountId, Registry, TokenId, venue_of
from xmargin.snapshot import Snapshot
from xmargin.world import ChainFact, Key

_KIND = "aave-v3-account"


@dataclass(frozen=True, slots=True)
class Moved:
    """What of an account moved in a step, of that which counts for it; tokens in the pool's order.

    ``prices`` are the tokens whose price at the venue moved, ``interest`` those whose balances
    grew. ``is_told`` when anything else changed: its own balances and flags, the settings of its
    reserves or category, whether it is watched and could be read.
    """

    prices: tuple[TokenId, ...]
    interest: tuple[TokenId, ...]
    is_told: bool


@dataclass(frozen=True, slots=True)
class StatusChange:
    """An account whose status at its venue has changed; a status of ``None``: not watched."""

    account: AccountId
    before: VenueStatus | None
    after: VenueStatus | None
    health_factor_wad: int | None
    moved: Moved


@dataclass(frozen=True, slots=True)
class PriceRange:
    """Where a status changes first, in USD: from ``low`` to ``high``, one price if it is exact."""

    low: Decimal
    high: Decimal

    @property
    def is_exact(self) -> bool:
        """Whether it is at this very price."""
        return self.low == self.high


@dataclass(frozen=True, slots=True)
class LiquidationPrice:
    """The prices nearest to the present one at which an account's status is another one, in USD.

    ``tokens`` are those of the account that the venue values at this price: one, or those of an
    eMode category with a price of its own. All other prices and indices stay. ``None``: nowhere
    down to zero, or up to 2^20 times the price.
    """

    tokens: tuple[TokenId, ...]
    price: Decimal
    below: PriceRange | None
    above: PriceRange | None


class VenueWatch:
    """Follows snapshots. Not for several threads at once."""

    def __init__(self) -> None:
        """Nothing is watched yet."""
        self.reevaluated = 0
        """How many accounts the last step evaluated."""
        self._standing: dict[AccountId, VenueStatus] = {}
        self._start_over()

    def _start_over(self) -> None:
        """Forget all but the statuses that were told."""
        self._order = LendingOrder()
        self._numbers: dict[LevelKey, int] = {}
        self._levels: dict[LevelKey, int | None] = {}
        self._ids: dict[AccountId, int] = {}
        self._accounts: list[AccountId] = []
        self._registry: Registry | None = None
        self._watched: frozenset[AccountId] = frozenset()
        self._facts: Mapping[Key, ChainFact] = {}
        self._settings: dict[VenuePart, tuple[Setting, ...]] = {}
        self._stable_debts: dict[AccountId, tuple[StableDebt, ...]] = {}
        self._venues: Venues | None = None

    @property
    def statuses(self) -> Mapping[AccountId, VenueStatus]:
        """The status of every watched account, as all changes told so far come to."""
        return MappingProxyType(self._standing)

    def advance(self, snapshot: Snapshot) -> list[StatusChange]:
        """Go on to ``snapshot``, whatever came between: all that changed, by account.

        Raises:
            EngineError: a fact does not fit its table. Statuses stay as told; the next step starts
                from the facts anew, and tells what is other than was told.
        """
        is_done = False
        try:
            changes = self._advance(snapshot)
            is_done = True
        except (OverflowError, ValueError) as fault:
            raise EngineError(f"a fact does not fit its table: {fault}") from None
        finally:
            if not is_done:
                self._start_over()
        return changes

    def _advance(self, snapshot: Snapshot) -> list[StatusChange]:
        facts, venues = snapshot.facts[_KIND], Venues(snapshot)
        watched, settings = self._watched_in(snapshot.registry), venues.settings()
        anew = self._anew(watched, facts, changed_parts(self._settings, settings))
        users = _read(anew & watched, facts, venues)
        for account in anew:
            self._stable_debts.pop(account, None)
        for account, user in users.items():
            if debts := stable_debts(user):
                self._stable_debts[account] = debts
        moved = self._move(venues)
        self._registry, self._watched, self._facts = snapshot.registry, watched, facts
        self._settings, self._venues = settings, venues
        return self._changes(anew, users, moved)

    def _watched_in(self, registry: Registry) -> frozenset[AccountId]:
        if registry is self._registry:
            return self._watched
        indexed = {spec.id for spec in registry.venues if spec.kind in INDEXED_KINDS}
        accounts = (account for spec in registry.portfolios for account in spec.accounts)
        return frozenset(account for account in accounts if venue_of(account) in indexed)

    def _anew(
        self,
        watched: frozenset[AccountId],
        facts: Mapping[Key, ChainFact],
        changed: set[VenuePart],
    ) -> set[AccountId]:
        """The accounts of which something changed beside levels, or that come or go."""
        if self._registry is None:
            return set(watched | self._standing.keys())
        anew = set() if watched is self._watched else set(watched ^ self._watched)
        before = self._facts
        if facts is not before:
            keys = facts.keys() | before.keys()
            anew |= {key[1] for key in keys if facts.get(key) is not before.get(key)}
        if changed:
            users = (fact for fact in facts.values() if isinstance(fact, AaveV3Account))
            anew |= {user.account for user in users if not changed.isdisjoint(_parts(user))}
        # Facts may be of accounts that nobody watches.
        return {one for one in anew if one in watched or one in self._standing}

    def _move(self, venues: Venues) -> dict[LevelKey, int]:
        """Take on the snapshot's levels; the number of each that moved."""
        debts = [debt for owned in self._stable_debts.values() for debt in owned]
        levels = venues.levels(debts)
        new = [key for key in levels if key not in self._numbers]
        first = self._order.extend([levels[key] for key in new])
        self._numbers |= {key: first + row for row, key in enumerate(new)}
        known = self._levels
        moved = {
            key: self._numbers[key]
            for key, level in levels.items()
            if key in known and known[key] != level
        }
        self._levels = known | levels
        return moved

    def _changes(
        self,
        anew: set[AccountId],
        users: Mapping[AccountId, AaveV3Account],
        moved: Mapping[LevelKey, int],
    ) -> list[StatusChange]:
        """Tell the order what is new and what moved; what that changed, by account."""
        for account in anew & self._ids.keys():
            self._order.remove(self._ids[account])
        crossings, reevaluated = self._order.tick(
            {number: self._levels[key] for key, number in moved.items()}
        )
        after: dict[AccountId, VenueHealth | None] = dict.fromkeys(anew)
        unread = VenueHealth(VenueStatus.UNREAD, None)
        after |= dict.fromkeys(anew & self._watched, unread)
        after |= self._set(users)
        after |= {self._accounts[crossing.id]: crossing.after for crossing in crossings}
        self.reevaluated = reevaluated + len(users)
        changes = [
            StatusChange(
                account=account,
                before=self._standing.get(account),
                after=None if health is None else health.status,
                health_factor_wad=None if health is None else health.health_factor_wad,
                moved=self._moved(account, moved.keys(), is_told=account in anew),
            )
            for account, health in sorted(after.items(), key=lambda item: item[0])
            if self._standing.get(account) != (None if health is None else health.status)
        ]
        for change in changes:
            if change.after is None:
                del self._standing[change.account]
            else:
                self._standing[change.account] = change.after
        return changes

    def _set(self, users: Mapping[AccountId, AaveV3Account]) -> dict[AccountId, VenueHealth]:
        if not users:
            return {}
        for account in users:
            if account not in self._ids:
                self._ids[account] = len(self._accounts)
                self._accounts.append(account)
        told = {self._ids[account]: self._lending_account(user) for account, user in users.items()}
        return dict(zip(users, self._order.set(told), strict=True))

    def _lending_account(self, user: AaveV3Account) -> LendingAccount:
        venues = self._require_venues()
        held = held_reserves(user, venues)
        positions = tuple(self._lending_position(one) for one in held)
        venue = venue_of(user.account)
        release = venues.releases.get(venue, FIRST_RELEASE)
        if not user.emode:
            return LendingAccount(positions, release=release)
        emode = venues.emodes[venue, user.emode]
        ratios = emode.ltv, emode.liquidation_threshold
        return LendingAccount(positions, user.emode, *ratios, release)

    def _lending_position(self, held: HeldReserve) -> LendingPosition:
        position, settings = held.position, held.settings
        return LendingPosition(
            price=self._numbers[held.price],
            supply=position.supply_scaled,
            debt=position.variable_debt_scaled,
            as_collateral=held.as_collateral,
            borrowing=held.borrowing,
            ltv_bps=settings.ltv_bps,
            liquidation_threshold_bps=settings.liquidation_threshold_bps,
            decimals=settings.decimals,
            emode=held.emode,
            supply_index=self._numbers[held.supply],
            debt_index=self._numbers[held.debt],
            stable_debt=position.stable_debt_principal,
            stable_debt_index=None if held.stable is None else self._numbers[held.stable],
        )

    def _moved(self, account: AccountId, moved: Set[LevelKey], *, is_told: bool) -> Moved:
        counting = self._counting(account) if moved else ()
        return Moved(
            prices=tuple(one.token for one in counting if one.price in moved),
            interest=tuple(one.token for one in counting if not moved.isdisjoint(one.indices())),
            is_told=is_told,
        )

    def _counting(self, account: AccountId) -> tuple[HeldReserve, ...]:
        """The reserves that count for an account, in the pool's order; none of one not read."""
        venues = self._require_venues()
        read = _read(self._watched & {account}, self._facts, venues)
        held = held_reserves(read[account], venues) if read else ()
        counting = (one for one in held if one.as_collateral or one.borrowing)
        return tuple(sorted(counting, key=lambda one: one.position.reserve_id))

    # --- Asking -------------------------------------------------------------------------------

    def health(self, account: AccountId) -> VenueHealth:
        """What the venue says of a watched account as of the last step.

        Raises:
            AccountNotFoundError: no portfolio has the account, or it is a wallet.
        """
        status = self._standing.get(account)
        if status is None:
            raise AccountNotFoundError(
                f"no account {account!r} at a venue; GetHealth names those of a portfolio",
                account_id=account,
            )
        found = None if status is VenueStatus.UNREAD else self._order.health(self._ids[account])
        return VenueHealth(status, None) if found is None else found

    def liquidation_prices(self, account: AccountId) -> tuple[LiquidationPrice, ...]:
        """Each price that counts for a watched account, and where it changes the status.

        In the pool's order; nothing of an account that was not read or whose health the contract
        cannot compute.

        Raises:
            AccountNotFoundError: no portfolio has the account, or it is a wallet.
        """
        if self.health(account).status in (VenueStatus.UNREAD, VenueStatus.REVERTS):
            return ()
        tokens: dict[LevelKey, list[TokenId]] = {}
        for held in self._counting(account):
            tokens.setdefault(held.price, []).append(held.token)
        return tuple(
            self._liquidation_price(account, key, tuple(valued)) for key, valued in tokens.items()
        )

    def _liquidation_price(
        self, account: AccountId, key: LevelKey, tokens: tuple[TokenId, ...]
    ) -> LiquidationPrice:
        below, above = self._order.changes(self._ids[account], self._numbers[key])
        price = self._levels[key]
        if price is None:
            raise EngineError(f"{key} has no price")
        if key[0] == "emode" and below is not None and below.low == 0:
            # A category's price of zero is none: the pool then takes the reserves' own.
            below = Change(1, below.high) if below.high else None
        return LiquidationPrice(tokens, _usd(price), _range(below), _range(above))

    def audit(self) -> list[AccountId]:
        """Accounts whose status is not what the contract's arithmetic says: none."""
        return sorted(self._accounts[number] for number in self._order.audit())

    def _require_venues(self) -> Venues:
        if self._venues is None:
            raise EngineError("no snapshot yet; advance to one first")
        return self._venues


def _read(
    accounts: Iterable[AccountId], facts: Mapping[Key, ChainFact], venues: Venues
) -> dict[AccountId, AaveV3Account]:
    """Those of the accounts that could be read whole, sorted."""
    read = {}
    for account in sorted(accounts):
        user = facts.get((_KIND, account))
        if isinstance(user, AaveV3Account) and not why_unread(user, venues.reserves, venues.emodes):
            read[account] = user
    return read


def _parts(user: AaveV3Account) -> list[VenuePart]:
    """The parts of its venue that an account rests on."""
    venue = venue_of(user.account)
    parts: list[VenuePart] = [("reserve", venue, one.reserve_id) for one in user.positions]
    return [*parts, ("emode", venue, user.emode)] if user.emode else parts


def _usd(price_base: int) -> Decimal:
    return scaled(price_base, AAVE_BASE_DECIMALS)


def _range(change: Change | None) -> PriceRange | None:
    return None if change is None else PriceRange(_usd(change.low), _usd(change.high))
