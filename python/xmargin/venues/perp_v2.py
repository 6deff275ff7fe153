"""Perpetual v2: markets, collaterals and accounts in the contracts' own integers.

``addresses_provider`` is the ClearingHouse; the settings ``base_tokens`` and ``collaterals`` are
the addresses of the markets and of the collaterals beside the settlement token, ``spot_twap_s`` is
0 for releases that take the pool's price of the moment into the mark price.

Read at every block, because it moves without a log of the account: ratios; each market's pool
price, its averages and its index; each collateral's price; and of each account the funding it has
to pay, the fees it has earned and its realised profits, which the contracts give no other way:
their accumulators have no accessor. An account's positions, orders and deposits are read when it is
first seen and when a log names it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from xmargin.errors import DecodeError
from xmargin.evm_abi import Function, address_in
from xmargin.model import (
    AccountId,
    Fact,
    Registry,
    TokenState,
    VenueId,
    VenueSpec,
    address_of,
)
from xmargin.model.perp_v2 import (
    ACCRUED_RECORD,
    COLLATERAL_RECORD,
    INSTRUMENT_DECIMALS,
    MARKET_RECORD,
    TERMS_RECORD,
    PerpV2Account,
    PerpV2Accrued,
    PerpV2Collateral,
    PerpV2Deposit,
    PerpV2Market,
    PerpV2Order,
    PerpV2Position,
    PerpV2Terms,
    instrument_of,
)
from xmargin.reads import EvmCall, EvmLog, EvmRead, Rediscover
from xmargin.records import account_fault, account_record, market_fault, market_record
from xmargin.venues import perp_v2_abi as abi
from xmargin.venues.base import EvmAccess, Reread, Unit, accounts_at, erc20_id
from xmargin.venues.settings import address

BASE_TOKENS: Final = "base_tokens"
COLLATERALS: Final = "collaterals"

SPOT_TWAP_S: Final = "spot_twap_s"
"""The setting of how long a pool's price counts as of now for the mark price; by default:"""
SETTINGS: Final = (BASE_TOKENS, COLLATERALS, SPOT_TWAP_S)
SPOT_TWAP_DEFAULT: Final = "15"
"""``AccountBalance._getMarkPrice`` from release 2.8 on; 0 before."""
COLLATERAL_TWAP_S: Final = 900
"""``Vault._COLLATERAL_TWAP_INTERVAL``."""

_Orders = dict[tuple[AccountId, str], tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class Contracts:
    """Where the parts of a deployment are."""

    clearing_house: str
    vault: str
    account_balance: str
    exchange: str
    order_book: str
    config: str
    collateral_manager: str
    settlement_token: str


@dataclass(frozen=True, slots=True)
class PerpV2:
    """A discovered deployment. A unit is ``(account,)``.

    ``pools`` and ``decimals`` are by base token and by collateral. ``orders`` remembers the ids of
    each account's orders, so that its next read asks for the right ones at once; it is a hint, and
    :class:`Reread` corrects it.
    """

    id: VenueId
    contracts: Contracts
    terms: PerpV2Terms
    intervals_s: tuple[int, int]
    spot_twap_s: int
    pools: Mapping[str, str]
    decimals: Mapping[str, int]
    accounts_by_address: Mapping[str, AccountId]
    units: tuple[Unit, ...]
    orders: _Orders = field(default_factory=dict)

    @property
    def log_addresses(self) -> Sequence[str]:
        """Those whose logs name traders."""
        at = self.contracts
        return (at.clearing_house, at.vault, at.account_balance)

    @property
    def static_facts(self) -> Sequence[Fact]:
        """What each perp is measured in: no wallet reads it."""
        return [
            TokenState(instrument_of(self.id, base), INSTRUMENT_DECIMALS, "", fault="")
            for base in self.pools
        ]

    def touched(self, log: EvmLog) -> Iterable[Unit]:
        """Watched accounts among the indexed arguments: every change of one is logged so."""
        accounts = (self.accounts_by_address.get(address_in(topic)) for topic in log.topics[1:])
        return [(account,) for account in accounts if account is not None]

    # --- Every block ------------------------------------------------------------------------

    def block_reads(self) -> Sequence[EvmRead]:
        """A read each of the terms, a market, a collateral, an account: one spoils no other."""
        return [
            self._terms_read(),
            *(self._market_read(base, pool) for base, pool in self.pools.items()),
            *(self._collateral_read(token) for token in self.decimals),
            *(self._accrued_read(account) for account in self.accounts_by_address.values()),
        ]

    def _terms_read(self) -> EvmRead:
        config = self.contracts.config
        asked = (abi.GET_IM_RATIO, abi.GET_MM_RATIO, abi.GET_MARK_PRICE_CONFIG)

        def decode(results: Sequence[bytes | None]) -> list[Fact]:
            (im_ratio,), (mm_ratio,), intervals_s = _decoded(asked, results)
            now = (im_ratio, mm_ratio, tuple(intervals_s))
            if now != (self.terms.im_ratio, self.terms.mm_ratio, self.intervals_s):
                raise Rediscover
            return [market_record(self.id, TERMS_RECORD, "", self.terms)]

        return EvmRead(tuple(function(config) for function in asked), decode)

    def _market_read(self, base: str, pool: str) -> EvmRead:
        market_s, premium_s = self.intervals_s
        exchange = self.contracts.exchange
        averages = (self.spot_twap_s, market_s, premium_s)
        calls = (
            abi.IS_OPEN(base),
            abi.SLOT0(pool),
            *(abi.GET_SQRT_MARKET_TWAP(exchange, base, seconds) for seconds in averages),
            *(abi.GET_INDEX_PRICE(base, seconds) for seconds in (0, premium_s)),
            abi.GET_MARK_PRICE(self.contracts.account_balance, base),
        )
        functions = (
            abi.IS_OPEN,
            abi.SLOT0,
            *(abi.GET_SQRT_MARKET_TWAP for _ in averages),
            abi.GET_INDEX_PRICE,
            abi.GET_INDEX_PRICE,
            abi.GET_MARK_PRICE,
        )

        def decode(results: Sequence[bytes | None]) -> list[Fact]:
            try:
                (is_open, *numbers) = (values[0] for values in _decoded(functions, results))
            except DecodeError as error:
                return [market_fault(self.id, MARKET_RECORD, base, error.message)]
            if not is_open:
                fault = f"the market of {base} is paused or closed"
                return [market_fault(self.id, MARKET_RECORD, base, fault)]
            return [market_record(self.id, MARKET_RECORD, base, PerpV2Market(*numbers))]

        return EvmRead(calls, decode)

    def _collateral_read(self, token: str) -> EvmRead:
        manager = self.contracts.collateral_manager
        asked = (abi.GET_PRICE, abi.GET_PRICE_FEED_DECIMALS, abi.GET_COLLATERAL_CONFIG)
        calls = (
            abi.GET_PRICE(manager, token, COLLATERAL_TWAP_S),
            abi.GET_PRICE_FEED_DECIMALS(manager, token),
            abi.GET_COLLATERAL_CONFIG(manager, token),
        )

        def decode(results: Sequence[bytes | None]) -> list[Fact]:
            try:
                (price,), (price_decimals,), (_, ratio, *_) = _decoded(asked, results)
            except DecodeError as error:
                return [market_fault(self.id, COLLATERAL_RECORD, token, error.message)]
            held = (erc20_id(self.id, token), self.decimals[token])
            read = PerpV2Collateral(*held, price, price_decimals, ratio)
            return [market_record(self.id, COLLATERAL_RECORD, token, read)]

        return EvmRead(calls, decode)

    def _accrued_read(self, account: AccountId) -> EvmRead:
        trader = address_of(account)
        asked = (abi.GET_PNL_AND_PENDING_FEE, abi.GET_PENDING_FUNDING)
        calls = (asked[0](self.contracts.account_balance, trader),
                 asked[1](self.contracts.exchange, trader))  # fmt: skip

        def decode(results: Sequence[bytes | None]) -> list[Fact]:
            try:
                (owed_realized_pnl, _, fee), (funding,) = _decoded(asked, results)
            except DecodeError as error:
                return [market_fault(self.id, ACCRUED_RECORD, account, error.message)]
            read = PerpV2Accrued(owed_realized_pnl, fee, funding)
            return [market_record(self.id, ACCRUED_RECORD, account, read)]

        return EvmRead(calls, decode)

    # --- One account ------------------------------------------------------------------------

    def unit_read(self, unit: Unit) -> EvmRead:
        """An account in all markets, with the orders that it last had."""
        (account,) = unit
        known = {base: self.orders.get((account, base), ()) for base in self.pools}
        return self._account_read(account, known)

    def _account_read(self, account: AccountId, known: Mapping[str, tuple[bytes, ...]]) -> EvmRead:
        trader, at = address_of(account), self.contracts
        asked: list[tuple[Function, EvmCall]] = [
            (abi.GET_BALANCE, abi.GET_BALANCE(at.vault, trader)),
            (abi.GET_BASE_TOKENS, abi.GET_BASE_TOKENS(at.account_balance, trader)),
            (abi.GET_COLLATERAL_TOKENS, abi.GET_COLLATERAL_TOKENS(at.vault, trader)),
        ]
        for token in self.decimals:
            call = abi.GET_BALANCE_BY_TOKEN(at.vault, trader, token)
            asked.append((abi.GET_BALANCE_BY_TOKEN, call))
        for base, ids in known.items():
            info = abi.GET_ACCOUNT_INFO(at.account_balance, trader, base)
            asked.append((abi.GET_ACCOUNT_INFO, info))
            listed = abi.GET_OPEN_ORDER_IDS(at.order_book, trader, base)
            asked.append((abi.GET_OPEN_ORDER_IDS, listed))
            asked += [(abi.GET_OPEN_ORDER, abi.GET_OPEN_ORDER(at.order_book, id_)) for id_ in ids]

        def decode(results: Sequence[bytes | None]) -> list[Fact]:
            try:
                answers = iter(_decoded([function for function, _ in asked], results))
                return [account_record(account, self._account(account, known, answers))]
            except DecodeError as error:
                return [account_fault(account, error.message)]

        return EvmRead(tuple(call for _, call in asked), decode)

    def _account(
        self,
        account: AccountId,
        known: Mapping[str, tuple[bytes, ...]],
        answers: Iterable[tuple[Any, ...]],
    ) -> PerpV2Account:
        reader = iter(answers)
        (balance,), (bases,), (collaterals,) = next(reader), next(reader), next(reader)
        amounts = {token: next(reader)[0] for token in self.decimals}
        positions, now = {}, {}
        for base, ids in known.items():
            size, open_notional, _ = next(reader)
            (listed,) = next(reader)
            now[base] = tuple(listed)
            orders = tuple(_order(next(reader)) for _ in ids)
            positions[base] = PerpV2Position(base, size, open_notional, orders)
            self.orders[account, base] = now[base]
        if now != dict(known):
            raise Reread(self._account_read(account, now))
        _require_configured(bases, positions, BASE_TOKENS)
        _require_configured(collaterals, amounts, COLLATERALS)
        return PerpV2Account(
            balance=balance,
            positions=tuple(positions[base] for base in bases),
            deposits=tuple(PerpV2Deposit(token, amounts[token]) for token in collaterals),
        )


def _decoded(
    functions: Sequence[Function], results: Sequence[bytes | None]
) -> list[tuple[Any, ...]]:
    pairs = zip(functions, results, strict=True)
    return [function.decode(result) for function, result in pairs]


def _order(values: tuple[Any, ...]) -> PerpV2Order:
    liquidity, lower, upper, *_, base_debt, quote_debt = values
    return PerpV2Order(liquidity, lower, upper, base_debt, quote_debt)


def _require_configured(held: Iterable[str], known: Mapping[str, Any], setting: str) -> None:
    for token in held:
        if token not in known:
            raise DecodeError(f"it is in {token}, which the venue's {setting} do not name; add it")


# --- Discovery --------------------------------------------------------------------------------


async def discover(spec: VenueSpec, registry: Registry, access: EvmAccess) -> PerpV2:
    """Learn the contracts, the pools of the markets and the decimals of the collaterals.

    Raises:
        DecodeError: no Perpetual v2 stands behind the address, or a market has no pool.
    """
    spot = spec.values(SPOT_TWAP_S) or (SPOT_TWAP_DEFAULT,)
    if spot not in (("0",), (SPOT_TWAP_DEFAULT,)):
        raise DecodeError(f"{SPOT_TWAP_S} is {', '.join(spot)}; releases have 0 or 15")
    contracts, registry_of_markets = await _contracts(spec.addresses_provider.lower(), access)
    bases = _addresses(spec, BASE_TOKENS)
    collaterals = _addresses(spec, COLLATERALS)
    asked = (
        (abi.GET_IM_RATIO, contracts.config),
        (abi.GET_MM_RATIO, contracts.config),
        (abi.DECIMALS, contracts.vault),
        *((abi.DECIMALS, token) for token in collaterals),
    )
    (im_ratio, mm_ratio, settlement_decimals, *decimals) = await _asked(asked, access)
    [intervals] = await access.call([abi.GET_MARK_PRICE_CONFIG(contracts.config)])
    market_s, premium_s = abi.GET_MARK_PRICE_CONFIG.decode(intervals)
    answers = await access.call([abi.GET_POOL(registry_of_markets, base) for base in bases])
    pools = [abi.GET_POOL.decode(answer)[0] for answer in answers]
    settlement = erc20_id(spec.id, contracts.settlement_token)
    accounts = accounts_at(registry, spec.id)
    return PerpV2(
        id=spec.id,
        contracts=contracts,
        terms=PerpV2Terms(settlement, settlement_decimals, im_ratio, mm_ratio),
        intervals_s=(market_s, premium_s),
        spot_twap_s=int(spot[0]),
        pools=dict(zip(bases, pools, strict=True)),
        decimals=dict(zip(collaterals, decimals, strict=True)),
        accounts_by_address={address_of(account): account for account in accounts},
        units=tuple((account,) for account in accounts),
    )


def _addresses(spec: VenueSpec, setting: str) -> tuple[str, ...]:
    return tuple(sorted(address(spec, value, setting) for value in spec.values(setting)))


async def _contracts(house: str, access: EvmAccess) -> tuple[Contracts, str]:
    asked = (abi.GET_VAULT, abi.GET_ACCOUNT_BALANCE, abi.GET_EXCHANGE, abi.GET_ORDER_BOOK)
    try:
        found = await _asked([(function, house) for function in asked], access)
    except DecodeError as error:
        raise DecodeError(f"no Perpetual v2 clearing house at {house}: {error.message}") from None
    vault, accounts, exchange, orders = found
    config, manager, settlement, markets = await _asked(
        (
            (abi.GET_CONFIG, house),
            (abi.GET_COLLATERAL_MANAGER, vault),
            (abi.GET_SETTLEMENT_TOKEN, vault),
            (abi.GET_MARKET_REGISTRY, orders),
        ),
        access,
    )
    parts = (house, vault, accounts, exchange, orders, config, manager, settlement)
    return Contracts(*parts), markets


async def _asked(asked: Sequence[tuple[Function, str]], access: EvmAccess) -> list[Any]:
    """One value each."""
    results = await access.call([function(target) for function, target in asked])
    return [values[0] for values in _decoded([function for function, _ in asked], results)]


def fault_facts(spec: VenueSpec, registry: Registry, fault: str) -> list[Fact]:
    """Every watched account at fault: nothing it holds or owes here is known."""
    return [account_fault(account, fault) for account in accounts_at(registry, spec.id)]
