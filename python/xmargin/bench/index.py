"""The health index on a long path: time of a tick, how many accounts it evaluates, audits."""

import gc
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from xmargin.bench import workload
from xmargin.bench.figures import Figure, quantiles
from xmargin.engine import AccountBook, Factor, HealthIndex, Threshold, Ticked

if TYPE_CHECKING:
    import pyarrow as pa

_TICKS = 20_000
_CRASH_EVERY = 2_000
_CRASH = 0.15
_BASIS_POINT = 1e-4
_TICK_MS = 1_000
_DAY_MS = 86_400_000
_CHUNK = 1_000_000
# An audit costs a full revaluation: so many are spread over a path of a large book.
_AUDITS = 200
_REVALUATIONS = 5


class WrongIndexError(RuntimeError):
    """A status is not that of a full revaluation: no time of such an index means anything."""


@dataclass(frozen=True, slots=True)
class Step:
    """One tick of a path: a factor goes to a price; ``is_crash`` if by more than a basis point."""

    factor: int
    price_usd: float
    now_ms: int
    is_crash: bool


def measure(sizes: Sequence[int], ticks: int = _TICKS) -> list[Figure]:
    """Books without and with options, by number of accounts."""
    return [
        figure
        for size in sizes
        for has_options in (False, True)
        for figure in _one(size, has_options, ticks)
    ]


def path(ticks: int, seed: int = 1) -> Iterator[Step]:
    """At most a basis point on one factor; every 2,000th tick a crash or a rally of up to 15 %."""
    random = Random(seed)  # noqa: S311 - a path that is the same at every run
    prices = list(workload.PRICES)
    for tick in range(ticks):
        factor = random.randrange(workload.FACTORS - 1)
        is_crash = tick % _CRASH_EVERY == _CRASH_EVERY // 2
        size = _CRASH if is_crash else _BASIS_POINT
        prices[factor] *= 1 + size * random.uniform(-1, 1)
        yield Step(factor, prices[factor], (tick + 1) * _TICK_MS, is_crash)


def make(accounts: int, has_options: bool, *, audited: bool = False) -> HealthIndex:
    """The workload's book in an index: maintenance and initial margin."""
    index = empty(has_options, audited=audited)
    for first in range(0, accounts, _CHUNK):
        index.append(*workload.tables(min(_CHUNK, accounts - first), first, has_options))
    return index


def empty(has_options: bool, *, audited: bool = False) -> HealthIndex:
    """The workload's market without accounts."""
    import pyarrow as pa

    market = workload.market()
    factors = [
        Factor(price, tuple(moves), typical_move=1.0)
        for price, moves in zip(workload.PRICES, market["moves"].tolist(), strict=True)
    ]
    return HealthIndex(
        factors=factors,
        vol_factors=market["vol_factors"].tolist(),
        instruments=workload.instruments(workload.OPTIONS if has_options else 0),
        thresholds=[Threshold(1.0), Threshold(1.25)],
        now_ms=0,
        chains=_chains() if has_options else None,
        options=pa.record_batch(_options(market)) if has_options else None,
        audited=audited,
    )


def _chains() -> "pa.RecordBatch":
    """Expiries of one to twenty weeks."""
    import pyarrow as pa

    count = workload.CHAINS
    return pa.record_batch(
        {
            "factor": pa.array([chain % 2 for chain in range(count)], pa.uint32()),
            "forward_ratio": pa.array([1.0] * count),
            "discount": pa.array([0.99] * count),
            "expiry_ms": pa.array([_expiry_ms(chain) for chain in range(count)], pa.int64()),
            "vol_level": pa.array([1.0] * count),
            "typical_move": pa.array([1.0] * count),
        }
    )


def _expiry_ms(chain: int) -> int:
    return (7 + 14 * chain) * _DAY_MS


def _options(market: dict[str, Any]) -> "dict[str, pa.Array]":
    import numpy as np
    import pyarrow as pa

    years = np.array([_expiry_ms(chain) / (365 * _DAY_MS) for chain in range(workload.CHAINS)])
    return {
        "chain": pa.array(market["chain"], pa.uint32()),
        "put": pa.array(market["put"]),
        "strike": pa.array(market["strike"]),
        "vol": pa.array(market["stdev"] / np.sqrt(years)[market["chain"]]),
    }


def _one(accounts: int, has_options: bool, ticks: int) -> list[Figure]:
    began = time.perf_counter()
    index = make(accounts, has_options)
    loaded_s = time.perf_counter() - began
    walked = _timed(index, ticks)
    statuses = index.statuses()
    del index
    gc.collect()
    audits = _audited(accounts, has_options, ticks, statuses)
    whole_us = 1e6 * _revaluation_s(accounts, has_options)
    tick = quantiles(walked.small_us)
    name = f"{accounts:,} accounts, {'with options' if has_options else 'linear'}"
    share = {
        "re-evaluated %": 100 * walked.reevaluated / (ticks * accounts),
        "crossings": float(walked.crossed),
        "missed or false": 0.0,
        "audits": float(audits),
    }
    ratios = {
        "p50 ×": whole_us / tick["p50"],
        "p99 ×": whole_us / tick["p99"],
        "revaluation ms": whole_us / 1e3,
        "load s": loaded_s,
    }
    note = f"{ticks:,} ticks of at most 1 bp on one of three factors, a second apart"
    waited = "of its one thread: without the time in which the machine did something else"
    jumps = f"jumps of up to {_CRASH:.0%}"
    return [
        Figure(f"tick, {name}", "µs", tick, note),
        Figure(f"tick, processor time, {name}", "µs", quantiles(walked.small_cpu_us), waited),
        Figure(f"crash, {name}", "µs", quantiles(walked.crashes_us), jumps),
        Figure(f"path, {name}", "% and counts", share, "crashes included; two thresholds"),
        Figure(f"full revaluation, {name}", "× a tick, ms, s", ratios, "repriced; in this run"),
    ]


@dataclass(slots=True)
class _Walked:
    small_us: list[float]
    crashes_us: list[float]
    small_cpu_us: list[float]
    reevaluated: int = 0
    crossed: int = 0


def _timed(index: HealthIndex, ticks: int) -> _Walked:
    walked = _Walked([], [], [])
    gc.disable()
    for step in path(ticks):
        began, worked = time.perf_counter(), time.thread_time()
        ticked = _tick(index, step)
        worked_us = 1e6 * (time.thread_time() - worked)
        elapsed_us = 1e6 * (time.perf_counter() - began)
        (walked.crashes_us if step.is_crash else walked.small_us).append(elapsed_us)
        if not step.is_crash:
            walked.small_cpu_us.append(worked_us)
        walked.reevaluated += ticked.reevaluated
        walked.crossed += len(ticked)
    gc.enable()
    return walked


def _audited(accounts: int, has_options: bool, ticks: int, statuses: "pa.RecordBatch") -> int:
    """The same path with audits (an audit leaves the caches cold); how many there were."""
    index = make(accounts, has_options)
    every = max(1, ticks // _audits(accounts, ticks))
    audits = 0
    for number, step in enumerate(path(ticks)):
        _tick(index, step)
        if number % every == 0 or step.is_crash or number == ticks - 1:
            audits += 1
            if wrong := index.audit():
                raise WrongIndexError(f"tick {number}: {len(wrong)} differ, such as {wrong[0]}")
    if index.statuses() != statuses:
        raise WrongIndexError("two walks of one path end in different statuses")
    return audits


def _tick(index: HealthIndex, step: Step) -> Ticked:
    return index.tick(now_ms=step.now_ms, prices_usd={step.factor: step.price_usd})


def _audits(accounts: int, ticks: int) -> int:
    """Every tick of up to 100,000 accounts; of larger books what costs as much."""
    return ticks if accounts <= 100_000 else min(ticks, max(1, _AUDITS * _CHUNK // accounts))


def _revaluation_s(accounts: int, has_options: bool) -> float:
    count = workload.OPTIONS if has_options else 0
    market = workload.market(count)
    grid = workload.grid(
        workload.Workload(**market, deltas=None, option=None, quantity=None, cash=None)
    )
    book = AccountBook(instruments=workload.instruments(count), rows=workload.FACTORS + count)
    for first in range(0, accounts, _CHUNK):
        book.append(*workload.tables(min(_CHUNK, accounts - first), first, has_options))
    prices = list(workload.PRICES)
    book.margins(grid.reprice(prices))
    seconds = []
    for _ in range(_REVALUATIONS):
        began = time.perf_counter()
        book.margins(grid.reprice(prices))
        seconds.append(time.perf_counter() - began)
    return min(seconds)
