"""Accounts by the million against the exact reference, and what must hold of them (ids B1-B6)."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.account_book_examples import (
    LISTING,
    ROWS,
    SCENARIOS,
    Positions,
    by_reference,
    evaluated,
    example,
    loaded,
    reference_accounts,
    tables,
)
from tests.core.make_golden_account_book import GOLDEN, LOSS_FACTOR, SEEDS, golden
from xmargin.engine import AccountBook, OptionGrid, scenario_matrix
from xmargin.errors import EngineError, ParameterError
from xmargin.reference import black76
from xmargin.reference.account_book import breaches

properties = settings(max_examples=80, deadline=None)
EXPECTED: dict[str, Any] = json.loads(GOLDEN.read_text("utf-8"))
SEED = st.integers(0, 10**9)
POSITIONS = st.lists(st.tuples(st.integers(0, len(LISTING) - 1), st.floats(-1e6, 1e6)), max_size=14)


def close(found: float, wanted: float, size: float = 1e4) -> bool:
    return math.isclose(found, wanted, rel_tol=1e-12, abs_tol=1e-13 * size)


def margin(positions: Positions, cash: float = 0.0, seed: int = 5) -> dict[str, Any]:
    book = example(seed, accounts=0)
    matrix = scenario_matrix(book.marks, book.pnl)
    row: dict[str, Any] = loaded([cash], [positions]).margins(matrix).to_pylist()[0]
    return row


def gross(*positions: Positions) -> float:
    return 1 + sum(100 * abs(quantity) for of_one in positions for _, quantity in of_one)


def test_the_generator_reproduces_the_file() -> None:
    assert golden() == EXPECTED


@pytest.mark.parametrize("seed", SEEDS)
def test_margins_and_order_are_the_references(seed: int) -> None:
    margins, order = evaluated(example(seed), LOSS_FACTOR)
    wanted = EXPECTED[str(seed)]
    for found, (scenario, *amounts) in zip(margins.to_pylist(), wanted["accounts"], strict=True):
        assert found["worst_scenario"] == scenario
        assert all(map(close, [found["worst_pnl"], found["margin"], found["excess"]], amounts))
    assert order.column("id").to_pylist() == wanted["breaches"]
    assert wanted["breaches"], "an example without a breach shows no order"


@properties
@given(SEED)
def test_every_book_agrees_with_the_reference(seed: int) -> None:
    book = example(seed)
    margins, order = evaluated(book)
    wanted = by_reference(book)
    for found, one in zip(margins.to_pylist(), wanted, strict=True):
        assert close(found["excess"], float(one.excess))
        assert close(found["worst_pnl"], float(one.worst_pnl))
    assert order.column("id").to_pylist() == breaches(reference_accounts(book), wanted)


@properties
@given(SEED)
def test_b1_the_screen_says_what_the_whole_pass_says(seed: int) -> None:
    """B1."""
    book = example(seed, accounts=60)
    matrix = scenario_matrix(book.marks, book.pnl)
    accounts = loaded(book.cash, book.positions)
    _, order = accounts.margins_and_breaches(matrix)
    assert accounts.screen(matrix).breaches.equals(order)


@properties
@given(POSITIONS, st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_b2_more_cash_never_lowers_the_excess(
    positions: Positions, cash: float, more: float
) -> None:
    """B2."""
    poorer, richer = margin(positions, cash), margin(positions, cash + more)
    assert richer["excess"] >= poorer["excess"]
    assert richer["margin"] == poorer["margin"]


@properties
@given(POSITIONS, SEED)
def test_b3_the_order_of_positions_never_matters(positions: Positions, seed: int) -> None:
    """B3: to the bit."""
    shuffled = list(positions)
    Random(seed).shuffle(shuffled)
    assert margin(shuffled) == margin(positions)


@properties
@given(SEED)
def test_b4_the_order_of_accounts_never_matters(seed: int) -> None:
    """B4: ids, not places, decide the order; to the bit."""
    book = example(seed)
    matrix = scenario_matrix(book.marks, book.pnl)
    rows = list(range(len(book.cash)))
    Random(seed).shuffle(rows)
    moved = loaded([book.cash[r] for r in rows], [book.positions[r] for r in rows], ids=rows)
    _, order = evaluated(book)
    _, again = moved.margins_and_breaches(matrix)
    assert again.drop_columns(["account"]).equals(order.drop_columns(["account"]))


@properties
@given(POSITIONS, POSITIONS)
def test_b5_netting_never_hurts(left: Positions, right: Positions) -> None:
    """B5: the margin is subadditive."""
    together = margin([*left, *right])["margin"]
    apart = margin(left)["margin"] + margin(right)["margin"]
    assert together <= apart + 1e-12 * gross(left, right)


@properties
@given(POSITIONS, st.floats(0, 1e3))
def test_b6_margin_is_homogeneous_of_degree_one(positions: Positions, size: float) -> None:
    """B6."""
    scaled = [(instrument, size * quantity) for instrument, quantity in positions]
    assert margin(scaled)["margin"] == pytest.approx(
        size * margin(positions)["margin"], rel=1e-11, abs=1e-12 * gross(positions, scaled)
    )


def test_a_grid_prices_factors_and_options_as_the_reference_does() -> None:
    moves, vols, prices = [[-0.2, 0.0, 0.3], [0.1, 0.0, -0.1]], [1.5, 1.0, 0.8], [2000.0, 50.0]
    chains = [(0, 1.01, 0.98), (1, 1.0, 1.0)]
    options = [(1, True, 55.0, 0.2), (0, False, 2100.0, 0.4), (0, True, 0.0, 0.4)]
    grid = OptionGrid(
        factors=2,
        moves=moves,
        vol_factors=vols,
        chains=pa.table(
            {
                "factor": pa.array([c[0] for c in chains], pa.uint32()),
                "forward_ratio": [c[1] for c in chains],
                "discount": [c[2] for c in chains],
            }
        ),
        options=pa.table(
            {
                "chain": pa.array([o[0] for o in options], pa.uint32()),
                "put": [o[1] for o in options],
                "strike": [o[2] for o in options],
                "stdev": [o[3] for o in options],
            }
        ),
    )
    matrix = grid.reprice(prices)
    assert (matrix.rows, matrix.scenarios) == (5, 3)
    for factor, price in enumerate(prices):
        assert matrix.mark(factor) == price
        assert [matrix.pnl(factor, s) for s in range(3)] == [price * m for m in moves[factor]]
    for row, (chain, put, strike, stdev) in enumerate(options, start=2):
        factor, ratio, discount = chains[chain]

        def worth(moved: float, vol: float) -> float:
            forward = prices[factor] * ratio * (1 + moved)  # noqa: B023 - called in this turn
            terms = black76.Option(not put, forward, strike, 1.0, stdev * vol, discount)  # noqa: B023
            return float(black76.value(terms))

        now = worth(0.0, 1.0)
        assert matrix.mark(row) == pytest.approx(now, abs=1e-12 * prices[factor])
        for scenario, vol in enumerate(vols):
            wanted = worth(moves[factor][scenario], vol) - now
            found = matrix.pnl(row, scenario)
            assert found == pytest.approx(wanted, abs=4e-12 * prices[factor])


def test_memory_is_used_again_only_when_nobody_holds_it() -> None:
    book = example(1)
    matrix, flat = (
        scenario_matrix(book.marks, pnl) for pnl in (book.pnl, [[0.0] * SCENARIOS] * ROWS)
    )
    accounts = loaded(book.cash, book.positions)
    held = accounts.margins(matrix)
    before = held.to_pylist()
    accounts.margins(flat)
    assert held.to_pylist() == before
    place = accounts.margins(matrix).column("excess").buffers()[1].address
    assert accounts.margins(flat).column("excess").buffers()[1].address == place


def test_columns_in_several_chunks_are_taken_too() -> None:
    book = example(2)
    whole = tables(book.cash, book.positions)
    chunks = [pa.Table.from_batches([t.slice(0, 5), t.slice(5)]) for t in whole]
    accounts = loaded([], [])
    accounts.append(*chunks)
    matrix = scenario_matrix(book.marks, book.pnl)
    assert accounts.margins(matrix).equals(evaluated(book)[0])


@pytest.mark.parametrize(
    ("cash", "positions", "ids", "message"),
    [
        ([math.nan], [[]], [1], r"accounts\.cash_usd row 0: NaN is not a number within"),
        ([0.0], [[(0, math.inf)]], [1], r"positions\.quantity row 0: inf is not"),
        ([0.0], [[(0, 1e30)]], [1], r"positions\.quantity row 0: 1e\+?30 is not"),
        ([0.0], [[(99, 1.0)]], [1], r"positions\.instrument row 0: 99 is not listed"),
        ([0.0, 0.0], [[], []], [1, 1], r"accounts\.id row 1: 1 is there already"),
    ],
)
def test_bad_accounts_are_refused_and_change_nothing(
    cash: list[float], positions: list[Positions], ids: list[int], message: str
) -> None:
    accounts = loaded([1.0], [[(0, 1.0)]])
    with pytest.raises(EngineError, match=message):
        accounts.append(*tables(cash, positions, ids))
    assert len(accounts) == 1


def test_ragged_and_null_columns_are_refused() -> None:
    accounts = loaded([1.0], [[(0, 1.0)]], ids=[7])
    good, positions = tables([0.0], [[(0, 1.0)]], [1])
    ragged = good.set_column(2, "positions_end", pa.array([5], pa.uint64()))
    with pytest.raises(
        EngineError, match=r"accounts\.positions_end row 0: 5 is not within 0 and 1"
    ):
        accounts.append(ragged, positions)
    null = positions.set_column(1, "quantity", pa.array([None], pa.float64()))
    with pytest.raises(EngineError, match=r"positions\.quantity row 0: is null"):
        accounts.append(good, null)
    with pytest.raises(EngineError, match=r"positions\.quantity: is missing; it must be float64"):
        accounts.append(good, positions.select(["instrument"]))


def test_an_empty_book_another_matrix_and_a_bad_factor_are_refused() -> None:
    book = example(1)
    matrix = scenario_matrix(book.marks, book.pnl)
    with pytest.raises(EngineError, match=r"accounts\.id: is empty"):
        loaded([], []).margins(matrix)
    with pytest.raises(EngineError, match=r"matrix\.mark: has 1 rows; it must have 8"):
        loaded([0.0], [[]]).margins(scenario_matrix([1.0], [[1.0]]))
    with pytest.raises(ParameterError, match="loss_factor: NaN"):
        loaded([0.0], [[]]).margins(matrix, math.nan)
    with pytest.raises(EngineError, match=r"accounts\.id row 3: is not there"):
        loaded([0.0], [[]]).account(matrix, 3)
    with pytest.raises(EngineError, match=r"matrix\.pnl row 1: NaN in scenario 0"):
        scenario_matrix([1.0, 1.0], [[1.0], [math.nan]])


CHAINS = pa.record_batch(
    {"factor": pa.array([0], pa.uint32()), "forward_ratio": [1.0], "discount": [1.0]}
)
OPTIONS = pa.record_batch(
    {"chain": pa.array([0], pa.uint32()), "put": [True], "strike": [100.0], "stdev": [0.1]}
)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        # As many moves as two factors need, one of them in the other's row.
        ({"moves": [[0.0, -0.1, 0.2], [0.3]]}, r"grid\.moves row 0: has 3 scenarios, not 2"),
        ({"vol_factors": [1.0, -1.0]}, r"scenarios\.vol_factor row 1: -1\.0 is out of range"),
        ({"vol_factors": ["a", 1.0]}, r"scenarios\.vol_factor: .* it must be float64"),
        ({"factors": -1}, r"grid\.factors: -1 is no count"),
    ],
)
def test_a_grid_that_cannot_be_is_refused_when_it_is_made(
    change: dict[str, Any], problem: str
) -> None:
    good: dict[str, Any] = {"factors": 2, "moves": [[0.0, 0.1]] * 2, "vol_factors": [1.0, 1.0]}
    OptionGrid(**good, chains=CHAINS, options=OPTIONS)
    with pytest.raises(EngineError, match=problem):
        OptionGrid(**{**good, **change}, chains=CHAINS, options=OPTIONS)


@pytest.mark.parametrize("number", [-1, 10**30, 1.5])
def test_a_number_that_is_no_count_is_named(number: Any) -> None:
    listing = pa.record_batch({"row": pa.array([0], pa.uint32()), "multiple": [1.0]})
    with pytest.raises(EngineError, match=r"book\.threads: .* is no count"):
        AccountBook(instruments=listing, rows=1, threads=number)
    with pytest.raises(EngineError, match=r"book\.rows: .* is no count"):
        AccountBook(instruments=listing, rows=number, threads=1)
    with pytest.raises(EngineError, match=r"accounts row: .* is no count"):
        loaded([1.0], [[]]).account(scenario_matrix([1.0] * ROWS, [[0.0]] * ROWS), number)


def test_a_matrix_of_what_is_no_number_is_refused() -> None:
    with pytest.raises(EngineError, match=r"matrix\.mark: .* it must be float64"):
        scenario_matrix(["x"], [[1.0]])  # type: ignore[list-item]


def test_a_column_that_is_there_twice_is_refused() -> None:
    """The first would be taken unseen."""
    book = loaded([1.0], [[]], ids=[1])
    accounts, positions = tables([0.0], [[]], [2])
    twice = pa.record_batch(
        [*accounts.columns, accounts.column("id")], names=[*accounts.schema.names, "id"]
    )
    with pytest.raises(EngineError, match=r"^accounts\.id: is there twice; keep one"):
        book.append(twice, positions)


def test_a_column_is_looked_for_where_there_is_no_row() -> None:
    accounts, positions = tables([0.0], [[]], [2])
    without = pa.Table.from_batches([], schema=accounts.select(["id"]).schema)
    with pytest.raises(EngineError, match=r"^accounts\.cash_usd: is missing"):
        loaded([1.0], [[]], ids=[1]).append(without, positions)


def test_threads_that_share_a_book_wait_for_each_other() -> None:
    book = example(1)
    matrix = scenario_matrix(book.marks, book.pnl)
    accounts = loaded(book.cash * 500, book.positions * 500, threads=2)
    wanted = accounts.margins(matrix).to_pydict()

    def ask(_: int) -> tuple[int, dict[str, Any]]:
        return len(accounts), accounts.margins(matrix).to_pydict()

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(ask, range(40)))
    assert answers == [(len(accounts), wanted)] * 40
