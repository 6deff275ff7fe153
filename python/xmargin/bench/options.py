"""Options by the column, and one chain under 27 scenarios, against NumPy, Numba and JAX."""

import time
from collections.abc import Callable
from typing import Any

from xmargin.bench import workload
from xmargin.bench.book import UnequalError
from xmargin.bench.figures import Figure
from xmargin.engine import option_values

_COUNT = 100_000
_RUNS = 9


def measure() -> list[Figure]:
    """Equal values first; best of several runs."""
    return [*_batch(), _chain()]


def _batch() -> list[Figure]:
    import jax.numpy as jnp
    import numpy as np
    import pyarrow as pa

    from xmargin.bench.opponents import jax_engine, numba_engine, numpy_engine

    random = np.random.default_rng(1)
    put = random.random(_COUNT) < 0.5
    forward = random.uniform(50, 150, _COUNT)
    strike = forward * random.uniform(0.5, 2, _COUNT)
    vol, years = random.uniform(0.1, 1.5, _COUNT), random.uniform(0.01, 2, _COUNT)
    discount = random.uniform(0.9, 1, _COUNT)
    columns = {"forward": forward, "strike": strike, "expiry_years": years, "vol": vol}
    table = pa.record_batch({"put": pa.array(put), "discount": discount, **columns})
    terms = (np.where(put, -1.0, 1.0), forward, strike, vol * np.sqrt(years), discount)
    out = np.empty(_COUNT)
    on_device = tuple(map(jnp.asarray, terms))
    work: dict[str, Callable[[], Any]] = {
        "xmargin (from Arrow to Arrow, vol and expiry apart)": lambda: option_values(table),
        "numpy": lambda: numpy_engine.values(*terms),
        "numba, one core": lambda: numba_engine.value_batch(*terms, out) or out,
        "jax, all cores": lambda: jax_engine.values(*on_device).block_until_ready(),
    }
    ours = option_values(table).column("value").to_numpy()
    for name, price in work.items():
        found = ours if name.startswith("xmargin") else np.asarray(price())
        if not np.abs(found - ours).max() <= 1e-9:
            raise UnequalError(f"{name}: option values differ")
    seconds = {name: _best(price) for name, price in work.items()}
    rates = {name: _COUNT / s / 1e6 for name, s in seconds.items()}
    return [Figure(f"{_COUNT:,} independent options", "M/s", rates, f"best of {_RUNS}, f64")]


def _chain() -> Figure:
    data = workload.Workload(
        **workload.market(),
        deltas=None,
        option=None,
        quantity=None,
        cash=None,
    )
    grid, prices = workload.grid(data), list(data.prices)
    seconds = _best(lambda: grid.reprice(prices))
    note = f"ten chains, with marks, P&L and layout for the accounts; best of {_RUNS}"
    name = "matrix of 1,000 options × 27 scenarios"
    return Figure(name, "µs", {"xmargin": 1e6 * seconds}, note)


def _best(work: Callable[[], Any]) -> float:
    work()
    seconds = []
    for _ in range(_RUNS):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)
