"""``xmargin doctor``: what is missing or slow, found by the real calls."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from xmargin.cli.options import ConfigFile, Json, Verbose

if TYPE_CHECKING:
    from xmargin.cli.probes import Check


def doctor(config: ConfigFile, json: Json = False, verbose: Verbose = False) -> None:
    """Probe everything a configuration names by reading it once; exit 1 if anything is wrong.

    Every endpoint reads one whole block by itself; feeds are judged, tokens and accounts checked.
    """
    from xmargin.service.logs import log_to_stderr

    log_to_stderr(verbose=verbose, quiet=not verbose)
    raise typer.Exit(asyncio.run(_doctor(config, json)))


async def _doctor(config_path: Path, json: bool) -> int:
    from xmargin.cli.exits import ExitCode
    from xmargin.cli.output import print_json
    from xmargin.cli.probes import Grade, examine
    from xmargin.config import load_config
    from xmargin.service.running import wall_clock_ms

    checks = await examine(load_config(config_path), wall_clock_ms)
    healthy = all(check.grade is not Grade.BAD for check in checks)
    if json:
        print_json({"healthy": healthy, "checks": [check.document() for check in checks]})
    else:
        _print_table(checks)
    return ExitCode.HEALTHY if healthy else ExitCode.ERROR


def _print_table(checks: "Sequence[Check]") -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from xmargin.cli.formats import BAD, GOOD, WATCH
    from xmargin.cli.output import stdout_console
    from xmargin.cli.probes import Grade

    styles = {Grade.OK: GOOD, Grade.WARN: WATCH, Grade.BAD: BAD}
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    table.add_column("what", no_wrap=True, max_width=48, overflow="ellipsis")
    table.add_column("finding", overflow="fold")
    sound = [check for check in checks if check.kind == "token" and check.grade is Grade.OK]
    for check in checks:
        if check not in sound:
            grade = f"[{styles[check.grade]}]{check.grade}[/]"
            table.add_row(grade, f"{check.kind} {check.subject}", check.detail)
    if sound:
        table.add_row(f"[{GOOD}]ok[/]", "tokens", f"{len(sound)} tokens read; --json names them")
    stdout_console().print(table)
