"""Observations as lines of JSON: what a person may read and write, and other programs too.

A line is one ``xmargin.v1.Observation`` by protobuf's own JSON mapping. The file has no hashes of
its own: positions are those that the same observations have on a tape.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from xmargin.errors import DecodeError, TapeError
from xmargin.model import Observation
from xmargin.tape import codec
from xmargin.tape.log import observations_in, opened
from xmargin.tape.position import START, TapePosition

_FIRST_BYTE: Final = b"{"


def read_observations(path: Path) -> Iterator[tuple[Observation, TapePosition]]:
    """The observations of a tape or of JSON lines, which the first byte tells apart.

    Raises:
        TapeError: neither; a damaged tape; a line that is no observation, named by its number.
    """
    with opened(path) as file:
        lines = file.peek(1)[:1] == _FIRST_BYTE
        yield from _lines_in(file, path) if lines else observations_in(file, path)


def _lines_in(file: BinaryIO, path: Path) -> Iterator[tuple[Observation, TapePosition]]:
    position = START
    for number, line in enumerate(file, start=1):
        if line.isspace():
            continue
        try:
            observation = codec.from_json(line)
        except DecodeError as error:
            raise TapeError(
                f"{path}: line {number} is no observation ({error.message}); correct or remove it",
                line=str(number),
            ) from None
        position = position.after(codec.encode(observation))
        yield observation, position
