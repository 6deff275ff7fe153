"""Daily log returns from CSV files: ``date,log_return``, one file a factor."""

import csv
import math
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import accumulate, pairwise
from pathlib import Path

from xmargin.engine.statistical import ReturnSeries
from xmargin.errors import InvalidArgumentError

_EPOCH = date(1970, 1, 1)
_COLUMNS = ("date", "log_return")
_SUFFIX = "_log_returns"


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
    return [_read_file(file) for file in files]


def _read_file(path: Path) -> ReturnSeries:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise _fault(f"{path}: cannot be read: {fault}") from fault
    rows = csv.DictReader(text.splitlines())
    if not set(_COLUMNS) <= set(rows.fieldnames or ()):
        raise _fault(f"{path}: line 1: the columns date and log_return are wanted")
    read = [_read_line(path, rows.line_num, row) for row in rows]
    if not read:
        raise _fault(f"{path}: holds no return")
    return ReturnSeries(
        factor=path.stem.removesuffix(_SUFFIX),
        days=tuple(day for day, _ in read),
        log_returns=tuple(value for _, value in read),
    )


def _read_line(path: Path, line: int, row: dict[str, str]) -> tuple[int, float]:
    try:
        day = date.fromisoformat(row["date"])
        value = float(row["log_return"])
    except (TypeError, ValueError) as fault:
        raise _fault(
            f"{path}: line {line}: {fault}; write 2020-03-12,-0.4647 for a fall of a third"
        ) from fault
    if not math.isfinite(value):
        raise _fault(f"{path}: line {line}: log_return {value} is no number")
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
