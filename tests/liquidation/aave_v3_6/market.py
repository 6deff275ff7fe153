"""Aave 3.6, compiled from its npm package and deployed to a local anvil with Chainlink feeds.

The packages are those of ``package-lock.json``, by their integrity hashes; what the compiler made
of them is kept in the cache of the testbed, by a hash of all that went in.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from web3.contract import AsyncContract

from xmargin.testbed import chainlink
from xmargin.testbed.anvil import Anvil
from xmargin.testbed.artifacts import Artifact
from xmargin.testbed.chainlink import PriceFeed
from xmargin.testbed.packages import cache_dir, node_path
from xmargin.testbed.script import Script

HERE = Path(__file__).parent
LOCK = ("package.json", "package-lock.json")
NO_ADDRESS = "0x" + "00" * 20
LIBRARIES = ("SupplyLogic", "BorrowLogic", "LiquidationLogic", "PoolLogic", "ConfiguratorLogic")
CONTRACTS = (
    *LIBRARIES, "FlashLoanLogic", "PoolAddressesProvider", "ACLManager", "PoolInstance",
    "PoolConfiguratorInstance", "AaveProtocolDataProvider", "MintableERC20", "AaveOracle",
    "ATokenInstance", "VariableDebtTokenInstance", "DefaultReserveInterestRateStrategyV2",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Listing:
    """One reserve: decimals, price in USD, threshold, bonus and protocol fee in basis points."""

    decimals: int
    price_usd: Decimal
    threshold_bps: int
    bonus_bps: int
    fee_bps: int


LISTINGS = {
    "WETH": Listing(18, Decimal(3000), 8300, 10500, 1000),
    "wstETH": Listing(18, Decimal("3540.5"), 8100, 10600, 777),
    "WBTC": Listing(8, Decimal("72000.01"), 7800, 10650, 0),
    "USDC": Listing(6, Decimal(1), 7800, 10450, 2000),
}
EMODE, EMODE_THRESHOLD_BPS, EMODE_BONUS_BPS = 1, 9500, 10100


@dataclass(frozen=True, slots=True)
class Market:
    """What is deployed."""

    node: Anvil
    provider: AsyncContract
    pool: AsyncContract
    configurator: AsyncContract
    oracle: AsyncContract
    data: AsyncContract
    tokens: Mapping[str, AsyncContract]
    feeds: Mapping[str, PriceFeed]

    async def set_prices(self, prices_usd: Mapping[str, Decimal]) -> None:
        """One new round on each feed named."""
        rounds = [(self.feeds[symbol], price) for symbol, price in prices_usd.items()]
        await chainlink.submit_rounds(self.node, self.node.admin, rounds)


def compiled() -> dict[str, Artifact]:
    """The contracts, compiled from the packages where that has not been done before."""
    parts = [(HERE / name).read_bytes() for name in (*LOCK, "compile.js")]
    digest = hashlib.sha256(b"\0".join([*parts, json.dumps(CONTRACTS).encode()])).hexdigest()
    kept = cache_dir() / "compiled" / f"aave-v3-6-{digest[:16]}.json"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=kept.parent, delete=False) as part:
            part.write(_compile())
        os.replace(part.name, kept)
    return {
        name: _artifact(name, content) for name, content in json.loads(kept.read_text()).items()
    }


def _compile() -> str:
    with tempfile.TemporaryDirectory() as folder:
        for name in LOCK:
            shutil.copy(HERE / name, folder)
        install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--prefix", folder]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
        script = str(HERE / "compile.js")
        command = [node_path(), script, f"{folder}/node_modules", json.dumps(CONTRACTS)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _artifact(name: str, content: dict[str, Any]) -> Artifact:
    offsets = {
        library: tuple(place["start"] for place in places)
        for libraries in content["linkReferences"].values()
        for library, places in libraries.items()
    }
    code = content["bytecode"]
    return Artifact(name, content["abi"], code, offsets)


async def deploy(
    node: Anvil, code: Mapping[str, Artifact], listings: Mapping[str, Listing] = LISTINGS
) -> Market:
    """The whole market, its reserves listed, WETH and wstETH in one eMode."""
    admin = node.admin
    script = await Script.begin(node, admin)
    provider = script.deploy(code["PoolAddressesProvider"], "3.6", admin)
    script.call(provider, "setACLAdmin", admin)
    acl = script.deploy(code["ACLManager"], provider.address)
    script.call(provider, "setACLManager", acl.address)
    for role in ("addPoolAdmin", "addRiskAdmin", "addAssetListingAdmin"):
        script.call(acl, role, admin)
    libraries = {name: script.deploy(code[name]).address for name in LIBRARIES}
    flash = script.deploy(code["FlashLoanLogic"], libraries=libraries)
    libraries["FlashLoanLogic"] = flash.address
    rates = script.deploy(code["DefaultReserveInterestRateStrategyV2"], provider.address)
    pool = script.deploy(code["PoolInstance"], provider.address, rates.address, libraries=libraries)
    script.call(provider, "setPoolImpl", pool.address)
    configurator = script.deploy(code["PoolConfiguratorInstance"], libraries=libraries)
    script.call(provider, "setPoolConfiguratorImpl", configurator.address)
    data = script.deploy(code["AaveProtocolDataProvider"], provider.address)
    script.call(provider, "setPoolDataProvider", data.address)
    tokens = {
        s: script.deploy(code["MintableERC20"], s, s, listing.decimals)
        for s, listing in listings.items()
    }
    feeds = {
        s: chainlink.deploy_feed(script, admin, s, listing.price_usd)
        for s, listing in listings.items()
    }
    sources = [feed.proxy.address for feed in feeds.values()]
    assets = [token.address for token in tokens.values()]
    oracle = script.deploy(
        code["AaveOracle"], provider.address, assets, sources, NO_ADDRESS, NO_ADDRESS, 10**8
    )
    script.call(provider, "setPriceOracle", oracle.address)
    await script.run()
    at = node.contract
    pool = at(await provider.functions.getPool().call(), pool.abi)
    configurator = at(await provider.functions.getPoolConfigurator().call(), configurator.abi)
    market = Market(node, provider, pool, configurator, oracle, data, tokens, feeds)
    await _list(market, code, listings, rates.address)
    return market


async def _list(
    market: Market, code: Mapping[str, Artifact], listings: Mapping[str, Listing], rates: str
) -> None:
    admin, configurator = market.node.admin, market.configurator
    script = await Script.begin(market.node, admin)
    a_token = script.deploy(code["ATokenInstance"], market.pool.address, NO_ADDRESS, admin)
    debt_token = script.deploy(code["VariableDebtTokenInstance"], market.pool.address, NO_ADDRESS)
    curve = encode(["(uint16,uint32,uint32,uint32)"], [(8000, 0, 400, 6000)])
    values = {
        "aTokenImpl": a_token.address, "variableDebtTokenImpl": debt_token.address,
        "useVirtualBalance": True, "interestRateStrategyAddress": rates, "treasury": admin,
        "incentivesController": NO_ADDRESS, "params": b"", "interestRateData": curve,
    }  # fmt: skip
    abi: list[Any] = list(configurator.abi)
    [entry] = [f for f in abi if f.get("name") == "initReserves"]
    fields = [field["name"] for field in entry["inputs"][0]["components"]]
    inputs = []
    for symbol, token in market.tokens.items():
        row = values | {"underlyingAsset": token.address} | _names(symbol)
        inputs.append(tuple(row[field] for field in fields))
    script.call(configurator, "initReserves", inputs)
    for symbol, listing in listings.items():
        asset = market.tokens[symbol].address
        ratios = (listing.threshold_bps - 300, listing.threshold_bps, listing.bonus_bps)
        if listing.threshold_bps:
            script.call(configurator, "configureReserveAsCollateral", asset, *ratios)
        script.call(configurator, "setReserveBorrowing", asset, True)
        script.call(configurator, "setLiquidationProtocolFee", asset, listing.fee_bps)
    ratios = (EMODE_THRESHOLD_BPS - 200, EMODE_THRESHOLD_BPS, EMODE_BONUS_BPS)
    script.call(configurator, "setEModeCategory", EMODE, *ratios, "ETH correlated")
    for symbol in ("WETH", "wstETH"):
        asset = market.tokens[symbol].address
        script.call(configurator, "setAssetCollateralInEMode", asset, EMODE, True)
        script.call(configurator, "setAssetBorrowableInEMode", asset, EMODE, True)
    await script.run()


def _names(symbol: str) -> dict[str, str]:
    return {
        "aTokenName": f"a{symbol}", "aTokenSymbol": f"a{symbol}",
        "variableDebtTokenName": f"v{symbol}", "variableDebtTokenSymbol": f"v{symbol}",
    }  # fmt: skip
