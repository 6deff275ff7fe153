"""The golden vectors: reproduced by their generator, and met by the core."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.core.examples import EXAMPLES
from tests.core.factor_returns import from_json
from tests.core.make_golden import GOLDEN, file_name, vector
from tests.core.tables import SCHEMAS, U256, Rows, arrow, evaluate_tables
from xmargin import _core
from xmargin.reference import Counting

FILES = sorted(GOLDEN.glob("*.json"))
TOLERANCE = 1e-12
"""Relative to what the portfolio owns and owes."""


def test_there_is_a_file_for_every_example() -> None:
    assert [path.name for path in FILES] == sorted(map(file_name, EXAMPLES))


@pytest.mark.parametrize("title", EXAMPLES)
def test_the_generator_reproduces_the_file(title: str) -> None:
    assert (GOLDEN / file_name(title)).read_text("utf-8") == vector(title, EXAMPLES[title])


def rows_in(tables: dict[str, dict[str, list[Any]]]) -> Rows:
    rows: Rows = {}
    for table, schema in SCHEMAS.items():
        columns = {
            column: [int(value) for value in values] if schema[column] == U256 else values
            for column, values in tables[table].items()
        }
        count = len(next(iter(columns.values())))
        rows[table] = [{c: values[row] for c, values in columns.items()} for row in range(count)]
    return rows


class Answer:
    """The core's answer to one file, with names for its row numbers."""

    def __init__(self, path: Path) -> None:
        content = json.loads(path.read_text("utf-8"))
        self.expected: dict[str, Any] = content["expected"]
        self.rows = rows_in(content["tables"])
        parameters = json.dumps(content["parameters"])
        returns = from_json(content["returns"])
        self.core = evaluate_tables(parameters, arrow(self.rows), returns)
        assets = [base["asset"] for base in self.rows["bases"]]
        self.scenarios = _core.scenario_names(parameters, assets)

    def account(self, row: int) -> str:
        name: str = self.rows["accounts"][row]["id"]
        return name

    def portfolio(self, row: int) -> str:
        name: str = self.rows["portfolios"][row]["id"]
        return name


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def answer(request: pytest.FixtureRequest) -> Answer:
    return Answer(request.param)


def test_the_core_gives_the_venue_truth_to_the_last_unit(answer: Answer) -> None:
    found = {
        answer.account(row["account"]): None
        if row["overflow"]
        else {
            name: None if row[name] is None else str(row[name])
            for name in row.keys() - {"account", "held", "overflow"}
        }
        for row in answer.core["venue_accounts"]
    }
    assert found == answer.expected["venue_accounts"]
    held = [answer.account(r["account"]) for r in answer.core["venue_accounts"] if r["held"]]
    assert sorted(held) == answer.expected["held_accounts"]


def test_the_core_gives_the_unified_truth(answer: Answer) -> None:
    for number, row in enumerate(answer.core["portfolios"]):
        expected = dict(answer.expected["portfolios"][answer.portfolio(number)])
        positions = expected.pop("positions")
        worst = row["worst_scenario"]
        named = {**row, "worst_scenario": None if worst is None else answer.scenarios[worst]}
        scale = sum((abs(Fraction(p["value"] or 0)) for p in positions), Fraction(0))
        assert named.keys() == expected.keys()
        for column, value in expected.items():
            assert_close(named[column], value, scale, column)
        own = [p for p in answer.core["positions"] if p["portfolio"] == number]
        for found, position in zip(own, positions, strict=True):
            assert answer.account(found["account"]) == position["account"]
            assert str(found["amount"]) == position["amount"]
            assert Counting(found["counting"]).name == position["counting"]
            for column in position.keys() - {"account", "token", "amount", "counting"}:
                assert_close(found[column], position[column], scale, column)


def assert_close(found: Any, expected: Any, scale: Fraction, what: str) -> None:
    """Money within rounding of the exact text, everything else equal."""
    if not isinstance(found, float):
        assert found == expected, what
        return
    # A health factor is a ratio of two amounts that each err by rounding.
    bound = 1e-9 * abs(Fraction(expected)) if what == "health_factor" else TOLERANCE * scale
    assert abs(Fraction(found) - Fraction(expected)) <= bound, (what, found, expected)


def test_the_core_gives_the_order(answer: Answer) -> None:
    found = [
        [True, answer.portfolio(entry["row"])]
        if entry["is_portfolio"]
        else [False, answer.account(answer.core["venue_accounts"][entry["row"]]["account"])]
        for entry in answer.core["order"]
    ]
    assert found == answer.expected["order"]
