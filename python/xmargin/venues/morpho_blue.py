"""Morpho Blue: markets and positions in the contract's own integers.

``addresses_provider`` is the Morpho contract. Watched accounts name their market,
``<venue>/<owner>/<market id without 0x>``, so the markets that are read are those of the accounts.

Read at every block, because it moves without a log of Morpho's: each market, its oracle's price and
its rate model's rate. The model is asked with the market as it was last read; where the market is
another by then, the right question is asked at the same block (:class:`Reread`). A position is read
when it is first seen and when a log of Morpho names market and owner.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from xmargin.errors import DecodeError
from xmargin.evm_abi import Function, address_in
from xmargin.model import AccountId, Registry, VenueId, VenueSpec, address_of
from xmargin.model.morpho_blue import MorphoBlueMarket, MorphoBluePosition
from xmargin.reads import EvmCall, EvmLog, EvmRead
from xmargin.venues.base import EvmAccess, Reread, Unit, accounts_at, erc20_id

_NO_ADDRESS: Final = "0x" + "00" * 20
_MARKET_ID_DIGITS: Final = 64

PARAMETERS = Function(
    "idToMarketParams(bytes32)", "address", "address", "address", "address", "uint256"
)
MARKET = Function(
    "market(bytes32)", "uint128", "uint128", "uint128", "uint128", "uint128", "uint128"
)
POSITION = Function("position(bytes32,address)", "uint256", "uint128", "uint128")
PRICE = Function("price()", "uint256")
BORROW_RATE_VIEW = Function(
    "borrowRateView((address,address,address,address,uint256),"
    "(uint128,uint128,uint128,uint128,uint128,uint128))",
    "uint256",
)

MarketState: TypeAlias = tuple[int, int, int, int, int, int]
"""Supply assets and shares, borrow assets and shares, last update, fee: ``market`` in order."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What makes a market; it never changes."""

    market_id: str
    loan_token: str
    collateral_token: str
    oracle: str
    irm: str
    lltv_wad: int

    @property
    def as_argument(self) -> tuple[str, str, str, str, int]:
        """``MarketParams`` in its order."""
        return (self.loan_token, self.collateral_token, self.oracle, self.irm, self.lltv_wad)


def market_of(account: AccountId) -> str:
    """The market id that an account's sub-account names, as 64 hex digits.

    Raises:
        DecodeError: it names none.
    """
    market = account.split("/", 2)[2] if account.count("/") == 2 else ""
    if len(market) != _MARKET_ID_DIGITS or not set(market) <= set("0123456789abcdef"):
        raise DecodeError(f"{account} names no market; write <venue>/<owner>/<64 hex digits>")
    return market


@dataclass(frozen=True, slots=True)
class MorphoBlue:
    """A discovered Morpho. A unit is ``(account,)``; ``states`` remembers markets as last read."""

    id: VenueId
    morpho: str
    markets: tuple[Parameters, ...]
    accounts: Mapping[tuple[str, str], AccountId]
    units: tuple[Unit, ...]
    states: dict[str, MarketState] = field(default_factory=dict)

    @property
    def log_addresses(self) -> Sequence[str]:
        """Morpho itself."""
        return (self.morpho,)

    @property
    def static_facts(self) -> Sequence[Any]:
        """None: a market's parameters are in its fact."""
        return ()

    def touched(self, log: EvmLog) -> Iterable[Unit]:
        """Watched accounts of the market that the log's first argument names.

        All that changes a position is logged with market and owner indexed. A withdrawal's log
        names its receiver only after the owner, so every indexed argument is looked at.
        """
        if len(log.topics) < 2:
            return ()
        market = log.topics[1].removeprefix("0x")
        owners = (address_in(topic) for topic in log.topics[2:])
        found = (self.accounts.get((market, owner)) for owner in owners)
        return [(account,) for account in found if account is not None]

    # --- Every block ------------------------------------------------------------------------

    def block_reads(self) -> Sequence[EvmRead]:
        """A read a market: one that fails spoils no other."""
        return [self._market_read(one, self.states.get(one.market_id)) for one in self.markets]

    def _market_read(self, market: Parameters, state: MarketState | None) -> EvmRead:
        asks_rate = state is not None and market.irm != _NO_ADDRESS
        calls = [MARKET(self.morpho, bytes.fromhex(market.market_id)), PRICE(market.oracle)]
        if asks_rate:
            calls.append(BORROW_RATE_VIEW(market.irm, market.as_argument, state))

        def decode(results: Sequence[bytes | None]) -> list[Any]:
            now: MarketState = MARKET.decode(results[0])
            self.states[market.market_id] = now
            if market.irm != _NO_ADDRESS and now != state:
                raise Reread(self._market_read(market, now))
            rate = results[2] if asks_rate else bytes(32)
            return [self._market_fact(market, now, results[1], rate)]

        return EvmRead(tuple(calls), decode)

    def _market_fact(
        self, market: Parameters, state: MarketState, price: bytes | None, rate: bytes | None
    ) -> MorphoBlueMarket:
        fact = MorphoBlueMarket(
            self.id,
            market.market_id,
            erc20_id(self.id, market.loan_token),
            erc20_id(self.id, market.collateral_token),
            *state,
            borrow_rate_wad=0,
            lltv_wad=market.lltv_wad,
            price=0,
            fault="",
        )
        try:
            (rate_wad,), (answer,) = BORROW_RATE_VIEW.decode(rate), PRICE.decode(price)
        except DecodeError as error:
            return replace(fact, fault=error.message)
        return replace(fact, borrow_rate_wad=rate_wad, price=answer)

    # --- One account ------------------------------------------------------------------------

    def unit_read(self, unit: Unit) -> EvmRead:
        """An owner's position in a market."""
        (account,) = unit
        market = bytes.fromhex(market_of(account))
        call: EvmCall = POSITION(self.morpho, market, address_of(account))

        def decode(results: Sequence[bytes | None]) -> list[Any]:
            try:
                supply, debt, collateral = POSITION.decode(results[0])
            except DecodeError as error:
                return [MorphoBluePosition(account, 0, 0, 0, fault=error.message)]
            return [MorphoBluePosition(account, supply, debt, collateral, fault="")]

        return EvmRead((call,), decode)


# --- Discovery --------------------------------------------------------------------------------


async def discover(spec: VenueSpec, registry: Registry, access: EvmAccess) -> MorphoBlue:
    """Learn the parameters of the accounts' markets.

    Raises:
        DecodeError: no Morpho Blue stands at the address, or an account names no market of it.
    """
    morpho = spec.addresses_provider.lower()
    accounts = accounts_at(registry, spec.id)
    by_market = {(market_of(account), address_of(account)): account for account in accounts}
    ids = sorted({market for market, _ in by_market})
    results = await access.call([PARAMETERS(morpho, bytes.fromhex(market)) for market in ids])
    markets = []
    for market, result in zip(ids, results, strict=True):
        parameters = Parameters(market, *PARAMETERS.decode(result))
        if parameters.lltv_wad == 0 and parameters.loan_token == _NO_ADDRESS:
            raise DecodeError(f"the Morpho at {morpho} has no market 0x{market}")
        markets.append(parameters)
    return MorphoBlue(
        id=spec.id,
        morpho=morpho,
        markets=tuple(markets),
        accounts=by_market,
        units=tuple((account,) for account in accounts),
    )


def fault_facts(spec: VenueSpec, registry: Registry, fault: str) -> list[MorphoBluePosition]:
    """Every watched account at fault: nothing it holds or owes here is known."""
    accounts = accounts_at(registry, spec.id)
    return [MorphoBluePosition(account, 0, 0, 0, fault) for account in accounts]
