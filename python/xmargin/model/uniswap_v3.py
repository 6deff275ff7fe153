"""What is read of a Uniswap v3 pool, in the contract's own integers."""

from dataclasses import dataclass
from typing import Final

from xmargin.model.identifiers import TokenId

UNISWAP_V3: Final = "uniswap-v3"
"""The venue kind."""

POOL_RECORD: Final = "pool"
"""The name of :class:`UniswapV3Pool` as a venue record; its key is the pool's address."""


@dataclass(frozen=True, slots=True)
class UniswapV3Tick:
    """An initialised tick: liquidity that comes into range where the price rises past it."""

    tick: int
    liquidity_net: int


@dataclass(frozen=True, slots=True)
class UniswapV3Pool:
    """A pool at a block; ``sqrt_price_x96`` is √(token 1 of one token 0, smallest units) × 2^96.

    ``fee`` in millionths of what is sold. ``ticks`` are all that are initialised from
    ``window_low`` to ``window_high``, rising; what lies beyond was not read.
    """

    address: str
    token0: TokenId
    token1: TokenId
    fee: int
    tick_spacing: int
    sqrt_price_x96: int
    tick: int
    liquidity: int
    ticks: tuple[UniswapV3Tick, ...]
    window_low: int
    window_high: int
