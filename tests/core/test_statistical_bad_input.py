"""What the statistical models say of bad input: table, column, row, and how to mend it."""

import math
from typing import Any

import pytest

from tests.core.statistical_examples import LEVEL, PARAMETERS, PARAMETRIC, log_returns
from tests.core.statistics import changed, historical, parametric, series
from xmargin import _core
from xmargin.engine.statistical import (
    Forecasts,
    ReturnSeries,
    backtest,
    historical_forecasts,
    historical_margin,
)
from xmargin.errors import EngineError, ParameterError
from xmargin.params import load_parameters, parse_parameters

RETURNS = log_returns(1)


def margin_of(*rows: ReturnSeries) -> dict[str, Any]:
    return historical_margin(parse_parameters(PARAMETERS), rows, {"BTC": 1.0})


@pytest.mark.parametrize("value", [math.nan, math.inf, -10.5])
def test_a_return_that_is_none_is_named_with_its_row(value: float) -> None:
    columns = {**RETURNS, "BTC": [*RETURNS["BTC"][:7], value, *RETURNS["BTC"][8:]]}
    with pytest.raises(EngineError, match=r"^returns\.log_return row 7: .* of BTC; it must be in"):
        historical(columns, {"BTC": 1.0})


def test_a_day_said_twice_is_named() -> None:
    btc = series(RETURNS)[0]
    twice = ReturnSeries("BTC", (*btc.days, 5), (*btc.log_returns, 0.0))
    with pytest.raises(EngineError, match=r"^returns\.day row 110: 5 of BTC is said twice"):
        margin_of(twice)


def test_a_day_that_one_factor_lacks_is_named() -> None:
    btc, eth, _ = series(RETURNS)
    ragged = ReturnSeries("ETH", eth.days[:-1], eth.log_returns[:-1])
    with pytest.raises(EngineError, match=r"^returns\.day row 109: ETH has no row of day 109"):
        margin_of(btc, ragged)


def test_too_few_days_are_refused_with_the_number_wanted() -> None:
    with pytest.raises(EngineError, match=r"30 days are too few .* there must be 35"):
        historical({"BTC": RETURNS["BTC"][:30]}, {"BTC": 1.0})


@pytest.mark.parametrize(
    ("deltas", "problem"),
    [
        ({"DOGE": 1.0}, r'^holdings\.factor row 0: "DOGE" has no returns'),
        ({"BTC": math.nan}, r"^holdings\.delta_usd row 0: NaN of BTC; it must be within"),
        ({"BTC": 1.0, "ETH": 1e101}, r"^holdings\.delta_usd row 1: "),
    ],
)
def test_a_holding_at_fault_is_named(deltas: dict[str, float], problem: str) -> None:
    with pytest.raises(EngineError, match=problem):
        historical(RETURNS, deltas)


def test_a_vector_of_the_wrong_length_is_named() -> None:
    with pytest.raises(EngineError, match=r'^revalued\.filtered row 0: "option" has 3 values'):
        historical(RETURNS, {}, revalued={"option": ([1.0] * 3, [1.0] * 110)})


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("model", "grid", r'model: "grid" must be "historical"'),
        ("confidence", "0.99999", "confidence: 0.99999 is out of range"),
        ("filter.kind", "ma", r'filter\.kind: "ma" must be'),
        ("filter.decay", "1", r"filter\.decay: 1 is out of range"),
        ("filter.seed_days", "1.5", r"filter\.seed_days: 1.5 is no whole number"),
        ("stress.days", "5", r"stress\.days: 5 are too few"),
        ("stress.colour", "red", r"stress\.colour: is no key that is known here"),
        ("floor", None, "floor: is missing"),
    ],
)
def test_a_wrong_parameter_is_named(path: str, value: object, problem: str) -> None:
    with pytest.raises(ParameterError, match=f"parameters: {problem}"):
        _core.check_historical_parameters(changed(path, value))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"correlation": [0.9, 0.9, -0.9]}, "must be positive semidefinite"),
        ({"correlation": [1.1, 0.0, 0.0]}, r"^correlations\.correlation row 0: 1\.1"),
        ({"deviation": [0.1, -0.1, 0.1]}, r"^factors\.deviation row 1: -0\.1"),
        ({"sensitivity": [0.0, 0.0, math.inf]}, r"^factors\.sensitivity row 2: inf"),
        ({"curvature": [(0, 1, 1.0), (1, 0, 1.0)]}, r"^curvatures\.curvature row 1: .* said twice"),
    ],
)
def test_a_second_order_book_at_fault_is_named(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(EngineError, match=problem):
        parametric({**PARAMETRIC["linear and offset"], **change})


@pytest.mark.parametrize(
    ("column", "values", "problem"),
    [
        ("day", (0, 2, 2), r"^outcomes\.day row 2: 2 does not follow"),
        ("pnl", (0.0, math.nan, 0.0), r"^outcomes\.pnl row 1: NaN"),
        ("es", (3.0, 3.0, 1.0), r"^outcomes\.es row 2: 1\.0; it must be at least the VaR 2\.0"),
        ("var", (2.0, 2.0, math.inf), r"^outcomes\.var row 2: inf"),
    ],
)
def test_an_outcome_at_fault_is_named(column: str, values: tuple[Any, ...], problem: str) -> None:
    columns = {"day": (0, 1, 2), "pnl": (0.0,) * 3, "var": (2.0,) * 3, "es": (3.0,) * 3}
    with pytest.raises(EngineError, match=problem):
        backtest(LEVEL, Forecasts(**{"requirement": (), **columns, column: values}))


def test_no_outcome_at_all_is_refused() -> None:
    with pytest.raises(EngineError, match=r"^outcomes\.day: is empty"):
        backtest(LEVEL, Forecasts((), (), (), (), ()))


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([ReturnSeries("A", (1, 2), (0.1,))], "returns: A has 2 days and 1 returns"),
        (
            [ReturnSeries("A", (1, 2), (0.1,)), ReturnSeries("B", (1,), (0.1, 0.2))],
            "returns: A has 2 days and 1 returns",
        ),
        ([ReturnSeries("A", (1 << 40,), (0.1,))], "returns.day: "),
        ([ReturnSeries("A", (1,), ("x",))], "returns.log_return: "),  # type: ignore[arg-type]
    ],
)
def test_what_arrow_cannot_hold_is_a_typed_error(rows: list[ReturnSeries], problem: str) -> None:
    with pytest.raises(EngineError, match=problem):
        historical_margin(load_parameters("historical-v1"), rows, {})


@pytest.mark.parametrize("lookback_days", [-1, 0, 1 << 70])
def test_a_lookback_that_is_none_is_a_typed_error(lookback_days: int) -> None:
    rows = [ReturnSeries("A", (1, 2), (0.1, 0.2))]
    with pytest.raises(EngineError, match="lookback_days"):
        historical_forecasts(load_parameters("historical-v1"), rows, {}, lookback_days)


def test_a_vector_without_values_is_refused_and_not_left_out() -> None:
    with pytest.raises(EngineError, match=r"^revalued: 'option' has no values"):
        historical(RETURNS, {"BTC": 1.0}, revalued={"option": ([], [])})


@pytest.mark.parametrize("value", [math.nan, math.inf, -10.5])
def test_a_garch_return_that_is_none_is_named_with_its_row(value: float) -> None:
    with pytest.raises(EngineError, match=r"^returns\.log_return row 7: .* of F; it must be in"):
        _core.fit_garch("F", [*[0.01] * 7, value, *[0.02] * 200])


def test_coverage_is_tested_where_no_shortfall_was_forecast() -> None:
    tests = backtest(LEVEL, Forecasts((0, 1), (-3.0, 0.0), (2.0, 2.0), (), ()))
    assert (tests["exceptions"], tests["z1"], tests["z2"]) == (1, None, None)


def test_a_shortfall_too_small_to_divide_by_is_named() -> None:
    with pytest.raises(
        EngineError, match=r"^outcomes\.es row 0: 1e-300; it must be at least .* and 1e-100"
    ):
        backtest(LEVEL, Forecasts((0,), (-1.0,), (-2.0,), (1e-300,), ()))


def test_the_significance_of_a_long_series_takes_no_time() -> None:
    days = 200_000
    pnl = tuple(-1.0 if day % 2 else 1.0 for day in range(days))
    tests = backtest(0.5, Forecasts(tuple(range(days)), pnl, (0.5,) * days, (1.0,) * days, ()))
    assert tests["z2"] == pytest.approx(0.0, abs=1e-9)
    assert tests["z2_p_normal"] == pytest.approx(0.5, abs=0.01)
