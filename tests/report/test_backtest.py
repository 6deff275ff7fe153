"""The backtest report: what it reads and prints, and that the model holds over real returns."""

import json
import math
import re
from decimal import Decimal
from io import StringIO
from pathlib import Path
from random import Random

import pytest
from rich.console import Console

from tests.cli.command import xmargin
from tests.house.paths import ROOT
from xmargin.cli.backtest import sheets
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
    assert "backtest at 97.5%" in outcome.out
    assert "historical-v1 1.0.0, 400 days back" in outcome.out


def test_no_number_is_cut_at_80_columns(folder: Path) -> None:
    report = backtest_report(read_series(folder), load_parameters("historical-v1"), 400, 1e9)
    for sheet in sheets(report):
        console = Console(width=80, file=StringIO(), force_terminal=False)
        console.print(sheet)
        printed = console.file.getvalue()  # type: ignore[attr-defined]
        assert max(map(len, printed.splitlines())) <= 80
        assert not re.search(r"(?<!all toget)\N{HORIZONTAL ELLIPSIS}", printed), printed


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("day,log_return\n", "line 1: is not date,log_return"),
        ("date;log_return\n2020-01-01;0.1\n", "line 1: is not date,log_return"),
        ("date,log_return\n", "holds no return"),
        ("date,log_return\n2020-01-01,0.1\n2020-01-02,x\n", "line 3: "),
        ("date,log_return\n2020-13-01,0.1\n", "line 2: "),
        ("date,log_return\n2020-01-01,nan\n", "line 2: log_return 'nan' is no decimal"),
        ("date,log_return\n2020-01-01\n", "line 2: has 1 fields where line 1 has 2"),
        ("date,log_return\n2020-01-01,0,1\n", "line 2: has 3 fields where line 1 has 2"),
        ("date,log_return\n2020-01-01,1_0\n", "line 2: log_return '1_0' is no decimal"),
        ("date,log_return\n2020-01-01,1e400\n", "line 2: log_return inf is not in"),
        ("date,log_return\n2020-01-01,10.5\n", "line 2: log_return 10.5 is not in"),
        ("date,log_return\n2020-01-01,0.1\n2020-01-01,0.2\n", "line 3: 2020-01-01 is there twice"),
        ('date,log_return\n2020-01-01,"' + 200_000 * "9" + '"\n', "line 2: field larger than"),
    ],
)
def test_a_bad_file_is_named_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(InvalidArgumentError, match=problem):
        read_series(path)


def test_a_spreadsheets_file_is_read_as_any_other(tmp_path: Path) -> None:
    plain, marked = tmp_path / "plain.csv", tmp_path / "marked.csv"
    plain.write_text("date,log_return\n2020-01-01,0.1\n2020-01-02,-.5e-1\n")
    marked.write_bytes(b"\xef\xbb\xbf" + plain.read_bytes().replace(b"\n", b"\r\n"))
    (of_plain,), (of_marked,) = read_series(plain), read_series(marked)
    assert (of_plain.days, of_plain.log_returns) == (of_marked.days, of_marked.log_returns)
    assert of_plain.log_returns == (0.1, -0.05)


@pytest.mark.parametrize("names", [("AAA.csv", "AAA_log_returns.csv"), ("_log_returns.csv",)])
def test_every_file_has_a_factor_of_its_own(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).write_text("date,log_return\n2020-01-01,0.1\n")
    with pytest.raises(InvalidArgumentError, match=f"{names[-1]}: "):
        read_series(tmp_path)


async def test_a_book_that_cannot_be_judged_is_named_and_the_others_are_reported(
    folder: Path,
) -> None:
    (folder / "NEW.csv").write_text("date,log_return\n2020-01-01,0.1\n2020-01-02,0.1\n")
    outcome = await xmargin("backtest", str(folder), "--lookback", "400", "--json")
    report = json.loads(outcome.out)
    assert outcome.code == 5
    assert [line["book"] for line in report["lines"]] == ["AAA", "AAA", "BBB", "BBB"]
    assert [one["book"] for one in report["unjudged"]] == 2 * ["NEW"] + 2 * ["all together"]
    assert "2 days leave none to forecast after 400" in report["unjudged"][0]["reason"]
    table = await xmargin("backtest", str(folder), "--lookback", "400")
    assert table.code == 5
    assert "! NEW short is not judged: returns.day: 2 days leave none" in table.out


async def test_a_report_without_any_book_is_an_error_that_names_the_first(folder: Path) -> None:
    outcome = await xmargin("backtest", str(folder), "--lookback", "5000")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("error: AAA long: returns.day: 800 days leave none")


async def test_a_book_with_nothing_to_lose_is_judged_without_z(folder: Path) -> None:
    (folder / "FLAT.csv").write_text(
        "\n".join(["date,log_return", *(f"{year}-01-01,0" for year in range(1000, 1700))])
    )
    outcome = await xmargin("backtest", str(folder), "--lookback", "400", "--json")
    report = json.loads(outcome.out)
    lines = {line["book"]: line for line in report["lines"]}
    assert set(lines) == {"AAA", "BBB", "FLAT"}
    assert lines["FLAT"]["auth_066"]["NbOfXcptns"] == "0"
    assert set(lines["FLAT"]["acerbi_szekely"].values()) == {None}
    assert "no days in common" in report["unjudged"][0]["reason"]
    table = await xmargin("backtest", str(folder), "--lookback", "400")
    assert len(re.findall(r"FLAT +(?:long|short) ", table.out)) == 6  # two sides in three tables


async def test_a_confidence_may_be_a_fraction(folder: Path) -> None:
    answers = [
        await xmargin("backtest", str(folder), "--lookback", "400", "--confidence", level, "--json")
        for level in ("0.99", "99/100")
    ]
    lines = [json.loads(answer.out)["lines"] for answer in answers]
    assert lines[0] == lines[1]


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


async def test_a_lookback_beyond_all_histories_is_a_usage_error(folder: Path) -> None:
    outcome = await xmargin("backtest", str(folder), "--lookback", "9" * 30)
    assert (outcome.code, outcome.out) == (2, "")
    assert "'--lookback'" in outcome.err
    assert "Traceback" not in outcome.err


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
