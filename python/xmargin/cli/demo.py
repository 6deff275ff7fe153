"""``xmargin demo``: the main job, end to end, while a scripted market falls."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from xmargin.cli.options import Json, Verbose

Once = Annotated[bool, typer.Option("--once", help="Show one view before the market moves.")]
Record = Annotated[
    Path | None,
    typer.Option("--record", metavar="TAPE", help="Keep what is observed on this new tape."),
]

INTERRUPTED = 130


def demo(
    once: Once = False, json: Json = False, record: Record = None, verbose: Verbose = False
) -> None:
    """Start local real chains, serve their health over gRPC and watch it while the market falls.

    A terminal gets a live table; a pipe a table a market step; --json a document a market step.
    Without Node it plays the recorded tape instead.
    """
    from xmargin.service.logs import log_to_stderr

    log_to_stderr(verbose=verbose, quiet=not verbose)
    raise typer.Exit(asyncio.run(_until_interrupted(once, json, record)))


async def _until_interrupted(once: bool, json: bool, record: Path | None) -> int:
    from xmargin.service.running import stop_on_signals, until_first

    with stop_on_signals() as stop:
        await until_first(stop.wait(), _demo(once, json, record))
        return INTERRUPTED if stop.is_set() else 0


async def _demo(once: bool, json: bool, record: Path | None) -> None:
    from xmargin.cli import showing
    from xmargin.cli.client import HealthClient
    from xmargin.cli.output import stdout_console
    from xmargin.cli.stages import on_chains, stage

    _say(
        "starting two EVM chains with Aave v3 and a Solana VM on this machine …"
        if on_chains()
        else "Node is missing: playing the recorded tape instead of the local chains"
    )
    async with stage(record) as playing, HealthClient(playing.address) as client:
        _say(f"serving gRPC on {playing.address}; reading all chains …")
        view = await showing.first_whole_view(client)
        console = stdout_console()
        if once:
            showing.show(view, console, playing, json=json)
        elif console.is_terminal and not json:
            await showing.show_live(playing, client, console)
        else:
            await showing.show_steps(playing, client, view, console, json=json)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
