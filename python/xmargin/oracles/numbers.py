"""Exact decimals of prices: nothing is rounded but what says so, and then to the safe side."""

from collections.abc import Sequence
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    localcontext,
)
from typing import Final, NamedTuple

BPS: Final = 10_000
ZERO: Final = Decimal(0)
PRICE_MAX: Final = 10**18
"""With at most 36 decimals a price below this has 55 digits: its sums stay exact in 60."""

EXACT: Final = Context(prec=60, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])

_PRODUCT: Final = Context(prec=200, traps=[InvalidOperation, DivisionByZero, Overflow])
_LAST_DIGIT: Final = Decimal(1).scaleb(-36)


class Span(NamedTuple):
    """A price and the range it may lie in: ``low <= mark <= high``."""

    low: Decimal
    mark: Decimal
    high: Decimal

    def times(self, other: "Span") -> "Span":
        """The product, to 36 decimals: low down, high up, mark to the nearest (even)."""
        return Span(
            rounded(_PRODUCT.multiply(self.low, other.low), ROUND_FLOOR),
            rounded(_PRODUCT.multiply(self.mark, other.mark), ROUND_HALF_EVEN),
            rounded(_PRODUCT.multiply(self.high, other.high), ROUND_CEILING),
        )

    def widened(self, haircut_bps: int) -> "Span":
        """The range with that share taken off its low end and put onto its high end."""
        if not haircut_bps:
            return self
        low = _PRODUCT.multiply(self.low, Decimal(max(0, BPS - haircut_bps)).scaleb(-4))
        high = _PRODUCT.multiply(self.high, Decimal(BPS + haircut_bps).scaleb(-4))
        return Span(
            min(rounded(low, ROUND_FLOOR), self.mark),
            self.mark,
            max(rounded(high, ROUND_CEILING), self.mark),
        )

    def over(self, other: "Span") -> "Span":
        """This mark, with a range that takes in the other's."""
        return Span(min(self.low, other.low), self.mark, max(self.high, other.high))


def rounded(value: Decimal, rounding: str) -> Decimal:
    """``value`` to 36 decimals."""
    return canonical(value.quantize(_LAST_DIGIT, rounding, _PRODUCT))


def scaled(amount: int, exponent: int) -> Decimal:
    """``amount`` × 10^``exponent``, exactly."""
    with localcontext(EXACT):
        return canonical(Decimal(amount).scaleb(exponent))


def median(prices: Sequence[Decimal]) -> Decimal:
    """The middle one, or the exact mean of the middle two."""
    ordered = sorted(prices)
    middle, odd = divmod(len(ordered), 2)
    if odd:
        return ordered[middle]
    with localcontext(EXACT):
        return canonical((ordered[middle - 1] + ordered[middle]) / 2)


def canonical(value: Decimal) -> Decimal:
    """The one form of a number, so that equal numbers are written alike: no trailing zeros."""
    return Decimal(f"{value.normalize(_PRODUCT):f}")


def apart_bps(one: Decimal, other: Decimal) -> int:
    """How far apart two prices above zero are: highest ÷ lowest − 1, rounded up to whole bps."""
    (a, a_parts), (b, b_parts) = one.as_integer_ratio(), other.as_integer_ratio()
    return ratio_bps(a * b_parts, b * a_parts)


def ratio_bps(one: int, other: int) -> int:
    """:func:`apart_bps` of two numbers above zero of one scale."""
    lowest, highest = sorted((one, other))
    return -(-(highest - lowest) * BPS // lowest)
