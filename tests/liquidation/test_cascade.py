"""Cascades against all fixed points by trial, and every kind of bad input."""

import json
import math
from collections.abc import Mapping
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.liquidation.cascades import bracketed, example, loaded
from tests.liquidation.make_golden_cascades import GOLDEN, content
from xmargin.engine.cascade import (
    NO_DEPTH,
    BracketKind,
    CascadeBracket,
    CloseStep,
    DepthCurve,
    LendingAccount,
    LendingAsset,
    LendingBook,
    PositionKind,
)
from xmargin.errors import EngineError, ParameterError
from xmargin.reference.cascade import Account, Market, bad_debt, comes_to_rest, fixed_points

properties = settings(max_examples=100, deadline=None)
SEED = st.integers(0, 10**9)
_CLOSE = 1e-9


def near(found: float, wanted: float) -> bool:
    return math.isclose(found, wanted, rel_tol=_CLOSE, abs_tol=1e-12)


def holds(bracket: CascadeBracket, point: Mapping[str, float]) -> bool:
    ends = bracket.prices()
    return all(
        low * (1 - _CLOSE) <= point[name] <= high * (1 + _CLOSE)
        for name, (low, high) in ends.items()
    )


def test_the_generator_reproduces_the_file() -> None:
    assert GOLDEN.read_text("utf-8") == content()


def test_all_known_fixed_points_are_in_the_bracket_and_end_it_where_all_sell() -> None:
    several = 0
    for row in json.loads(GOLDEN.read_text("utf-8")):
        bracket = bracketed([Account(**one) for one in row["accounts"]], Market(**row["market"]))
        points = row["fixed_points"]
        assert all(holds(bracket, point) for point in points)
        if bracket.kind is BracketKind.FIXED_POINTS:
            several += len(points) > 1
            for name, (low, high) in bracket.prices().items():
                assert near(low, min(point[name] for point in points))
                assert near(high, max(point[name] for point in points))
    assert several, "vectors of one fixed point each show no bracket"


# cascade-1
@given(SEED)
@properties
def test_where_all_sell_the_ends_are_the_least_and_greatest_fixed_points(seed: int) -> None:
    accounts, market = example(seed)
    bracket = bracketed(accounts, market)
    points = list(fixed_points(accounts, market))
    assert bracket.kind is BracketKind.FIXED_POINTS
    for name, (low, high) in bracket.prices().items():
        assert near(low, float(min(point[name] for point in points)))
        assert near(high, float(max(point[name] for point in points)))


# cascade-8
@given(SEED, st.sampled_from([("ETH",), ("ETH", "BTC")]))
@properties
def test_where_kinds_share_markets_the_ends_are_the_least_and_greatest_fixed_points(
    seed: int, assets: tuple[str, ...]
) -> None:
    accounts, market = example(seed, assets=assets)
    bracket = bracketed(accounts, market)
    points = list(fixed_points(accounts, market))
    assert bracket.kind is BracketKind.FIXED_POINTS
    for name, (low, high) in bracket.prices().items():
        assert near(low, float(min(point[name] for point in points)))
        assert near(high, float(max(point[name] for point in points)))
    found = [float(bad_debt(accounts, market, point)) for point in points]
    size = sum(account.debt for account in accounts) + 1.0
    assert bracket.bad_debt_least == pytest.approx(min(found), abs=1e-9 * size)
    assert bracket.bad_debt_most == pytest.approx(max(found), abs=1e-9 * size)


# cascade-9
@given(SEED, st.sampled_from([("ETH",), ("ETH", "BTC")]))
@properties
def test_where_kinds_share_markets_and_some_buy_every_fixed_point_is_in_the_bracket(
    seed: int, assets: tuple[str, ...]
) -> None:
    accounts, market = example(seed, buys=True, assets=assets)
    bracket = bracketed(accounts, market)
    for point in fixed_points(accounts, market):
        assert holds(bracket, {name: float(price) for name, price in point.items()})


# cascade-10
@given(SEED)
@properties
def test_kinds_that_count_alike_are_as_one(seed: int) -> None:
    accounts, market = example(seed, accounts=30)
    whole = bracketed(accounts, market)
    twins = {f"{name}-{half}": name for name in market.asset_of for half in "ab"}
    halves = Market(
        market.prices,
        market.curves,
        {twin: market.weights[name] for twin, name in twins.items()},
        {twin: market.factors[name] for twin, name in twins.items()},
        market.steps,
        {twin: market.asset_of[name] for twin, name in twins.items()},
    )
    split = [
        Account({t: a.positions[n] / 2 for t, n in twins.items() if n in a.positions}, a.debt)
        for a in accounts
    ]
    bracket = bracketed(split, halves)
    assert bracket.kind is whole.kind
    assert bracket.accounts.equals(whole.accounts)
    for name, ends in whole.prices().items():
        assert all(map(near, bracket.prices()[name], ends))


# cascade-2
@given(SEED)
@properties
def test_where_some_buy_every_fixed_point_is_in_the_bracket(seed: int) -> None:
    accounts, market = example(seed, buys=True)
    bracket = bracketed(accounts, market)
    if not loaded(accounts, market).sells_only:
        assert bracket.kind is BracketKind.ENCLOSURE
    for point in fixed_points(accounts, market):
        assert holds(bracket, {name: float(price) for name, price in point.items()})


# cascade-3
@given(SEED)
@properties
def test_the_plain_iteration_from_above_rests_at_the_high_end(seed: int) -> None:
    accounts, market = example(seed, accounts=30)
    bracket = bracketed(accounts, market)
    for column, begin in (("step_least", 0), ("step_most", len(market.steps))):
        steps = comes_to_rest(accounts, market, [begin] * len(accounts), 100)
        assert bracket.accounts.column(column).to_pylist() == steps


# cascade-4
@given(SEED, st.booleans(), st.integers(0, 6))
@properties
def test_stopping_early_gives_a_wider_bracket(seed: int, buys: bool, passes: int) -> None:
    accounts, market = example(seed, accounts=30, buys=buys)
    early, late = bracketed(accounts, market, passes), bracketed(accounts, market)
    for name, (low, high) in late.prices().items():
        wide_low, wide_high = early.prices()[name]
        assert wide_low <= low <= high <= wide_high
    assert early.bad_debt_least <= late.bad_debt_least <= late.bad_debt_most <= early.bad_debt_most


# cascade-5
@given(SEED, st.booleans(), SEED)
@properties
def test_neither_order_nor_threads_nor_anchors_change_a_bit(
    seed: int, buys: bool, shuffle: int
) -> None:
    accounts, market = example(seed, accounts=40, buys=buys)
    bracket = bracketed(accounts, market)
    rows = list(range(len(accounts)))
    Random(shuffle).shuffle(rows)
    moved = bracketed([accounts[row] for row in rows], market, threads=2)
    assert moved.assets.equals(bracket.assets)
    assert moved.accounts.equals(bracket.accounts.take(pa.array(rows)))
    random = Random(shuffle)
    assets = {
        name: LendingAsset(market.weights[name], random.uniform(0.01, 100), market.factors[name])
        for name in market.prices
    }
    curves = {name: DepthCurve(tuple(knots)) for name, knots in market.curves.items()}
    steps = [CloseStep(*step) for step in market.steps]
    book = LendingBook(assets, [LendingAccount(a.positions, a.debt) for a in accounts])
    anchored = book.cascade(market.prices, curves, steps)
    assert anchored.assets.equals(bracket.assets)
    assert anchored.accounts.equals(bracket.accounts)


# cascade-6
@given(SEED)
@properties
def test_lower_prices_never_raise_either_end_where_all_sell(seed: int) -> None:
    accounts, market = example(seed, accounts=30)
    book = loaded(accounts, market)
    curves = {name: DepthCurve(tuple(knots)) for name, knots in market.curves.items()}
    now, lower = (
        book.cascade({name: part * price for name, price in market.prices.items()}, curves)
        for part in (1.0, 0.9)
    )
    for name, ends in lower.prices().items():
        assert all(low <= high for low, high in zip(ends, now.prices()[name], strict=True))


# cascade-7
@given(SEED)
@properties
def test_bad_debt_is_what_the_prices_at_the_ends_leave(seed: int) -> None:
    accounts, market = example(seed)
    bracket = bracketed(accounts, market)
    points = list(fixed_points(accounts, market))
    found = [float(bad_debt(accounts, market, point)) for point in points]
    size = sum(account.debt for account in accounts) + 1.0
    assert bracket.bad_debt_least == pytest.approx(min(found), abs=1e-9 * size)
    assert bracket.bad_debt_most == pytest.approx(max(found), abs=1e-9 * size)


ETH = {"ETH": LendingAsset(collateral_weight=0.8, anchor_price=2000.0)}
LINEAR = {"ETH": DepthCurve(((0.0, 1.0), (100.0, 0.0)))}
ALL_AT_ONCE = [CloseStep(1.0, 1.0)]


def test_accounts_that_only_fall_together_have_two_outcomes() -> None:
    # Safe at 2000; if one sells its 10, the price is 1800 and all ten are due: price 0.
    book = LendingBook(ETH, [LendingAccount({"ETH": 10.0}, 15_000.0)] * 10)
    bracket = book.cascade({"ETH": 2000.0}, LINEAR, ALL_AT_ONCE)
    assert bracket.prices() == {"ETH": (0.0, 2000.0)}
    assert (bracket.bad_debt_least, bracket.bad_debt_most) == (0.0, 150_000.0)
    assert bracket.accounts.column("step_most").to_pylist() == [1] * 10
    assert bracket.accounts.column("step_least").to_pylist() == [0] * 10


def test_what_is_sold_of_one_kind_lowers_the_price_of_all_kinds_of_its_market() -> None:
    kinds = {"plain": PositionKind("ETH", 0.8), "emode": PositionKind("ETH", 0.93)}
    accounts = [
        LendingAccount({"plain": 10.0}, 17_000.0),
        LendingAccount({"emode": 10.0}, 17_000.0),
    ]
    book = LendingBook.of_kinds({"ETH": 2000.0}, kinds, accounts)
    bracket = book.cascade({"ETH": 2000.0}, LINEAR, ALL_AT_ONCE)
    # The first is due at 2000; its ten leave 1800, at which the second's 10 x 0.93 x 1800 are due.
    assert bracket.prices() == {"ETH": (1600.0, 1600.0)}
    assert bracket.assets.column("sold_least").to_pylist() == [20.0]
    alone = LendingBook.of_kinds({"ETH": 2000.0}, kinds, accounts[1:])
    _, high = alone.cascade({"ETH": 2000.0}, LINEAR, ALL_AT_ONCE).prices()["ETH"]
    assert high == 2000.0


def test_a_loop_on_one_market_is_not_thought_due_by_its_own_sales() -> None:
    # Staked ETH against ETH: all fall together, so no price makes it due, however little depth.
    kinds = {"held": PositionKind("ETH", 0.93), "owed": PositionKind("ETH", 0.0)}
    loop = LendingAccount({"held": 10.0, "owed": -9.0}, 0.0)
    book = LendingBook.of_kinds({"ETH": 2000.0}, kinds, [loop] * 100)
    bracket = book.cascade({"ETH": 2000.0}, LINEAR)
    assert bracket.prices() == {"ETH": (2000.0, 2000.0)}
    due = LendingBook.of_kinds({"ETH": 2000.0}, kinds, [LendingAccount(loop.positions, 1000.0)] * 9)
    closed = due.cascade({"ETH": 2000.0}, LINEAR, ALL_AT_ONCE)
    # Closing one sells the one unit that it holds beyond what it owes.
    assert closed.kind is BracketKind.ENCLOSURE
    assert closed.prices()["ETH"] == pytest.approx((1820.0, 1820.0))


def test_no_depth_and_prices_of_zero_are_worth_nothing() -> None:
    book = LendingBook(ETH, [LendingAccount({"ETH": 1.0}, 1700.0), LendingAccount({}, 5.0)])
    gone = book.cascade({"ETH": 2000.0}, {"ETH": NO_DEPTH})
    assert gone.prices() == {"ETH": (0.0, 0.0)}
    zero = book.cascade({"ETH": 0.0}, LINEAR)
    assert zero.prices() == {"ETH": (0.0, 0.0)}
    assert zero.bad_debt_least == zero.bad_debt_most == gone.bad_debt_least == 1705.0


def test_negative_equity_everywhere_closes_all_and_counts_it() -> None:
    book = LendingBook(ETH, [LendingAccount({"ETH": 1.0}, 9000.0)] * 20)
    bracket = book.cascade({"ETH": 2000.0}, LINEAR)
    assert bracket.prices() == {"ETH": (1600.0, 1600.0)}
    assert bracket.bad_debt_least == bracket.bad_debt_most == 20 * 7400.0
    assert bracket.assets.column("sold_least").to_pylist() == [20.0]


def test_an_empty_book_moves_nothing() -> None:
    bracket = LendingBook(ETH, []).cascade({"ETH": 2000.0}, LINEAR)
    assert bracket.prices() == {"ETH": (2000.0, 2000.0)}
    assert bracket.kind is BracketKind.FIXED_POINTS
    nothing = LendingBook({}, [LendingAccount({}, 3.0)]).cascade({}, {})
    assert nothing.bad_debt_most == 3.0


@pytest.mark.parametrize("number", [-1, 10**30, 1.5])
def test_threads_that_are_no_count_are_refused_by_name(number: Any) -> None:
    with pytest.raises(EngineError, match=r"book\.threads: .* is no count"):
        LendingBook(ETH, [], threads=number)


@pytest.mark.parametrize(
    ("prices", "knots", "message"),
    [
        ({"ETH": math.nan}, [(0.0, 1.0)], r"prices\.price row 0: NaN"),
        ({"ETH": -1.0}, [(0.0, 1.0)], r"prices\.price row 0: -1"),
        ({}, [(0.0, 1.0)], "no price of ETH"),
        ({"ETH": 1.0}, [], r"knots\.knots_end row 0: 0 leaves market 0 without knots"),
        ({"ETH": 1.0}, [(0.0, 1.0), (5.0, 1.1)], r"knots\.multiple row 1: 1\.1 .* or ascends"),
        ({"ETH": 1.0}, [(5.0, 1.0), (0.0, 0.9)], r"knots\.amount row 1: 0 .* or descends"),
        ({"ETH": 1.0}, [(0.0, 0.9)], r"knots\.multiple row 0: is 0\.9 where nothing is sold"),
        ({"ETH": 1.0}, [(math.nan, 1.0)], r"knots\.amount row 0: NaN"),
    ],
)
def test_prices_and_curves_without_meaning_are_refused_and_the_book_stays(
    prices: Mapping[str, float], knots: list[tuple[float, float]], message: str
) -> None:
    book = LendingBook(ETH, [LendingAccount({"ETH": 1.0}, 1700.0)])
    before = book.cascade({"ETH": 2000.0}, LINEAR)
    with pytest.raises(EngineError, match=message):
        book.cascade(prices, {"ETH": DepthCurve(tuple(knots))})
    assert book.cascade({"ETH": 2000.0}, LINEAR) == before


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [CloseStep(1.0, 0.0)],
        [CloseStep(1.1, 0.5)],
        [CloseStep(0.9, 0.5), CloseStep(0.95, 1.0)],
        [CloseStep(1.0, 0.5), CloseStep(0.95, 0.4)],
        [CloseStep(math.nan, 0.5)],
    ],
)
def test_close_steps_out_of_order_are_refused(steps: list[CloseStep]) -> None:
    book = LendingBook(ETH, [])
    with pytest.raises(ParameterError, match="close_steps"):
        book.cascade({"ETH": 1.0}, LINEAR, steps)


@pytest.mark.parametrize(
    ("asset", "account", "message"),
    [
        (LendingAsset(1.1, 1.0), LendingAccount({}, 0.0), r"kinds\.collateral_weight row 0: 1\.1"),
        (LendingAsset(1e-9, 1.0), LendingAccount({}, 0.0), r"row 0: 0\.000000001 is below 1e-6"),
        (LendingAsset(0.5, 0.0), LendingAccount({}, 0.0), r"markets\.anchor_price row 0: 0 is not"),
        (LendingAsset(0.5, 1.0, 0.5), LendingAccount({}, 0.0), r"kinds\.debt_factor row 0: 0\.5"),
        (LendingAsset(0.5, 1.0), LendingAccount({}, -1.0), r"accounts\.debt row 0: -1"),
        (LendingAsset(0.5, 1.0), LendingAccount({}, math.nan), r"accounts\.debt row 0: NaN"),
        (LendingAsset(0.5, 1.0), LendingAccount({"ETH": 1e31}, 0.0), r"positions\.quantity row 0"),
        (LendingAsset(0.5, 1.0), LendingAccount({"BTC": 1.0}, 0.0), "no kind of BTC"),
    ],
)
def test_what_a_book_cannot_hold_is_refused_by_name(
    asset: LendingAsset, account: LendingAccount, message: str
) -> None:
    with pytest.raises(EngineError, match=message):
        LendingBook({"ETH": asset}, [account])


@pytest.mark.parametrize(
    ("ends", "assets", "message"),
    [
        ([2, 1], [0, 1], r"accounts\.positions_end row 1: 1 is not within 2 and 2"),
        ([0, 3], [0, 1], r"accounts\.positions_end row 1: 3 is not within 0 and 2"),
        ([0, 2], [1, 1], r"positions\.kind row 1: 1 does not ascend"),
        ([0, 2], [0, 7], r"positions\.kind row 1: 7 is not one of 2 kinds"),
    ],
)
def test_ragged_positions_are_refused_by_name(
    ends: list[int], assets: list[int], message: str
) -> None:
    accounts = pa.record_batch({"debt": [1.0, 1.0], "positions_end": pa.array(ends, pa.uint64())})
    positions = pa.record_batch({"kind": pa.array(assets, pa.uint32()), "quantity": [1.0, 1.0]})
    both = {"ETH": LendingAsset(0.5, 1.0), "BTC": LendingAsset(0.5, 1.0)}
    with pytest.raises(EngineError, match=message):
        LendingBook.from_tables(both, accounts, positions)
