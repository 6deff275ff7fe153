"""Backtests once more: exact binomials, logarithms of 50 digits, from ``docs/margin.md``."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

_CONTEXT = Context(prec=50)
_PI = Decimal("3.14159265358979323846264338327950288419716939937510582")


@dataclass(frozen=True, slots=True)
class Backtest:
    """Statistics and p-values of one series."""

    exceptions: int
    largest_exception: Decimal
    average_exception: Decimal
    kupiec: tuple[Decimal, Decimal]
    independence: tuple[Decimal, Decimal]
    conditional: tuple[Decimal, Decimal]
    z1: Decimal | None
    z2: Decimal
    cumulative: Fraction


def backtest(
    pnl: Sequence[Decimal], var: Sequence[Decimal], es: Sequence[Decimal], confidence: Fraction
) -> Backtest:
    """All tests of one series of forecasts."""
    with localcontext(_CONTEXT):
        days, tail = len(pnl), 1 - confidence
        excesses = [-gain - bound for gain, bound in zip(pnl, var, strict=True)]
        hits = [excess > 0 for excess in excesses]
        count = sum(hits)
        sizes = [excess for excess in excesses if excess > 0]
        kupiec = 2 * (
            _log_likelihood(count, days - count, Fraction(count, days))
            - _log_likelihood(count, days - count, tail)
        )
        independence = _independence(hits)
        ratios = [p / e for p, e, hit in zip(pnl, es, hits, strict=True) if hit]
        expected = Decimal((days * tail).numerator) / (days * tail).denominator
        return Backtest(
            exceptions=count,
            largest_exception=max(sizes, default=Decimal(0)),
            average_exception=sum(sizes, Decimal(0)) / count if count else Decimal(0),
            kupiec=(kupiec, _chi_squared_1_above(kupiec)),
            independence=(independence, _chi_squared_1_above(independence)),
            conditional=(kupiec + independence, (-(kupiec + independence) / 2).exp()),
            z1=sum(ratios, Decimal(0)) / count + 1 if count else None,
            z2=sum(ratios, Decimal(0)) / expected + 1,
            cumulative=sum(
                (math.comb(days, k) * tail**k * confidence ** (days - k) for k in range(count + 1)),
                Fraction(0),
            ),
        )


def _log_likelihood(hits: int, misses: int, chance: Fraction) -> Decimal:
    def power(count: int, of: Fraction) -> Decimal:
        return count * (Decimal(of.numerator) / of.denominator).ln() if count else Decimal(0)

    return power(hits, chance) + power(misses, 1 - chance)


def _independence(hits: Sequence[bool]) -> Decimal:
    """Christoffersen's ratio: two chances, by the day before, against one."""
    pairs = list(pairwise(hits))
    apart = Decimal(0)
    for before in (False, True):
        after = [tomorrow for today, tomorrow in pairs if today is before]
        if after:
            count = sum(after)
            apart += _log_likelihood(count, len(after) - count, Fraction(count, len(after)))
    count = sum(tomorrow for _, tomorrow in pairs)
    together = _log_likelihood(count, len(pairs) - count, Fraction(count, len(pairs)))
    return 2 * (apart - together)


def _chi_squared_1_above(x: Decimal) -> Decimal:
    """``erfc(√(x/2))`` by the series of erf; enough digits for x up to 80."""
    root = (max(x, Decimal(0)) / 2).sqrt()
    term, total, n = root, root, 0
    while abs(term) > Decimal("1e-60"):
        n += 1
        term = -term * root * root / n
        total += term / (2 * n + 1)
    return 1 - 2 * total / _PI.sqrt()
