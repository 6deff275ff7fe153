"""The two Aave markets of the testbed, as data: assets, prices and each chain's risk settings."""

from dataclasses import dataclass
from decimal import Decimal

# Prices are named by base symbol, in USD. Positions are opened at the opening prices; by genesis
# the market has fallen, which is how some accounts come to stand below a health factor of one.
OPENING_PRICES_USD = {
    "ETH": Decimal(3000),
    "WSTETH": Decimal(3540),
    "BTC": Decimal(72000),
    "USDC": Decimal(1),
    "PYUSD": Decimal(1),
}
GENESIS_PRICES_USD = {
    "ETH": Decimal(2500),
    "WSTETH": Decimal(2950),
    "BTC": Decimal(60000),
    "USDC": Decimal(1),
    "PYUSD": Decimal(1),
    "SOL": Decimal(150),
}
EVM_PRICES = ("ETH", "WSTETH", "BTC", "USDC", "PYUSD")
SOLANA_PRICES = ("SOL", "ETH", "BTC", "USDC", "PYUSD")

ETH_CORRELATED = 1
USD_CORRELATED = 2


@dataclass(frozen=True, slots=True)
class TokenSpec:
    """An ERC-20: its price's base symbol, and the economic asset it is a form of."""

    symbol: str
    decimals: int
    price: str
    asset: str


TOKENS = (
    TokenSpec("WETH", 18, "ETH", "ETH"),
    TokenSpec("wstETH", 18, "WSTETH", "ETH"),
    TokenSpec("WBTC", 8, "BTC", "BTC"),
    TokenSpec("USDC", 6, "USDC", "USDC"),
    TokenSpec("PYUSD", 6, "PYUSD", "PYUSD"),
)
DECIMALS = {token.symbol: token.decimals for token in TOKENS}


@dataclass(frozen=True, slots=True)
class ReserveSpec:
    """One reserve's settings; fractions in basis points, the bonus as 10000 + bonus."""

    symbol: str
    ltv_bps: int
    liquidation_threshold_bps: int
    liquidation_bonus_bps: int
    emode_category: int = 0
    stable_rate: bool = False


@dataclass(frozen=True, slots=True)
class EModeSpec:
    """One eMode category; with `own_price`, its assets are priced by that feed alone."""

    category: int
    label: str
    ltv_bps: int
    liquidation_threshold_bps: int
    liquidation_bonus_bps: int
    own_price: str | None = None


@dataclass(frozen=True, slots=True)
class MarketSpec:
    """One chain's Aave market."""

    chain_id: int
    name: str
    reserves: tuple[ReserveSpec, ...]
    emodes: tuple[EModeSpec, ...]

    def reserve(self, symbol: str) -> ReserveSpec:
        """The settings of one reserve."""
        return next(reserve for reserve in self.reserves if reserve.symbol == symbol)

    def emode(self, category: int) -> EModeSpec:
        """The settings of one eMode category."""
        return next(emode for emode in self.emodes if emode.category == category)


CORE_MARKET = MarketSpec(
    chain_id=31337,
    name="anvil-core",
    reserves=(
        ReserveSpec("WETH", 8050, 8300, 10500, ETH_CORRELATED),
        ReserveSpec("wstETH", 7850, 8100, 10600, ETH_CORRELATED),
        ReserveSpec("WBTC", 7300, 7800, 10500),
        ReserveSpec("USDC", 7700, 8000, 10450, USD_CORRELATED, stable_rate=True),
        ReserveSpec("PYUSD", 7500, 7800, 10450, USD_CORRELATED),
    ),
    emodes=(
        EModeSpec(ETH_CORRELATED, "ETH correlated", 9300, 9500, 10100),
        EModeSpec(USD_CORRELATED, "USD correlated", 9500, 9700, 10100, own_price="USDC"),
    ),
)
# A market that lends more against its majors, as younger deployments do: accounts that its own
# rules call sound can be short by a risk model that looks at their net exposure.
FAST_MARKET = MarketSpec(
    chain_id=31338,
    name="anvil-fast",
    reserves=(
        ReserveSpec("WETH", 9000, 9300, 10300, ETH_CORRELATED),
        ReserveSpec("wstETH", 8500, 8900, 10500, ETH_CORRELATED),
        ReserveSpec("WBTC", 8700, 9000, 10400),
        ReserveSpec("USDC", 8200, 8500, 10400, USD_CORRELATED),
        ReserveSpec("PYUSD", 8000, 8300, 10400, USD_CORRELATED, stable_rate=True),
    ),
    emodes=(
        EModeSpec(ETH_CORRELATED, "ETH correlated", 9450, 9600, 10150),
        EModeSpec(USD_CORRELATED, "USD correlated", 9600, 9750, 10150, own_price="USDC"),
    ),
)
MARKETS = (CORE_MARKET, FAST_MARKET)
