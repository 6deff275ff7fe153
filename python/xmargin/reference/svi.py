"""Raw SVI and its arbitrage conditions, straight from the formulas, in ``decimal``.

Source: J. Gatheral and A. Jacquier, "Arbitrage-free SVI volatility surfaces" (2014).
"""

from dataclasses import dataclass
from decimal import Context, Decimal, localcontext

DIGITS = 50
"""Digits computed with."""


@dataclass(frozen=True, slots=True)
class Slice:
    """``w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2))``, total variance."""

    a: float
    b: float
    rho: float
    m: float
    sigma: float


@dataclass(frozen=True, slots=True)
class Point:
    """A slice at one log-moneyness."""

    total_variance: Decimal
    slope: Decimal
    curvature: Decimal
    butterfly: Decimal
    """Gatheral's g: negative where the terminal price would have a negative density."""


def at(smile: Slice, log_moneyness: float) -> Point:
    """Total variance, its derivatives and g at one log-moneyness."""
    with localcontext(Context(prec=DIGITS)):
        a, b, rho = Decimal(smile.a), Decimal(smile.b), Decimal(smile.rho)
        k, sigma = Decimal(log_moneyness), Decimal(smile.sigma)
        y = k - Decimal(smile.m)
        root = (y * y + sigma * sigma).sqrt()
        w = a + b * (rho * y + root)
        slope = b * (rho + y / root)
        curvature = b * sigma * sigma / root**3
        g = (
            (1 - k * slope / (2 * w)) ** 2
            - slope * slope / 4 * (1 / w + Decimal("0.25"))
            + curvature / 2
        )
        return Point(w, slope, curvature, g)
