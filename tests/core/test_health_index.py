"""The health index against full revaluations and the exact reference (ids H1-H7)."""

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.health_index_examples import (
    CHAINS,
    LISTING,
    PRICES,
    THRESHOLDS,
    Market,
    coordinates,
    make_index,
    many_tables,
    random_account,
    reference_account,
    reference_matrix,
    reference_rows,
    reference_thresholds,
    tables,
    walk,
)
from xmargin.engine import HealthIndex
from xmargin.errors import EngineError, ParameterError
from xmargin.reference.health_index import box_of, distances_of, status_of

ACCOUNTS = 100_000
both = pytest.mark.parametrize("has_options", [False, True], ids=["linear", "options"])
SEED = st.integers(0, 10**9)
# Decimals to fifty digits a price: few examples.
properties = settings(max_examples=8, deadline=None)


def loaded(has_options: bool, accounts: int, seed: int, **kwargs: Any) -> HealthIndex:
    random = Random(seed)
    index = make_index(has_options, **kwargs)
    index.append(*tables({3 * row: random_account(random, has_options) for row in range(accounts)}))
    return index


def statuses(index: HealthIndex) -> list[int]:
    found: list[int] = index.statuses().column("status").to_pylist()
    return found


def audited_path(has_options: bool, ticks: int, crash_every: int) -> float:
    """Ticks audited one by one; the share of accounts evaluated."""
    index = make_index(has_options)
    index.append(*many_tables(ACCOUNTS, has_options))
    held = statuses(index)
    reevaluated = crossed = 0
    for tick, market in enumerate(walk(ticks, seed=7, crash_every=crash_every)):
        ticked = index.tick(**market.moves(has_options))
        assert index.audit() == [], f"tick {tick}"
        reevaluated += ticked.reevaluated
        crossed += len(ticked)
        for crossing in ticked.crossings.to_pylist() if len(ticked) else ():
            assert held[crossing["account"]] == crossing["before"], f"tick {tick}"
            held[crossing["account"]] = crossing["after"]
    assert held == statuses(index), "what crossed is what changed"
    assert crossed > 1_000
    return reevaluated / (ticks * ACCOUNTS)


@both
def test_every_status_is_a_full_revaluations_at_every_tick(has_options: bool) -> None:
    assert audited_path(has_options, ticks=2_000, crash_every=400) < 0.01


@pytest.mark.long
@pytest.mark.timeout(1_800)
@both
def test_a_long_path_with_crashes_is_told_right_and_evaluates_few(has_options: bool) -> None:
    share = audited_path(has_options, ticks=20_000, crash_every=2_000)
    assert share <= (0.01 if has_options else 0.0005)


@both
@properties
@given(SEED)
def test_no_state_inside_a_box_of_the_reference_has_another_status(
    has_options: bool, seed: int
) -> None:
    random = Random(seed)
    account = reference_account(0, *random_account(random, has_options))
    here = coordinates(Market(list(PRICES), [1.0] * len(CHAINS)))
    thresholds, rows = reference_thresholds(), reference_rows()
    distances = distances_of(account, LISTING, reference_matrix(here, [account]), thresholds)
    status = status_of(account, LISTING, reference_matrix(here, [account]), thresholds)
    box = box_of(account, LISTING, rows, here, distances=distances, thresholds=thresholds)
    for _ in range(2):
        there = list(here)
        for number, (low, high) in box.items():
            least = here[number] / 2 if low is None else max(low, here[number] / 100)
            most = here[number] * 2 if high is None else min(high, here[number] * 100)
            # At the corners the bound is met with equality, and options are only as exact as told.
            share = Fraction(random.choice([0.0, 1.0, random.random()])) * Fraction(0.999_999)
            there[number] = here[number] + share * (
                (most if random.random() < 0.5 else least) - here[number]
            )
        assert status_of(account, LISTING, reference_matrix(there, [account]), thresholds) == status


@both
@properties
@given(SEED)
def test_statuses_are_the_references(has_options: bool, seed: int) -> None:
    random = Random(seed)
    held = {row: random_account(random, has_options) for row in range(4)}
    index = make_index(has_options, audited=True)
    index.append(*tables(held))
    thresholds = reference_thresholds()
    for market in walk(2, seed, crash_every=2):
        index.tick(**market.moves(has_options))
    accounts = [reference_account(account_id, *told) for account_id, told in held.items()]
    matrix = reference_matrix(coordinates(market), accounts)
    for account, status in zip(accounts, statuses(index), strict=True):
        distances = distances_of(account, LISTING, matrix, thresholds)
        if min(map(abs, distances)) > 1e-6:
            assert status == status_of(account, LISTING, matrix, thresholds)


@settings(max_examples=40, deadline=None)
@given(SEED)
def test_accounts_told_again_are_as_if_loaded_so(seed: int) -> None:
    random = Random(seed)
    index = loaded(True, 30, seed)
    told: dict[int, Any] = {}
    source = Random(seed)
    told = {3 * row: random_account(source, True) for row in range(30)}
    for market in walk(30, seed, crash_every=7):
        account_id = 3 * random.randrange(30)
        cash, positions = told[account_id] = random_account(random, True)
        index.update(account_id, cash, positions)
        index.tick(**market.moves(True))
    fresh = make_index(True)
    fresh.tick(**market.moves(True))
    fresh.append(*tables(told))
    assert statuses(fresh) == statuses(index)


@settings(max_examples=40, deadline=None)
@given(SEED, st.integers(1, 3))
def test_the_order_of_accounts_and_positions_changes_no_crossing(seed: int, threads: int) -> None:
    random = Random(seed)
    held = {row: random_account(random, True) for row in range(40)}
    turned = {
        row: (held[row][0], dict(reversed(list(held[row][1].items()))))
        for row in reversed(range(40))
    }
    answers = []
    for accounts in (held, turned):
        index = make_index(True, threads=threads)
        index.append(*tables(accounts))
        answers.append(
            [
                sorted(
                    (one["id"], one["before"], one["after"], one["value"])
                    for one in index.tick(**market.moves(True)).crossings.to_pylist()
                )
                for market in walk(40, seed, crash_every=5)
            ]
        )
    assert answers[0] == answers[1]


REFUSED: dict[str, dict[str, Any]] = {
    "prices.factor row 1: 9 is not one of the 4 listed": {"prices_usd": {0: 5e4, 9: 1.0}},
    "prices.price_usd row 0: nan is not within": {"prices_usd": {0: float("nan")}},
    "prices.price_usd row 0: 0 is not within": {"prices_usd": {0: 0.0}},
    "prices.price_usd row 0: -1 is not within": {"prices_usd": {2: -1.0}},
    "vols.chain row 0: 2 is not one of the 2 listed": {"vol_levels": {2: 1.0}},
    "vols.vol_level row 0: -1 is not within": {"vol_levels": {0: -1.0}},
    "tick.now_ms: -5 is before the last tick's 0": {"now_ms": -5},
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_refused_tick_says_why_and_changes_nothing(message: str) -> None:
    index, untouched = loaded(True, 200, 1), loaded(True, 200, 1)
    with pytest.raises(EngineError) as refusal:
        index.tick(**{"now_ms": 0, **REFUSED[message]})
    assert str(refusal.value).lower().startswith(message.lower())
    for market in walk(20, 3, crash_every=4):
        answers = [one.tick(**market.moves(True)) for one in (index, untouched)]
        assert answers[0].crossings == answers[1].crossings
    assert statuses(index) == statuses(untouched)


def test_what_cannot_be_is_refused_when_it_is_told() -> None:
    index = loaded(True, 3, 1)
    with pytest.raises(EngineError, match="1 is not there"):
        index.update(1, 0.0, {})
    with pytest.raises(EngineError, match="1 is not there"):
        index.remove(1)
    with pytest.raises(EngineError, match="99 is not listed"):
        index.update(3, 0.0, {99: 1.0})
    with pytest.raises(EngineError, match="3 is there already"):
        index.append(*tables({3: (0.0, {})}))
    with pytest.raises(ParameterError, match="thresholds: are 0"):
        HealthIndex(
            factors=[],
            vol_factors=[1.0],
            instruments=pa.record_batch(
                {"row": pa.array([], pa.uint32()), "multiple": pa.array([], pa.float64())}
            ),
            thresholds=[],
            now_ms=0,
        )


def test_a_removed_account_is_seen_no_more_until_it_is_told_again() -> None:
    index = make_index(False, audited=True)
    index.append(*tables({5: (1_000.0, {0: 0.1})}))
    index.remove(5)
    assert index.tick(now_ms=1, prices_usd={0: 1.0}).reevaluated == 0
    assert index.update(5, -1.0, {}).crossings.to_pylist()[0]["after"] == 0b011
    assert len(THRESHOLDS) == 3


def test_threads_that_share_an_index_wait_for_each_other() -> None:
    index = loaded(True, 2_000, seed=5)
    moves = [market.moves(True) for market in walk(40, seed=5, crash_every=10)]

    def ask(turn: int) -> int:
        if turn % 4 == 0:
            return len(index.audit())
        return len(statuses(index)) - 2_000

    with ThreadPoolExecutor(4) as threads:
        ticking = threads.submit(lambda: [index.tick(**move) for move in moves])
        assert set(threads.map(ask, range(80))) == {0}
        assert len(ticking.result()) == 40
    assert index.audit() == []


@pytest.mark.parametrize("number", [-1, 10**30, 1.5])
def test_threads_that_are_no_count_are_refused_by_name(number: Any) -> None:
    with pytest.raises(EngineError, match=r"index\.threads: .* is no count"):
        make_index(False, threads=number)
