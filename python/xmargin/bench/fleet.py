"""The fleet order: how fast it is, how near to the most, and how it does against others."""

import time
from typing import Any

from xmargin.bench.distress import compare
from xmargin.bench.figures import Figure
from xmargin.engine.fleet import order_columns

_ACCOUNTS, _ASSETS, _USES = 100_000, 50, 5
_RUNS = 9
_MARKETS = range(200)


def measure() -> list[Figure]:
    """Time and certificate at full size; bad debt and cost of all orders on the same markets."""
    return [_speed(), *_comparison()]


def _speed() -> Figure:
    accounts, uses, depth = _fleet()
    seconds = []
    for _ in range(_RUNS):
        began = time.perf_counter()
        order = order_columns(accounts, uses, depth)
        seconds.append(time.perf_counter() - began)
    values = {
        "ms": 1e3 * min(seconds),
        "avoided ÷ bound": order.avoided / order.bound,
        "liquidated": float(sum(one.as_py() > 0 for one in order.ranks.column("share"))),
    }
    name = f"order of {_ACCOUNTS:,} accounts on {_ASSETS} assets"
    note = (
        f"depth for three in ten, {_USES} assets an account; from Arrow to Arrow, best of {_RUNS}"
    )
    return Figure(name, "ms, share, accounts", values, note)


def _fleet() -> tuple[Any, Any, list[float]]:
    import numpy as np
    import pyarrow as pa

    random = np.random.default_rng(4)
    size = 10 ** random.uniform(2, 6, _ACCOUNTS)
    asset = np.sort(random.random((_ACCOUNTS, _ASSETS)).argpartition(_USES)[:, :_USES], axis=1)
    amount = size[:, None] * random.random((_ACCOUNTS, _USES))
    depth = 0.3 * np.bincount(asset.ravel(), amount.ravel(), _ASSETS)
    accounts = {
        "id": np.arange(_ACCOUNTS, dtype=np.uint64),
        "bad_debt_expected": size * 0.3 * random.random(_ACCOUNTS) ** 2,
        "cost": size * 0.01 * random.random(_ACCOUNTS),
        "uses_end": np.arange(1, _ACCOUNTS + 1, dtype=np.uint64) * _USES,
    }
    uses = {"asset": asset.ravel().astype(np.uint32), "amount": amount.ravel()}
    return pa.record_batch(accounts), pa.record_batch(uses), depth.tolist()


def _comparison() -> list[Figure]:
    outcomes = compare(_MARKETS)
    note = f"{len(_MARKETS)} random markets of 300 loans and six blocks, the same for all orders"
    return [
        Figure(
            "bad debt by order",
            "% of debt",
            _shares(outcomes, "bad_debt"),
            f"{note}; see distress.py",
        ),
        Figure("cost by order", "% of debt", _shares(outcomes, "cost"), note),
    ]


def _shares(outcomes: Any, field: str) -> dict[str, float]:
    return {name: 100 * getattr(one, field) / one.debt for name, one in outcomes.items()}
