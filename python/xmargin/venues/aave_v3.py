"""Aave v3.0.x and its forks: what to read, and facts in the contracts' own integers.

Read at every block, because they move without a log of the account: the pool's and oracle's
addresses, the list of reserves, each reserve's data and price, and the eMode categories. An
account (a *unit*) is read when it is first seen and when a log of the pool or its tokens names it.

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
from xmargin.reads import EvmCall, EvmLog, EvmRead, Rediscover
from xmargin.venues import aave_v3_abi as abi
from xmargin.venues.base import EvmAccess, EvmVenue, Reread, Unit, accounts_at, erc20_id

BASE_CURRENCY_UNIT: Final = 10**8
"""The oracle's unit of a market in USD; markets in another currency are not supported."""
EMODE_CATEGORY_MAX: Final = 255
RESERVES_MAX: Final = 128
"""ReserveConfiguration.MAX_RESERVES_COUNT: a user's bitmap has two bits for each."""

_LABEL_CHARACTERS_MAX = 64
_DEBT_CALLS = 4


@dataclass(frozen=True, slots=True)
class Reserve:
    """A listed reserve's fixed part."""

    reserve_id: int
    asset: str
    a_token: str
    stable_debt_token: str
    variable_debt_token: str

    @property
    def borrowing_bit(self) -> int:
        """The reserve's borrowing bit in a user's configuration."""
        return 1 << (2 * self.reserve_id)

    @property
    def use_bits(self) -> int:
        """The reserve's borrowing and collateral bits in a user's configuration."""
        return 3 << (2 * self.reserve_id)


@dataclass(frozen=True, slots=True)
class AaveV3Pool:
    """A discovered pool. A unit is ``(account,)``.

    ``unpriced`` are the assets and categories' price sources that the oracle gives no price for.
    ``borrowed`` remembers each account's borrowing bits, so that its next read asks for the right
    debts at once; it is a hint, and :class:`Reread` corrects it.
    """

    id: VenueId
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
        tokens = (
            token
            for r in self.reserves
            for token in (r.a_token, r.stable_debt_token, r.variable_debt_token)
        )
        return (self.pool, *tokens)

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
        calls = [
            abi.GET_POOL(self.provider),
            abi.GET_PRICE_ORACLE(self.provider),
            abi.GET_RESERVES_LIST(self.pool),
            *(abi.GET_RESERVE_DATA(self.pool, r.asset) for r in self.reserves),
            *(abi.GET_EMODE_CATEGORY_DATA(self.pool, c) for c in self.emode_sources),
            *(
                abi.GET_ASSET_PRICE(self.oracle, p)
                for p in _priced(self.assets, self.emode_sources)
            ),
        ]
        return (EvmRead(tuple(calls), self._decode_block),)

    def _decode_block(self, results: Sequence[bytes | None]) -> list[Fact]:
        reader = iter(results)
        self._require_same_addresses(reader)
        data = [abi.decode_reserve_data(next(reader)) for _ in self.reserves]
        emodes = [abi.decode_emode(next(reader)) for _ in self.emode_sources]
        prices = {p: _price_in(next(reader)) for p in _priced(self.assets, self.emode_sources)}
        if self.unpriced != _missing(prices):
            raise Rediscover
        facts: list[Fact] = [
            self._reserve_fact(reserve, one, prices[reserve.asset] or 0)
            for reserve, one in zip(self.reserves, data, strict=True)
        ]
        for (category, source), emode in zip(self.emode_sources.items(), emodes, strict=True):
            if emode.price_source != source:
                raise Rediscover
            facts.append(self._emode_fact(category, emode, prices.get(source) or 0))
        return facts

    def _require_same_addresses(self, reader: Iterator[bytes | None]) -> None:
        (pool,) = abi.GET_POOL.decode(next(reader))
        (oracle,) = abi.GET_PRICE_ORACLE.decode(next(reader))
        (assets,) = abi.GET_RESERVES_LIST.decode(next(reader))
        if (pool, oracle, tuple(assets)) != (self.pool, self.oracle, self.assets):
            raise Rediscover

    def _reserve_fact(
        self, reserve: Reserve, data: abi.ReserveData, price_base: int
    ) -> AaveV3Reserve:
        tokens = (data.a_token, data.stable_debt_token, data.variable_debt_token)
        known = (reserve.a_token, reserve.stable_debt_token, reserve.variable_debt_token)
        category = data.emode_category
        if (data.reserve_id, tokens) != (reserve.reserve_id, known):
            raise Rediscover
        if category and category not in self.emode_sources:
            raise Rediscover
        return AaveV3Reserve(
            venue=self.id,
            reserve_id=reserve.reserve_id,
            token=erc20_id(self.id, reserve.asset),
            a_token=erc20_id(self.id, reserve.a_token),
            stable_debt_token=erc20_id(self.id, reserve.stable_debt_token),
            variable_debt_token=erc20_id(self.id, reserve.variable_debt_token),
            configuration=data.configuration,
            liquidity_index=data.liquidity_index,
            variable_borrow_index=data.variable_borrow_index,
            liquidity_rate=data.liquidity_rate,
            variable_borrow_rate=data.variable_borrow_rate,
            updated_at_s=data.updated_at_s,
            price_base=price_base,
        )

    def _emode_fact(self, category: int, data: abi.EModeData, price_base: int) -> AaveV3EMode:
        return AaveV3EMode(
            venue=self.id,
            category=category,
            ltv=data.ltv,
            liquidation_threshold=data.liquidation_threshold,
            liquidation_bonus=data.liquidation_bonus,
            price_base=price_base,
            label="".join(c for c in data.label if c.isprintable())[:_LABEL_CHARACTERS_MAX],
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
            *(call for reserve in owing for call in _debt_calls(reserve, user)),
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
        debts = results[2 + len(self.reserves) :]
        owed = {
            reserve.reserve_id: _debt(debts[_DEBT_CALLS * i : _DEBT_CALLS * (i + 1)])
            for i, reserve in enumerate(owing)
        }
        positions = (
            _position(reserve, supply, owed.get(reserve.reserve_id, (0, 0, 0, 0)))
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


def _debt_calls(reserve: Reserve, user: str) -> tuple[EvmCall, ...]:
    stable = reserve.stable_debt_token
    return (
        abi.SCALED_BALANCE_OF(reserve.variable_debt_token, user),
        abi.PRINCIPAL_BALANCE_OF(stable, user),
        abi.GET_USER_STABLE_RATE(stable, user),
        abi.GET_USER_LAST_UPDATED(stable, user),
    )


def _debt(results: Sequence[bytes | None]) -> tuple[int, int, int, int]:
    (variable_scaled,) = abi.SCALED_BALANCE_OF.decode(results[0])
    (principal,) = abi.PRINCIPAL_BALANCE_OF.decode(results[1])
    (rate,) = abi.GET_USER_STABLE_RATE.decode(results[2])
    (updated_at_s,) = abi.GET_USER_LAST_UPDATED.decode(results[3])
    return variable_scaled, principal, rate, updated_at_s


def _position(
    reserve: Reserve, supply: bytes | None, debt: tuple[int, int, int, int]
) -> AaveV3Position | None:
    (supply_scaled,) = abi.SCALED_BALANCE_OF.decode(supply)
    variable_scaled, principal, rate, updated_at_s = debt
    if not (supply_scaled or variable_scaled or principal):
        return None
    return AaveV3Position(
        reserve_id=reserve.reserve_id,
        supply_scaled=supply_scaled,
        variable_debt_scaled=variable_scaled,
        stable_debt_principal=principal,
        stable_rate=rate,
        stable_updated_at_s=updated_at_s,
    )


# --- Discovery --------------------------------------------------------------------------------


async def discover(spec: VenueSpec, registry: Registry, access: EvmAccess) -> EvmVenue:
    """Learn pool, oracle, reserves and eMode categories from the addresses provider.

    Raises:
        DecodeError: no Aave v3.0.x in USD stands behind the addresses provider.
    """
    provider = spec.addresses_provider.lower()
    pool, oracle = await _pool_and_oracle(provider, access)
    assets, emodes = await _assets_and_emodes(pool, access)
    results = await access.call([abi.GET_RESERVE_DATA(pool, asset) for asset in assets])
    reserves = []
    for asset, result in zip(assets, results, strict=True):
        data = abi.decode_reserve_data(result)
        tokens = (data.a_token, data.stable_debt_token, data.variable_debt_token)
        reserves.append(Reserve(data.reserve_id, asset, *tokens))
        if data.emode_category and data.emode_category not in emodes:
            raise DecodeError(f"{asset} is in eMode category {data.emode_category}, which is empty")
    ids = {reserve.reserve_id for reserve in reserves}
    if len(ids) != len(reserves) or not ids <= set(range(RESERVES_MAX)):
        raise DecodeError(f"the pool {pool} gives reserves ids that are not distinct and < 128")
    accounts = accounts_at(registry, spec.id)
    return AaveV3Pool(
        id=spec.id,
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


async def _assets_and_emodes(
    pool: str, access: EvmAccess
) -> tuple[tuple[str, ...], dict[int, str]]:
    """The listed assets, and the price source of every configured eMode category."""
    categories = range(1, EMODE_CATEGORY_MAX + 1)
    grace, listed, *emodes = await access.call(
        [
            abi.GET_LIQUIDATION_GRACE_PERIOD(pool, pool),
            abi.GET_RESERVES_LIST(pool),
            *(abi.GET_EMODE_CATEGORY_DATA(pool, category) for category in categories),
        ]
    )
    if grace is not None:
        raise DecodeError(
            f"the pool {pool} is Aave v3.1 or later (it knows getLiquidationGracePeriod); "
            "only v3.0.x is supported"
        )
    (assets,) = abi.GET_RESERVES_LIST.decode(listed)
    sources = {}
    for category, result in zip(categories, emodes, strict=True):
        emode = abi.decode_emode(result)
        # EModeLogic lets nobody into a category without a threshold: it is not configured.
        if emode.liquidation_threshold:
            sources[category] = emode.price_source
    if len(assets) > RESERVES_MAX:
        raise DecodeError(f"the pool {pool} lists {len(assets)} reserves; {RESERVES_MAX} can be")
    return tuple(assets), sources


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
