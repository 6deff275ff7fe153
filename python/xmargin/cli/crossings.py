"""``xmargin crossings``: who comes to be at risk, as it happens."""

import asyncio
from typing import TYPE_CHECKING

import typer

from xmargin.cli.health import PortfolioIds
from xmargin.cli.options import SERVER_DEFAULT, Json, Server

if TYPE_CHECKING:
    from xmargin.cli.client import HealthClient
    from xmargin.v1 import margin_report_pb2 as report_pb


def crossings(
    portfolios: PortfolioIds = None, server: Server = SERVER_DEFAULT, json: Json = False
) -> None:
    """Show who is at risk, then every change of status until Ctrl-C; none is left out.

    One line a change, with what moved; --json one answer a line, with plans.
    """
    raise typer.Exit(asyncio.run(_crossings(portfolios or [], server, json)))


async def _crossings(portfolio_ids: list[str], server: str, json: bool) -> int:
    from xmargin.cli import exits
    from xmargin.cli.client import HealthClient
    from xmargin.service.running import stop_on_signals, until_first, wall_clock_ms

    newest: list[report_pb.ViewMetadata] = []
    with stop_on_signals() as stop:
        async with HealthClient(server) as client:
            await until_first(stop.wait(), _show(client, portfolio_ids, newest, json=json))
    return exits.of_view_age(newest[0], wall_clock_ms()) if newest else exits.ExitCode.PARTIAL


async def _show(
    client: "HealthClient",
    portfolio_ids: list[str],
    newest: "list[report_pb.ViewMetadata]",
    *,
    json: bool,
) -> None:
    from xmargin.cli.crossing_lines import line_of
    from xmargin.cli.output import as_json, print_json, print_line

    continued = False
    async for answer in client.crossings(portfolio_ids, with_plans=json):
        newest[:] = [answer.metadata]
        if json:
            print_json(as_json(answer))
            continue
        if answer.restarted and not continued:
            more = " or more" if answer.continues else ""
            print_line(f"{len(answer.crossings)}{more} not healthy:")
        continued = answer.continues
        for crossing in answer.crossings:
            print_line(line_of(crossing).plain)
