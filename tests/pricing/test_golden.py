"""The golden vectors: reproduced by their generator, and met through Arrow."""

import json
from typing import Any

import pyarrow as pa
import pytest

from tests.pricing.make_golden import GOLDEN, OPTION_TERMS, files
from xmargin.engine import option_greeks, option_values

BOUND = 1e-12
"""Of the forward, discounted."""


def golden_options() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((GOLDEN / "black76.json").read_text("utf-8"))
    return [
        {name: row[name] if name == "kind" else float(row[name]) for name in row} for row in rows
    ]


def table(rows: list[dict[str, Any]], chunks: int = 1) -> pa.Table:
    columns = {name: [row[name] for row in rows] for name in OPTION_TERMS}
    whole = pa.table({"put": [row["kind"] == "put" for row in rows], **columns})
    size = max(1, len(rows) // chunks)
    return pa.Table.from_batches(whole.to_batches(max_chunksize=size), whole.schema)


def test_the_generator_reproduces_the_files() -> None:
    made = files()
    assert {path.name for path in GOLDEN.iterdir()} == set(made)
    for name, content in made.items():
        assert (GOLDEN / name).read_text("utf-8") == content, name


@pytest.mark.parametrize("chunks", [1, 7])
def test_values_are_within_their_bound(chunks: int) -> None:
    rows = golden_options()
    values = option_values(table(rows, chunks)).column("value").to_pylist()
    for row, value in zip(rows, values, strict=True):
        error = abs(value - row["value"]) / (row["discount"] * row["forward"])
        assert error <= BOUND, row


def test_greeks_come_in_the_order_of_the_rows() -> None:
    rows = [row for row in golden_options() if "delta" in row]
    deltas = option_greeks(table(rows)).column("delta").to_pylist()
    for row, delta in zip(rows, deltas, strict=True):
        assert delta == pytest.approx(row["delta"], abs=2e-12), row
