"""All commands. Nothing heavy is imported before a command runs: ``--help`` must be quick."""

import typer

from xmargin.cli.backtest import backtest
from xmargin.cli.cascade import cascade
from xmargin.cli.crossings import crossings
from xmargin.cli.demo import demo
from xmargin.cli.doctor import doctor
from xmargin.cli.health import health
from xmargin.cli.order import order
from xmargin.cli.plan import plan
from xmargin.cli.record import record
from xmargin.cli.replay import replay
from xmargin.cli.serve import serve
from xmargin.cli.vectors import vectors
from xmargin.cli.watch import watch

_EPILOG = (
    "Exit codes: 0 healthy, 1 error, 2 usage or configuration, 3 margin call, 4 liquidatable, "
    "5 stale or partial. When several hold: 4, then 5, then 3."
)

app = typer.Typer(
    name="xmargin",
    help="Unified margin and liquidation order over many chains.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help takes a third of the time
    pretty_exceptions_enable=False,
)

for command in (
    *(demo, serve, health, watch, crossings, order, plan, cascade),
    *(record, replay, vectors, backtest, doctor),
):
    app.command()(command)
