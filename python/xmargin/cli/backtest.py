"""``xmargin backtest``: did the margin hold, over the years that were?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xmargin.cli.options import Json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from xmargin.cli.sheet import Cell
    from xmargin.report.backtest import BacktestReport, Line

Series = Annotated[
    Path, typer.Argument(metavar="DIR_OR_CSV", help="date,log_return: one file a factor.")
]
Parameters = Annotated[
    str, typer.Option("--parameters", metavar="NAME_OR_FILE", help="Of historical simulation.")
]
Level = Annotated[
    str | None, typer.Option("--confidence", metavar="LEVEL", help="Instead of the parameters'.")
]
Lookback = Annotated[
    int,
    typer.Option("--lookback", min=1, max=100_000, help="Days that a forecast looks at."),
]
Exposure = Annotated[float, typer.Option("--exposure", help="USD in each book.")]


def backtest(  # noqa: PLR0917 - one argument an option, as Typer wants them
    path: Series,
    parameters: Parameters = "historical-v1",
    confidence: Level = None,
    lookback: Lookback = 1_000,
    exposure: Exposure = 1_000_000.0,
    json: Json = False,
) -> None:
    """Backtest historical margin: each factor long and short, and all together.

    Exit 5 when a book could not be judged: the others are reported, and that one with its reason.
    """
    from xmargin.cli.exits import ExitCode
    from xmargin.cli.output import print_json, stdout_console
    from xmargin.errors import InvalidArgumentError
    from xmargin.params import load_parameters
    from xmargin.report.backtest import backtest_report, with_confidence
    from xmargin.report.series import read_series

    if not 0 < exposure <= 1e15:
        raise InvalidArgumentError(f"--exposure: {exposure} is not in (0, 1e15]", field="exposure")
    chosen = load_parameters(parameters)
    if confidence is not None:
        chosen = with_confidence(chosen, confidence)
    report = backtest_report(read_series(path), chosen, lookback, exposure)
    if json:
        print_json(report.document())
    else:
        for part in (*sheets(report), *_unjudged(report)):
            stdout_console().print(part)
    if report.unjudged:
        raise typer.Exit(ExitCode.PARTIAL)


def sheets(report: "BacktestReport") -> tuple[Any, ...]:
    """Three narrow tables: one wide one would cut numbers on a terminal of 80 columns."""
    return _how_often(report), _how_far(report), _tests(report)


def _how_often(report: "BacktestReport") -> Any:
    from xmargin.cli.sheet import Sheet

    headings = ("book~", "side", "from", "to", "observed>", "exceptions>", "coverage>")
    title = (
        f"backtest at {100 * report.confidence:.6g}%, USD {report.exposure_usd:,.0f} a book, "
        f"{report.parameters.name} {report.parameters.version}, {report.lookback_days} days back"
    )
    rows = [
        [
            *_name(line),
            *_dates(line),
            f"{line.tests['observations']:,}",
            f"{line.tests['exceptions']:,}",
            f"{line.tests['coverage']:.3%}",
        ]
        for line in report.lines
    ]
    return Sheet(title, headings, rows, "exceptions: days with a loss beyond filtered VaR")


def _how_far(report: "BacktestReport") -> Any:
    from xmargin.cli.sheet import Sheet

    headings = ("book~", "side", "largest>", "average>", "above margin>", "Z1>", "Z2>", "Z2 p>")
    rows: list[list[Cell]] = [
        [
            *_name(line),
            f"{line.tests['largest_exception']:,.0f}",
            f"{line.tests['average_exception']:,.0f}",
            f"{line.requirement_exceptions:,}",
            _statistic(line.tests["z1"]),
            _statistic(line.tests["z2"]),
            _p_value(line.tests["z2_p_normal"]),
        ]
        for line in report.lines
    ]
    note = "in USD beyond VaR; above margin: days beyond the whole requirement; no Z if ES <= 0"
    return Sheet("how far?", headings, rows, note)


def _tests(report: "BacktestReport") -> Any:
    from xmargin.cli.sheet import Sheet

    headings = ("book~", "side", "Kupiec p>", "indep. p>", "both p>", "zone", "last 250")
    rows: list[list[Cell]] = [
        [
            *_name(line),
            *(_p_value(line.tests[test][1]) for test in ("kupiec", "independence", "conditional")),
            _zone(line.tests["traffic_light"]),
            _zone(line.tests["traffic_light_250"]),
        ]
        for line in report.lines
    ]
    note = "a small p is against the model; both: conditional coverage"
    return Sheet("was it the model's fault? (zones: Basel's)", headings, rows, note)


def _name(line: "Line") -> list[str]:
    return [line.book, line.side]


def _dates(line: "Line") -> list[str]:
    from xmargin.params.return_rows import date_of

    return [date_of(line.first_day).isoformat(), date_of(line.last_day).isoformat()]


def _unjudged(report: "BacktestReport") -> "Iterator[Text]":
    from rich.text import Text

    from xmargin.cli import formats

    for one in report.unjudged:
        yield Text(f"! {one.book} {one.side} is not judged: {one.reason}", formats.UNSURE)


def _statistic(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _p_value(value: float | None) -> "Text":
    from rich.text import Text

    from xmargin.cli import formats

    if value is None:
        return Text("-", formats.CALM)
    return Text(f"{value:.3f}", formats.BAD if value < 0.01 else "")


def _zone(light: dict[str, Any] | None) -> "Text":
    from rich.text import Text

    from xmargin.cli import formats

    if light is None:
        return Text("-", formats.CALM)
    style = {"green": formats.GOOD, "yellow": formats.WATCH, "red": formats.BAD}[light["zone"]]
    return Text(f"{light['zone']} ({light['exceptions']})", style)
