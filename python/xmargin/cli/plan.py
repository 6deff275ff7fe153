"""``xmargin plan``: what venues would let be liquidated, and whether it should be."""

import asyncio
from typing import Annotated

import typer

from xmargin.cli.options import SERVER_DEFAULT, Json, Server

Subject = Annotated[
    str, typer.Argument(metavar="ID", help="A portfolio, or one account: VENUE@CHAIN/ADDRESS.")
]


def plan(subject: Subject, server: Server = SERVER_DEFAULT, json: Json = False) -> None:
    """Show what to liquidate of each venue account, by its venue's own rule."""
    raise typer.Exit(asyncio.run(_plan(subject, server, json)))


async def _plan(subject: str, server: str, json: bool) -> int:
    from xmargin.cli import exits, tables
    from xmargin.cli.client import HealthClient
    from xmargin.cli.output import as_json, print_json, stdout_console
    from xmargin.cli.plan_table import liquidation_prices_table, plans_table
    from xmargin.service.running import wall_clock_ms

    async with HealthClient(server) as client:
        answer = await client.plan(subject)
    if json:
        print_json(as_json(answer))
    else:
        console = stdout_console()
        console.print(tables.heading(answer.metadata, wall_clock_ms()))
        names = tables.chain_names(answer.metadata)
        console.print(plans_table(answer.plans, names))
        console.print(liquidation_prices_table(answer.liquidation_prices, names))
    codes = [exits.of_plan(one) for one in answer.plans]
    return exits.worst([*codes, exits.of_view_age(answer.metadata, wall_clock_ms())])
