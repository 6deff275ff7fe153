"""``xmargin replay``: the views of a tape, or its observations; the same bytes every time."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xmargin.cli.options import Json

if TYPE_CHECKING:
    from xmargin.model import Observation
    from xmargin.view import View

Tape = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="A tape of `xmargin record` or serve, observations as JSON lines, or an incident.",
    ),
]
Last = Annotated[bool, typer.Option("--last", help="Only the last view.")]
Observations = Annotated[
    bool, typer.Option("--observations", help="The observations instead of the views.")
]


def replay(
    tape: Tape, last: Last = False, observations: Observations = False, json: Json = False
) -> None:
    """Replay a tape and print its views as JSON lines (with or without --json).

    With --observations it prints what is on the tape, one observation a line, which `replay`
    takes in place of the tape. Of an incident file it prints each step's verdicts, its view, and
    what is unsafe in it; the exit code is 1 if anything is.
    """
    from xmargin.incidents.document import is_incident

    if observations:
        _print_observations(tape, last)
    elif is_incident(tape):
        from xmargin.cli.incident import print_incident

        print_incident(tape, last=last, as_json=json)
    else:
        _print_views(tape, last)


def _print_views(tape: Path, last: bool) -> None:
    from xmargin.cli.documents import view_document
    from xmargin.cli.output import print_json
    from xmargin.errors import NotReadyError
    from xmargin.spine import replay as views_of

    views: Iterable[View] = views_of(tape)
    printed = False
    for view in _newest(views) if last else views:
        print_json(view_document(view))
        printed = True
    if not printed:
        raise NotReadyError(f"{tape}: no chain has been read on this tape; there is no view")


def _newest(views: "Iterable[View]") -> "Iterator[View]":
    newest = None
    for newest in views:  # noqa: B007 - only the last one is wanted
        pass
    if newest is not None:
        yield newest


def _print_observations(tape: Path, last: bool) -> None:
    from xmargin.cli.output import print_line
    from xmargin.errors import InvalidArgumentError
    from xmargin.tape.codec import to_json

    if last:
        raise InvalidArgumentError("--last: is of views; leave it out with --observations")
    for observation in _observations_of(tape):
        print_line(to_json(observation))


def _observations_of(tape: Path) -> "Iterator[Observation]":
    from xmargin.incidents import is_incident, observations_of, read_incident
    from xmargin.tape import read_observations

    if is_incident(tape):
        yield from observations_of(read_incident(tape))
    else:
        yield from (observation for observation, _ in read_observations(tape))
