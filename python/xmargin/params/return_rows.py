"""Rows of dated log returns in a CSV file, as spreadsheets write them; a slip names its line."""

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from xmargin.errors import InvalidArgumentError

_EPOCH = date(1970, 1, 1)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
"""As a spreadsheet writes one: ``float`` would also take ``1_000``, ``nan`` and Arabic digits."""
_LOG_RETURN_MAX = 10
"""The core's own bound; here a value beyond it is told with its file and line."""


def date_of(day: int) -> date:
    """The date of a day counted from 1970-01-01."""
    return _EPOCH + timedelta(days=day)


@dataclass(slots=True)
class ReturnFile:
    """A file that holds ``columns``, among them ``date`` and ``log_return``; others are let be."""

    path: Path
    columns: Sequence[str]
    example: str
    _rows: Any = field(default=None, init=False)

    def rows(self) -> Iterator[dict[str, str]]:
        """Its rows by heading; what a caller finds wrong with one goes through :meth:`naming_line`.

        Raises:
            InvalidArgumentError: it cannot be read, lacks a column, or a row has too few or many.
        """
        try:
            text = self.path.read_text("utf-8-sig")  # with a spreadsheet's mark, or without
        except (OSError, UnicodeDecodeError) as fault:
            raise self.fault(f"cannot be read: {fault}") from fault
        self._rows = csv.reader(text.splitlines())
        headings = self._next() or []
        with self.naming_line():
            if any(headings.count(column) != 1 for column in self.columns):
                wanted = "both" if len(self.columns) == 2 else "all"
                raise ValueError(f"is not {','.join(self.columns)}; {wanted} are wanted, by commas")
        while (row := self._next()) is not None:
            with self.naming_line():
                # One field more is a decimal comma: what stands before it is another number.
                if row and len(row) != len(headings):
                    raise ValueError(f"has {len(row)} fields where line 1 has {len(headings)}")
            if row:
                yield dict(zip(headings, row, strict=True))

    def _next(self) -> list[str] | None:
        with self.naming_line():
            row: list[str] | None = next(self._rows, None)
            return row

    @contextmanager
    def naming_line(self) -> Iterator[None]:
        """Turns what is wrong with a value into an error that names file and line."""
        try:
            yield
        except (csv.Error, ValueError) as wrong:
            line = max(self._rows.line_num, 1)
            raise self.fault(f"line {line}: {wrong}; write {self.example}") from wrong

    def fault(self, problem: str) -> InvalidArgumentError:
        """An error of this file."""
        return InvalidArgumentError(f"{self.path}: {problem}", field="path")


def day_in(fields: dict[str, str]) -> int:
    """The day of a row from 1970-01-01; raises ``ValueError``."""
    return (date.fromisoformat(fields["date"].strip()) - _EPOCH).days


def log_return_in(fields: dict[str, str]) -> Decimal:
    """The exact log return of a row; raises ``ValueError``."""
    written = fields["log_return"].strip()
    if not _NUMBER.fullmatch(written):
        raise ValueError(f"log_return {written[:40]!r} is no decimal")
    try:
        value = Decimal(written)
    except ArithmeticError:
        raise ValueError(f"log_return {written[:40]!r} is not in [-10, 10]") from None
    if abs(value) > _LOG_RETURN_MAX:
        raise ValueError(f"log_return {float(value)} is not in [-10, 10]")
    return value
