"""Writing to stdout: JSON lines, or tables of at most 120 columns."""

import json
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from rich.console import Console

WIDTH_MAX = 120
UNREAD = 141
"""The exit code when stdout is read no longer: as a shell tells of who was ended by SIGPIPE. It is
never 0, which would say healthy of what was not shown."""


def as_json(message: "Message") -> dict[str, Any]:
    """``message`` by protobuf's JSON mapping, with fields that are zero or empty."""
    from google.protobuf import json_format

    document: dict[str, Any] = json_format.MessageToDict(
        message, always_print_fields_with_no_presence=True
    )
    return document


def print_json(document: dict[str, Any]) -> None:
    """One document as one line, flushed: whoever reads a pipe wants it now.

    Keys are sorted, since protobuf's maps have no order and equal views must print equal bytes.
    """
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    print_line(text)


def print_line(text: str) -> None:
    """One line, flushed.

    Raises:
        typer.Exit: nobody reads stdout any more.
    """
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _end_unread()


def _end_unread() -> NoReturn:
    # What is still buffered would fail once more when Python flushes it at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(UNREAD)


def stdout_console() -> "Console":
    """A console on stdout; plain and 120 columns wide where stdout is no terminal."""
    from rich.console import Console

    class PipedConsole(Console):
        def on_broken_pipe(self) -> None:
            _end_unread()

    console = PipedConsole(highlight=False)
    if not console.is_terminal:
        console = PipedConsole(highlight=False, width=WIDTH_MAX)
    elif console.width > WIDTH_MAX:
        console.width = WIDTH_MAX
    return console
