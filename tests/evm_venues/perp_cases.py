"""Perpetual v2 in use: makers, longs, shorts, a second collateral; and what its contracts say."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from tests.evm_venues.serving import config_of
from xmargin.config import Config
from xmargin.model import VenueSetting, VenueSpec
from xmargin.model.perp_v2 import instrument_of
from xmargin.testbed import chainlink
from xmargin.testbed.anvil import Anvil
from xmargin.testbed.chainlink import PriceFeed
from xmargin.testbed.perp_v2 import PerpV2, deploy_perp_v2
from xmargin.testbed.portfolios import evm_address
from xmargin.testbed.script import Script

PRICES = {"BTC": Decimal(61_000), "ETH": Decimal(2_500)}
MAKER, LONG, SHORT, BOTH, IDLE = TRADERS = tuple(
    evm_address(name) for name in ("maker", "long", "short", "both", "idle")
)
WAD = 10**18


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployment with traders in it."""

    perp: PerpV2
    usdc: PriceFeed
    spot_twap_s: str = "0"

    @property
    def venue(self) -> str:
        return f"perp-v2@{self.perp.node.chain}"

    @property
    def spec(self) -> VenueSpec:
        house = self.perp.clearing_house.address.lower()
        listed = [("base_tokens", market.base) for market in self.perp.markets.values()]
        listed.append(("collaterals", self.perp.tokens["WETH"]))
        settings = [VenueSetting(name, one.address.lower()) for name, one in listed]
        settings.append(VenueSetting("spot_twap_s", self.spot_twap_s))
        return VenueSpec(self.venue, "perp-v2", house, tuple(settings))

    def account(self, trader: str) -> str:
        return f"{self.venue}/{trader.lower()}"

    @property
    def accounts(self) -> list[str]:
        return [self.account(trader) for trader in TRADERS]

    async def says(self, trader: str, block: int) -> Mapping[str, int]:
        """The contracts' own figures at a block."""
        bed = self.perp
        asked = {
            "account_value": bed.clearing_house.functions.getAccountValue(trader),
            "maintenance": bed.account_balance.functions.getMarginRequirementForLiquidation(trader),
            "debt": bed.account_balance.functions.getTotalDebtValue(trader),
            "free": bed.vault.functions.getFreeCollateral(trader),
            "free_at_maintenance": bed.vault.functions.getFreeCollateralByRatio(trader, 62_500),
        }
        said = {n: await one.call(block_identifier=block) for n, one in asked.items()}
        pnl = bed.account_balance.functions.getPnlAndPendingFee(trader)
        _, said["unrealized"], _ = await pnl.call(block_identifier=block)
        return said

    async def marks(self, trader: str, block: int) -> dict[str, tuple[int, int, int]]:
        """Of each market the mark, and the trader's position in it and its value."""
        contract, found = self.perp.account_balance.functions, {}
        for market in self.perp.markets.values():
            base = market.base.address
            asked = (
                contract.getMarkPrice(base),
                contract.getTotalPositionSize(trader, base),
                contract.getTotalPositionValue(trader, base),
            )
            mark, size, value = [await one.call(block_identifier=block) for one in asked]
            found[base.lower()] = (mark, size, value)
        return found


async def deployed(node: Anvil) -> Deployed:
    """Two markets with liquidity in two ranges each, and a position of every kind."""
    perp = await deploy_perp_v2(node, PRICES)
    money = {MAKER: 10**13, LONG: 1_570 * 10**6, SHORT: 1_300 * 10**6, BOTH: 5_000 * 10**6}
    for trader, amount in money.items():
        await node.send(perp.deposit(trader, "USDC", amount))
    await node.send(perp.deposit(BOTH, "WETH", WAD + 12_345))
    for market, price in PRICES.items():
        tick = int(math.log(price) / math.log(1.0001)) // 200 * 200
        for width in (600, 6_000):
            amounts = int(2_000_000 * WAD / price), 2_000_000 * WAD
            ticks = (tick - width, tick + width + 200)
            await node.send([perp.add_liquidity(MAKER, market, ticks, amounts)])
    await node.send(
        [
            perp.open_position(LONG, "ETH", is_short=False, quote=15_000 * WAD + 7),
            perp.open_position(SHORT, "BTC", is_short=True, quote=11_000 * WAD + 3),
            perp.open_position(BOTH, "ETH", is_short=True, quote=9_000 * WAD),
            perp.open_position(BOTH, "BTC", is_short=False, quote=12_000 * WAD + 1),
        ]
    )
    script = await Script.begin(node, node.admin)
    usdc = chainlink.deploy_feed(script, node.admin, "USDC", Decimal("0.9997"))
    await script.run()
    return Deployed(perp, usdc)


def config(perp: Deployed, tape: Path) -> Config:
    """The service's, watching all accounts."""
    bed, chain = perp.perp, perp.perp.node.chain
    tokens = [
        {"id": f"{chain}/erc20:{contract.address.lower()}", "symbol": symbol,
         "asset": "USD" if symbol == "USDC" else "ETH",
         "price": "USDC" if symbol == "USDC" else "ETH"}
        for symbol, contract in bed.tokens.items()
    ] + [
        {"id": instrument_of(perp.venue, market.base.address.lower()), "symbol": f"{symbol}-PERP",
         "asset": symbol, "price": symbol}
        for symbol, market in bed.markets.items()
    ]  # fmt: skip
    spec = perp.spec
    venue = {"id": spec.id, "kind": spec.kind, "addresses_provider": spec.addresses_provider}
    names = ("base_tokens", "collaterals", "spot_twap_s")
    settings = {name: list(spec.values(name)) for name in names}
    return config_of(
        bed.node,
        tape,
        venue=venue,
        settings=settings,
        tokens=tokens,
        feeds=(*bed.feeds.values(), perp.usdc),
        accounts=perp.accounts,
    )
