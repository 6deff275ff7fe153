"""Reading a vector file: every fault names the file, the field and what should be there."""

from collections.abc import Iterator
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

from xmargin import untrusted_json
from xmargin.errors import InvalidArgumentError


class Fields:
    """An object of the file, with the path that leads to it."""

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise fault(path, value, "an object")
        self._value: dict[str, Any] = value
        self._path = path

    def _at(self, name: str) -> tuple[Any, str]:
        path = f"{self._path}.{name}"
        if name not in self._value:
            raise InvalidArgumentError(f"{path}: is missing", field=path)
        return self._value[name], path

    def __contains__(self, name: str) -> bool:
        return name in self._value

    def fields(self, name: str) -> "Fields":
        """The object under ``name``."""
        return Fields(*self._at(name))

    def items(self) -> "Iterator[tuple[str, Fields]]":
        """Every object in this one, by its name, in file order."""
        for name in self._value:
            yield name, self.fields(name)

    def numbers(self) -> dict[str, float]:
        """Every number in this object, by its name, in file order."""
        return {name: self.number(name) for name in self._value}

    def list_of_fields(self, name: str) -> "list[Fields]":
        """The list of objects under ``name``."""
        return [Fields(value, path) for value, path in self.list_at(name)]

    def list_at(self, name: str) -> list[tuple[Any, str]]:
        """The list under ``name``, each value with its path."""
        value, path = self._at(name)
        if not isinstance(value, list):
            raise fault(path, value, "a list")
        return [(entry, f"{path}[{at}]") for at, entry in enumerate(value)]

    def number(self, name: str) -> float:
        """The number under ``name``; a decimal text is one, too."""
        return number(*self._at(name))

    def decimal(self, name: str) -> Decimal:
        """The number under ``name``, with the digits that it is written with."""
        return Decimal(repr(self.number(name)))

    def text(self, name: str) -> str:
        """The text under ``name``."""
        value, path = self._at(name)
        if not isinstance(value, str) or not value:
            raise fault(path, value, "a text")
        return value

    def truth(self, name: str) -> bool:
        """The boolean under ``name``; 0 and 1 are ones, too."""
        value, path = self._at(name)
        if value not in (True, False):
            raise fault(path, value, "true or false")
        return bool(value)


def read_file(path: Path) -> Fields:
    """The object that a JSON file holds.

    Raises:
        InvalidArgumentError: the file cannot be read, or holds no JSON object.
    """
    try:
        return Fields(untrusted_json.loads(path.read_text("utf-8")), path.name)
    except (OSError, ValueError) as problem:
        raise InvalidArgumentError(f"{path}: is no JSON file: {problem}") from problem


def number(value: Any, path: str) -> float:
    """A finite number, or a text of one.

    Raises:
        InvalidArgumentError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise fault(path, value, "a number")
    try:
        read = float(value)
    except (ValueError, OverflowError) as problem:
        raise fault(path, value, "a number") from problem
    if not isfinite(read):
        raise fault(path, value, "a finite number")
    return read


def fault(path: str, value: Any, wanted: str) -> InvalidArgumentError:
    """The error of a value that is not what it should be."""
    return InvalidArgumentError(f"{path}: {str(value)[:60]!r} is not {wanted}", field=path)


def plain(value: Decimal) -> str:
    """A decimal as parameter files write one: digits, sign and point."""
    return format(value, "f")
