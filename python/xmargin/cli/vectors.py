"""``xmargin vectors``: other engines' published numbers, held against the core's."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xmargin.cli.options import Json

if TYPE_CHECKING:
    from xmargin.vectors import Report

Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="The files' format: deribit-pme, derive-pmrm2.")
]
Files = Annotated[Path, typer.Argument(metavar="PATH", help="A .json file, or a folder of them.")]

_FIELDS_SHOWN_MAX = 5


def vectors(model: Model, path: Files, json: Json = False) -> None:
    """Run an external vector set; exit 1 when a case fails."""
    from xmargin.cli.output import print_json
    from xmargin.vectors import run

    report = run(model, path)
    if json:
        print_json(
            {
                "model": report.model,
                "cases": len(report.cases),
                "failed": report.failed,
                "max_rel_error": report.max_rel_error,
                "arbitrage": report.arbitrage,
                "failures": [
                    {
                        "case": case.name,
                        "figure": check.field,
                        "expected": check.expected,
                        "computed": check.actual,
                        "rel_error": check.error(report.floor),
                    }
                    for case in report.cases
                    for check in case.failed
                ],
            }
        )
    else:
        _show(report)
    if report.failed:
        raise typer.Exit(1)


def _show(report: "Report") -> None:
    from rich.table import Table

    from xmargin.cli.output import stdout_console

    checks = sum(case.checks for case in report.cases)
    console = stdout_console()
    console.print(
        f"{report.model}: {len(report.cases)} cases, {checks} figures, {report.failed} failed; "
        f"largest relative error {report.max_rel_error:.2g} (at most {report.tolerance:g} passes, "
        f"of figures of at least {report.floor:g}); {report.arbitrage} free lunches in the prices"
    )
    failed = [case for case in report.cases if case.failed]
    if not failed:
        return
    table = Table("case", "figure", "expected", "computed", "relative error")
    for case in failed:
        for check in case.failed[:_FIELDS_SHOWN_MAX]:
            error = check.error(report.floor)
            table.add_row(
                case.name, check.field, str(check.expected), str(check.actual), f"{error:.2g}"
            )
        more = len(case.failed) - _FIELDS_SHOWN_MAX
        if more > 0:
            table.add_row(case.name, f"and {more} more", "", "", "")
    console.print(table)
