"""Daily log returns from CSV files: ``date,log_return``, one file a factor."""

import csv
import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import accumulate, pairwise
from pathlib import Path

from xmargin.engine.statistical import ReturnSeries
from xmargin.errors import InvalidArgumentError

_EPOCH = date(1970, 1, 1)
_COLUMNS = ("date", "log_return")
_SUFFIX = "_log_returns"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
"""As a spreadsheet writes one: ``float`` would also take ``1_000``, ``nan`` and Arabic digits."""
_LOG_RETURN_MAX = 10.0
"""The core's own bound; here a value beyond it is told with its file and line."""


def date_of(day: int) -> date:
    """The date of a day counted from 1970-01-01."""
    return _EPOCH + timedelta(days=day)


def read_series(path: Path) -> list[ReturnSeries]:
    """The series of one CSV file, or of every one in a folder, in name order.

    Raises:
        InvalidArgumentError: there is none, or a line is wrong; file and line are named.
    """
    files = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    if not files:
        raise _fault(f"{path}: no .csv file in it; give files with the columns date,log_return")
    file_of: dict[str, Path] = {}
    for file in files:
        other = file_of.setdefault(_factor(file), file)
        if other is not file:
            raise _fault(f"{file}: is the factor {_factor(file)!r}, as {other.name} is; rename one")
    return [_read_file(file) for file in files]


def _factor(path: Path) -> str:
    name = path.stem.removesuffix(_SUFFIX)
    if not name.strip():
        raise _fault(f"{path}: names no factor; call it as the factor is called, BTC.csv")
    return name


def _read_file(path: Path) -> ReturnSeries:
    try:
        text = path.read_text("utf-8-sig")  # with the mark that spreadsheets put first, or without
    except (OSError, UnicodeDecodeError) as fault:
        raise _fault(f"{path}: cannot be read: {fault}") from fault
    rows = csv.reader(text.splitlines())
    try:
        return_of = _read_rows(rows)
    except (csv.Error, ValueError) as fault:
        line = max(rows.line_num, 1)
        raise _fault(
            f"{path}: line {line}: {fault}; write 2020-03-12,-0.4647 for a fall of 37 %"
        ) from fault
    if not return_of:
        raise _fault(f"{path}: holds no return; give a line a day, such as 2020-03-12,-0.4647")
    return ReturnSeries(_factor(path), tuple(return_of), tuple(return_of.values()))


def _read_rows(rows: Iterator[list[str]]) -> dict[int, float]:
    headings = next(rows, [])
    if any(headings.count(column) != 1 for column in _COLUMNS):
        raise ValueError("is not date,log_return; both are wanted, by commas")
    return_of: dict[int, float] = {}
    for row in filter(None, rows):
        day, value = _read_row(headings, row)
        if day in return_of:
            raise ValueError(f"{date_of(day)} is there twice")
        return_of[day] = value
    return return_of


def _read_row(headings: Sequence[str], row: Sequence[str]) -> tuple[int, float]:
    # One field more is a decimal comma: what stands before it is another number.
    if len(row) != len(headings):
        raise ValueError(f"has {len(row)} fields where line 1 has {len(headings)}")
    fields = dict(zip(headings, row, strict=True))
    day = date.fromisoformat(fields["date"].strip())
    written = fields["log_return"].strip()
    if not _NUMBER.fullmatch(written):
        raise ValueError(f"log_return {written[:40]!r} is no decimal")
    value = float(written)
    if abs(value) > _LOG_RETURN_MAX:
        raise ValueError(f"log_return {value} is not in [-10, 10]")
    return (day - _EPOCH).days, value


def joint(series: Sequence[ReturnSeries]) -> list[ReturnSeries]:
    """The same series over the days that all of them have.

    Log returns add up, so a day that one lacks goes into the next common day of the others: nothing
    is lost, and what is compared covers the same time. What came before the first common day is
    left out.

    Raises:
        InvalidArgumentError: fewer than two days are common to all.
    """
    common = sorted(set.intersection(*(set(one.days) for one in series)))
    if len(common) < 2:
        raise _fault(f"{', '.join(one.factor for one in series)} have no days in common")
    return [_summed(one, common) for one in series]


def _summed(series: ReturnSeries, days: Sequence[int]) -> ReturnSeries:
    ordered = sorted(zip(series.days, series.log_returns, strict=True))
    levels = dict(
        zip([day for day, _ in ordered], accumulate(value for _, value in ordered), strict=True)
    )
    steps = pairwise(days)
    returns = tuple(levels[later] - levels[earlier] for earlier, later in steps)
    return ReturnSeries(series.factor, tuple(days[1:]), returns)


def _fault(message: str) -> InvalidArgumentError:
    return InvalidArgumentError(message, field="path")
