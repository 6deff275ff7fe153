"""The real Aave v3 (core-v3 1.19.3 bytecode) on a local chain, priced by real Chainlink feeds."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3.contract import AsyncContract

from xmargin.testbed import artifacts, chainlink
from xmargin.testbed.anvil import Anvil, Transaction
from xmargin.testbed.calldata import call_data
from xmargin.testbed.chainlink import PriceFeed
from xmargin.testbed.markets import DECIMALS, EVM_PRICES, TOKENS, EModeSpec, MarketSpec
from xmargin.testbed.script import Script

STABLE_RATE = 1
VARIABLE_RATE = 2
_LIBRARIES = (
    "SupplyLogic",
    "BorrowLogic",
    "LiquidationLogic",
    "EModeLogic",
    "BridgeLogic",
    "ConfiguratorLogic",
    "PoolLogic",
)
_NO_ADDRESS = "0x" + "00" * 20
_RAY = 10**27
_UNLIMITED = 2**256 - 1
_RESERVE_FACTOR_BPS = 1000
_ADMIN_ROLES = ("addPoolAdmin", "addEmergencyAdmin", "addRiskAdmin", "addAssetListingAdmin")


@dataclass(frozen=True, slots=True)
class AaveMarket:
    """One deployed market: its contracts, and transactions on it as values to send."""

    spec: MarketSpec
    node: Anvil
    provider: AsyncContract
    pool: AsyncContract
    configurator: AsyncContract
    data_provider: AsyncContract
    oracle: AsyncContract
    tokens: Mapping[str, AsyncContract]
    feeds: Mapping[str, PriceFeed]

    def mint(self, symbol: str, to: str, amount: Decimal, sender: str) -> Transaction:
        """New tokens for `to`."""
        data = call_data(self.tokens[symbol], "mint", [to, units(symbol, amount)])
        return self._on_token(symbol, sender, data, f"mint {amount} {symbol} for {to}")

    def approve(self, symbol: str, sender: str) -> Transaction:
        """Let the pool take any amount of the sender's tokens."""
        data = call_data(self.tokens[symbol], "approve", [self.pool.address, _UNLIMITED])
        return self._on_token(symbol, sender, data, f"approve {symbol} by {sender}")

    def transfer(self, symbol: str, amount: Decimal, sender: str, to: str) -> Transaction:
        """Tokens from one wallet to another."""
        data = call_data(self.tokens[symbol], "transfer", [to, units(symbol, amount)])
        return self._on_token(symbol, sender, data, f"{amount} {symbol} from {sender} to {to}")

    def supply(self, symbol: str, amount: Decimal, owner: str, payer: str) -> Transaction:
        """`payer`'s tokens supplied on behalf of `owner`, who then holds the aTokens."""
        args = [self.tokens[symbol].address, units(symbol, amount), owner, 0]
        return self._on_pool("supply", args, payer, f"{amount} {symbol} for {owner}")

    def borrow(
        self, symbol: str, amount: Decimal, owner: str, rate_mode: int = VARIABLE_RATE
    ) -> Transaction:
        """A loan to `owner`, at the variable or the stable rate."""
        args = [self.tokens[symbol].address, units(symbol, amount), rate_mode, 0, owner]
        return self._on_pool("borrow", args, owner, f"{amount} {symbol} by {owner}")

    def set_emode(self, category: int, owner: str) -> Transaction:
        """Enter an eMode category (0 leaves it)."""
        return self._on_pool("setUserEMode", [category], owner, f"{category} by {owner}")

    def set_collateral(self, symbol: str, enabled: bool, owner: str) -> Transaction:
        """Switch a supplied asset's use as collateral."""
        args = [self.tokens[symbol].address, enabled]
        what = f"{symbol} {enabled} by {owner}"
        return self._on_pool("setUserUseReserveAsCollateral", args, owner, what)

    def _on_pool(self, function: str, args: list[object], sender: str, what: str) -> Transaction:
        data = call_data(self.pool, function, args)
        return Transaction(sender, self.pool.address, data, f"{function} {what}")

    def _on_token(self, symbol: str, sender: str, data: str, what: str) -> Transaction:
        return Transaction(sender, self.tokens[symbol].address, data, what)

    async def a_token(self, symbol: str) -> AsyncContract:
        """The aToken of a reserve."""
        asset = self.tokens[symbol].address
        address = (await self.data_provider.functions.getReserveTokensAddresses(asset).call())[0]
        return self.node.contract(address, artifacts.aave("protocol/tokenization/AToken").abi)


def units(symbol: str, amount: Decimal) -> int:
    """A token amount in its smallest units."""
    return int(amount.scaleb(DECIMALS[symbol]))


async def deploy_market(
    node: Anvil, spec: MarketSpec, prices_usd: Mapping[str, Decimal]
) -> AaveMarket:
    """Deploy tokens, feeds and a whole Aave v3 market, listed and configured as `spec` says.

    Raises:
        TransactionError: a step reverted.
    """
    admin = node.admin
    script = await Script.begin(node, admin)
    tokens = {
        token.symbol: script.deploy(
            artifacts.aave("mocks/tokens/MintableERC20"),
            token.symbol,
            token.symbol,
            token.decimals,
        )
        for token in TOKENS
    }
    feeds = {
        base: chainlink.deploy_feed(script, admin, base, prices_usd[base]) for base in EVM_PRICES
    }
    provider, libraries = _deploy_registry(script, admin)
    pool_abi, configurator_abi = _deploy_pool(script, provider, libraries)
    oracle = _deploy_oracle(script, provider, spec, tokens, feeds)
    data_provider = script.deploy(artifacts.aave("misc/AaveProtocolDataProvider"), provider.address)
    script.call(provider, "setPoolDataProvider", data_provider.address)
    await script.run()

    pool = node.contract(await provider.functions.getPool().call(), pool_abi)
    configurator = node.contract(
        await provider.functions.getPoolConfigurator().call(), configurator_abi
    )
    market = AaveMarket(
        spec, node, provider, pool, configurator, data_provider, oracle, tokens, feeds
    )
    _list_reserves(script, market, treasury=admin)
    _configure_reserves(script, market)
    await script.run()
    return market


def _deploy_registry(script: Script, admin: str) -> tuple[AsyncContract, dict[str, str]]:
    registry = script.deploy(
        artifacts.aave("protocol/configuration/PoolAddressesProviderRegistry"), admin
    )
    provider = script.deploy(
        artifacts.aave("protocol/configuration/PoolAddressesProvider"), "xmargin", admin
    )
    script.call(registry, "registerAddressesProvider", provider.address, 1)
    libraries: dict[str, str] = {}
    for name in (*_LIBRARIES, "FlashLoanLogic"):
        logic = artifacts.aave(f"protocol/libraries/logic/{name}")
        libraries[name] = script.deploy(logic, libraries=libraries).address
    script.call(provider, "setACLAdmin", admin)
    acl = script.deploy(artifacts.aave("protocol/configuration/ACLManager"), provider.address)
    script.call(provider, "setACLManager", acl.address)
    for role in _ADMIN_ROLES:
        script.call(acl, role, admin)
    return provider, libraries


def _deploy_pool(
    script: Script, provider: AsyncContract, libraries: Mapping[str, str]
) -> tuple[object, object]:
    pool = script.deploy(
        artifacts.aave("protocol/pool/Pool"), provider.address, libraries=libraries
    )
    script.call(pool, "initialize", provider.address)
    script.call(provider, "setPoolImpl", pool.address)
    configurator = script.deploy(
        artifacts.aave("protocol/pool/PoolConfigurator"), libraries=libraries
    )
    script.call(configurator, "initialize", provider.address)
    script.call(provider, "setPoolConfiguratorImpl", configurator.address)
    return pool.abi, configurator.abi


def _deploy_oracle(
    script: Script,
    provider: AsyncContract,
    spec: MarketSpec,
    tokens: Mapping[str, AsyncContract],
    feeds: Mapping[str, PriceFeed],
) -> AsyncContract:
    sources: dict[str, str] = {
        tokens[t.symbol].address: feeds[t.price].proxy.address for t in TOKENS
    }
    for emode in spec.emodes:
        if emode.own_price is not None:
            sources[emode_price_source(emode)] = feeds[emode.own_price].proxy.address
    oracle = script.deploy(
        artifacts.aave("misc/AaveOracle"),
        provider.address,
        list(sources),
        list(sources.values()),
        _NO_ADDRESS,
        _NO_ADDRESS,
        10**chainlink.PRICE_DECIMALS,
    )
    script.call(provider, "setPriceOracle", oracle.address)
    return oracle


def emode_price_source(emode: EModeSpec) -> str:
    """The key under which Aave's oracle finds a category's own feed: any address not a token's."""
    if emode.own_price is None:
        return _NO_ADDRESS
    return str(to_checksum_address(keccak(text=f"eMode price of {emode.label}")[12:]))


def _list_reserves(script: Script, market: AaveMarket, treasury: str) -> None:
    pool, provider = market.pool.address, market.provider.address
    names = ("AToken", "StableDebtToken", "VariableDebtToken")
    kinds = [script.deploy(artifacts.aave(f"protocol/tokenization/{n}"), pool) for n in names]
    rates = script.deploy(
        artifacts.aave("protocol/pool/DefaultReserveInterestRateStrategy"),
        provider,
        _RAY * 80 // 100,  # optimal usage
        0,  # base variable rate
        _RAY * 4 // 100,  # variable slopes below and above it
        _RAY * 75 // 100,
        _RAY * 2 // 100,  # stable slopes
        _RAY * 75 // 100,
        _RAY * 2 // 100,  # stable rate's offset, its excess offset, the optimal stable share
        _RAY * 5 // 100,
        _RAY * 20 // 100,
    )
    implementations = [kind.address for kind in kinds]
    inputs = [
        (*implementations, t.decimals, rates.address, market.tokens[t.symbol].address, treasury,
         _NO_ADDRESS, f"Aave {t.symbol}", f"a{t.symbol}",
         f"Aave Variable Debt {t.symbol}", f"variableDebt{t.symbol}",
         f"Aave Stable Debt {t.symbol}", f"stableDebt{t.symbol}", b"\x10")
        for t in TOKENS
    ]  # fmt: skip
    script.call(market.configurator, "initReserves", inputs)


def _configure_reserves(script: Script, market: AaveMarket) -> None:
    configurator = market.configurator
    for emode in market.spec.emodes:
        script.call(
            configurator,
            "setEModeCategory",
            emode.category,
            emode.ltv_bps,
            emode.liquidation_threshold_bps,
            emode.liquidation_bonus_bps,
            emode_price_source(emode),
            emode.label,
        )
    for reserve in market.spec.reserves:
        asset = market.tokens[reserve.symbol].address
        script.call(
            configurator,
            "configureReserveAsCollateral",
            asset,
            reserve.ltv_bps,
            reserve.liquidation_threshold_bps,
            reserve.liquidation_bonus_bps,
        )
        script.call(configurator, "setReserveBorrowing", asset, True)
        script.call(configurator, "setReserveStableRateBorrowing", asset, reserve.stable_rate)
        script.call(configurator, "setReserveFactor", asset, _RESERVE_FACTOR_BPS)
        script.call(configurator, "setAssetEModeCategory", asset, reserve.emode_category)
