"""``xmargin order``: whom to liquidate first."""

import asyncio

import typer

from xmargin.cli.options import SERVER_DEFAULT, Json, Server


def order(server: Server = SERVER_DEFAULT, json: Json = False) -> None:
    """Show whom to liquidate first and how, and how far that order is from the best.

    By expected bad debt avoided per priced unit of market depth.
    """
    raise typer.Exit(asyncio.run(_order(server, json)))


async def _order(server: str, json: bool) -> int:
    from xmargin.cli import exits, tables
    from xmargin.cli.client import HealthClient
    from xmargin.cli.order_table import order_table
    from xmargin.cli.output import as_json, print_json, stdout_console
    from xmargin.service.running import wall_clock_ms

    async with HealthClient(server) as client:
        answer = await client.liquidations()
    if json:
        print_json(as_json(answer))
    else:
        console = stdout_console()
        console.print(tables.heading(answer.metadata, wall_clock_ms()))
        names = tables.chain_names(answer.metadata)
        console.print(order_table(answer.entries, names, answer.certificates))
    if answer.entries:
        return exits.ExitCode.LIQUIDATABLE
    return exits.of_view(answer.metadata, wall_clock_ms())
