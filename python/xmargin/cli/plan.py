"""``xmargin plan``: what to liquidate of accounts by their venues, of a portfolio by the model."""

import asyncio
from typing import Annotated

import typer

from xmargin.cli.options import SERVER_DEFAULT, Json, Server

Subject = Annotated[
    str, typer.Argument(metavar="ID", help="A portfolio, or one account: VENUE@CHAIN/ADDRESS.")
]


def plan(subject: Subject, server: Server = SERVER_DEFAULT, json: Json = False) -> None:
    """Show what to liquidate: by each venue's own rule, and of a portfolio as a whole."""
    raise typer.Exit(asyncio.run(_plan(subject, server, json)))


async def _plan(subject: str, server: str, json: bool) -> int:
    from xmargin.cli import exits, tables
    from xmargin.cli.client import HealthClient
    from xmargin.cli.output import as_json, print_json, stdout_console
    from xmargin.cli.plan_table import liquidation_prices_table, plans_table
    from xmargin.cli.portfolio_plan_table import portfolio_plan_table
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
        if answer.HasField("portfolio_plan"):
            console.print(portfolio_plan_table(answer.portfolio_plan, names))
    codes = [exits.of_plan(one) for one in answer.plans]
    if answer.HasField("portfolio_plan"):
        codes.append(exits.of_verdict(answer.portfolio_plan.verdict))
    return exits.worst([*codes, exits.of_view_age(answer.metadata, wall_clock_ms())])
