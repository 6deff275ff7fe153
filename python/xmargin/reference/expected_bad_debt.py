"""Expected bad debt to fifty digits, in ``decimal``: what the core's is held to.

Written from the formula of ``docs/liquidation.md``, "Expected bad debt", with its double sum.
"""

from collections.abc import Mapping
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext

from xmargin.reference.black76 import density, distribution

_DIGITS = 80
_DAY_S = 86_400


def expected_bad_debt(
    equity: float,
    exposures: Mapping[str, float],
    daily_deviations: Mapping[str, float],
    correlation: float,
    horizon_s: float,
) -> Decimal:
    """``E max(0, -(equity + deviation Z))``, Z normal; every float is taken for the exact number.

    Source: L. Bachelier, "Théorie de la spéculation" (1900).
    """
    with localcontext(Context(prec=_DIGITS, Emax=MAX_EMAX, Emin=MIN_EMIN)):
        deviation = _deviation(exposures, daily_deviations, correlation, horizon_s)
        now = Decimal(equity)
        if not deviation:
            return max(Decimal(0), -now)
        z = now / deviation
        return deviation * density(z) - now * distribution(-z)


def _deviation(
    exposures: Mapping[str, float],
    daily_deviations: Mapping[str, float],
    correlation: float,
    horizon_s: float,
) -> Decimal:
    moves = {a: Decimal(x) * Decimal(daily_deviations[a]) for a, x in exposures.items()}
    daily_variance = sum(
        (
            (1 if a == b else Decimal(correlation)) * moves[a] * moves[b]
            for a in moves
            for b in moves
        ),
        Decimal(0),
    )
    return (daily_variance * Decimal(horizon_s) / _DAY_S).sqrt()
