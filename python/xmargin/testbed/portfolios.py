"""The testbed's owners: what each holds on the three chains, and how each stands at genesis.

Amounts are in whole tokens. Expected health factors are those at the genesis prices, before the
interest of the set-up's days (well below half a percent).
"""

import functools
import hashlib
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from eth_account import Account
from eth_utils.address import to_checksum_address
from solders.keypair import Keypair

from xmargin.testbed.aave import STABLE_RATE, VARIABLE_RATE
from xmargin.testbed.markets import CORE_MARKET, ETH_CORRELATED, FAST_MARKET, USD_CORRELATED
from xmargin.testbed.solana_vm import deterministic_keypair

CORE = CORE_MARKET.chain_id
FAST = FAST_MARKET.chain_id


class Kind(StrEnum):
    """What a portfolio is there to show."""

    HEALTHY = "healthy"
    NEAR_EDGE = "near-edge"
    VENUE_LIQUIDATABLE = "venue-liquidatable"  # at one venue, though sound as a whole
    SHORT_AS_A_WHOLE = "short-as-a-whole"  # though sound at every venue
    LIQUIDATABLE = "liquidatable"  # at its venues and as a whole
    EMODE_LOOP = "emode-loop"
    STABLE_DEBT = "stable-debt"
    COLLATERAL_OFF = "collateral-off"
    ATOKENS_MOVED = "atokens-moved"
    NO_DEBT = "no-debt"
    EMPTY = "empty"


class Whole(StrEnum):
    """How an owner stands as a whole at genesis; UNSAID where it is near enough to depend."""

    SOUND = "sound"
    SHORT = "short"
    UNSAID = "unsaid"


@dataclass(frozen=True, slots=True)
class Loan:
    """A debt at one venue."""

    symbol: str
    amount: Decimal
    rate_mode: int = VARIABLE_RATE


@dataclass(frozen=True, slots=True)
class AavePosition:
    """An owner's account in one Aave market and its expected health factor at genesis."""

    health_factor: Decimal | None
    supplies: dict[str, Decimal] = field(default_factory=dict)
    loans: tuple[Loan, ...] = ()
    emode: int = 0
    not_collateral: tuple[str, ...] = ()
    a_tokens_sent: tuple[tuple[str, Decimal, str], ...] = ()  # symbol, amount, receiving portfolio


@dataclass(frozen=True, slots=True)
class Portfolio:
    """One owner. `aave` and `wallets` are by EVM chain number; native coin is ``ETH``, ``SOL``."""

    id: str
    kind: Kind
    whole: Whole
    aave: dict[int, AavePosition] = field(default_factory=dict)
    wallets: dict[int, dict[str, Decimal]] = field(default_factory=dict)
    solana: dict[str, Decimal] = field(default_factory=dict)

    @property
    def evm_address(self) -> str:
        """The owner's address on both EVM chains."""
        return evm_address(self.id)

    @property
    def solana_keypair(self) -> Keypair:
        """The owner's key on Solana."""
        return deterministic_keypair(f"owner {self.id}")

    @property
    def solana_address(self) -> str:
        """The owner's address on Solana."""
        return str(self.solana_keypair.pubkey())

    def health_factor(self, chain_id: int) -> Decimal | None:
        """Expected at genesis in that chain's Aave market; None where nothing is owed."""
        position = self.aave.get(chain_id)
        return position.health_factor if position else None

    @property
    def liquidatable_on(self) -> tuple[int, ...]:
        """The chains whose Aave market would liquidate the owner at genesis."""
        factors = {chain: self.health_factor(chain) for chain in (CORE, FAST)}
        return tuple(chain for chain, hf in factors.items() if hf is not None and hf < 1)


@functools.cache
def evm_address(portfolio_id: str) -> str:
    """The checksummed address of a named owner's key."""
    key = hashlib.sha256(f"xmargin testbed evm {portfolio_id}".encode()).digest()
    return str(Account.from_key(key).address)


@dataclass(frozen=True, slots=True)
class ExtraOwner:
    """A synthetic owner for benchmarks: an address on each chain, the same small holdings."""

    number: int

    @property
    def id(self) -> str:
        """The portfolio's id."""
        return f"extra-{self.number:05d}"

    @property
    def evm_address(self) -> str:
        """An address nobody holds a key of: making thousands of keys is slow."""
        return str(to_checksum_address(hashlib.sha256(self.id.encode()).digest()[:20]))

    @property
    def solana_address(self) -> str:
        """The owner's address on Solana."""
        return str(deterministic_keypair(self.id).pubkey())


def _amounts(text: str) -> dict[str, Decimal]:
    """`"10 WETH, 0.5 WBTC"` as amounts by symbol."""
    pairs = (item.split() for item in text.split(",") if item.strip())
    return {symbol: Decimal(amount) for amount, symbol in pairs}


def _aave(
    supplies: str,
    owes: str = "",
    *,
    hf: str | None = None,
    stable: str = "",
    emode: int = 0,
    off: tuple[str, ...] = (),
    sends: tuple[tuple[str, str, str], ...] = (),
) -> AavePosition:
    loans = [Loan(symbol, amount) for symbol, amount in _amounts(owes).items()]
    loans += [Loan(symbol, amount, STABLE_RATE) for symbol, amount in _amounts(stable).items()]
    return AavePosition(
        health_factor=None if hf is None else Decimal(hf),
        supplies=_amounts(supplies),
        loans=tuple(loans),
        emode=emode,
        not_collateral=off,
        a_tokens_sent=tuple((symbol, Decimal(amount), to) for symbol, amount, to in sends),
    )


def _wallets(core: str = "", fast: str = "") -> dict[int, dict[str, Decimal]]:
    return {CORE: _amounts(core), FAST: _amounts(fast)}


PORTFOLIOS: tuple[Portfolio, ...] = (
    Portfolio(
        "p01-healthy-eth", Kind.HEALTHY, Whole.SOUND,
        {CORE: _aave("20 WETH", "15000 USDC", hf="2.7667")},
        _wallets("2 ETH", "0.5 ETH"), _amounts("20 SOL"),
    ),
    Portfolio(
        "p02-healthy-btc", Kind.HEALTHY, Whole.SOUND,
        {CORE: _aave("2 WBTC", "40000 USDC", hf="2.3400"),
         FAST: _aave("1 WBTC", "10 WETH", hf="2.1600")},
        _wallets("0.5 ETH", "0.5 ETH, 2000 USDC"),
    ),
    Portfolio(
        "p03-healthy-three-chains", Kind.HEALTHY, Whole.SOUND,
        {CORE: _aave("10 WETH", "8000 USDC", hf="2.5938"),
         FAST: _aave("15 WETH", "12000 PYUSD", hf="2.9063")},
        _wallets("1 ETH", "1 ETH"), _amounts("50 SOL, 3 soETH, 5000 USDC"),
    ),
    Portfolio(
        "p04-healthy-lender", Kind.HEALTHY, Whole.SOUND,
        {CORE: _aave("100000 USDC", "5 WETH", hf="6.4000")},
    ),
    Portfolio(
        "p05-healthy-whale", Kind.HEALTHY, Whole.SOUND,
        {CORE: _aave("400 WETH, 10 WBTC", "500000 USDC", hf="2.5960")},
        _wallets("100 ETH"), _amounts("2000 SOL, 250000 USDC"),
    ),
    Portfolio(
        "p06-healthy-many-assets", Kind.HEALTHY, Whole.SOUND,
        {CORE: _aave("10 WETH, 0.5 WBTC, 10000 USDC, 5 wstETH",
                     "20000 USDC, 5000 PYUSD, 2 WETH", hf="2.1366")},
        _wallets("0.1 ETH"), _amounts("750 PYUSD"),
    ),
    Portfolio(
        "p07-healthy-short-eth", Kind.HEALTHY, Whole.UNSAID,
        {CORE: _aave("50000 USDC", "12 WETH", hf="1.3333")},
        _wallets("0.1 ETH"),
    ),
    Portfolio(
        "p08-near-edge-core", Kind.NEAR_EDGE, Whole.UNSAID,
        {CORE: _aave("10 WETH", "19500 USDC", hf="1.0641")},
        _wallets("0.2 ETH"),
    ),
    Portfolio(
        "p09-near-edge-fast", Kind.NEAR_EDGE, Whole.UNSAID,
        {FAST: _aave("1 WBTC", "50000 USDC", hf="1.0800")},
        _wallets("", "0.2 ETH"), _amounts("1 SOL"),
    ),
    Portfolio(
        "p10-venue-liquidatable-rich-solana", Kind.VENUE_LIQUIDATABLE, Whole.SOUND,
        {CORE: _aave("10 WETH", "22000 USDC", hf="0.9432")},
        _wallets("0.1 ETH"), _amounts("400 SOL, 30000 USDC"),
    ),
    Portfolio(
        "p11-venue-liquidatable-rich-wallet", Kind.VENUE_LIQUIDATABLE, Whole.SOUND,
        {FAST: _aave("20 WETH", "48500 PYUSD", hf="0.9588")},
        _wallets("0.1 ETH, 100000 USDC", "0.1 ETH"),
    ),
    Portfolio(
        "p12-venue-liquidatable-rich-aave", Kind.VENUE_LIQUIDATABLE, Whole.SOUND,
        {CORE: _aave("5 WETH", "10800 USDC", hf="0.9606"), FAST: _aave("200000 USDC")},
    ),
    Portfolio(
        "p13-venue-liquidatable-btc", Kind.VENUE_LIQUIDATABLE, Whole.SOUND,
        {CORE: _aave("1 WBTC", "48000 USDC", hf="0.9750")},
        _wallets("", "40 ETH"), _amounts("50000 USDC"),
    ),
    Portfolio(
        "p14-liquidatable-everywhere", Kind.LIQUIDATABLE, Whole.SHORT,
        {CORE: _aave("10 WETH", "21500 USDC", hf="0.9651"),
         FAST: _aave("10 WETH", "24000 USDC", hf="0.9688")},
        _wallets("0.01 ETH", "0.01 ETH"),
    ),
    Portfolio(
        "p15-short-as-a-whole-eth", Kind.SHORT_AS_A_WHOLE, Whole.SHORT,
        {CORE: _aave("40 WETH", "80500 USDC", hf="1.0311"),
         FAST: _aave("120 WETH", "271000 USDC", hf="1.0295")},
        _wallets("0.05 ETH", "0.05 ETH"),
    ),
    Portfolio(
        "p16-short-as-a-whole-pyusd", Kind.SHORT_AS_A_WHOLE, Whole.SHORT,
        {CORE: _aave("20 WETH", "40000 PYUSD", hf="1.0375"),
         FAST: _aave("80 WETH", "180000 USDC", hf="1.0333")},
    ),
    Portfolio(
        "p17-short-as-a-whole-btc", Kind.SHORT_AS_A_WHOLE, Whole.SHORT,
        {CORE: _aave("10 WETH", "19900 USDC", hf="1.0427"),
         FAST: _aave("10 WBTC", "522000 USDC", hf="1.0345")},
        solana=_amounts("0.5 SOL"),
    ),
    Portfolio(
        "p18-emode-loop-core", Kind.EMODE_LOOP, Whole.UNSAID,
        {CORE: _aave("100 wstETH", "108 WETH", hf="1.0380", emode=ETH_CORRELATED)},
    ),
    Portfolio(
        "p19-emode-loop-fast", Kind.EMODE_LOOP, Whole.UNSAID,
        {FAST: _aave("50 wstETH", "55 WETH", hf="1.0298", emode=ETH_CORRELATED)},
        _wallets("", "0.3 ETH"),
    ),
    Portfolio(
        "p20-emode-loop-both", Kind.EMODE_LOOP, Whole.UNSAID,
        {CORE: _aave("60 wstETH", "60 WETH", hf="1.1210", emode=ETH_CORRELATED),
         FAST: _aave("60 wstETH", "62 WETH", hf="1.0963", emode=ETH_CORRELATED)},
    ),
    Portfolio(
        "p21-emode-loop-usd", Kind.EMODE_LOOP, Whole.UNSAID,
        {CORE: _aave("200000 PYUSD", "185000 USDC", hf="1.0486", emode=USD_CORRELATED),
         FAST: _aave("100000 USDC", "92000 PYUSD", hf="1.0598", emode=USD_CORRELATED)},
    ),
    Portfolio(
        "p22-emode-mixed", Kind.EMODE_LOOP, Whole.SOUND,
        {CORE: _aave("10 wstETH, 1 WBTC", "15 WETH", hf="1.9953", emode=ETH_CORRELATED)},
    ),
    Portfolio(
        "p23-stable-debt", Kind.STABLE_DEBT, Whole.UNSAID,
        {CORE: _aave("10 WETH", "2000 USDC", stable="12000 USDC", hf="1.4821"),
         FAST: _aave("1 WBTC", stable="5000 PYUSD", hf="10.8000")},
    ),
    Portfolio(
        "p24-collateral-off", Kind.COLLATERAL_OFF, Whole.SOUND,
        {CORE: _aave("20 WETH, 30000 USDC", "20000 PYUSD", hf="2.0750", off=("USDC",),
                     sends=(("USDC", "8000", "p27-atokens-only"),))},
    ),
    Portfolio(
        "p25-atokens-received", Kind.ATOKENS_MOVED, Whole.SOUND,
        {CORE: _aave("15 WETH", "12000 USDC", hf="3.4583")},
    ),
    Portfolio(
        "p26-atokens-sent", Kind.ATOKENS_MOVED, Whole.SOUND,
        {CORE: _aave("12 WETH", "5000 USDC", hf="2.9050",
                     sends=(("WETH", "5", "p25-atokens-received"),))},
    ),
    Portfolio("p27-atokens-only", Kind.ATOKENS_MOVED, Whole.SOUND),
    Portfolio(
        "p28-no-debt-aave", Kind.NO_DEBT, Whole.SOUND,
        {CORE: _aave("5 WETH"), FAST: _aave("1 WBTC, 3000 PYUSD")},
    ),
    Portfolio(
        "p29-no-debt-wallets", Kind.NO_DEBT, Whole.SOUND,
        {},
        _wallets("3 ETH, 1 WBTC", "10000 USDC, 5 wstETH"), _amounts("25 SOL, 2500 PYUSD"),
    ),
    Portfolio(
        "p30-no-debt-solana", Kind.NO_DEBT, Whole.SOUND,
        solana=_amounts("100 SOL, 2 soETH, 1000 USDC"),
    ),
    Portfolio("p31-empty", Kind.EMPTY, Whole.SOUND),
)  # fmt: skip
PORTFOLIO_BY_ID = {portfolio.id: portfolio for portfolio in PORTFOLIOS}
