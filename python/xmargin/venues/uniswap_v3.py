"""Uniswap v3 pools: price, liquidity and the ticks around the price, as of one block.

Ticks are found by the pool's own bitmap, a word for 256 multiples of its tick spacing, and only
initialised ones are read. Three calls of any number of pools' parts: state, words, ticks.
"""

from typing import Final

from xmargin.evm_abi import Function
from xmargin.model import ChainId
from xmargin.model.uniswap_v3 import UniswapV3Pool, UniswapV3Tick
from xmargin.venues.base import EvmAccess

TICK_MAX: Final = 887_272
"""Pools have prices from 1.0001^-887272 to 1.0001^887272."""
WORD_TICKS: Final = 256

SLOT0 = Function("slot0()", "uint160", "int24", "uint16", "uint16", "uint16", "uint8", "bool")
LIQUIDITY = Function("liquidity()", "uint128")
FEE = Function("fee()", "uint24")
TICK_SPACING = Function("tickSpacing()", "int24")
TOKEN0 = Function("token0()", "address")
TOKEN1 = Function("token1()", "address")
TICK_BITMAP = Function("tickBitmap(int16)", "uint256")
TICKS = Function(
    "ticks(int24)",
    "uint128", "int128", "uint256", "uint256", "int56", "uint160", "uint32", "bool",
)  # fmt: skip


async def read_pool(
    access: EvmAccess, chain: ChainId, address: str, *, words_each_side: int = 8
) -> UniswapV3Pool:
    """A pool with the words of its bitmap around the price.

    Args:
        access: calls at the block.
        chain: the pool's, for the ids of its tokens.
        address: of the pool.
        words_each_side: how far to read; a word is 256 tick spacings, so at spacing 60 a factor
            of 4.6 in price.

    Raises:
        DecodeError: no Uniswap v3 pool is there.
    """
    parts = (SLOT0, LIQUIDITY, FEE, TICK_SPACING, TOKEN0, TOKEN1)
    answers = await access.call([part(address) for part in parts])
    decoded = [part.decode(answer) for part, answer in zip(parts, answers, strict=True)]
    (sqrt_price_x96, tick, *_), (liquidity,), (fee,), (spacing,), (token0,), (token1,) = decoded
    words = _words(tick, spacing, words_each_side)
    ticks = await _initialised(access, address, words, spacing)
    return UniswapV3Pool(
        address=address.lower(),
        token0=f"{chain}/erc20:{token0}",
        token1=f"{chain}/erc20:{token1}",
        fee=fee,
        tick_spacing=spacing,
        sqrt_price_x96=sqrt_price_x96,
        tick=tick,
        liquidity=liquidity,
        ticks=ticks,
        window_low=max(words.start * WORD_TICKS * spacing, -TICK_MAX),
        window_high=min((words.stop * WORD_TICKS - 1) * spacing, TICK_MAX),
    )


def _words(tick: int, spacing: int, each_side: int) -> range:
    """The words to read: no pool has ticks beyond the outermost."""
    word = tick // spacing // WORD_TICKS
    low, high = -TICK_MAX // spacing // WORD_TICKS, TICK_MAX // spacing // WORD_TICKS
    return range(max(word - each_side, low), min(word + each_side, high) + 1)


async def _initialised(
    access: EvmAccess, address: str, words: range, spacing: int
) -> tuple[UniswapV3Tick, ...]:
    bitmaps = await access.call([TICK_BITMAP(address, word) for word in words])
    found = []
    for word, answer in zip(words, bitmaps, strict=True):
        (bitmap,) = TICK_BITMAP.decode(answer)
        bits = (bit for bit in range(WORD_TICKS) if bitmap >> bit & 1)
        found += [(word * WORD_TICKS + bit) * spacing for bit in bits]
    answers = await access.call([TICKS(address, tick) for tick in found])
    nets = (TICKS.decode(answer)[1] for answer in answers)
    return tuple(UniswapV3Tick(tick, net) for tick, net in zip(found, nets, strict=True))
