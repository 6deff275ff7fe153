"""SciPy's compressed sparse rows times a dense matrix."""

from typing import Any

import numpy as np
from scipy import sparse

from xmargin.bench.opponents.numpy_engine import matrix_of
from xmargin.bench.workload import Workload


class Engine:
    """One sparse product; the marks are one more column."""

    def __init__(self, workload: Workload) -> None:
        self._w = workload
        accounts, factors = workload.deltas.shape
        rows = np.hstack(
            [
                np.broadcast_to(np.arange(factors), (accounts, factors)),
                np.asarray(workload.option) + factors,
            ]
        )
        data = np.hstack([workload.deltas, workload.quantity])
        starts = np.arange(accounts + 1) * rows.shape[1]
        shape = (accounts, factors + len(workload.strike))
        self._book = sparse.csr_matrix((data.ravel(), rows.ravel(), starts), shape=shape)
        self._book.sum_duplicates()

    def reprice(self) -> Any:
        """As NumPy does."""
        mark, pnl = matrix_of(self._w)
        return np.ascontiguousarray(np.hstack([pnl, mark[:, None]]))

    def step(self, matrix: Any) -> tuple[Any, Any]:
        """The product, its least column, the value."""
        product = self._book @ matrix
        scenario = product[:, :-1].argmin(axis=1)
        least = np.take_along_axis(product, scenario[:, None], 1)[:, 0]
        return scenario, self._w.cash + product[:, -1] - np.maximum(0.0, -least)
