"""The options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

SERVER_DEFAULT = "127.0.0.1:50051"

Json = Annotated[bool, typer.Option("--json", help="Print JSON, one document a line.")]
Server = Annotated[
    str,
    typer.Option("--server", metavar="HOST:PORT", envvar="XMARGIN_SERVER", help="Whom to ask."),
]
ConfigFile = Annotated[
    Path, typer.Option("--config", metavar="FILE", help="The configuration, a TOML file.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log more, to stderr.")]
