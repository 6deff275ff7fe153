"""Daily log returns from CSV files: ``date,log_return``, one file a factor."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path

from xmargin.engine.statistical import ReturnSeries
from xmargin.errors import InvalidArgumentError
from xmargin.params.return_rows import ReturnFile, date_of, day_in, log_return_in

_COLUMNS = ("date", "log_return")
_EXAMPLE = "2020-03-12,-0.4647 for a fall of 37 %"
_SUFFIX = "_log_returns"


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
    file = ReturnFile(path, _COLUMNS, _EXAMPLE)
    return_of: dict[int, float] = {}
    for fields in file.rows():
        with file.naming_line():
            day, value = day_in(fields), float(log_return_in(fields))
            if day in return_of:
                raise ValueError(f"{date_of(day)} is there twice")
            return_of[day] = value
    if not return_of:
        raise file.fault("holds no return; give a line a day, such as 2020-03-12,-0.4647")
    return ReturnSeries(_factor(path), tuple(return_of), tuple(return_of.values()))


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
