"""Expected bad debt against fifty digits, what must hold of it, and every kind of bad input."""

import json
import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmargin.engine.expectation import (
    ExposedAccount,
    PriceMoves,
    daily_deviations,
    expected_bad_debt,
    expected_bad_debt_columns,
)
from xmargin.errors import EngineError, ParameterError
from xmargin.params import load_parameters, parse_parameters
from xmargin.reference import expected_bad_debt as reference

properties = settings(max_examples=200, deadline=None)
_DAY_S = 86_400.0
_ERROR = 2e-12
"""Relative, as documented."""

ASSETS = st.sampled_from(["BTC", "ETH", "SOL", "USDC"])
AMOUNT = st.floats(1e-6, 1e12)
SIGNED = st.builds(math.copysign, AMOUNT, st.sampled_from([-1.0, 1.0]))
DEVIATIONS = st.fixed_dictionaries(
    {name: st.floats(1e-4, 2.0) for name in ("BTC", "ETH", "SOL", "USDC")}
)
MOVES = st.builds(
    PriceMoves, DEVIATIONS, st.sampled_from([0.0, 0.3, 0.9, 1.0]), st.floats(1.0, 1e7)
)
EXPOSURES = st.dictionaries(ASSETS, SIGNED, min_size=1)


def of(equity: float, exposures: dict[str, float], moves: PriceMoves) -> float:
    (found,) = expected_bad_debt([ExposedAccount(equity, exposures)], moves)
    return found


def exactly(equity: float, exposures: dict[str, float], moves: PriceMoves) -> Decimal:
    return reference.expected_bad_debt(
        equity, exposures, moves.daily_deviations, moves.correlation, moves.horizon_s
    )


def amount(value: float) -> float:
    """An amount that the core takes."""
    return value if abs(value) >= 1e-30 else 0.0


def deviation(exposures: dict[str, float], moves: PriceMoves) -> float:
    """By the answer at no equity, s / sqrt(2 pi)."""
    return of(0.0, exposures, moves) * math.sqrt(2 * math.pi)


# expectation-1
@given(st.floats(-40.0, 36.0), EXPOSURES, MOVES)
@properties
def test_it_is_right_to_fifty_digits_from_deep_in_debt_to_far_in_the_tail(
    deviations_away: float, exposures: dict[str, float], moves: PriceMoves
) -> None:
    equity = amount(deviations_away * deviation(exposures, moves))
    wanted = exactly(equity, exposures, moves)
    assert abs(Decimal(of(equity, exposures, moves)) - wanted) <= Decimal(_ERROR) * wanted


# expectation-2
@given(st.floats(-30.0, 30.0), st.floats(1e-3, 5.0), EXPOSURES, MOVES)
@properties
def test_more_equity_never_raises_it(
    deviations_away: float, more: float, exposures: dict[str, float], moves: PriceMoves
) -> None:
    s = deviation(exposures, moves)
    less_owned = of(amount(deviations_away * s), exposures, moves)
    assert of(amount((deviations_away + more) * s), exposures, moves) <= less_owned * (
        1 + 2 * _ERROR
    )


# expectation-3
@given(
    st.floats(-30.0, 30.0), st.dictionaries(ASSETS, AMOUNT, min_size=1), MOVES, st.floats(1.0, 3.0)
)
@properties
def test_moves_thought_larger_never_lower_it_where_all_is_owned(
    deviations_away: float, exposures: dict[str, float], moves: PriceMoves, factor: float
) -> None:
    equity = amount(deviations_away * deviation(exposures, moves))
    calm = of(equity, exposures, moves) * (1 - 2 * _ERROR)
    wilder = {name: factor * one for name, one in moves.daily_deviations.items()}
    assert of(equity, exposures, replace(moves, daily_deviations=wilder)) >= calm
    assert of(equity, exposures, replace(moves, horizon_s=factor * moves.horizon_s)) >= calm


# expectation-4
@given(SIGNED, EXPOSURES, MOVES)
@properties
def test_it_is_never_below_what_is_short_now(
    equity: float, exposures: dict[str, float], moves: PriceMoves
) -> None:
    assert of(equity, exposures, moves) >= max(0.0, -equity)


# expectation-5
@given(st.lists(st.tuples(SIGNED, EXPOSURES), max_size=20), MOVES)
@properties
def test_accounts_do_not_depend_on_each_other(
    accounts: list[tuple[float, dict[str, float]]], moves: PriceMoves
) -> None:
    together = expected_bad_debt([ExposedAccount(*one) for one in accounts], moves)
    assert together == tuple(of(equity, exposures, moves) for equity, exposures in accounts)


def test_threads_change_no_bit() -> None:
    count = 50_000
    accounts = pa.record_batch(
        {
            "equity": [float(row % 997 - 300) for row in range(count)],
            "exposures_end": pa.array(range(1, count + 1), pa.uint64()),
        }
    )
    exposures = pa.record_batch(
        {
            "asset": pa.array([row % 2 for row in range(count)], pa.uint32()),
            "value": [float(row % 1009 - 400) for row in range(count)],
        }
    )
    one, two = (
        expected_bad_debt_columns(
            accounts, exposures, [0.03, 0.05], correlation=0.5, horizon_s=_DAY_S, threads=threads
        )
        for threads in (1, 2)
    )
    assert one == two
    assert len(set(one)) > 1000


def test_what_does_not_move_loses_what_is_short_now() -> None:
    moves = PriceMoves({"USD": 0.0, "ETH": 0.05}, 0.5, _DAY_S)
    accounts = [
        ExposedAccount(-7.0, {"USD": 100.0}),
        ExposedAccount(7.0, {"USD": 100.0}),
        ExposedAccount(-7.0, {}),
        ExposedAccount(0.0, {}),
    ]
    assert expected_bad_debt(accounts, moves) == (7.0, 0.0, 7.0, 0.0)
    still = replace(moves, horizon_s=0.0)
    assert expected_bad_debt([ExposedAccount(-7.0, {"ETH": 9.0})], still) == (7.0,)
    assert expected_bad_debt([], moves) == ()


def test_a_short_leg_hedges_a_long_one_of_the_same_correlation() -> None:
    moves = PriceMoves({"ETH": 0.05, "BTC": 0.05}, 1.0, _DAY_S)
    assert of(-7.0, {"ETH": 100.0, "BTC": -100.0}, moves) == 7.0
    assert of(5.0, {"ETH": 100.0, "BTC": -100.0}, moves) == 0.0
    assert of(5.0, {"ETH": 100.0, "BTC": -100.0}, replace(moves, correlation=0.9)) > 0.009


def test_a_day_of_one_asset_by_hand() -> None:
    # 10 ETH of 2,000 USD, 5 % a day: s = 1,000. One deviation away: 0.0833154706 s.
    moves = PriceMoves({"ETH": 0.05}, 0.5, _DAY_S)
    assert of(1_000.0, {"ETH": 20_000.0}, moves) == pytest.approx(83.3154705876863, rel=_ERROR)
    assert of(1_000.0, {"ETH": 20_000.0}, replace(moves, horizon_s=_DAY_S / 4)) == pytest.approx(
        500 * 0.00849070261682964, rel=1e-12
    )


def test_deviations_are_those_of_the_parameters_and_the_default_of_others() -> None:
    found = daily_deviations(load_parameters("unified-v1"), ["SOL", "PEPE", "BTC", "SOL"])
    assert found == {"BTC": 0.03, "PEPE": 0.1, "SOL": 0.05}


@pytest.mark.parametrize(
    ("account", "moves", "message"),
    [
        ((math.nan, {}), {}, r"accounts\.equity row 0: NaN"),
        ((1e31, {}), {}, r"accounts\.equity row 0: 1"),
        ((0.0, {"ETH": math.inf}), {}, r"exposures\.value row 0: inf"),
        ((0.0, {"ETH": 1e-40}), {}, r"exposures\.value row 0: 0\.0"),
        ((0.0, {"BTC": 1.0}), {}, "no daily deviation of BTC; give one each"),
        ((0.0, {"ETH": 1.0}), {"daily_deviations": {"ETH": -0.1}}, r"assets\.daily_deviation row"),
        ((0.0, {"ETH": 1.0}), {"daily_deviations": {"ETH": math.nan}}, r"row 0: NaN is neither 0"),
        (("x", {}), {}, r"accounts\.equity: .* it must be float64"),
    ],
)
def test_what_is_no_amount_is_refused_by_name(
    account: tuple[Any, dict[str, float]], moves: dict[str, Any], message: str
) -> None:
    with pytest.raises(EngineError, match=message):
        of(*account, replace(PriceMoves({"ETH": 0.05}, 0.5, _DAY_S), **moves))


@pytest.mark.parametrize(
    ("moves", "message"),
    [
        ({"correlation": 1.1}, r"correlation: 1\.1 is not in \[0, 1\]"),
        ({"correlation": math.nan}, "correlation: NaN"),
        ({"horizon_s": -1.0}, r"horizon_s: -1 is not in \[0, 1000000000\]"),
        ({"horizon_s": math.inf}, "horizon_s: inf"),
    ],
)
def test_moves_without_meaning_are_refused_by_name(moves: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        of(0.0, {}, replace(PriceMoves({}, 0.5, _DAY_S), **moves))


def test_parameters_without_liquidity_know_no_deviation() -> None:
    tree = json.loads(load_parameters("unified-v1").content)
    del tree["liquidity"]
    with pytest.raises(ParameterError, match="liquidity: is missing; it says how much prices move"):
        daily_deviations(parse_parameters(json.dumps(tree)), ["ETH"])


@pytest.mark.parametrize(
    ("ends", "assets", "message"),
    [
        ([2, 1], [0, 1], r"accounts\.exposures_end row 1: 1 is not within 2 and 2"),
        ([0, 2], [1, 1], r"exposures\.asset row 1: 1 does not ascend within account 1"),
        ([0, 2], [0, 7], r"exposures\.asset row 1: 7 is not one of 2 assets"),
    ],
)
def test_ragged_exposures_are_refused_by_name(
    ends: list[int], assets: list[int], message: str
) -> None:
    accounts = pa.record_batch({"equity": [1.0, 1.0], "exposures_end": pa.array(ends, pa.uint64())})
    exposures = pa.record_batch({"asset": pa.array(assets, pa.uint32()), "value": [1.0, 1.0]})
    with pytest.raises(EngineError, match=message):
        expected_bad_debt_columns(
            accounts, exposures, [0.1, 0.1], correlation=0.0, horizon_s=1.0, threads=1
        )
