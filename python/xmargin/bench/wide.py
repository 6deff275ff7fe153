"""The health index where there are many instruments and accounts hold hundreds of them."""

import gc
import time
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from xmargin.bench.figures import Figure, quantiles
from xmargin.engine import Factor, HealthIndex, Threshold

if TYPE_CHECKING:
    import pyarrow as pa

_FACTORS, _CHAINS, _STRIKES = 200, 100, 100
_LINEAR = 10_000
_SCENARIOS = 9
_ACCOUNTS = 20_000
_HELD = (100, 300)
_TICKS = 5_000
_AUDITS = 25
_BASIS_POINT = 1e-4
_DAY_MS = 86_400_000


class WrongIndexError(RuntimeError):
    """A status is not that of a full revaluation: no time of such an index means anything."""


@dataclass(frozen=True, slots=True)
class _Book:
    """``instruments`` in all; each account holds a hundred to three hundred of them."""

    name: str
    instruments: int


def measure() -> list[Figure]:
    """Futures alone, then with as many options, on two hundred factors."""
    options = _CHAINS * _STRIKES
    return [
        *_one(_Book("futures", _LINEAR)),
        *_one(_Book("futures and options", _LINEAR + options)),
    ]


def _one(book: _Book) -> list[Figure]:
    index, prices = _index(book), [100.0] * _FACTORS
    random = Random(1)  # noqa: S311 - a path that is the same at every run
    ticks_us, audits_us, reevaluated, crossed = [], [], 0, 0
    gc.disable()
    for tick in range(_TICKS):
        factor = random.randrange(_FACTORS)
        prices[factor] *= 1 + _BASIS_POINT * random.uniform(-1, 1)
        began = time.perf_counter()
        ticked = index.tick(now_ms=1_000 * (tick + 1), prices_usd={factor: prices[factor]})
        ticks_us.append(1e6 * (time.perf_counter() - began))
        reevaluated, crossed = reevaluated + ticked.reevaluated, crossed + len(ticked)
        if tick % (_TICKS // _AUDITS) == 0:
            began = time.perf_counter()
            if wrong := index.audit():
                raise WrongIndexError(f"tick {tick}: {len(wrong)} differ, such as {wrong[0]}")
            audits_us.append(1e6 * (time.perf_counter() - began))
    gc.enable()
    took, whole_us = quantiles(ticks_us), min(audits_us)
    name = f"{book.instruments:,} instruments ({book.name}), {_ACCOUNTS:,} accounts"
    held = f"{_HELD[0]} to {_HELD[1]} positions each; at most 1 bp on one of {_FACTORS} factors"
    counts = {
        "re-evaluated %": 100 * reevaluated / (_TICKS * _ACCOUNTS),
        "crossings": float(crossed),
        "missed or false": 0.0,
        "audits": float(len(audits_us)),
        "p50 ×": whole_us / took["p50"],
        "p99 ×": whole_us / took["p99"],
        "full revaluation ms": whole_us / 1e3,
    }
    note = "× a full revaluation by the index's own audit, in this run"
    return [
        Figure(f"tick, {name}", "µs", took, held),
        Figure(f"path, {name}", "%, counts, ×, ms", counts, note),
    ]


def _index(book: _Book) -> HealthIndex:
    import numpy as np
    import pyarrow as pa

    random = np.random.default_rng(1)
    common = np.linspace(-0.15, 0.15, _SCENARIOS)
    moves = [tuple(common * random.uniform(0.5, 1.5)) for _ in range(_FACTORS)]
    has_options = book.instruments > _LINEAR
    index = HealthIndex(
        factors=[Factor(100.0, each) for each in moves],
        vol_factors=[1.0] * _SCENARIOS,
        instruments=_instruments(book),
        thresholds=[Threshold(1.0), Threshold(1.25)],
        now_ms=0,
        chains=_chains() if has_options else None,
        options=_options() if has_options else None,
    )
    counts = random.integers(*_HELD, _ACCOUNTS)
    held = [random.choice(book.instruments, count, replace=False) for count in counts]
    quantity = random.normal(0.0, 1.0, int(counts.sum()))
    ends = np.cumsum(counts)
    # Most are safe, some near: cash beside about what such a book can lose.
    cash = random.uniform(0.2, 3.0, _ACCOUNTS) * 100.0 * 0.15 * np.sqrt(counts)
    index.append(
        pa.record_batch(
            {
                "id": pa.array(range(_ACCOUNTS), pa.uint64()),
                "cash_usd": pa.array(cash),
                "positions_end": pa.array(ends, pa.uint64()),
            }
        ),
        pa.record_batch(
            {
                "instrument": pa.array(np.concatenate(held), pa.uint32()),
                "quantity": pa.array(quantity),
            }
        ),
    )
    return index


def _instruments(book: _Book) -> "pa.RecordBatch":
    """Fifty futures a factor, of different size; then every option row once."""
    import pyarrow as pa

    options = range(book.instruments - _LINEAR)
    rows = [number % _FACTORS for number in range(_LINEAR)]
    multiples = [1.0 + number // _FACTORS / 50 for number in range(_LINEAR)]
    return pa.record_batch(
        {
            "row": pa.array([*rows, *(_FACTORS + option for option in options)], pa.uint32()),
            "multiple": pa.array([*multiples, *(1.0 for _ in options)]),
        }
    )


def _chains() -> "pa.RecordBatch":
    import pyarrow as pa

    chains = range(_CHAINS)
    return pa.record_batch(
        {
            "factor": pa.array([2 * chain for chain in chains], pa.uint32()),
            "forward_ratio": pa.array([1.0] * _CHAINS),
            "discount": pa.array([0.99] * _CHAINS),
            "expiry_ms": pa.array([(30 + chain) * _DAY_MS for chain in chains], pa.int64()),
            "vol_level": pa.array([1.0] * _CHAINS),
            "typical_move": pa.array([1.0] * _CHAINS),
        }
    )


def _options() -> "pa.RecordBatch":
    import pyarrow as pa

    rows = [(chain, strike) for chain in range(_CHAINS) for strike in range(_STRIKES)]
    return pa.record_batch(
        {
            "chain": pa.array([chain for chain, _ in rows], pa.uint32()),
            "put": pa.array([strike % 2 == 0 for _, strike in rows]),
            "strike": pa.array([60.0 + 0.8 * strike for _, strike in rows]),
            "vol": pa.array([0.6] * len(rows)),
        }
    )
