"""Square root prices of Uniswap v3's ticks, from 1.0001 itself: no table is copied."""

from decimal import Decimal, localcontext
from functools import cache

_BITS = 128
_DIGITS = 20
_PRECISION = 120


@cache
def _roots() -> tuple[int, ...]:
    """1.0001^(-2^n / 2) in 128 fractional bits, to the nearest."""
    with localcontext(prec=_PRECISION):
        step = Decimal(10_000) / Decimal(10_001)
        exact = ((step**2**digit).sqrt() * 2**_BITS for digit in range(_DIGITS))
        return tuple(int(one.to_integral_value()) for one in exact)


def sqrt_ratio_at(tick: int) -> int:
    """√1.0001^tick × 2^96: by the binary digits of the tick, cut at each, rounded up at the end."""
    ratio = 1 << _BITS
    for digit, root in enumerate(_roots()):
        if abs(tick) >> digit & 1:
            ratio = ratio * root >> _BITS
    if tick > 0:
        ratio = (2**256 - 1) // ratio
    return -(-ratio >> 32)
