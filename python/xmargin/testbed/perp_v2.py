"""Perpetual v2 (the bytecode that ran on Optimism, from npm) over Uniswap v3 on a local chain."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from eth_utils.address import to_checksum_address
from web3.contract import AsyncContract

from xmargin.testbed import artifacts, chainlink
from xmargin.testbed.anvil import Anvil, Transaction
from xmargin.testbed.artifacts import Artifact
from xmargin.testbed.calldata import call_data
from xmargin.testbed.chainlink import PriceFeed
from xmargin.testbed.script import Script
from xmargin.testbed.uniswap import pool_artifact
from xmargin.testbed.venue_packages import PERP_CURIE, UNISWAP_CORE

_ROOT: Final = "optimism/core/artifacts"
_FEE: Final = 10_000
_EXCHANGE_FEE: Final = 1_000
_OBSERVATIONS: Final = 200
_FEED_TIMEOUT_S: Final = 2_400
_FEED_TWAP_S: Final = 1_800
_COLLATERAL_TWAP_S: Final = 900
_TICKS_A_BLOCK_MAX: Final = 1_000
_FOREVER: Final = 2**40
_UNLIMITED: Final = 2**255
_GAS_MAX: Final = 15_000_000
_NO_REFERRAL: Final = bytes(32)
COLLATERAL_RATIO: Final = 800_000
COLLATERAL_DISCOUNT: Final = 100_000


@dataclass(frozen=True, slots=True)
class PerpMarket:
    """One perp: its base token, its pool, and what its index price is read from."""

    base: AsyncContract
    pool: AsyncContract
    dispatcher: AsyncContract
    feed: PriceFeed


@dataclass(frozen=True, slots=True)
class PerpV2:
    """What is deployed; markets and collaterals by symbol, USDC among the tokens."""

    node: Anvil
    clearing_house: AsyncContract
    vault: AsyncContract
    account_balance: AsyncContract
    exchange: AsyncContract
    order_book: AsyncContract
    tokens: Mapping[str, AsyncContract]
    feeds: Mapping[str, PriceFeed]
    markets: Mapping[str, PerpMarket]

    def deposit(self, owner: str, symbol: str, amount: int) -> list[Transaction]:
        """New tokens, put into the vault."""
        token = self.tokens[symbol]
        return [
            sent(self.node.admin, token, "mint", owner, amount),
            sent(owner, token, "approve", self.vault.address, _UNLIMITED),
            sent(owner, self.vault, "deposit", token.address, amount),
        ]

    def open_position(self, owner: str, market: str, *, is_short: bool, quote: int) -> Transaction:
        """A position of so much quote, 18 decimals, at any price."""
        base = self.markets[market].base.address
        # An exact quote is what a long pays and what a short receives.
        order = (base, is_short, not is_short, quote, 0, _FOREVER, 0, _NO_REFERRAL)
        return sent(owner, self.clearing_house, "openPosition", order)

    def add_liquidity(
        self, owner: str, market: str, ticks: tuple[int, int], amounts: tuple[int, int]
    ) -> Transaction:
        """At most so much base and quote between two ticks."""
        base = self.markets[market].base.address
        order = (base, *amounts, *ticks, 0, 0, False, _FOREVER)
        return sent(owner, self.clearing_house, "addLiquidity", order)

    async def set_price(self, symbol: str, price_usd: Decimal) -> None:
        """A new round of a feed, seen by the market's dispatcher at once."""
        node = self.node
        await chainlink.submit_rounds(node, node.admin, [(self.feeds[symbol], price_usd)])
        if symbol in self.markets:
            dispatcher = self.markets[symbol].dispatcher
            await node.send([sent(node.admin, dispatcher, "dispatchPrice", _FEED_TWAP_S)])


def sent(sender: str, to: AsyncContract, function: str, *args: object) -> Transaction:
    """A call as a transaction."""
    return Transaction(sender, to.address, call_data(to, function, args), function, _GAS_MAX)


def _artifact(name: str, folder: str = "contracts") -> Artifact:
    return artifacts.hardhat(PERP_CURIE, f"{_ROOT}/{folder}/{name}")


def _oracle(name: str) -> Artifact:
    return _artifact(name, "oracle-contracts/contracts")


async def deploy_perp_v2(node: Anvil, prices_usd: Mapping[str, Decimal]) -> PerpV2:
    """The exchange with a market a price, WETH as a second collateral.

    Raises:
        TransactionError: a step reverted.
    """
    script = await Script.begin(node, node.admin)
    erc20 = artifacts.aave("mocks/tokens/MintableERC20")
    tokens = {s: script.deploy(erc20, s, s, n) for s, n in (("USDC", 6), ("WETH", 18))}
    factory = script.deploy(artifacts.hardhat(UNISWAP_CORE, "artifacts/contracts/UniswapV3Factory"))
    quote = script.deploy(_artifact("QuoteToken"))
    script.call(quote, "initialize", "vUSD", "vUSD")
    core = _deploy_core(script, tokens["USDC"], factory, quote)
    money = core | {"factory": factory, "quote": quote}
    feeds = {
        symbol: chainlink.deploy_feed(script, node.admin, symbol, price)
        for symbol, price in prices_usd.items()
    }
    weth_feed = script.deploy(
        _oracle("ChainlinkPriceFeedV2"), feeds["ETH"].proxy.address, _COLLATERAL_TWAP_S
    )
    terms = (weth_feed.address, COLLATERAL_RATIO, COLLATERAL_DISCOUNT, 10**24)
    script.call(core["CollateralManager"], "addCollateral", tokens["WETH"].address, terms)
    bases = {s: _deploy_base(script, s, feeds[s], money) for s in prices_usd}
    await script.run()
    markets = {}
    for symbol, (base, dispatcher) in bases.items():
        address = await factory.functions.getPool(base.address, quote.address, _FEE).call()
        pool = node.contract(to_checksum_address(address), pool_artifact().abi)
        markets[symbol] = PerpMarket(base, pool, dispatcher, feeds[symbol])
    bed = PerpV2(
        node=node,
        clearing_house=core["ClearingHouse"],
        vault=core["Vault"],
        account_balance=core["AccountBalance"],
        exchange=core["Exchange"],
        order_book=core["OrderBook"],
        tokens=tokens,
        feeds=feeds,
        markets=markets,
    )
    await _open_markets(bed, core, quote, prices_usd)
    return bed


def _deploy_core(
    script: Script, usdc: AsyncContract, factory: AsyncContract, quote: AsyncContract
) -> dict[str, AsyncContract]:
    made: dict[str, AsyncContract] = {}

    def deploy(name: str, *args: Any) -> AsyncContract:
        made[name] = script.deploy(_artifact(name))
        script.call(made[name], "initialize", *args)
        return made[name]

    config = deploy("ClearingHouseConfig")
    registry = deploy("MarketRegistry", factory.address, quote.address)
    orders = deploy("OrderBook", registry.address)
    accounts = deploy("AccountBalance", config.address, orders.address)
    exchange = deploy("Exchange", registry.address, orders.address, config.address)
    fund = deploy("InsuranceFund", usdc.address)
    vault = deploy("Vault", fund.address, config.address, accounts.address, exchange.address)
    terms = (5, 500_000, 2_000, 30_000, 2_500, 10**12, 10**12)
    collateral = deploy("CollateralManager", config.address, vault.address, *terms)
    parts = (config, vault, quote, factory, exchange, accounts, fund)
    house = deploy("ClearingHouse", *(part.address for part in parts))
    script.call(exchange, "setAccountBalance", accounts.address)
    script.call(orders, "setExchange", exchange.address)
    script.call(fund, "setVault", vault.address)
    script.call(vault, "setCollateralManager", collateral.address)
    for part in (registry, orders, exchange, accounts, vault):
        script.call(part, "setClearingHouse", house.address)
    script.call(accounts, "setVault", vault.address)
    script.call(config, "setSettlementTokenBalanceCap", _UNLIMITED)
    script.call(quote, "mintMaximumTo", house.address)
    script.call(quote, "addWhitelist", house.address)
    return made


def _deploy_base(
    script: Script, symbol: str, feed: PriceFeed, core: Mapping[str, AsyncContract]
) -> tuple[AsyncContract, AsyncContract]:
    """A base token, whose address must sort before the quote token's, and its price dispatcher."""
    terms = (feed.proxy.address, _FEED_TIMEOUT_S, _FEED_TWAP_S)
    source = script.deploy(_oracle("ChainlinkPriceFeedV3"), *terms)
    dispatcher = script.deploy(_oracle("PriceFeedDispatcher"), source.address)
    base = script.deploy(_artifact("BaseToken"))
    quote = core["quote"].address
    while int(base.address, 16) > int(quote, 16):
        base = script.deploy(_artifact("BaseToken"))
    script.call(base, "initialize", f"v{symbol}", f"v{symbol}", dispatcher.address)
    script.call(base, "mintMaximumTo", core["ClearingHouse"].address)
    script.call(base, "addWhitelist", core["ClearingHouse"].address)
    script.call(core["factory"], "createPool", base.address, quote, _FEE)
    return base, dispatcher


async def _open_markets(
    bed: PerpV2,
    core: Mapping[str, AsyncContract],
    quote: AsyncContract,
    prices_usd: Mapping[str, Decimal],
) -> None:
    script = await Script.begin(bed.node, bed.node.admin)
    for symbol, market in bed.markets.items():
        base, pool = market.base, market.pool
        script.call(quote, "addWhitelist", pool.address)
        script.call(base, "addWhitelist", pool.address)
        script.call(pool, "initialize", int(prices_usd[symbol].sqrt() * 2**96))
        script.call(pool, "increaseObservationCardinalityNext", _OBSERVATIONS)
        script.call(core["MarketRegistry"], "addPool", base.address, _FEE)
        script.call(core["MarketRegistry"], "setFeeRatio", base.address, _EXCHANGE_FEE)
        ticks = (base.address, _TICKS_A_BLOCK_MAX)
        script.call(core["Exchange"], "setMaxTickCrossedWithinBlock", *ticks)
    await script.run()
    for _ in range(2):  # the dispatchers' averages need a past
        await bed.node.rpc("evm_increaseTime", 2_000)
        for symbol, price in prices_usd.items():
            await bed.set_price(symbol, price)
