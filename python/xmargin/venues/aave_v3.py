"""Aave v3.0.x and v3.6, and their forks: what to read, and facts in the contracts' own integers.

Read at every block, because they move without a log of the account: the pool's and oracle's
addresses, the pool's revision, the list of reserves, each reserve's data and price, and the eMode
categories; what is asked of one release only stands in ``aave_v3_releases``. An account (a *unit*)
is read when it is first seen and when a log of the pool or its tokens names it.

The price of an asset is exactly what the pool's oracle answers; a category with a source of its own
is priced by ``getAssetPrice(priceSource)``, as EModeLogic.getEModeConfiguration does. Where the
oracle answers nothing, the contract reverts for whoever uses the asset or category, and so only
their accounts are at fault.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from xmargin.errors import DecodeError
from xmargin.evm_abi import address_in
from xmargin.model import (
    AaveV3Account,
    AaveV3EMode,
    AaveV3Position,
    AaveV3Reserve,
    AccountId,
    Fact,
    Registry,
    VenueId,
    VenueSpec,
    address_of,
)
from xmargin.reads import EvmLog, EvmRead, Rediscover
from xmargin.venues import aave_v3_abi as abi
from xmargin.venues.aave_v3_releases import (
    Debt,
    EModeLists,
    Release,
    Reserve,
    ReserveState,
    recognised,
    recognition_calls,
)
from xmargin.venues.base import EvmAccess, EvmVenue, Reread, Unit, accounts_at, erc20_id

BASE_CURRENCY_UNIT: Final = 10**8
"""The oracle's unit of a market in USD; markets in another currency are not supported."""
EMODE_CATEGORY_MAX: Final = 255
RESERVES_MAX: Final = 128
"""ReserveConfiguration.MAX_RESERVES_COUNT: a user's bitmap has two bits for each."""

_LABEL_CHARACTERS_MAX = 64


@dataclass(frozen=True, slots=True)
class AaveV3Pool:
    """A discovered pool. A unit is ``(account,)``.

    ``revision`` is the raw answer of ``POOL_REVISION()``: where it changes, so may the release.
    ``unpriced`` are the assets and categories' price sources that the oracle gives no price for.
    ``borrowed`` remembers each account's borrowing bits, so that its next read asks for the right
    debts at once; it is a hint, and :class:`Reread` corrects it.
    """

    id: VenueId
    release: Release
    revision: bytes | None
    provider: str
    pool: str
    oracle: str
    assets: tuple[str, ...]
    reserves: tuple[Reserve, ...]
    emode_sources: Mapping[int, str]
    unpriced: frozenset[str]
    accounts_by_address: Mapping[str, AccountId]
    units: tuple[Unit, ...]
    borrowed: dict[AccountId, int] = field(default_factory=dict)

    @property
    def log_addresses(self) -> Sequence[str]:
        """The pool and all its tokens."""
        return (self.pool, *(token for r in self.reserves for token in r.tokens))

    @property
    def static_facts(self) -> Sequence[Fact]:
        """None: all that discovery learns is in the reads of every block too."""
        return ()

    def touched(self, log: EvmLog) -> Iterable[Unit]:
        """Watched accounts among the indexed arguments.

        All that changes an account (supply, debt, transfer, collateral switch, eMode, liquidation)
        is logged with the account indexed, by the pool or by one of its tokens.
        """
        accounts = (self.accounts_by_address.get(address_in(topic)) for topic in log.topics[1:])
        return [(account,) for account in accounts if account is not None]

    # --- Every block ------------------------------------------------------------------------

    def block_reads(self) -> Sequence[EvmRead]:
        """One read of everything that moves by itself."""
        pool, release = self.pool, self.release
        calls = [
            abi.GET_POOL(self.provider),
            abi.GET_PRICE_ORACLE(self.provider),
            abi.GET_RESERVES_LIST(pool),
            abi.POOL_REVISION(pool),
        ]
        for reserve in self.reserves:
            calls.append(abi.GET_RESERVE_DATA(pool, reserve.asset))
            calls += release.reserve_calls(pool, reserve)
        for category in self.emode_sources:
            calls.append(abi.GET_EMODE_CATEGORY_DATA(pool, category))
            calls += release.emode_calls(pool, category)
        priced = _priced(self.assets, self.emode_sources)
        calls += [abi.GET_ASSET_PRICE(self.oracle, one) for one in priced]
        return (EvmRead(tuple(calls), self._decode_block),)

    def _decode_block(self, results: Sequence[bytes | None]) -> list[Fact]:
        reader = iter(results)
        self._require_same_pool(reader)
        release = self.release
        data = [
            (abi.decode_reserve_data(next(reader)), release.decode_reserve(reader))
            for _ in self.reserves
        ]
        emodes = [
            (abi.decode_emode(next(reader)), release.decode_emode(reader))
            for _ in self.emode_sources
        ]
        prices = {p: _price_in(next(reader)) for p in _priced(self.assets, self.emode_sources)}
        if self.unpriced != _missing(prices):
            raise Rediscover
        facts: list[Fact] = [
            self._reserve_fact(reserve, *one, prices[reserve.asset] or 0)
            for reserve, one in zip(self.reserves, data, strict=True)
        ]
        for (category, source), emode in zip(self.emode_sources.items(), emodes, strict=True):
            if emode[0].price_source != source:
                raise Rediscover
            facts.append(self._emode_fact(category, *emode, prices.get(source) or 0))
        return facts

    def _require_same_pool(self, reader: Iterator[bytes | None]) -> None:
        (pool,) = abi.GET_POOL.decode(next(reader))
        (oracle,) = abi.GET_PRICE_ORACLE.decode(next(reader))
        (assets,) = abi.GET_RESERVES_LIST.decode(next(reader))
        known = (self.pool, self.oracle, self.assets, self.revision)
        if (pool, oracle, tuple(assets), next(reader)) != known:
            raise Rediscover

    def _reserve_fact(
        self, reserve: Reserve, data: abi.ReserveData, state: ReserveState, price_base: int
    ) -> AaveV3Reserve:
        category = self.release.category_of(data)
        if self.release.reserve_of(reserve.asset, data) != reserve:
            raise Rediscover
        if category and category not in self.emode_sources:
            raise Rediscover
        stable = reserve.stable_debt_token
        return AaveV3Reserve(
            venue=self.id,
            reserve_id=reserve.reserve_id,
            token=erc20_id(self.id, reserve.asset),
            a_token=erc20_id(self.id, reserve.a_token),
            stable_debt_token=erc20_id(self.id, stable) if stable else "",
            variable_debt_token=erc20_id(self.id, reserve.variable_debt_token),
            configuration=data.configuration,
            liquidity_index=data.liquidity_index,
            variable_borrow_index=data.variable_borrow_index,
            liquidity_rate=data.liquidity_rate,
            variable_borrow_rate=data.variable_borrow_rate,
            updated_at_s=data.updated_at_s,
            price_base=price_base,
            release=self.release.name,
            supply_scaled_total=state.supply_scaled_total,
            debt_scaled_total=state.debt_scaled_total,
            treasury_scaled=data.treasury_scaled,
            isolated_debt_cents=data.isolated_debt_cents,
            liquidation_grace_until_s=state.liquidation_grace_until_s,
        )

    def _emode_fact(
        self, category: int, data: abi.EModeData, lists: EModeLists, price_base: int
    ) -> AaveV3EMode:
        return AaveV3EMode(
            venue=self.id,
            category=category,
            ltv=data.ltv,
            liquidation_threshold=data.liquidation_threshold,
            liquidation_bonus=data.liquidation_bonus,
            price_base=price_base,
            label="".join(c for c in data.label if c.isprintable())[:_LABEL_CHARACTERS_MAX],
            collateral_bitmap=lists.collateral_bitmap,
            borrowable_bitmap=lists.borrowable_bitmap,
            ltvzero_bitmap=lists.ltvzero_bitmap,
        )

    # --- One account ------------------------------------------------------------------------

    def unit_read(self, unit: Unit) -> EvmRead:
        """An account: its bitmap, eMode, all supplies, and the debts its bitmap last named."""
        (account,) = unit
        return self._account_read(account, self.borrowed.get(account, 0))

    def _account_read(self, account: AccountId, borrowed: int) -> EvmRead:
        user = address_of(account)
        owing = [r for r in self.reserves if borrowed & r.borrowing_bit]
        calls = [
            abi.GET_USER_CONFIGURATION(self.pool, user),
            abi.GET_USER_EMODE(self.pool, user),
            *(abi.SCALED_BALANCE_OF(r.a_token, user) for r in self.reserves),
            *(call for one in owing for call in self.release.debt_calls(one, user)),
        ]

        def decode(results: Sequence[bytes | None]) -> list[Fact]:
            try:
                return [self._account(account, borrowed, owing, results)]
            except DecodeError as error:
                return [AaveV3Account(account, 0, 0, (), fault=error.message)]

        return EvmRead(tuple(calls), decode)

    def _account(
        self,
        account: AccountId,
        borrowed: int,
        owing: Sequence[Reserve],
        results: Sequence[bytes | None],
    ) -> AaveV3Account:
        (configuration,) = abi.GET_USER_CONFIGURATION.decode(results[0])
        (emode,) = abi.GET_USER_EMODE.decode(results[1])
        borrows_now = configuration & sum(r.borrowing_bit for r in self.reserves)
        self.borrowed[account] = borrows_now
        if borrows_now & ~borrowed:
            raise Reread(self._account_read(account, borrows_now))
        if emode and emode not in self.emode_sources:
            raise Rediscover
        self._require_prices(configuration, emode)
        supplies = results[2 : 2 + len(self.reserves)]
        debts = iter(results[2 + len(self.reserves) :])
        owed = {reserve.reserve_id: self.release.decode_debt(debts) for reserve in owing}
        positions = (
            _position(reserve, supply, owed.get(reserve.reserve_id, Debt()))
            for reserve, supply in zip(self.reserves, supplies, strict=True)
        )
        return AaveV3Account(
            account=account,
            emode=emode,
            configuration=configuration,
            positions=tuple(p for p in positions if p is not None),
            fault="",
        )

    def _require_prices(self, configuration: int, emode: int) -> None:
        """Raise where the oracle lacks a price that ``getUserAccountData`` needs.

        Where a category's own price stands in for the asset's, the contract would do without; that
        account is refused all the same until the asset has a price.
        """
        if not configuration or not self.unpriced:
            return
        used = [r.asset for r in self.reserves if configuration & r.use_bits]
        for asset in (self.emode_sources.get(emode), *used):
            if asset in self.unpriced:
                raise DecodeError(f"the pool's oracle gives no price for {asset}")


def _priced(assets: Iterable[str], emode_sources: Mapping[int, str]) -> list[str]:
    """All that the oracle is asked for: the assets, and the categories' own sources, once each."""
    own = (source for source in emode_sources.values() if source != abi.NO_ADDRESS)
    return list(dict.fromkeys((*assets, *own)))


def _price_in(data: bytes | None) -> int | None:
    """What ``getAssetPrice`` returned; ``None`` where it gave no price."""
    try:
        (price,) = abi.GET_ASSET_PRICE.decode(data)
    except DecodeError:
        return None
    return int(price)


def _missing(prices: Mapping[str, int | None]) -> frozenset[str]:
    return frozenset(priced for priced, price in prices.items() if price is None)


def _position(reserve: Reserve, supply: bytes | None, debt: Debt) -> AaveV3Position | None:
    (supply_scaled,) = abi.SCALED_BALANCE_OF.decode(supply)
    if not (supply_scaled or debt.variable_scaled or debt.stable_principal):
        return None
    return AaveV3Position(
        reserve_id=reserve.reserve_id,
        supply_scaled=supply_scaled,
        variable_debt_scaled=debt.variable_scaled,
        stable_debt_principal=debt.stable_principal,
        stable_rate=debt.stable_rate,
        stable_updated_at_s=debt.stable_updated_at_s,
    )


# --- Discovery --------------------------------------------------------------------------------


async def discover(spec: VenueSpec, registry: Registry, access: EvmAccess) -> EvmVenue:
    """Learn pool, oracle, reserves and eMode categories from the addresses provider.

    Raises:
        DecodeError: no Aave v3.0.x or v3.6 in USD stands behind the addresses provider.
    """
    provider = spec.addresses_provider.lower()
    pool, oracle = await _pool_and_oracle(provider, access)
    release, revision, assets, emodes = await _contents(pool, access)
    results = await access.call([abi.GET_RESERVE_DATA(pool, asset) for asset in assets])
    reserves = []
    for asset, result in zip(assets, results, strict=True):
        data = abi.decode_reserve_data(result)
        reserves.append(release.reserve_of(asset, data))
        category = release.category_of(data)
        if category and category not in emodes:
            raise DecodeError(f"{asset} is in eMode category {category}, which is empty")
    ids = {reserve.reserve_id for reserve in reserves}
    if len(ids) != len(reserves) or not ids <= set(range(RESERVES_MAX)):
        raise DecodeError(f"the pool {pool} gives reserves ids that are not distinct and < 128")
    accounts = accounts_at(registry, spec.id)
    return AaveV3Pool(
        id=spec.id,
        release=release,
        revision=revision,
        provider=provider,
        pool=pool,
        oracle=oracle,
        assets=assets,
        reserves=tuple(sorted(reserves, key=lambda reserve: reserve.reserve_id)),
        emode_sources=emodes,
        unpriced=await _unpriced(oracle, _priced(assets, emodes), access),
        accounts_by_address={address_of(account): account for account in accounts},
        units=tuple((account,) for account in accounts),
    )


async def _pool_and_oracle(provider: str, access: EvmAccess) -> tuple[str, str]:
    results = await access.call([abi.GET_POOL(provider), abi.GET_PRICE_ORACLE(provider)])
    try:
        (pool,), (oracle,) = (
            abi.GET_POOL.decode(results[0]),
            abi.GET_PRICE_ORACLE.decode(results[1]),
        )
    except DecodeError as error:
        raise DecodeError(f"no Aave addresses provider at {provider}: {error.message}") from None
    if abi.NO_ADDRESS in (pool, oracle):
        raise DecodeError(f"the addresses provider {provider} names no pool or no price oracle")
    return pool, oracle


async def _contents(
    pool: str, access: EvmAccess
) -> tuple[Release, bytes | None, tuple[str, ...], dict[int, str]]:
    """Release and revision, the listed assets, the price source of every configured category."""
    categories = range(1, EMODE_CATEGORY_MAX + 1)
    revision, listed, *others = await access.call(
        [
            abi.POOL_REVISION(pool),
            abi.GET_RESERVES_LIST(pool),
            *recognition_calls(pool),
            *(abi.GET_EMODE_CATEGORY_DATA(pool, category) for category in categories),
        ]
    )
    answers = iter(others)
    release = recognised(pool, revision, answers)
    (assets,) = abi.GET_RESERVES_LIST.decode(listed)
    sources = {}
    for category in categories:
        emode = abi.decode_emode(next(answers))
        # EModeLogic lets nobody into a category without a threshold: it is not configured.
        if emode.liquidation_threshold:
            sources[category] = emode.price_source
    if len(assets) > RESERVES_MAX:
        raise DecodeError(f"the pool {pool} lists {len(assets)} reserves; {RESERVES_MAX} can be")
    return release, revision, tuple(assets), sources


async def _unpriced(oracle: str, priced: Sequence[str], access: EvmAccess) -> frozenset[str]:
    """Which of ``priced`` the oracle gives no price for, once it is known to count in USD."""
    unit, *prices = await access.call(
        [abi.BASE_CURRENCY_UNIT(oracle), *(abi.GET_ASSET_PRICE(oracle, p) for p in priced)]
    )
    (base_unit,) = abi.BASE_CURRENCY_UNIT.decode(unit)
    if base_unit != BASE_CURRENCY_UNIT:
        raise DecodeError(
            f"the price oracle {oracle} has the base currency unit {base_unit}; only "
            f"{BASE_CURRENCY_UNIT} (USD with 8 decimals) is supported"
        )
    return _missing(dict(zip(priced, map(_price_in, prices), strict=True)))


def fault_facts(spec: VenueSpec, registry: Registry, fault: str) -> list[Fact]:
    """Every watched account at fault: nothing it holds or owes here is known."""
    return [AaveV3Account(a, 0, 0, (), fault) for a in accounts_at(registry, spec.id)]
