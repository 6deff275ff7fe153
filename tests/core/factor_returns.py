"""Factor returns of a few kinds, the same at every run, and the door between their two forms."""

from collections.abc import Mapping
from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa

from xmargin import _core
from xmargin.reference import Returns

FIRST_DAY = 18_000
"""2019-04-14."""

VOLATILITIES = {"BTC": 0.03, "ETH": 0.04, "ODD": 0.09, "PYUSD": 0.001, "SOL": 0.05, "USDC": 0.0005}


def drawn(
    seed: int, days: int, *assets: str, scale: float = 1.0, storm: range = range(0)
) -> Returns:
    """Normal returns with a common part; on the days of a storm four times as wild."""
    random = Random(seed)
    columns: dict[str, list[Decimal]] = {asset: [] for asset in assets}
    for day in range(days):
        wild = scale * (4 if day in storm else 1)
        common = random.gauss(0, 1)
        for asset, column in columns.items():
            own = 0.8 * common + 0.6 * random.gauss(0, 1)
            column.append(Decimal(f"{wild * VOLATILITIES[asset] * own:.6f}"))
    return Returns(
        days=tuple(range(FIRST_DAY, FIRST_DAY + days)),
        log_returns={asset: tuple(column) for asset, column in columns.items()},
    )


def table(returns: Returns) -> pa.RecordBatch:
    """The core's table ``returns``."""
    rows = [
        (asset, day, float(value))
        for asset, column in returns.log_returns.items()
        for day, value in zip(returns.days, column, strict=True)
    ]
    factors, days, values = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.record_batch(
        {
            "factor": pa.array(factors, pa.utf8()),
            "day": pa.array(days, pa.int32()),
            "log_return": pa.array(values, pa.float64()),
        }
    )


def history_of(parameters: str, returns: Returns | None) -> Any:
    """The core's history; ``None`` without returns."""
    if returns is None:
        return None
    return _core.factor_history(parameters=parameters, returns=table(returns))


def to_json(returns: Returns | None) -> dict[str, Any] | None:
    """As golden files hold them: one text an asset."""
    if returns is None:
        return None
    columns = {a: " ".join(map(str, values)) for a, values in returns.log_returns.items()}
    return {"first_day": returns.days[0], "days": len(returns.days), "log_returns": columns}


def from_json(content: Mapping[str, Any] | None) -> Returns | None:
    if content is None:
        return None
    first = content["first_day"]
    return Returns(
        days=tuple(range(first, first + content["days"])),
        log_returns={
            asset: tuple(map(Decimal, text.split()))
            for asset, text in content["log_returns"].items()
        },
    )
