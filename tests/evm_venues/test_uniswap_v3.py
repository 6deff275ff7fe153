"""Uniswap v3: swaps equal QuoterV2's to the last unit; depth never promises what a pool lacks."""

from fractions import Fraction
from random import Random

import pytest
from web3.exceptions import ContractLogicError

from tests.evm_venues.reads import access_at
from tests.evm_venues.uniswap_cases import pool_at_random
from xmargin.engine.cascade import DepthCurve
from xmargin.engine.depth import sale_cost
from xmargin.engine.pools import PoolOrder, PoolSwap, exit_slippage, pool_depth, pool_swaps
from xmargin.errors import EngineError
from xmargin.model import LiquidationTerms, check_liquidation_terms
from xmargin.model.uniswap_v3 import UniswapV3Pool
from xmargin.testbed.anvil import Anvil
from xmargin.testbed.uniswap import Pool
from xmargin.venues.uniswap_v3 import read_pool

FEES = (500, 3000, 10_000)


async def read(pool: Pool, words_each_side: int = 1000) -> UniswapV3Pool:
    """The pool at the head, over all its words if nothing else is said."""
    node = pool.uniswap.node
    access = access_at(node, await node.block_number())
    address = pool.contract.address
    return await read_pool(access, node.chain, address, words_each_side=words_each_side)


async def quoted(pool: Pool, order: PoolOrder) -> tuple[int, int] | None:
    """What QuoterV2 says: amount in or out, and the price after; ``None`` where it reverts."""
    tokens = (pool.token0.address, pool.token1.address)
    sold, bought = tokens if order.zero_for_one else tokens[::-1]
    quoter = pool.uniswap.quoter.functions
    ask = quoter.quoteExactInputSingle if order.is_exact_in else quoter.quoteExactOutputSingle
    try:
        said = await ask((sold, bought, order.amount, pool.fee, 0)).call()
    except ContractLogicError:
        return None
    return said[0], said[1]


def ours(swap: PoolSwap, order: PoolOrder) -> tuple[int, int] | None:
    """The same of ours; the quoter does not give less than was ordered."""
    if not swap.is_filled and not order.is_exact_in:
        return None
    return swap.amount_out if order.is_exact_in else swap.amount_in, swap.sqrt_price_x96


def orders(draw: Random, count: int) -> list[PoolOrder]:
    """Of one unit up to more than the pool holds, both ways, sold and bought."""
    return [
        PoolOrder(draw.random() < 0.5, int(10 ** draw.uniform(0, 17)), draw.random() < 0.6)
        for _ in range(count)
    ]


@pytest.mark.parametrize("fee", FEES)
async def test_u1_swaps_of_any_size_equal_the_quoter_to_the_last_unit(
    anvil: Anvil, fee: int
) -> None:
    pool, draw = await pool_at_random(anvil, fee, seed=fee), Random(fee)
    crossed = filled = 0
    for _ in range(3):
        state = await read(pool)
        asked = orders(draw, 40)
        for order, swap in zip(asked, pool_swaps(state, asked), strict=True):
            assert not swap.refused
            assert ours(swap, order) == await quoted(pool, order)
            crossed += swap.ticks_crossed
            filled += swap.is_filled
        moved = pool.swap(anvil.admin, zero_for_one=draw.random() < 0.5, amount_in=10**12)
        await anvil.send([moved])
    assert crossed > 100
    assert filled > 60


async def test_u2_a_swap_beyond_the_ticks_that_were_read_is_refused_not_guessed(
    anvil: Anvil,
) -> None:
    pool = await pool_at_random(anvil, 3000, seed=1)
    narrow, whole = await read(pool, words_each_side=0), await read(pool)
    [small, huge] = [PoolOrder(True, 10**3), PoolOrder(True, 10**25)]
    assert pool_swaps(narrow, [small]) == pool_swaps(whole, [small])
    [swap] = pool_swaps(narrow, [huge])
    assert "beyond the ticks" in swap.refused
    with pytest.raises(EngineError, match="cannot take"):
        exit_slippage(narrow, narrow.token0, 10**25)
    with pytest.raises(EngineError, match="does not trade"):
        exit_slippage(narrow, "eip155:1/erc20:0x", 1)


async def test_u3_an_exit_loses_the_fee_and_more_the_larger_it_is(anvil: Anvil) -> None:
    pool = await pool_at_random(anvil, 3000, seed=2)
    state = await read(pool)
    for token in (state.token0, state.token1):
        zero = token == state.token0
        [half] = pool_swaps(state, [PoolOrder(zero, 2**200, True, _half(state, zero=zero))])
        sizes = [half.amount_in // n for n in (1_000, 100, 10, 1)]
        losses = [exit_slippage(state, token, size) for size in sizes]
        assert losses == sorted(losses)
        assert Fraction(3, 1000) <= losses[0] < losses[-1] < Fraction(1, 2)


def _half(state: UniswapV3Pool, *, zero: bool) -> int:
    """The limit at which the sold token has lost about half its price."""
    return state.sqrt_price_x96 * (1000 if zero else 1414) // (1414 if zero else 1000)


@pytest.mark.parametrize("zero", [True, False])
async def test_u4_a_depth_curve_never_promises_more_than_the_quoter_pays(
    anvil: Anvil, zero: bool
) -> None:
    pool, draw = await pool_at_random(anvil, 500, seed=3), Random(4)
    state = await read(pool)
    token, decimals = (state.token0, 18) if zero else (state.token1, 6)
    depth = pool_depth([state], token, asset="A", decimals=decimals)
    check_liquidation_terms(LiquidationTerms(depth=(depth,)))
    curve = DepthCurve(tuple((float(k.sold), float(k.multiple)) for k in depth.knots))
    units = curve.knots[-1][0]
    spot = state.sqrt_price_x96**2 / 2**192
    price = (spot if zero else 1 / spot) * 10**decimals
    for _ in range(20):
        sold = units * draw.uniform(0.001, 0.999)
        amount = int(sold * 10**decimals)
        said = await quoted(pool, PoolOrder(zero, amount))
        assert said is not None
        promised = price * sold - sale_cost(curve, price, sold)
        assert promised <= said[0] * (1 + 1e-9)
        assert promised >= said[0] * 0.995, "a step of 20 bps and the fee lose no more"


async def test_u5_pools_of_one_pair_add_up(anvil: Anvil) -> None:
    pool = await pool_at_random(anvil, 3000, seed=6)
    state = await read(pool)
    one = pool_depth([state], state.token0, asset="A", decimals=18)
    two = pool_depth([state, state], state.token0, asset="A", decimals=18)
    assert [k.multiple for k in one.knots] == [k.multiple for k in two.knots]
    assert [2 * k.sold for k in one.knots] == [k.sold for k in two.knots]
