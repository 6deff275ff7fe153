"""Uniswap v3 pools through the service: the depth that is served is theirs, at each block."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isqrt
from pathlib import Path
from typing import Any

import pytest

from tests.chains.running import running_on
from tests.evm_venues.reads import access_at, all_facts, registry_of
from tests.evm_venues.serving import config_of
from xmargin import records
from xmargin.config import Config
from xmargin.engine.cascade import DepthCurve
from xmargin.engine.depth import sale_cost
from xmargin.engine.market_depth import Markets
from xmargin.engine.pools import PoolOrder, pool_swaps
from xmargin.model import VenueRecord, VenueSetting, VenueSpec
from xmargin.model.uniswap_v3 import UniswapV3Pool
from xmargin.reads import EvmLog, EvmRead
from xmargin.testbed import artifacts, chainlink
from xmargin.testbed.anvil import Anvil
from xmargin.testbed.chainlink import PriceFeed
from xmargin.testbed.script import Script
from xmargin.testbed.uniswap import Pool, create_pool, deploy_uniswap
from xmargin.venues import uniswap_v3
from xmargin.venues.base import Reread
from xmargin.venues.uniswap_v3 import read_pool
from xmargin.view import View

PRICE = Decimal(2_500)
RICH = 10**30
SPACING_OF_FEE = {500: 10, 3000: 60}


@dataclass(frozen=True, slots=True)
class Market:
    """WETH and USDC, two pools of them, and their feeds."""

    node: Anvil
    pools: tuple[Pool, ...]
    feeds: tuple[PriceFeed, ...]
    tokens: Mapping[str, str]

    @property
    def addresses(self) -> list[str]:
        return [pool.contract.address.lower() for pool in self.pools]

    def is_weth_zero(self, pool: Pool) -> bool:
        return pool.token0.address.lower() == self.tokens["WETH"]

    def config(self, tape: Path, pools: Sequence[str]) -> Config:
        """The service's; without accounts that owe."""
        chain = self.node.chain
        rows: list[dict[str, Any]] = [
            {"id": f"{chain}/erc20:{address}", "symbol": symbol, "asset": asset, "price": asset}
            for symbol, asset, address in (
                ("WETH", "ETH", self.tokens["WETH"]),
                ("USDC", "USDC", self.tokens["USDC"]),
            )
        ]
        factory = self.pools[0].uniswap.factory.address.lower()
        venue = {"id": f"uniswap-v3@{chain}", "kind": "uniswap-v3", "addresses_provider": factory}
        return config_of(
            self.node,
            tape,
            venue=venue,
            settings={"pools": list(pools)},
            tokens=rows,
            feeds=self.feeds,
            accounts=[f"wallet@{chain}/{self.node.admin.lower()}"],
        )


@pytest.fixture
async def market(anvil: Anvil) -> Market:
    script = await Script.begin(anvil, anvil.admin)
    erc20 = artifacts.aave("mocks/tokens/MintableERC20")
    weth = script.deploy(erc20, "WETH", "WETH", 18)
    usdc = script.deploy(erc20, "USDC", "USDC", 6)
    prices = {"ETH": PRICE, "USDC": Decimal(1)}
    feeds = [chainlink.deploy_feed(script, anvil.admin, b, p) for b, p in prices.items()]
    await script.run()
    await chainlink.submit_rounds(anvil, anvil.admin, [(f, prices[f.base]) for f in feeds])
    uniswap = await deploy_uniswap(anvil)
    is_weth_zero = int(weth.address, 16) < int(usdc.address, 16)
    ratio = (2_500 * 10**6, 10**18) if is_weth_zero else (10**18, 2_500 * 10**6)
    sqrt_price = isqrt(ratio[0] * 2**192 // ratio[1])
    tick = -198_080 if is_weth_zero else 198_080  # of 2,500 USDC
    pools = []
    for fee, spacing in SPACING_OF_FEE.items():
        pool = await create_pool(uniswap, (weth, usdc), fee, sqrt_price)
        await anvil.send(pool.fund(anvil.admin, (RICH, RICH)))
        at = tick // spacing * spacing
        wide, near = 60 * spacing * 10, 600 // spacing * spacing
        amounts = (10**21, 25 * 10**11) if is_weth_zero else (25 * 10**11, 10**21)
        ranges = ((at - wide, at + wide), (at - near, at + near))
        await anvil.send([pool.mint_position(anvil.admin, one, amounts) for one in ranges])
        pools.append(pool)
    tokens = {"WETH": weth.address.lower(), "USDC": usdc.address.lower()}
    return Market(anvil, tuple(pools), tuple(feeds), tokens)


async def quoted(market: Market, pool: Pool, amount: int) -> int:
    """What QuoterV2 says that WETH brings."""
    sold, bought = market.tokens["WETH"], market.tokens["USDC"]
    checksum = market.node.w3.to_checksum_address
    order = (checksum(sold), checksum(bought), amount, pool.fee, 0)
    said = await pool.uniswap.quoter.functions.quoteExactInputSingle(order).call()
    return int(said[0])


def served(view: View) -> DepthCurve:
    return Markets(view._snapshot).own_curves()["ETH"]


def served_pool(view: View, address: str) -> UniswapV3Pool:
    venue = next(v.id for v in view._snapshot.registry.venues if v.kind == "uniswap-v3")
    fact = view._snapshot.facts["venue-record"]["venue-record", venue, "pool", address]
    assert isinstance(fact, VenueRecord)
    return records.read(fact, UniswapV3Pool)


async def assert_served_as_on_chain(market: Market, view: View) -> None:
    """Pools as a full read has them; swaps as quoted; what the curve promises is paid, nearly."""
    access = access_at(market.node, await market.node.block_number())
    for pool, address in zip(market.pools, market.addresses, strict=True):
        told = served_pool(view, address)
        full = await read_pool(access, market.node.chain, address, words_each_side=400)
        assert (told.sqrt_price_x96, told.tick, told.liquidity) == (
            full.sqrt_price_x96,
            full.tick,
            full.liquidity,
        )
        inside = [t for t in full.ticks if told.window_low <= t.tick <= told.window_high]
        assert list(told.ticks) == inside
        [swap] = pool_swaps(told, [PoolOrder(market.is_weth_zero(pool), 10**20)])
        assert swap.amount_out == await quoted(market, pool, 10**20)
    curve = served(view)
    for part in (0.01, 0.2, 0.7):
        sold = curve.knots[-1][0] * part
        promised = float(PRICE) * sold - sale_cost(curve, float(PRICE), sold)
        best = await best_split(market, int(sold * 10**18))
        assert promised <= best * (1 + 1e-9), "never more than the pools pay"
        assert promised >= best * 0.99, "a step, the fee and the split lose no more"


async def best_split(market: Market, amount: int) -> float:
    """USDC for WETH by QuoterV2, sold in twenty-one ways to the two pools."""
    one, other = market.pools
    found = []
    for parts in range(21):
        first = amount * parts // 20
        said = [
            await quoted(market, pool, units)
            for pool, units in ((one, first), (other, amount - first))
            if units
        ]
        found.append(sum(said) / 10**6)
    return max(found)


async def test_us1_the_depth_served_is_the_pools_at_each_block(
    market: Market, tmp_path: Path
) -> None:
    node, tape = market.node, tmp_path / "a.tape"
    impostor = market.tokens["WETH"]
    async with running_on(market.config(tape, [*market.addresses, impostor]), tape) as xmargin:
        view = await xmargin.at_block(node.chain, await node.block_number())
        await assert_served_as_on_chain(market, view)
        [flag] = [one for one in view.metadata.flags if "no depth" in one]
        assert impostor in flag, "what is no pool harms nobody else"
        assert any("depth of ETH is that of Uniswap v3 pools" in f for f in view.metadata.flags)
        before = served(view)
        pool = market.pools[1]
        sale = pool.swap(node.admin, zero_for_one=market.is_weth_zero(pool), amount_in=10**19)
        spacing = SPACING_OF_FEE[pool.fee]
        tick = served_pool(view, market.addresses[1]).tick // spacing * spacing
        more = pool.mint_position(
            node.admin, (tick - 7 * spacing, tick + 7 * spacing), (10**12, 10**12)
        )
        await node.send([sale, more])
        view = await xmargin.at_block(node.chain, await node.block_number())
        await assert_served_as_on_chain(market, view)
        assert served(view) != before
        # Sold far below the feed, one pool is not believed any more; the other goes on.
        crash = pool.swap(node.admin, zero_for_one=market.is_weth_zero(pool), amount_in=10**21)
        await node.send([crash])
        view = await xmargin.at_block(node.chain, await node.block_number())
        flags = [one for one in view.metadata.flags if market.addresses[1] in one]
        assert len(flags) == 1
        assert "outside the judged range" in flags[0]
        assert served(view).knots[-1][0] < before.knots[-1][0]


async def test_us2_a_pool_is_the_factorys_and_is_asked_for_what_it_was(market: Market) -> None:
    node, [address, _] = market.node, market.addresses
    chain, access = node.chain, access_at(market.node, await node.block_number())

    def spec(factory: str, *pools: str) -> VenueSpec:
        settings = tuple(VenueSetting("pools", pool) for pool in pools)
        return VenueSpec(f"uniswap-v3@{chain}", "uniswap-v3", factory, settings)

    factory = market.pools[0].uniswap.factory.address
    ours = spec(factory, address, market.addresses[1])
    registry = registry_of(node, ours, [])
    told = await all_facts(uniswap_v3, ours, registry, access)
    assert [fact.fault for fact in told] == ["", ""]
    stranger = spec(market.pools[0].uniswap.router.address, address)
    [fact] = await all_facts(uniswap_v3, stranger, registry, access)
    assert fact.fault
    venue = await uniswap_v3.discover(ours, registry, access)
    again = venue.unit_read((address,))
    for _ in range(3):
        try:
            again.decode(await access.call(again.calls))
        except Reread as more:
            again = more.read
    settled = venue.unit_read((address,))
    [fact] = settled.decode(await access.call(settled.calls))
    assert isinstance(fact, VenueRecord)
    assert not fact.fault, "one question is enough where nothing moved"
    assert list(venue.touched(EvmLog(address, (), b""))) == [(address,)]
    assert list(venue.touched(EvmLog(market.tokens["WETH"], (), b""))) == []


def answers(tick: int, bitmaps: Sequence[int], nets: int) -> list[bytes]:
    """What a pool of fee 100 could say, its words and ticks last."""

    def word(value: int) -> bytes:
        return (value % 2**256).to_bytes(32, "big")

    slot0 = word(2**96) + word(tick) + word(0) * 4 + word(1)
    parts = [slot0, word(1), word(100), word(1), word(7), word(8)]
    return [*parts, *map(word, bitmaps), *[word(0) * 7 + word(1)] * nets]


async def test_us3_a_pool_of_too_many_ticks_is_read_less_far_and_one_that_wavers_is_at_fault(
    market: Market,
) -> None:
    chain, address = market.node.chain, market.addresses[0]
    setting = VenueSetting("pools", address)
    spec = VenueSpec(f"uniswap-v3@{chain}", "uniswap-v3", "", (setting,))
    access = access_at(market.node, await market.node.block_number())
    venue = await uniswap_v3.discover(spec, registry_of(market.node, spec, []), access)

    def asked_again(read: EvmRead, results: Sequence[bytes]) -> EvmRead:
        with pytest.raises(Reread) as more:
            read.decode(results)
        return more.value.read

    words = 21  # ten to each side, at a spacing of one
    full = [2**256 - 1] * words
    read = asked_again(venue.unit_read((address,)), answers(0, [], 0))
    read = asked_again(read, answers(0, full, 0))
    assert len(read.calls) == 6 + words + 4 * 256
    [fact] = read.decode(answers(0, full, 4 * 256))
    assert isinstance(fact, VenueRecord)
    pool = records.read(fact, UniswapV3Pool)
    assert len(pool.ticks) == 4 * 256 == uniswap_v3.TICKS_READ_MAX
    assert (pool.window_low, pool.window_high) == (pool.ticks[0].tick, pool.ticks[-1].tick)
    assert pool.window_low < 0 < pool.window_high
    venue.known.clear()
    read = asked_again(venue.unit_read((address,)), answers(0, [], 0))
    read = asked_again(read, answers(0, [1] * words, 0))
    [fact] = read.decode(answers(0, [3] * words, words))
    assert isinstance(fact, VenueRecord)
    assert "contradicts itself" in fact.fault
