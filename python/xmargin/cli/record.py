"""``xmargin record``: write a tape without serving it."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from xmargin.cli.options import ConfigFile, Json, Verbose

Tape = Annotated[Path, typer.Option("--tape", metavar="OUT", help="The tape to write or go on.")]
Seconds = Annotated[
    float | None, typer.Option("--seconds", min=0, help="Stop after so long; else at Ctrl-C.")
]


def record(
    config: ConfigFile,
    tape: Tape,
    seconds: Seconds = None,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Read all chains of a configuration onto a tape; print where the tape then stands."""
    from xmargin.service.logs import log_to_stderr

    log_to_stderr(verbose=verbose)
    asyncio.run(_record(config, tape, seconds, json))


async def _record(config_path: Path, tape: Path, seconds: float | None, json: bool) -> None:
    from xmargin.cli.output import print_json, print_line
    from xmargin.config import load_config
    from xmargin.service.intake import Intake, reader_plans
    from xmargin.service.opening import open_spine
    from xmargin.service.running import stop_on_signals, until_first, wall_clock_ms

    config = load_config(config_path)
    with stop_on_signals() as stop:
        readers = reader_plans(config, wall_clock_ms)
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, stop.set)
        async with open_spine(config, tape, wall_clock_ms) as spine:
            intake = Intake(spine, readers, config.service.clock_tick_ms, wall_clock_ms)
            await until_first(stop.wait(), intake.run())
        # Read once it is closed: a batch that was under way is finished first.
        position = spine.position
    if json:
        print_json({"tape": str(tape), "sequence": position.sequence, "hash": position.digest})
    else:
        print_line(f"{tape}: {position.sequence:,} observations, hash {position.digest}")
