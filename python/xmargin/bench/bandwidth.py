"""What the memory gives: the yardstick beside which accounts are counted."""

import time
from typing import Any

from xmargin.bench.figures import Figure

# Half of the smallest second-level cache in use (512 KiB); and far more than any third level.
_L2_BYTES, _DRAM_BYTES = 256 * 2**10, 256 * 2**20
# Short runs, many of them: the best one was not disturbed by anybody.
_RUNS = 50
_READ_BYTES = 2**27


def measure() -> list[Figure]:
    """Reads by summing on all cores, GB/s, best of several runs."""
    import numba as nb
    import numpy as np

    @nb.njit(fastmath=True, parallel=True)  # type: ignore[untyped-decorator]
    def read(columns: Any, rounds: int) -> float:
        total = 0.0
        for core in nb.prange(columns.shape[0]):
            for round_ in range(rounds):
                part = 0.0
                for i in range(columns.shape[1]):
                    part += columns[core, i]
                total += part * (1 + round_)
        return total

    cores = nb.get_num_threads()
    found = {}
    for name, size in (("L2 read", _L2_BYTES), ("DRAM read", _DRAM_BYTES)):
        columns = np.ones((cores, size // 8))
        rounds = max(1, _READ_BYTES // columns.nbytes)
        read(columns, 1)
        seconds = []
        for _ in range(_RUNS):
            began = time.perf_counter()
            read(columns, rounds)
            seconds.append(time.perf_counter() - began)
        found[name] = columns.nbytes * rounds / min(seconds) / 1e9
    return [Figure("memory bandwidth", "GB/s", found, f"{cores} cores, best of {_RUNS}")]
