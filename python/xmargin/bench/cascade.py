"""Cascades over a million lending accounts on fifty assets, from mild to total."""

import time
from typing import Any

from xmargin.bench.figures import Figure
from xmargin.engine.cascade import CascadeBracket, DepthCurve, LendingAsset, LendingBook

_ACCOUNTS, _ASSETS, _HELD = 1_000_000, 50, 3
_RUNS = 7
# Part of a price that is lost when all there is of the asset is sold.
_IMPACTS = (0.1, 0.3, 0.5, 0.9)
_WEIGHT = 0.8


def measure() -> list[Figure]:
    """Loading, then cascades after prices fell by up to a fifth."""
    accounts, positions, total = _tables()
    assets = {f"A{row}": LendingAsset(_WEIGHT, anchor_price=1.0) for row in range(_ASSETS)}
    began = time.perf_counter()
    book = LendingBook.from_tables(assets, accounts, positions)
    loading = 1e3 * (time.perf_counter() - began)
    note = f"{_HELD} assets each, healths of 1 to 2.5 before; sorted by liquidation price"
    name = f"loading {_ACCOUNTS:,} accounts on {_ASSETS} assets"
    figures = [Figure(name, "ms", {"once": loading}, note)]
    return figures + [_cascade(book, total, impact) for impact in _IMPACTS]


def _cascade(book: LendingBook, total: Any, impact: float) -> Figure:
    import numpy as np

    fallen = 1 - 0.2 * np.random.default_rng(11).random(_ASSETS)
    prices = dict(zip(book.asset_names, fallen.tolist(), strict=True))
    curves = {
        name: DepthCurve(((0.0, 1.0), (float(held), 1.0 - impact)))
        for name, held in zip(book.asset_names, total, strict=True)
    }
    seconds = []
    for _ in range(_RUNS):
        began = time.perf_counter()
        bracket = book.cascade(prices, curves)
        seconds.append(time.perf_counter() - began)
    values = {
        "ms": 1e3 * min(seconds),
        "bracket %": 100 * _width(bracket, prices),
        "due at least": _due(bracket, "step_least"),
        "due at most": _due(bracket, "step_most"),
        "passes": float(bracket.passes),
        "looks an account": bracket.evaluated / _ACCOUNTS,
    }
    name = f"cascade, selling all costs {impact:.0%} of the price"
    return Figure(name, "ms, %, accounts", values, f"{bracket.kind}; best of {_RUNS}")


def _width(bracket: CascadeBracket, prices: dict[str, float]) -> float:
    ends = bracket.prices()
    return max((high - low) / prices[name] for name, (low, high) in ends.items())


def _due(bracket: CascadeBracket, column: str) -> float:
    import numpy as np

    return float(np.count_nonzero(bracket.accounts.column(column).to_numpy()))


def _tables() -> tuple[Any, Any, Any]:
    import numpy as np
    import pyarrow as pa

    random = np.random.default_rng(7)
    asset = np.sort(random.integers(0, _ASSETS - _HELD + 1, (_ACCOUNTS, _HELD)), axis=1)
    asset += np.arange(_HELD)  # No asset twice.
    size = 10 ** random.uniform(2, 5, (_ACCOUNTS, 1))
    quantity = size * (0.1 + random.random((_ACCOUNTS, _HELD)))
    debt = _WEIGHT * quantity.sum(axis=1) / (1 + 1.5 * random.random(_ACCOUNTS))
    accounts = {
        "debt": debt,
        "positions_end": np.arange(1, _ACCOUNTS + 1, dtype=np.uint64) * _HELD,
    }
    positions = {"kind": asset.ravel().astype(np.uint32), "quantity": quantity.ravel()}
    total = np.bincount(asset.ravel(), quantity.ravel(), _ASSETS)
    return pa.record_batch(accounts), pa.record_batch(positions), total
