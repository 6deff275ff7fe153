"""The backtest report: what it reads and prints, and that the model holds over real returns."""

import json
import math
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from tests.cli.command import xmargin
from tests.house.paths import ROOT
from xmargin.engine.statistical import ReturnSeries, historical_forecasts
from xmargin.errors import InvalidArgumentError
from xmargin.params import load_parameters
from xmargin.report.backtest import backtest_report
from xmargin.report.series import joint, read_series

SHARED = ROOT.parent / "shared/data/var/conformal_oracle"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = Random(11)
    for factor in ("AAA", "BBB"):
        lines = [
            f"{2020 + day // 336}-{1 + day // 28 % 12:02}-{1 + day % 28:02},{random.gauss(0, 0.02)}"
            for day in range(800)
        ]
        text = "\n".join(["date,log_return", *lines])
        (tmp_path / f"{factor}_log_returns.csv").write_text(text)
    return tmp_path


def test_a_forecast_knows_nothing_of_its_day_or_after() -> None:
    random = Random(3)
    returns = [random.gauss(0, 0.02) for _ in range(500)]
    parameters = load_parameters("historical-v1")

    def forecasts(values: list[float]) -> tuple[float, ...]:
        series = [ReturnSeries("X", tuple(range(len(values))), tuple(values))]
        return historical_forecasts(parameters, series, {"X": 1.0}, 400).requirement

    changed = [*returns[:450], *(3 * value for value in returns[450:])]
    assert forecasts(changed)[:51] == forecasts(returns)[:51]
    assert forecasts(changed)[51:] != forecasts(returns)[51:]


def test_joint_returns_lose_nothing_where_a_day_is_lacking() -> None:
    whole = ReturnSeries("A", (0, 1, 2, 3), (0.1, 0.2, 0.3, 0.4))
    gapped = ReturnSeries("B", (0, 1, 3), (0.5, 0.6, 0.7))
    left, right = joint([whole, gapped])
    assert left.days == right.days == (1, 3)
    assert left.log_returns == pytest.approx((0.2, 0.7))
    assert right.log_returns == pytest.approx((0.6, 0.7))


async def test_the_command_prints_auth_066_figures_that_fit_together(folder: Path) -> None:
    outcome = await xmargin("backtest", str(folder), "--lookback", "400", "--json")
    assert outcome.code == 0, outcome.err
    lines = json.loads(outcome.out)["lines"]
    books = [(line["book"], line["side"]) for line in lines]
    assert books == [
        (book, side) for book in ("AAA", "BBB", "all together") for side in ("long", "short")
    ]
    for line in lines:
        result = line["auth_066"]
        observations, exceptions = int(result["NbOfObsrvtns"]), int(result["NbOfXcptns"])
        assert Decimal(result["Cvrg"]) == round(1 - Decimal(exceptions) / observations, 10)
        assert Decimal(result["LrgstXcptn"]["Amt"]) >= Decimal(result["AvrgXcptn"]["Amt"]) >= 0
        assert line["traffic_light"]["observations"] == observations
        assert line["requirement_exceptions"] <= exceptions


async def test_the_table_says_what_it_was_made_by(folder: Path) -> None:
    outcome = await xmargin("backtest", str(folder), "--lookback", "400", "--confidence", "0.975")
    assert outcome.code == 0, outcome.err
    assert "backtest at 97.5000%" in outcome.out
    assert "historical-v1 1.0.0, 400 days back" in outcome.out


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("day,log_return\n", "line 1: the columns date and log_return are wanted"),
        ("date,log_return\n", "holds no return"),
        ("date,log_return\n2020-01-01,0.1\n2020-01-02,x\n", "line 3: "),
        ("date,log_return\n2020-13-01,0.1\n", "line 2: "),
        ("date,log_return\n2020-01-01,nan\n", "line 2: log_return nan is no number"),
        ("date,log_return\n2020-01-01\n", "line 2: "),
    ],
)
def test_a_bad_file_is_named_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(InvalidArgumentError, match=problem):
        read_series(path)


async def test_mistakes_are_one_line(tmp_path: Path, folder: Path) -> None:
    for arguments in (
        (str(tmp_path / "absent.csv"),),
        (str(folder), "--confidence", "1.5"),
        (str(folder), "--lookback", "10"),
        (str(folder), "--parameters", "unified-v1"),
    ):
        outcome = await xmargin("backtest", *arguments)
        assert outcome.code in {1, 2}
        assert outcome.out == ""
        assert len(outcome.err.splitlines()) == 1
        assert outcome.err.startswith("error: ")


def test_the_model_holds_over_real_returns() -> None:
    """BTC, ETH, gold and the S&P 500: Kupiec accepts each, no zone is red, ES is far enough."""
    if not SHARED.exists():
        pytest.skip("../shared/data/var is not there")
    report = backtest_report(read_series(SHARED), load_parameters("historical-v1"), 1_000, 1e6)
    assert len(report.lines) == 10
    for line in report.lines:
        assert line.tests["kupiec"][1] > 0.05, (line.book, line.side)
        assert line.tests["traffic_light"]["zone"] == "green"
        assert line.tests["z2"] > -0.70
        assert math.isclose(line.tests["coverage"], 0.99, abs_tol=0.005), (line.book, line.side)
