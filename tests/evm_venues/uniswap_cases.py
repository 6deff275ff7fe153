"""A Uniswap v3 pool with liquidity in many ranges, at random."""

from random import Random

from xmargin.testbed import artifacts
from xmargin.testbed.anvil import Anvil
from xmargin.testbed.script import Script
from xmargin.testbed.uniswap import Pool, create_pool, deploy_uniswap
from xmargin.venues.uniswap_v3 import TICK_MAX

SPACING_OF_FEE = {500: 10, 3000: 60, 10_000: 200}
RICH = 10**30


async def pool_at_random(node: Anvil, fee: int, seed: int) -> Pool:
    """Two tokens of 18 and 6 decimals at a price of thousands; a whole range and nine others."""
    draw, admin = Random(seed), node.admin
    script = await Script.begin(node, admin)
    erc20 = artifacts.aave("mocks/tokens/MintableERC20")
    tokens = script.deploy(erc20, "A", "A", 18), script.deploy(erc20, "B", "B", 6)
    await script.run()
    uniswap = await deploy_uniswap(node)
    tick = draw.randrange(-200_000, 200_000)
    pool = await create_pool(uniswap, tokens, fee, int(1.0001 ** (tick / 2) * 2**96))
    await node.send(pool.fund(admin, (RICH, RICH)))
    spacing = SPACING_OF_FEE[fee]
    widest = TICK_MAX // spacing * spacing
    ranges = [(-widest, widest)]
    for _ in range(9):
        low = (tick + draw.randrange(-9_000, 6_000)) // spacing * spacing
        ranges.append((low, low + spacing * draw.randrange(1, 60)))
    price = 1.0001**tick
    steps = []
    for low, high in ranges:
        size = 10 ** draw.uniform(10, 14)
        amounts = (int(size / price**0.5), int(size * price**0.5))
        steps.append(pool.mint_position(admin, (low, high), amounts))
    await node.send(steps)
    return pool
