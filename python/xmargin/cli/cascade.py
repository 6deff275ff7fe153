"""``xmargin cascade``: what a shock would set off among all venue accounts."""

import asyncio
from typing import Annotated

import typer

from xmargin.cli.options import SERVER_DEFAULT, Json, Server

Shocks = Annotated[
    list[str], typer.Argument(metavar="ASSET=MOVE...", help="First moves: ETH=-0.2 is 20 % down.")
]
AccountsMax = Annotated[
    int, typer.Option("--accounts", metavar="N", min=1, max=10_000, help="How many to name.")
]


def cascade(
    shocks: Shocks,
    accounts: AccountsMax = 20,
    server: Server = SERVER_DEFAULT,
    json: Json = False,
) -> None:
    """Show where prices come to rest when the liquidations after a shock sell into the market."""
    raise typer.Exit(asyncio.run(_cascade(shocks, accounts, server, json)))


async def _cascade(shocks: list[str], accounts_max: int, server: str, json: bool) -> int:
    from xmargin.cli import exits, tables
    from xmargin.cli.cascade_table import cascade_table
    from xmargin.cli.client import HealthClient
    from xmargin.cli.output import as_json, print_json, stdout_console
    from xmargin.service.running import wall_clock_ms

    moves = _moves(shocks)
    async with HealthClient(server) as client:
        answer = await client.cascade(moves, accounts_max)
    if json:
        print_json(as_json(answer))
    else:
        console = stdout_console()
        console.print(tables.heading(answer.metadata, wall_clock_ms()))
        console.print(cascade_table(answer, tables.chain_names(answer.metadata)))
    return exits.of_view(answer.metadata, wall_clock_ms())


def _moves(shocks: list[str]) -> dict[str, str]:
    from xmargin.errors import InvalidArgumentError

    moves: dict[str, str] = {}
    for shock in shocks:
        asset, equals, move = shock.partition("=")
        # What a terminal sends that is no text cannot be sent on.
        if not (asset and equals and move and shock.isprintable()):
            raise InvalidArgumentError(
                f"{shock!r} is no shock; write ASSET=MOVE, such as ETH=-0.2 for 20 % down",
                field="shocks",
            )
        if asset in moves:
            raise InvalidArgumentError(f"{asset} has two moves; give one", field="shocks")
        moves[asset] = move
    return moves
