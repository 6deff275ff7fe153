"""``xmargin health``: how portfolios stand."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from xmargin.cli.options import SERVER_DEFAULT, Json, Server

if TYPE_CHECKING:
    from xmargin.v1 import margin_service_pb2 as margin_pb

PortfolioIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PORTFOLIO]...", show_default=False, help="Which; all when none."),
]


def health(
    portfolios: PortfolioIds = None, server: Server = SERVER_DEFAULT, json: Json = False
) -> None:
    """Show the health of portfolios; a single one with all its positions."""
    raise typer.Exit(asyncio.run(_health(portfolios or [], server, json)))


async def _health(portfolio_ids: list[str], server: str, json: bool) -> int:
    from xmargin.cli import exits
    from xmargin.cli.client import HealthClient
    from xmargin.cli.output import as_json, print_json
    from xmargin.service.running import wall_clock_ms

    codes = []
    async with HealthClient(server) as client:
        async for answer in client.healths(portfolio_ids):
            if json:
                print_json(as_json(answer))
            else:
                _print_tables(answer)
            judge = exits.of_view_age if portfolio_ids else exits.of_view
            codes.append(judge(answer.metadata, wall_clock_ms()))
            codes += [exits.of_portfolio(one) for one in answer.healths]
    return exits.worst(codes)


def _print_tables(answer: "margin_pb.BatchGetHealthResponse") -> None:
    from xmargin.cli import tables
    from xmargin.cli.output import stdout_console
    from xmargin.service.running import wall_clock_ms

    console = stdout_console()
    console.print(tables.heading(answer.metadata, wall_clock_ms()))
    if len(answer.healths) == 1:
        names = tables.chain_names(answer.metadata)
        console.print(tables.portfolio_detail(answer.healths[0], names))
    else:
        console.print(tables.portfolios_table(answer.healths))
