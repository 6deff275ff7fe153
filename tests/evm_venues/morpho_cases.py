"""Positions at random in markets that live: what a test needs to act on Morpho and to ask it."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from tests.evm_venues.serving import config_of
from xmargin.config import Config
from xmargin.model import VenueSpec
from xmargin.testbed.anvil import Anvil
from xmargin.testbed.errors import TransactionError
from xmargin.testbed.morpho import (
    MorphoBlue,
    MorphoMarketSpec,
    TokenSpec,
    deploy_morpho,
    market_id,
)
from xmargin.testbed.portfolios import evm_address

TOKENS = {
    "WETH": TokenSpec(18, Decimal(2500)),
    "wstETH": TokenSpec(18, Decimal("2950.37")),
    "USDC": TokenSpec(6, Decimal("0.9998")),
    "WBTC": TokenSpec(8, Decimal("61234.5")),
}
MARKETS = (
    MorphoMarketSpec("WETH", "USDC", 86 * 10**16, 13 * 10**16),
    MorphoMarketSpec("wstETH", "WETH", 945 * 10**15),
    MorphoMarketSpec("WBTC", "USDC", 77 * 10**16, 25 * 10**16),
)
OWNERS = tuple(evm_address(name) for name in ("ann", "ben", "eve"))


@dataclass(frozen=True, slots=True)
class Deployed:
    """A Morpho in use: every owner lends and borrows in every market."""

    morpho: MorphoBlue

    @property
    def venue(self) -> str:
        return f"morpho-blue@{self.morpho.node.chain}"

    @property
    def spec(self) -> VenueSpec:
        return VenueSpec(self.venue, "morpho-blue", self.morpho.morpho.address.lower())

    def account(self, owner: str, market: int) -> str:
        """The id of an owner's position in a market."""
        return f"{self.venue}/{owner.lower()}/{market_id(self.morpho.markets[market])[2:]}"

    @property
    def accounts(self) -> list[str]:
        return [self.account(owner, n) for owner in OWNERS for n in range(len(MARKETS))]

    async def says(self, market: int, owner: str, block: int) -> tuple[tuple[int, ...], ...]:
        """The lens at a block: the market's balances; what the owner supplied and owes."""
        lens, params = self.morpho.lens.functions, self.morpho.markets[market]
        balances = await lens.balances(params).call(block_identifier=block)
        assets = await lens.assetsOf(params, owner).call(block_identifier=block)
        return tuple(balances), tuple(assets)

    async def reverts(self, block: int, sender: str, function: str, *args: Any) -> str:
        """Why a call at a block would revert; empty where it would not."""
        call = self.morpho.on_morpho(sender, function, *args)
        request = {"from": call.sender, "to": call.to, "data": call.data}
        try:
            await self.morpho.node.rpc("eth_call", request, hex(block))
        except TransactionError as error:
            return str(error)
        return ""


async def deployed(node: Anvil, seed: int) -> Deployed:
    """Markets with lenders and borrowers at random, some interest grown."""
    morpho, draw = await deploy_morpho(node, TOKENS, MARKETS), Random(seed)
    rich = {symbol: 10**6 * 10**one.decimals for symbol, one in TOKENS.items()}
    for owner in OWNERS:
        await node.send(morpho.fund(owner, rich))
    for number, spec in enumerate(MARKETS):
        params = morpho.markets[number]
        lent = 10**5 * 10 ** TOKENS[spec.loan].decimals
        await node.send(
            [
                morpho.on_morpho(owner, "supply", params, draw.randrange(lent // 2, lent), 0,
                                 owner, b"")
                for owner in OWNERS
            ]
        )  # fmt: skip
        for owner in OWNERS:
            collateral = draw.randrange(10 ** TOKENS[spec.collateral].decimals)
            value = Decimal(collateral).scaleb(-TOKENS[spec.collateral].decimals)
            value *= TOKENS[spec.collateral].price_usd / TOKENS[spec.loan].price_usd
            share = Decimal(draw.randrange(1, 99)) / 100 * Decimal(spec.lltv_wad).scaleb(-18)
            debt = int((value * share).scaleb(TOKENS[spec.loan].decimals))
            await node.send(
                [
                    morpho.on_morpho(owner, "supplyCollateral", params, collateral, owner, b""),
                    morpho.on_morpho(owner, "borrow", params, debt, 0, owner, owner),
                ]
            )
    return Deployed(morpho)


def config(morpho: Deployed, tape: Path) -> Config:
    """The service's, watching all positions."""
    bed = morpho.morpho
    tokens = [
        {"id": f"{bed.node.chain}/erc20:{contract.address.lower()}", "symbol": symbol,
         "asset": "ETH" if symbol == "wstETH" else symbol.removeprefix("W"), "price": symbol}
        for symbol, contract in bed.tokens.items()
    ]  # fmt: skip
    return config_of(
        bed.node,
        tape,
        venue={"id": morpho.venue, "kind": "morpho-blue",
               "addresses_provider": bed.morpho.address.lower()},
        tokens=tokens,
        feeds=bed.feeds.values(),
        accounts=morpho.accounts,
    )  # fmt: skip
