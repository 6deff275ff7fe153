"""Fleet orders under the exact checker, known optima, and every kind of bad input."""

import json
import math
from fractions import Fraction
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.liquidation.fleets import Fleet, faults, fleets, planned
from tests.liquidation.make_golden_fleets import GOLDEN, content
from xmargin.bench.distress import compare
from xmargin.engine.fleet import DistressedAccount, order_columns, order_fleet
from xmargin.errors import EngineError, ParameterError

properties = settings(max_examples=150, deadline=None)


def test_the_generator_reproduces_the_file() -> None:
    assert GOLDEN.read_text("utf-8") == content()


def test_the_known_most_is_between_the_plan_and_its_bound() -> None:
    for row in json.loads(GOLDEN.read_text("utf-8")):
        accounts = [
            DistressedAccount(number, float(benefit), 0.0, {"A": float(u), "B": float(v)})
            for number, (benefit, (u, v)) in enumerate(
                zip(row["benefit"], row["used"], strict=True)
            )
        ]
        plan = order_fleet(accounts, dict(zip("AB", map(float, row["depth"]), strict=True)))
        most = float(Fraction(row["most_avoided"]))
        assert plan.avoided <= most * (1 + 1e-9)
        assert most <= plan.bound <= most * (1 + 1e-4), row


# fleet-1
@given(fleets(), st.booleans(), st.integers(1, 9))
@properties
def test_every_order_passes_the_exact_checker(fleet: Fleet, parts: bool, limit: int) -> None:
    plan = planned(fleet, parts=parts, block_accounts_max=limit)
    assert faults(*fleet, plan, parts=parts, block_accounts_max=limit) == []


# fleet-2
@given(fleets(), st.integers(0, 2**32))
@properties
def test_the_order_of_the_rows_shows_in_no_bit(fleet: Fleet, seed: int) -> None:
    accounts, depth = fleet
    shuffled = list(accounts)
    Random(seed).shuffle(shuffled)
    assert planned((shuffled, depth)) == planned(fleet)


# fleet-3
@given(fleets())
@properties
def test_more_depth_never_lowers_the_bound(fleet: Fleet) -> None:
    accounts, depth = fleet
    more = {asset: 1.5 * amount for asset, amount in depth.items()}
    bound, wider = planned(fleet).bound, planned((accounts, more)).bound
    assert wider >= bound * (1 - 1e-4)


# fleet-4
@given(fleets(), st.sampled_from([2.0**-20, 2.0**10]))
@properties
def test_the_unit_of_money_changes_no_place(fleet: Fleet, unit: float) -> None:
    accounts, depth = fleet
    scaled = [
        DistressedAccount(a.id, unit * a.bad_debt_expected, unit * a.cost, a.depth_used)
        for a in accounts
    ]
    plan, other = planned(fleet), planned((scaled, depth))
    assert [one.id for one in other.reasons] == [one.id for one in plan.reasons]
    assert [one.share for one in other.reasons] == [one.share for one in plan.reasons]


# fleet-5
@given(st.integers(1, 40), st.just(0.0) | st.floats(1e-3, 60))
@properties
def test_identical_accounts_come_by_id_and_fill_the_depth(count: int, depth: float) -> None:
    accounts = [DistressedAccount(number, 10.0, 1.0, {"A": 1.0}) for number in range(count)]
    plan = order_fleet(accounts[::-1], {"A": depth})
    assert [one.id for one in plan.reasons] == list(range(count))
    assert plan.avoided == pytest.approx(9.0 * min(count, depth), rel=1e-9, abs=1e-4)
    assert faults(accounts, {"A": depth}, plan) == []


def test_plenty_of_depth_costs_nothing_and_everyone_is_planned() -> None:
    accounts = [DistressedAccount(n, 1.0 + n % 3, 0.0, {"A": 1.0}) for n in range(10)]
    plan = order_fleet(accounts, {"A": 10.0}, block_accounts_max=4)
    assert plan.price_of_depth == {"A": 0.0}
    assert plan.avoided == 19.0 <= plan.bound == pytest.approx(19.0)
    assert [one.id for one in plan.reasons] == [2, 5, 8, 1, 4, 7, 0, 3, 6, 9]
    assert [one.batch for one in plan.reasons] == [0] * 4 + [1] * 4 + [2] * 2
    assert all(one.key == math.inf for one in plan.reasons)


def test_no_depth_is_no_plan_and_the_bound_says_that_there_is_none() -> None:
    accounts = [DistressedAccount(n, 5.0 * n, 0.0, {"A": 2.0}) for n in range(4)]
    plan = order_fleet(accounts, {})
    assert [one.id for one in plan.reasons] == [3, 2, 1, 0]
    assert plan.avoided == plan.bound == 0.0
    assert plan.price_of_depth == {"A": 7.5}
    assert {one.batch for one in plan.reasons} == {None}


def test_a_reason_names_every_number_of_its_rank() -> None:
    accounts = [
        DistressedAccount(7, 30.0, 0.0, {"thin": 1.0}),
        DistressedAccount(8, 50.0, 0.0, {"thin": 5.0, "deep": 1.0}),
        DistressedAccount(9, 20.0, 0.0, {"deep": 5.0}),
    ]
    plan = order_fleet(accounts, {"thin": 2.0, "deep": 100.0})
    # 9 uses free depth; 7 pays 30 for one of the two units that 8 gives 10 for.
    assert [one.id for one in plan.reasons] == [9, 7, 8]
    last = plan.reasons[-1]
    assert last.price_of_depth == {"thin": pytest.approx(10.0, rel=1e-4), "deep": 0.0}
    assert last.priced_depth == pytest.approx(50.0, rel=1e-4)
    assert last.key == last.bad_debt_avoided / last.priced_depth
    assert last.share == pytest.approx(0.2)
    assert plan.avoided == pytest.approx(60.0)
    assert plan.bound == pytest.approx(60.0, rel=1e-4)


def test_an_empty_fleet_is_an_empty_order() -> None:
    plan = order_fleet([], {"A": 1.0})
    assert (plan.reasons, plan.avoided, plan.bound) == ((), 0.0, 0.0)


@pytest.mark.parametrize(
    ("account", "depth", "message"),
    [
        (DistressedAccount(1, math.nan, 0.0, {}), 1.0, r"accounts\.bad_debt_expected row 0: NaN"),
        (DistressedAccount(1, 1.0, -1.0, {}), 1.0, r"accounts\.cost row 0: -1 is neither 0 nor"),
        (DistressedAccount(1, 1.0, 0.0, {"A": math.inf}), 1.0, r"uses\.amount row 0: inf"),
        (DistressedAccount(1, 1.0, 0.0, {"A": 1e-40}), 1.0, r"uses\.amount row 0: 0\.0+1 is"),
        (DistressedAccount(1, 1.0, 0.0, {}), -2.0, r"assets\.depth row 0: -2"),
    ],
)
def test_what_is_no_amount_is_refused_by_name(
    account: DistressedAccount, depth: float, message: str
) -> None:
    with pytest.raises(EngineError, match=message):
        order_fleet([account], {"A": depth})


def test_ids_that_repeat_and_empty_blocks_are_refused() -> None:
    twice = [DistressedAccount(3, 1.0, 0.0, {}), DistressedAccount(3, 2.0, 0.0, {})]
    with pytest.raises(EngineError, match=r"accounts\.id row 1: 3 is there already"):
        order_fleet(twice, {})
    with pytest.raises(ParameterError, match="block_accounts_max: 0 is not at least 1"):
        order_fleet([], {}, block_accounts_max=0)


@pytest.mark.parametrize("number", [-1, 10**30, 1.5])
def test_what_is_no_count_is_refused_by_name(number: Any) -> None:
    floats, ids = pa.array([], pa.float64()), pa.array([], pa.uint64())
    accounts = {"id": ids, "bad_debt_expected": floats, "cost": floats, "uses_end": ids}
    uses = {"asset": pa.array([], pa.uint32()), "amount": floats}
    with pytest.raises(EngineError, match=r"fleet\.threads: .* is no count"):
        order_columns(pa.record_batch(accounts), pa.record_batch(uses), [], threads=number)
    with pytest.raises(EngineError, match=r"fleet\.block_accounts_max: .* is no count"):
        order_fleet([], {}, block_accounts_max=number)


@pytest.mark.parametrize(
    ("ends", "assets", "message"),
    [
        ([2, 1], [0, 1], r"accounts\.uses_end row 1: 1 is not within 2 and 2"),
        ([1, 1], [0, 1], r"accounts\.uses_end row 1: 1 is not within 1 and 2"),
        ([0, 9], [0, 1], r"accounts\.uses_end row 1: 9 is not within 0 and 2"),
        ([0, 2], [1, 0], r"uses\.asset row 1: 0 does not ascend within account 1"),
        ([0, 2], [0, 2], r"uses\.asset row 1: 2 is not one of 2 assets"),
    ],
)
def test_ragged_uses_are_refused_by_name(ends: list[int], assets: list[int], message: str) -> None:
    accounts = pa.record_batch(
        {
            "id": pa.array([1, 2], pa.uint64()),
            "bad_debt_expected": [1.0, 1.0],
            "cost": [0.0, 0.0],
            "uses_end": pa.array(ends, pa.uint64()),
        }
    )
    uses = pa.record_batch({"asset": pa.array(assets, pa.uint32()), "amount": [1.0, 1.0]})
    with pytest.raises(EngineError, match=message):
        order_columns(accounts, uses, [1.0, 1.0])


def test_threads_change_no_bit() -> None:
    random = Random(9)
    count = 40_000
    accounts = pa.record_batch(
        {
            "id": pa.array(range(count), pa.uint64()),
            "bad_debt_expected": [random.random() for _ in range(count)],
            "cost": [0.0] * count,
            "uses_end": pa.array(range(2, 2 * count + 2, 2), pa.uint64()),
        }
    )
    assets = pa.array([asset for _ in range(count) for asset in (0, 1)], pa.uint32())
    amounts = [random.random() for _ in range(2 * count)]
    uses = pa.record_batch({"asset": assets, "amount": amounts})
    one, three = (order_columns(accounts, uses, [900.0, 5000.0], threads=n) for n in (1, 3))
    assert one == three
    assert one.avoided >= 0.999 * one.bound


# fleet-6
def test_no_order_used_in_practice_leaves_less_bad_debt_on_random_markets() -> None:
    ours, _, *others = compare(range(100), loans_count=200).values()
    for other in others:
        assert ours.bad_debt <= other.bad_debt
        assert ours.bad_debt + ours.cost <= other.bad_debt + other.cost
