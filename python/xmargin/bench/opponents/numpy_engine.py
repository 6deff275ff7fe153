"""NumPy, with SciPy's ``ndtr``; accounts in blocks that stay in the cache."""

from typing import Any

import numpy as np
from scipy.special import ndtr

from xmargin.bench.workload import Workload

_BLOCK = 2_048


def matrix_of(w: Workload) -> tuple[Any, Any]:
    """Marks (rows,) and P&L (rows, scenarios)."""
    prices = np.asarray(w.prices)
    forward = w.forward
    sign = np.where(w.put, -1.0, 1.0)
    now = values(sign, forward, w.strike, w.stdev, w.discount)
    shocked = values(
        sign[:, None],
        forward[:, None] * (1 + w.moves[w.factor_of_option]),
        w.strike[:, None],
        w.stdev[:, None] * w.vol_factors,
        w.discount,
    )
    pnl = np.vstack([prices[:, None] * w.moves, shocked - now[:, None]])
    return np.concatenate([prices, now]), pnl


def values(sign: Any, forward: Any, strike: Any, stdev: Any, discount: Any) -> Any:
    """Black-76."""
    d1 = np.log(forward / strike) / stdev + 0.5 * stdev
    d2 = d1 - stdev
    return discount * sign * (forward * ndtr(sign * d1) - strike * ndtr(sign * d2))


class Engine:
    """Gathers rows block by block."""

    def __init__(self, workload: Workload) -> None:
        self._w = workload
        self._rows = workload.option + len(workload.prices)

    def reprice(self) -> tuple[Any, Any]:
        """All options under all scenarios at once."""
        return matrix_of(self._w)

    def step(self, matrix: tuple[Any, Any]) -> tuple[Any, Any]:
        """A product for the factors, a gather an option."""
        mark, pnl = matrix
        w, factors = self._w, len(self._w.prices)
        count = len(w.cash)
        scenario, excess = np.empty(count, np.int64), np.empty(count)
        for first in range(0, count, _BLOCK):
            block = slice(first, first + _BLOCK)
            rows, quantity = self._rows[block], w.quantity[block]
            total = w.deltas[block] @ pnl[:factors]
            for place in range(rows.shape[1]):
                total += quantity[:, place, None] * pnl[rows[:, place]]
            worst = total.argmin(axis=1)
            least = np.take_along_axis(total, worst[:, None], 1)[:, 0]
            value = w.cash[block] + w.deltas[block] @ mark[:factors]
            value += (quantity * mark[rows]).sum(axis=1)
            scenario[block] = worst
            excess[block] = value - np.maximum(0.0, -least)
        return scenario, excess
