"""What the core says of tables and parameters that are wrong: the table, the column, the row."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from tests.core.examples import EXAMPLES, PARAMETERS
from tests.core.tables import SCHEMAS, Rows, arrow, evaluate_tables, rows_of
from xmargin.errors import EngineError

Tables = dict[str, Any]


def example_rows() -> Rows:
    return rows_of(EXAMPLES["leveraged over two chains"])


def refusal(tables: Tables) -> str:
    with pytest.raises(EngineError) as refused:
        evaluate_tables(PARAMETERS, tables)
    return str(refused.value)


def with_cell(table: str, column: str, row: int, value: Any) -> Tables:
    rows = example_rows()
    rows[table][row][column] = value
    return arrow(rows)


@pytest.mark.parametrize(
    ("table", "column"), [(t, c) for t, columns in SCHEMAS.items() for c in columns]
)
def test_a_missing_column_is_named(table: str, column: str) -> None:
    tables = arrow(example_rows())
    names = [name for name in SCHEMAS[table] if name != column]
    tables[table] = (
        tables[table].select(names) if names else pa.record_batch({"else": pa.array([1])})
    )
    assert refusal(tables).startswith(f"{table}.{column}: is missing; it must be ")


@pytest.mark.parametrize(
    ("table", "column"), [(t, c) for t, columns in SCHEMAS.items() for c in columns]
)
def test_a_column_of_another_type_is_named(table: str, column: str) -> None:
    tables = arrow(example_rows())
    rows = tables[table].num_rows
    columns = {name: tables[table].column(name) for name in SCHEMAS[table]}
    columns[column] = pa.array([None] * rows, pa.date32())
    tables[table] = pa.record_batch(columns)
    assert refusal(tables).startswith(f"{table}.{column}: is Date32; it must be ")


def test_an_integer_of_another_width_is_refused() -> None:
    tables = arrow(example_rows())
    amounts = pa.array([b"\1" * 16] * tables["balances"].num_rows, pa.binary(16))
    columns = {name: tables["balances"].column(name) for name in SCHEMAS["balances"]}
    tables["balances"] = pa.record_batch({**columns, "amount": amounts})
    assert "balances.amount: is FixedSizeBinary(16)" in refusal(tables)


REFERENCES = [
    ("tokens", "base", "bases"),
    ("accounts", "portfolio", "portfolios"),
    ("accounts", "chain", "chains"),
    ("balances", "account", "accounts"),
    ("balances", "token", "tokens"),
    ("aave_reserves", "pool", "aave_pools"),
    ("aave_reserves", "token", "tokens"),
    ("aave_emodes", "pool", "aave_pools"),
    ("aave_accounts", "account", "accounts"),
    ("aave_accounts", "pool", "aave_pools"),
    ("aave_positions", "aave_account", "aave_accounts"),
    ("aave_positions", "reserve", "aave_reserves"),
]


@pytest.mark.parametrize(("table", "column", "target"), REFERENCES)
def test_a_row_number_that_points_nowhere_is_named(table: str, column: str, target: str) -> None:
    count = len(example_rows()[target])
    message = refusal(with_cell(table, column, 1, count))
    assert message == (
        f"{table}.{column} row 1: points to row {count} of {target}, which has {count} rows"
    )


@pytest.mark.parametrize("price", [float("nan"), float("inf"), -1.0, 0.0, 1e101])
@pytest.mark.parametrize("column", ["mark", "low", "high"])
def test_a_price_that_is_none_is_refused(column: str, price: float) -> None:
    assert refusal(with_cell("bases", column, 0, price)).startswith(f"bases.{column} row 0: ")


@pytest.mark.parametrize("price", [float("nan"), float("inf"), -1.0, 0.0])
def test_an_unusable_price_may_be_anything(price: float) -> None:
    rows = example_rows()
    rows["bases"][0].update(mark=price, low=price, high=price, usable=False)
    evaluate_tables(PARAMETERS, arrow(rows))


def test_a_mark_outside_its_range_is_refused() -> None:
    rows = example_rows()
    rows["bases"][0].update(low=10.0, mark=20.0, high=15.0)
    assert "lies outside its own range [10, 15]" in refusal(arrow(rows))


@pytest.mark.parametrize("haircut", [-0.1, 1.1, float("nan")])
def test_a_haircut_outside_zero_and_one_is_refused(haircut: float) -> None:
    message = refusal(with_cell("tokens", "haircut", 2, haircut))
    assert message.startswith("tokens.haircut row 2: ")
    assert message.endswith("it must be in [0, 1]")


@pytest.mark.parametrize(
    ("table", "column"),
    [("chains", "cut_off"), ("balances", "amount"), ("bases", "asset"), ("tokens", "haircut")],
)
def test_a_null_is_refused_with_its_row(table: str, column: str) -> None:
    tables = arrow(example_rows())
    columns = {name: tables[table].column(name) for name in SCHEMAS[table]}
    values = columns[column].to_pylist()
    columns[column] = pa.array([*values[:-1], None], SCHEMAS[table][column])
    tables[table] = pa.record_batch(columns)
    assert refusal(tables) == f"{table}.{column} row {len(values) - 1}: is null"


def _say_twice(rows: Rows, table: str) -> None:
    rows[table].append(dict(rows[table][0]))


def _zero_category(rows: Rows) -> None:
    rows["aave_emodes"][0]["category"] = 0


def _unknown_category(rows: Rows) -> None:
    rows["aave_accounts"][0]["emode"] = 9


def _reserve_of_another_pool(rows: Rows) -> None:
    last = len(rows["aave_reserves"]) - 1
    assert rows["aave_reserves"][last]["pool"] != rows["aave_accounts"][0]["pool"]
    rows["aave_positions"][0]["reserve"] = last


CONTRADICTIONS: list[tuple[Callable[[Rows], None], str]] = [
    (lambda rows: _say_twice(rows, "aave_emodes"), "aave_emodes.category row"),
    (lambda rows: _say_twice(rows, "aave_accounts"), "aave_accounts.account: account"),
    (lambda rows: _say_twice(rows, "aave_positions"), "aave_positions.reserve: user 0 has reserve"),
    (_zero_category, "aave_emodes.category row 0: 0 means no eMode"),
    (_unknown_category, "aave_accounts.emode row 0: category 9 of pool"),
    (_reserve_of_another_pool, "aave_positions.reserve row 0: reserve"),
]


@pytest.mark.parametrize(("spoil", "message"), CONTRADICTIONS)
def test_tables_that_contradict_one_another_are_refused(
    spoil: Callable[[Rows], None], message: str
) -> None:
    rows = example_rows()
    spoil(rows)
    assert refusal(arrow(rows)).startswith(message)


def test_what_is_no_table_is_refused() -> None:
    assert refusal({**arrow(example_rows()), "chains": 7}).startswith("chains: is no Arrow table")


def test_tables_may_come_in_chunks_and_with_more_columns() -> None:
    whole = arrow(example_rows())
    chunked = {
        name: pa.Table.from_batches([batch.slice(0, 1), batch.slice(1)]).append_column(
            "note", pa.array(["x"] * batch.num_rows)
        )
        for name, batch in whole.items()
    }
    assert evaluate_tables(PARAMETERS, chunked) == evaluate_tables(PARAMETERS, whole)


def test_a_fault_in_a_later_chunk_is_named_by_its_row_in_the_table() -> None:
    batch = arrow(example_rows())["bases"]
    spoiled = with_cell("bases", "mark", batch.num_rows - 1, -1.0)
    spoiled["bases"] = pa.Table.from_batches(
        [spoiled["bases"].slice(0, 1), spoiled["bases"].slice(1)]
    )
    assert refusal(spoiled).startswith(f"bases.mark row {batch.num_rows - 1}: ")
