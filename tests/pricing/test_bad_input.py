"""Bad columns: a typed error that names column and row, never a panic."""

import math
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmargin.engine import fit_svi, implied_vols, option_greeks, option_values
from xmargin.errors import EngineError

GOOD: dict[str, list[Any]] = {
    "put": [False, True],
    "forward": [100.0, 100.0],
    "strike": [90.0, 110.0],
    "expiry_years": [0.5, 0.5],
    "vol": [0.6, 0.7],
    "price": [17.0, 25.0],
    "discount": [0.99, 0.99],
}


def with_second(column: str, value: object) -> pa.Table:
    return pa.table({**GOOD, column: pa.array([GOOD[column][0], value], type=_TYPES[column])})


_TYPES = {name: pa.bool_() if name == "put" else pa.float64() for name in GOOD}


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, -1.0, 1e101, None])
@pytest.mark.parametrize("column", ["forward", "strike", "expiry_years", "vol", "discount"])
def test_a_value_out_of_range_is_refused_by_name(column: str, wrong: float | None) -> None:
    for ask in (option_values, option_greeks):
        with pytest.raises(EngineError, match=rf"^options\.{column} row 1: is "):
            ask(with_second(column, wrong))


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -1.0, 9.0, 200.0, None])
def test_a_price_without_a_vol_is_refused_by_name(wrong: float | None) -> None:
    with pytest.raises(EngineError, match=r"^options\.price row 1: is "):
        implied_vols(with_second("price", wrong))


@pytest.mark.parametrize("column", ["put", "forward", "strike", "expiry_years", "vol", "discount"])
def test_a_missing_column_is_named(column: str) -> None:
    with pytest.raises(EngineError, match=rf"^options\.{column}: is missing"):
        option_values(pa.table(GOOD).drop_columns([column]))


def test_a_zero_forward_or_no_table_is_refused() -> None:
    with pytest.raises(EngineError, match=r"forward row 1"):
        option_values(with_second("forward", 0.0))
    with pytest.raises(EngineError, match="is no Arrow table"):
        option_values([1, 2])


def test_no_options_have_no_values() -> None:
    assert option_values(pa.table(GOOD).slice(0, 0)).num_rows == 0


numbers = st.floats(width=64)


@given(st.lists(st.tuples(st.booleans(), *[numbers] * 6), max_size=12))
def test_whatever_the_columns_hold_the_answer_is_values_or_a_typed_error(
    rows: list[tuple[Any, ...]],
) -> None:
    names = list(GOOD)
    columns = {
        name: pa.array([row[i] for row in rows], _TYPES[name]) for i, name in enumerate(names)
    }
    for ask in (option_values, option_greeks, implied_vols):
        # Any other exception, a panic above all, is not suppressed and fails the test.
        with suppress(EngineError):
            assert ask(pa.table(columns)).num_rows == len(rows)


@given(st.lists(st.tuples(numbers, numbers, numbers), max_size=9), numbers)
def test_whatever_the_points_are_the_answer_is_a_slice_or_a_typed_error(
    points: list[tuple[float, float, float]], expiry_years: float
) -> None:
    names = ["log_moneyness", "vol", "weight"]
    columns = {
        name: pa.array([point[i] for point in points], pa.float64()) for i, name in enumerate(names)
    }
    with suppress(EngineError):
        assert math.isfinite(fit_svi(pa.table(columns), expiry_years).rms_vol_error)


def test_a_wrong_quote_is_named_as_one_of_the_points() -> None:
    quotes = {"log_moneyness": [0.0], "vol": [-1.0], "weight": [1.0]}
    with pytest.raises(EngineError, match=r"^points\.vol row 0: is -1\.0; it must be from"):
        fit_svi(pa.table(quotes), 1.0)
