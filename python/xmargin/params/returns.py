"""The factor returns that a configuration names: one CSV file, brought to common days."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

from xmargin.errors import ConfigError, InvalidArgumentError
from xmargin.model import (
    RETURN_ASSETS_MAX,
    RETURN_DAYS_MAX,
    AssetReturns,
    FactorReturns,
    FactorReturnsError,
    check_factor_returns,
)
from xmargin.params.return_rows import ReturnFile, date_of, day_in, log_return_in

_KEY = "risk.returns"
_COLUMNS = ("date", "asset", "log_return")
_EXAMPLE = "2020-03-12,BTC,-0.4647 for a fall of 37 %"

Columns: TypeAlias = Mapping[str, Mapping[int, Decimal]]
"""Log returns by asset, then by day."""


def load_returns(path: Path) -> FactorReturns:
    """The returns in a file of ``date,asset,log_return``, in any order of rows.

    Assets are brought to the days that all of them have: log returns add up, so a day that one of
    them lacks goes into the next common day of all. What came before the first is left out.

    Raises:
        ConfigError: the file cannot be read, a line is wrong, or assets have no days in common; the
            message names key, file and line.
    """
    try:
        return _joint(path, _read(path))
    except InvalidArgumentError as fault:
        raise ConfigError(f"{_KEY}: {fault.message}", field=_KEY) from fault
    except FactorReturnsError as fault:
        raise ConfigError(f"{_KEY}: {path}: {fault}", field=_KEY) from fault


def _read(path: Path) -> Columns:
    file = ReturnFile(path, _COLUMNS, _EXAMPLE)
    columns: dict[str, dict[int, Decimal]] = {}
    for fields in file.rows():
        with file.naming_line():
            asset, day = fields["asset"].strip(), day_in(fields)
            if not asset:
                raise ValueError("names no asset")
            column = columns.setdefault(asset, {})
            if day in column:
                raise ValueError(f"{date_of(day)} of {asset} is there twice")
            if len(column) == RETURN_DAYS_MAX or len(columns) > RETURN_ASSETS_MAX:
                raise ValueError(
                    f"is too much; at most {RETURN_ASSETS_MAX} assets and "
                    f"{RETURN_DAYS_MAX:,} days are taken"
                )
            column[day] = log_return_in(fields)
    if not columns:
        raise file.fault(f"holds no return; give a line a day and asset, such as {_EXAMPLE}")
    return columns


def _joint(path: Path, columns: Columns) -> FactorReturns:
    days = sorted(set.intersection(*(set(column) for column in columns.values())))
    if len(days) < 2:
        raise ConfigError(
            f"{_KEY}: {path}: {', '.join(sorted(columns))} have {len(days)} days in common; at "
            "least 2 are wanted, and more for a tail",
            field=_KEY,
        )
    # What the first common day spans is known only where nobody has other days.
    if any(len(column) > len(days) for column in columns.values()):
        assets = [_summed(asset, columns[asset], days) for asset in sorted(columns)]
        days = days[1:]
    else:
        assets = [
            AssetReturns(asset, tuple(columns[asset][day] for day in days))
            for asset in sorted(columns)
        ]
    returns = FactorReturns(path.name, tuple(days), tuple(assets))
    check_factor_returns(returns)
    return returns


def _summed(asset: str, column: Mapping[int, Decimal], days: Sequence[int]) -> AssetReturns:
    own = sorted(column)
    sums, at = [], own.index(days[0]) + 1
    for _, day in pairwise(days):
        total = Decimal(0)
        while at < len(own) and own[at] <= day:
            total += column[own[at]]
            at += 1
        sums.append(total)
    return AssetReturns(asset, tuple(sums))
