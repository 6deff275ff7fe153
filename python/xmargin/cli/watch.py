"""``xmargin watch``: health as it changes."""

import asyncio
from typing import TYPE_CHECKING

import typer

from xmargin.cli.health import PortfolioIds
from xmargin.cli.options import SERVER_DEFAULT, Json, Server

if TYPE_CHECKING:
    from xmargin.cli.client import HealthClient
    from xmargin.cli.screens import Board
    from xmargin.v1 import margin_service_pb2 as margin_pb


def watch(
    portfolios: PortfolioIds = None, server: Server = SERVER_DEFAULT, json: Json = False
) -> None:
    """Watch the health of portfolios until Ctrl-C; exits by the last view shown.

    A terminal gets a live table, a pipe one line a change, --json one answer a line.
    """
    raise typer.Exit(asyncio.run(_watch(portfolios or [], server, json)))


async def _watch(portfolio_ids: list[str], server: str, json: bool) -> int:
    from xmargin.cli import exits
    from xmargin.cli.client import HealthClient
    from xmargin.cli.screens import Board
    from xmargin.service.running import stop_on_signals, until_first, wall_clock_ms

    board = Board()
    with stop_on_signals() as stop:
        async with HealthClient(server) as client:
            show = _show_json if json else _show_tables
            await until_first(stop.wait(), show(client, portfolio_ids, board))
    if board.metadata is None:
        return exits.ExitCode.PARTIAL
    judge = exits.of_view_age if portfolio_ids else exits.of_view
    codes = [exits.of_portfolio(one) for one in board.healths]
    return exits.worst([judge(board.metadata, wall_clock_ms()), *codes])


async def _show_json(client: "HealthClient", portfolio_ids: list[str], board: "Board") -> None:
    from xmargin.cli.output import as_json, print_json

    async for answer in client.watch(portfolio_ids):
        board.take(answer)
        print_json(as_json(answer))


async def _show_tables(client: "HealthClient", portfolio_ids: list[str], board: "Board") -> None:
    from xmargin.cli.output import stdout_console
    from xmargin.cli.screens import live

    console = stdout_console()
    if not console.is_terminal:
        async for answer in client.watch(portfolio_ids):
            board.take(answer)
            _print_changes(answer)
        return
    with live(console, board):
        async for answer in client.watch(portfolio_ids):
            board.take(answer)


def _print_changes(answer: "margin_pb.WatchHealthResponse") -> None:
    from datetime import UTC, datetime

    from xmargin.cli import formats
    from xmargin.cli.output import print_line

    at = datetime.fromtimestamp(answer.metadata.now_ms / 1_000, UTC).isoformat("T", "milliseconds")
    for health in answer.changed:
        excess, factor = (
            formats.decimal(getattr(health, field)) if health.HasField(field) else None
            for field in ("maintenance_excess", "health_factor")
        )
        part = " partial" if health.partial else ""
        print_line(
            f"{at}  {health.portfolio}  {formats.status(health.status)}{part}  "
            f"excess {formats.money(excess)}  health {formats.health_factor(factor)}"
        )
