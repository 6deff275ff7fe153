"""Summaries are encoded by the core: they say what the health says, and nothing else."""

from collections import deque
from dataclasses import replace
from importlib.resources import as_file, files

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from xmargin import _core
from xmargin.engine import PortfolioHead
from xmargin.engine.components import money
from xmargin.errors import EngineError, PortfolioNotFoundError
from xmargin.spine import replay
from xmargin.v1 import margin_report_pb2 as report_pb
from xmargin.view import View
from xmargin.wire import plain, to_message

NUMBERS = (
    "equity",
    "collateral_value",
    "initial_margin",
    "maintenance_margin",
    "initial_excess",
    "maintenance_excess",
    "health_factor",
)
HEAD = PortfolioHead(0, "one", "", 1, 1, False, [], "")


@pytest.fixture(scope="module")
def last_view() -> View:
    """The end of the packaged tape, where portfolios stand in every way the demo has."""
    with as_file(files("xmargin.tapes") / "demo.tape") as tape:
        (view,) = deque(replay(tape), maxlen=1)
    return view


def table(number: float | None, *, refused: bool = False) -> pa.RecordBatch:
    columns: dict[str, pa.Array] = {name: pa.array([number], pa.float64()) for name in NUMBERS}
    columns["refused"] = pa.array([refused])
    columns["oracle_confidence"] = pa.array([number or 0.0], pa.float64())
    return pa.record_batch(columns)


def test_a_summary_is_the_health_without_what_only_the_full_one_has(last_view: View) -> None:
    summaries = last_view.summaries(last_view.portfolio_ids)
    for portfolio, raw in zip(last_view.portfolio_ids, summaries, strict=True):
        health = replace(
            last_view.health(portfolio),
            components=(),
            scenario_losses=(),
            scenario_note="",
            accounts=(),
            positions=(),
        )
        assert report_pb.PortfolioHealth.FromString(raw) == to_message(
            health, report_pb.PortfolioHealth
        )


def test_summaries_come_in_the_order_they_were_asked_for(last_view: View) -> None:
    asked = list(reversed(last_view.portfolio_ids))
    summaries = map(report_pb.PortfolioHealth.FromString, last_view.summaries(asked))
    assert [summary.portfolio for summary in summaries] == asked


def test_the_summary_of_an_unknown_portfolio_is_refused_by_its_id(last_view: View) -> None:
    with pytest.raises(PortfolioNotFoundError, match="nobody"):
        last_view.summaries(["nobody"])


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(-0.0)
@example(1e16)
@example(9999999999999998.0)
@example(1e22)
@example(5e-324)
@example(1e-5)
def test_numbers_of_a_summary_are_written_as_those_of_a_health(number: float) -> None:
    (raw,) = _core.portfolio_summaries(table(number), [HEAD])
    message = report_pb.PortfolioHealth.FromString(raw)
    for name in (*NUMBERS, "oracle_confidence"):
        assert getattr(message, name).value == plain(money(number))


def test_a_refused_portfolio_has_no_number_in_its_summary() -> None:
    (raw,) = _core.portfolio_summaries(table(None, refused=True), [HEAD])
    message = report_pb.PortfolioHealth.FromString(raw)
    assert not {*NUMBERS, "oracle_confidence"} & {field.name for field, _ in message.ListFields()}


def test_a_head_of_no_row_is_refused_by_its_number() -> None:
    with pytest.raises(EngineError, match="row 7"):
        _core.portfolio_summaries(table(1.0), [replace(HEAD, row=7)])
