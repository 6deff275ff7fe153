"""Writes the golden vectors of historical simulation, delta-gamma-vega and backtests.

Run ``python -m tests.core.make_golden_statistics`` after a formula or an example changed, and read
the difference before it is committed. Numbers are rounded to 20 digits where the reference has 50,
to 12 where it integrates numerically.
"""

import json
from decimal import Context, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from tests.core.statistical_examples import (
    BACKTESTS,
    HISTORICAL,
    LEVEL,
    PAIRS,
    PARAMETERS,
    PARAMETRIC,
    log_returns,
    outcomes,
)
from xmargin.reference import backtest, parametric
from xmargin.reference.historical import HistoricalModel, Tail, historical_margin

GOLDEN = Path(__file__).parent / "golden_statistics.json"
_DIGITS = Context(prec=20)


def model_of(parameters: str) -> HistoricalModel:
    tree = json.loads(parameters)
    return HistoricalModel(
        confidence=Fraction(tree["confidence"]),
        decay=Decimal(tree["filter"]["decay"]),
        seed_days=int(tree["filter"]["seed_days"]),
        volatility_min=Decimal(tree["filter"]["volatility_min"]),
        scale_max=Decimal(tree["filter"]["scale_max"]),
        stress_weight=Decimal(tree["stress"]["weight"]),
        stress_days=int(tree["stress"]["days"]),
        floor=Decimal(tree["floor"]),
    )


def text(value: Decimal) -> str:
    return str(_DIGITS.plus(value).normalize(_DIGITS))


def _tail(tail: Tail) -> dict[str, Any]:
    rows = [[row, text(weight)] for row, weight in tail.weights]
    return {"var": text(tail.var), "es": text(tail.es), "tail": rows}


def _historical(seed: int, deltas: dict[str, float]) -> dict[str, Any]:
    returns = {f: [Decimal(repr(r)) for r in column] for f, column in log_returns(seed).items()}
    margin = historical_margin(
        model_of(PARAMETERS), returns, {f: Decimal(repr(d)) for f, d in deltas.items()}
    )
    return {
        "filtered": _tail(margin.filtered),
        "stressed": _tail(margin.stressed),
        "whole": _tail(margin.whole),
        "requirement": text(margin.requirement),
        "contributions": {f: text(part) for f, part in margin.contributions.items()},
    }


def matrices(book: dict[str, Any]) -> tuple[list[list[float]], list[list[float]]]:
    """Curvature and covariance."""
    deviation = book["deviation"]
    size = range(len(deviation))
    curvature = [[0.0 for _ in size] for _ in size]
    for i, j, value in book["curvature"]:
        curvature[i][j] = curvature[j][i] = value
    covariance = [[deviation[i] ** 2 if i == j else 0.0 for j in size] for i in size]
    for (i, j), rho in zip(PAIRS, book["correlation"], strict=True):
        covariance[i][j] = covariance[j][i] = rho * deviation[i] * deviation[j]
    return curvature, covariance


def _parametric(book: dict[str, Any]) -> dict[str, Any]:
    curvature, covariance = matrices(book)
    spread = parametric.diversified(book["sensitivity"], curvature, covariance, LEVEL)
    crash = parametric.crash(book["sensitivity"], curvature, book["deviation"], LEVEL)
    return {
        name: {key: f"{getattr(part, key):.12g}" for key in ("mean", "deviation", "var", "es")}
        for name, part in (("diversified", spread), ("crash", crash))
    }


def _backtest(seed: int, days: int, scale: float) -> dict[str, Any]:
    table = {
        name: [Decimal(repr(v)) for v in column]
        for name, column in outcomes(seed, days, scale).items()
    }
    found = backtest.backtest(**table, confidence=Fraction(str(LEVEL)))
    cumulative = Decimal(found.cumulative.numerator) / found.cumulative.denominator
    return {
        "exceptions": found.exceptions,
        "largest_exception": text(found.largest_exception),
        "average_exception": text(found.average_exception),
        "kupiec": [text(v) for v in found.kupiec],
        "independence": [text(v) for v in found.independence],
        "conditional": [text(v) for v in found.conditional],
        "z1": None if found.z1 is None else text(found.z1),
        "z2": text(found.z2),
        "cumulative": text(cumulative),
    }


def golden() -> dict[str, Any]:
    return {
        "historical": {title: _historical(*example) for title, example in HISTORICAL.items()},
        "parametric": {title: _parametric(book) for title, book in PARAMETRIC.items()},
        "backtest": {title: _backtest(*example) for title, example in BACKTESTS.items()},
    }


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(golden(), indent=1) + "\n", "utf-8")
