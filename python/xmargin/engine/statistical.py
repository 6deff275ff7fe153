"""Historical simulation, delta-gamma-vega and backtests: plain sequences to the core's tables.

Formulas: ``docs/margin.md``. Days are counted from 1970-01-01, amounts are USD, losses positive.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from xmargin.engine.record import record_batch
from xmargin.errors import EngineError
from xmargin.model import RiskParameters

if TYPE_CHECKING:
    import pyarrow as pa

Pair: TypeAlias = tuple[str, str, float]
"""Two factors and what holds of them."""


@dataclass(frozen=True, slots=True)
class ReturnSeries:
    """Daily log returns of one factor."""

    factor: str
    days: tuple[int, ...]
    log_returns: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Forecasts:
    """What the model said of each day from the days before it, and what came.

    ``var`` and ``es`` are filtered, ``requirement`` is the whole margin. Without ``es`` it is not
    tested.
    """

    day: tuple[int, ...]
    pnl: tuple[float, ...]
    var: tuple[float, ...]
    es: tuple[float, ...]
    requirement: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """A factor's deviation over the horizon and the book's delta or vega to it (USD a unit)."""

    factor: str
    deviation: float
    sensitivity: float


def check_historical_parameters(parameters: RiskParameters) -> None:
    """Refuse parameters of historical simulation that are out of range.

    Raises:
        ParameterError: naming the key, the value and the range.
    """
    from xmargin import _core

    _core.check_historical_parameters(parameters.content)


def historical_scenarios(
    parameters: RiskParameters, series: Sequence[ReturnSeries]
) -> dict[str, Any]:
    """The moves that a book's options are revalued under (shape: ``_core.pyi``).

    Raises:
        ParameterError: the parameters are out of range.
        EngineError: a return is no number, a day is said twice or missing; table, column and row.
    """
    from xmargin import _core

    return _core.historical_scenarios(parameters=parameters.content, returns=_returns(series))


def historical_margin(
    parameters: RiskParameters,
    series: Sequence[ReturnSeries],
    deltas_usd: Mapping[str, float],
    revalued: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
) -> dict[str, Any]:
    """VaR, ES and margin of linear exposures and of P&L vectors (filtered, raw) by name.

    Raises:
        ParameterError: the parameters are out of range.
        EngineError: a table is at fault; the message names table, column and row.
    """
    from xmargin import _core

    names, filtered, pnl = _revalued(revalued or {})
    return _core.historical_margin(
        parameters=parameters.content,
        returns=_returns(series),
        holdings=_holdings(deltas_usd),
        revalued=record_batch(
            "revalued", name=(names, "utf8"), filtered=(filtered, "bool_"), pnl=(pnl, "float64")
        ),
    )


def _revalued(
    vectors: Mapping[str, tuple[Sequence[float], Sequence[float]]],
) -> tuple[list[str], list[bool], list[float]]:
    names: list[str] = []
    is_filtered: list[bool] = []
    pnl: list[float] = []
    for name, (filtered, raw) in vectors.items():
        if not filtered and not raw:
            # Without a row the core would never hear of it, and the margin leave it out.
            raise EngineError(f"revalued: {name!r} has no values; give one a scenario, or leave it")
        names += [name] * (len(filtered) + len(raw))
        is_filtered += [True] * len(filtered) + [False] * len(raw)
        pnl += [*filtered, *raw]
    return names, is_filtered, pnl


def historical_forecasts(
    parameters: RiskParameters,
    series: Sequence[ReturnSeries],
    deltas_usd: Mapping[str, float],
    lookback_days: int,
) -> Forecasts:
    """A forecast for every day with ``lookback_days`` before it.

    Raises:
        ParameterError: the parameters are out of range.
        EngineError: a table is at fault, or there are too few days.
    """
    if not 0 < lookback_days < 1 << 31:
        raise EngineError(f"lookback_days: {lookback_days} is no number of days above zero")
    import pyarrow as pa

    from xmargin import _core

    table = pa.record_batch(
        _core.historical_forecasts(
            parameters=parameters.content,
            returns=_returns(series),
            holdings=_holdings(deltas_usd),
            lookback_days=lookback_days,
        )
    )
    return Forecasts(**{name: tuple(table.column(name).to_pylist()) for name in table.schema.names})


def backtest(confidence: float, forecasts: Forecasts) -> dict[str, Any]:
    """Coverage, independence, shortfall and traffic light of forecasts (shape: ``_core.pyi``).

    Raises:
        ParameterError: the confidence is out of range.
        EngineError: a forecast is no number, or its ES is below its VaR; column and row.
    """
    from xmargin import _core

    columns: dict[str, tuple[tuple[Any, ...], str]] = {
        "day": (forecasts.day, "int32"),
        "pnl": (forecasts.pnl, "float64"),
        "var": (forecasts.var, "float64"),
    }
    if forecasts.es:
        columns["es"] = (forecasts.es, "float64")
    outcomes = record_batch("outcomes", **columns)
    return _core.backtest(confidence=confidence, outcomes=outcomes, with_es=bool(forecasts.es))


def parametric_margin(
    confidence: float,
    sensitivities: Sequence[Sensitivity],
    curvatures: Iterable[Pair],
    correlations: Iterable[Pair],
) -> dict[str, Any]:
    """Delta-gamma-vega VaR and ES, and the crash twin's.

    Raises:
        ParameterError: the confidence is out of range.
        EngineError: a number is out of range, a pair is missing or said twice, or the correlations
            are not positive semidefinite; table, column and row.
    """
    from xmargin import _core

    factors = record_batch(
        "factors",
        name=([one.factor for one in sensitivities], "utf8"),
        deviation=([one.deviation for one in sensitivities], "float64"),
        sensitivity=([one.sensitivity for one in sensitivities], "float64"),
    )
    return _core.parametric_margin(
        confidence=confidence,
        factors=factors,
        curvatures=_pairs("curvature", curvatures),
        correlations=_pairs("correlation", correlations),
    )


def _returns(series: Sequence[ReturnSeries]) -> "pa.RecordBatch":
    for one in series:
        # Two that miss by as much would fit together again, each day beside another's return.
        days, returns = len(one.days), len(one.log_returns)
        if days != returns:
            raise EngineError(f"returns: {one.factor} has {days} days and {returns} returns")
    return record_batch(
        "returns",
        factor=([one.factor for one in series for _ in one.days], "utf8"),
        day=([day for one in series for day in one.days], "int32"),
        log_return=([r for one in series for r in one.log_returns], "float64"),
    )


def _holdings(deltas_usd: Mapping[str, float]) -> "pa.RecordBatch":
    return record_batch(
        "holdings", factor=(deltas_usd.keys(), "utf8"), delta_usd=(deltas_usd.values(), "float64")
    )


def _pairs(column: str, pairs: Iterable[Pair]) -> "pa.RecordBatch":
    rows = list(pairs)
    columns: dict[str, tuple[list[Any], str]] = {
        "factor_a": ([left for left, _, _ in rows], "utf8"),
        "factor_b": ([right for _, right, _ in rows], "utf8"),
        column: ([value for _, _, value in rows], "float64"),
    }
    return record_batch(f"{column}s", **columns)
