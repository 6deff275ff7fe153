"""Morpho Blue: markets and positions in the contract's own integers.

``addresses_provider`` is the Morpho contract. Watched accounts name their market,
``<venue>/<owner>/<market id without 0x>``, so the markets that are read are those of the accounts.

Read at every block, because it moves without a log of Morpho's: each market, its oracle's price and
its rate model's rate. The model is asked with the market as it was last read; where the market is
another by then, the right question is asked at the same block (:class:`Reread`). A position is read
when it is first seen and when a log of Morpho names market and owner.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from xmargin.errors import DecodeError
from xmargin.evm_abi import Function, address_in
from xmargin.model import (
    AccountId,
    Fact,
    Registry,
    VenueId,
    VenueRecord,
    VenueSpec,
    address_of,
)
from xmargin.model.morpho_blue import (
    MARKET_RECORD,
    MorphoBlueMarket,
    MorphoBluePosition,
    market_of,
)
from xmargin.reads import EvmCall, EvmLog, EvmRead
from xmargin.records import account_fault, account_record, market_fault, market_record
from xmargin.venues.base import EvmAccess, Reread, Unit, accounts_at, erc20_id

_NO_ADDRESS: Final = "0x" + "00" * 20

PARAMETERS = Function(
    "idToMarketParams(bytes32)", "address", "address", "address", "address", "uint256"
)
MARKET = Function(
    "market(bytes32)", "uint128", "uint128", "uint128", "uint128", "uint128", "uint128"
)
POSITION = Function("position(bytes32,address)", "uint256", "uint128", "uint128")
PRICE = Function("price()", "uint256")
DECIMALS = Function("decimals()", "uint8")
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
    loan_decimals: int

    @property
    def as_argument(self) -> tuple[str, str, str, str, int]:
        """``MarketParams`` in its order."""
        return (self.loan_token, self.collateral_token, self.oracle, self.irm, self.lltv_wad)


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
    def static_facts(self) -> Sequence[Fact]:
        """None: a market's parameters are in its record."""
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

        def decode(results: Sequence[bytes | None]) -> list[Fact]:
            now: MarketState = MARKET.decode(results[0])
            self.states[market.market_id] = now
            if market.irm != _NO_ADDRESS and now != state:
                raise Reread(self._market_read(market, now))
            rate = results[2] if asks_rate else bytes(32)
            return [self._market_record(market, now, results[1], rate)]

        return EvmRead(tuple(calls), decode)

    def _market_record(
        self, market: Parameters, state: MarketState, price: bytes | None, rate: bytes | None
    ) -> VenueRecord:
        try:
            (rate_wad,), (answer,) = BORROW_RATE_VIEW.decode(rate), PRICE.decode(price)
        except DecodeError as error:
            return market_fault(self.id, MARKET_RECORD, market.market_id, error.message)
        read = MorphoBlueMarket(
            erc20_id(self.id, market.loan_token),
            market.loan_decimals,
            erc20_id(self.id, market.collateral_token),
            *state,
            borrow_rate_wad=rate_wad,
            lltv_wad=market.lltv_wad,
            price=answer,
        )
        return market_record(self.id, MARKET_RECORD, market.market_id, read)

    # --- One account ------------------------------------------------------------------------

    def unit_read(self, unit: Unit) -> EvmRead:
        """An owner's position in a market."""
        (account,) = unit
        market = bytes.fromhex(market_of(account))
        call: EvmCall = POSITION(self.morpho, market, address_of(account))

        def decode(results: Sequence[bytes | None]) -> list[Fact]:
            try:
                supply, debt, collateral = POSITION.decode(results[0])
            except DecodeError as error:
                return [account_fault(account, error.message)]
            return [account_record(account, MorphoBluePosition(supply, debt, collateral))]

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
    found = [PARAMETERS.decode(result) for result in results]
    for market, (loan_token, *_) in zip(ids, found, strict=True):
        if loan_token == _NO_ADDRESS:
            raise DecodeError(f"the Morpho at {morpho} has no market 0x{market}")
    answers = await access.call([DECIMALS(loan_token) for loan_token, *_ in found])
    decimals = [DECIMALS.decode(answer)[0] for answer in answers]
    markets = [
        Parameters(market, loan, collateral, oracle, irm, lltv_wad, number)
        for market, (loan, collateral, oracle, irm, lltv_wad), number in zip(
            ids, found, decimals, strict=True
        )
    ]
    return MorphoBlue(
        id=spec.id,
        morpho=morpho,
        markets=tuple(markets),
        accounts=by_market,
        units=tuple((account,) for account in accounts),
    )


def fault_facts(spec: VenueSpec, registry: Registry, fault: str) -> list[Fact]:
    """Every watched account at fault: nothing it holds or owes here is known."""
    return [account_fault(account, fault) for account in accounts_at(registry, spec.id)]
