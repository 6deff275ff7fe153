"""JAX in f64, compiled by XLA for all cores; accounts in blocks that stay in the cache."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr

from xmargin.bench.workload import Workload

jax.config.update("jax_enable_x64", True)
_BLOCK = 4_096


@jax.jit
def values(sign: Any, forward: Any, strike: Any, stdev: Any, discount: Any) -> Any:
    """Black-76."""
    d1 = jnp.log(forward / strike) / stdev + 0.5 * stdev
    d2 = d1 - stdev
    return discount * sign * (forward * ndtr(sign * d1) - strike * ndtr(sign * d2))


@jax.jit
def _block(mark: Any, pnl: Any, columns: Any) -> tuple[Any, Any]:
    deltas, rows, quantity, cash = columns
    factors = deltas.shape[1]
    total = deltas @ pnl[:factors]
    for place in range(rows.shape[1]):
        total = total + quantity[:, place, None] * pnl[rows[:, place]]
    value = cash + deltas @ mark[:factors] + (quantity * mark[rows]).sum(axis=1)
    return total.argmin(axis=1), value - jnp.maximum(0.0, -total.min(axis=1))


@jax.jit
def _all(mark: Any, pnl: Any, columns: Any) -> Any:
    return jax.lax.map(lambda block: _block(mark, pnl, block), columns)


class Engine:
    """Blocks of equal size, the last one filled up with empty accounts."""

    def __init__(self, workload: Workload) -> None:
        w = workload
        self._w = w
        self._count = len(w.cash)
        rows = (w.option + len(w.prices)).astype(np.int32)
        self._columns = tuple(map(_blocks, (w.deltas, rows, w.quantity, w.cash)))
        sign = np.where(w.put, -1.0, 1.0)
        moves = w.moves[w.factor_of_option]
        terms = (sign, w.forward, w.strike, w.stdev, moves)
        self._terms = tuple(map(jnp.asarray, terms))

    def reprice(self) -> tuple[Any, Any]:
        """All options under all scenarios at once."""
        w, (sign, forward, strike, stdev, moves) = self._w, self._terms
        now = values(sign, forward, strike, stdev, w.discount)
        shocked = values(
            sign[:, None],
            forward[:, None] * (1 + moves),
            strike[:, None],
            stdev[:, None] * w.vol_factors,
            w.discount,
        )
        prices = jnp.asarray(w.prices)
        pnl = jnp.vstack([prices[:, None] * w.moves, shocked - now[:, None]])
        return jnp.concatenate([prices, now]), pnl

    def step(self, matrix: tuple[Any, Any]) -> tuple[Any, Any]:
        """One call; answers are copied out."""
        scenario, excess = _all(*matrix, self._columns)
        return (
            np.asarray(scenario).reshape(-1)[: self._count],
            np.asarray(excess).reshape(-1)[: self._count],
        )


def _blocks(column: Any) -> Any:
    blocks = -(-len(column) // _BLOCK)
    padded = np.zeros((blocks * _BLOCK, *column.shape[1:]), column.dtype)
    padded[: len(column)] = column
    return jnp.asarray(padded.reshape(blocks, _BLOCK, *column.shape[1:]))
