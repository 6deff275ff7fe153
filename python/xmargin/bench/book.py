"""The whole job against the fastest engines that Python has: equal answers first, then ratios."""

import gc
import resource
import time
from collections.abc import Callable, Sequence
from typing import Any

from xmargin.bench import bandwidth, workload
from xmargin.bench.figures import Figure, quantiles
from xmargin.bench.opponents import NAMES, Opponent, load
from xmargin.engine import AccountBook, OptionGrid

# Loops over objects are measured on this many accounts, and said of a million by proportion.
_PURE_PYTHON_MAX = 5_000
_OPPONENTS_MAX = 1_000_000
_RUNS = 9
_SECONDS_MIN = 0.5
_CALLS = 5_000
_TOLERANCE_USD = 1e-6


class UnequalError(RuntimeError):
    """Two engines disagree: no ratio of theirs means anything."""


def measure(sizes: Sequence[int]) -> list[Figure]:
    """Steps, whole jobs and ratios by number of accounts; one account; memory bandwidth."""
    figures = bandwidth.measure()
    for size in sizes:
        figures += _against(size) if size <= _OPPONENTS_MAX else _alone(size)
        gc.collect()
    return [*figures, _one_account()]


def _against(accounts: int) -> list[Figure]:
    data, book = workload.make(accounts)
    grid = workload.grid(data)
    prices = list(data.prices)
    matrix = grid.reprice(prices)
    steps = {"xmargin": _best(lambda: book.margins(matrix))}
    jobs = {"xmargin": _best(lambda: book.margins_and_breaches(grid.reprice(prices)))}
    screens = _best(lambda: book.screen(grid.reprice(prices)))
    for name in NAMES:
        share = 1.0
        part, part_book = data, book
        if name == "pure_python" and accounts > _PURE_PYTHON_MAX:
            part, part_book = workload.make(_PURE_PYTHON_MAX)
            share = accounts / _PURE_PYTHON_MAX
        engine = load(name, part)
        _check_equal(name, part_book, grid.reprice(prices), engine.step(engine.reprice()))
        steps[name], jobs[name] = _timed(engine, share)
    note = f"best of {_RUNS}+; equal answers; objects by proportion from {_PURE_PYTHON_MAX:,}"
    rates = {f"{name} M accounts/s": accounts / s / 1e6 for name, s in steps.items()}
    whole = {f"{name} ms": 1e3 * s for name, s in jobs.items()}
    whole["xmargin screen in f32 ms"] = 1e3 * screens
    # What an account reads of the matrix: 27 scenarios padded to 32, of each netted row.
    read = 256 * book.netted_positions / steps["xmargin"] / 1e9
    return [
        Figure(f"account step, {accounts:,} accounts", "M/s", rates, note),
        Figure("matrix read in that step", "GB/s", {"xmargin": read}, "netted rows × 32 × 8 bytes"),
        Figure(f"whole job with order, {accounts:,} accounts", "ms", whole, note),
        _ratios(f"account step, {accounts:,} accounts", steps),
        _ratios(f"whole job, {accounts:,} accounts", jobs),
    ]


def _timed(engine: Opponent, share: float) -> tuple[float, float]:
    """Seconds of the account step and of the whole job; only the accounts grow by ``share``."""
    runs = 1 if share > 1 else _RUNS
    priced = engine.reprice()
    step = _best(lambda: engine.step(priced), runs)
    if share == 1:
        return step, _best(lambda: _order(engine.step(engine.reprice())[1]), runs)
    ordered = _best(lambda: _order(engine.step(priced)[1]), runs)
    return share * step, share * ordered + _best(engine.reprice, runs)


def _ratios(name: str, seconds: dict[str, float]) -> Figure:
    ours = seconds["xmargin"]
    others = {f"× {name}": s / ours for name, s in seconds.items() if name != "xmargin"}
    return Figure(f"{name}: how many times faster", "ratio", others, "in this run")


def _alone(accounts: int) -> list[Figure]:
    """Sizes at which only our own book fits the memory allowed."""
    book = workload.load_only(accounts)
    data = workload.Workload(**workload.market(), **dict.fromkeys(_ACCOUNT_COLUMNS))  # type: ignore[arg-type]
    grid = workload.grid(data)
    prices = list(data.prices)
    whole = _best(lambda: book.margins_and_breaches(grid.reprice(prices)))
    step = _best(lambda: book.margins(grid.reprice(prices)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    values = {"revaluation ms": 1e3 * step, "with order ms": 1e3 * whole, "peak GiB": peak}
    return [Figure(f"{accounts:,} accounts", "ms, GiB", values, "peak of the whole process")]


_ACCOUNT_COLUMNS = ("deltas", "option", "quantity", "cash")


def _one_account() -> Figure:
    """One account of 60 options: reprice all, evaluate it, from Python."""
    import pyarrow as pa

    market = workload.market(60)
    data = workload.Workload(**market, **dict.fromkeys(_ACCOUNT_COLUMNS))  # type: ignore[arg-type]
    grid, rows = workload.grid(data), workload.FACTORS + 60
    listing = {"row": pa.array(range(rows), pa.uint32()), "multiple": pa.array([1.0] * rows)}
    book = AccountBook(instruments=pa.record_batch(listing), rows=rows, threads=1)
    positions = {
        "instrument": pa.array(range(workload.FACTORS, rows), pa.uint32()),
        "quantity": pa.array([0.5 - place % 2 for place in range(60)]),
    }
    accounts = {
        "id": pa.array([1], pa.uint64()),
        "cash_usd": pa.array([1e5]),
        "positions_end": pa.array([60], pa.uint64()),
    }
    book.append(pa.record_batch(accounts), pa.record_batch(positions))
    prices = list(data.prices)
    note = f"reprice 60 options in 27 scenarios and evaluate, {_CALLS:,} calls"
    return Figure("one account, 60 options", "µs", quantiles(_calls(grid, book, prices)), note)


def _calls(grid: OptionGrid, book: AccountBook, prices: list[float]) -> list[float]:
    gc.disable()
    samples = []
    for call in range(_CALLS):
        prices[0] += 1 if call % 2 else -1
        began = time.perf_counter()
        book.account(grid.reprice(prices), 0)
        samples.append(1e6 * (time.perf_counter() - began))
    gc.enable()
    return samples


def _best(work: Callable[[], Any], runs: int = _RUNS) -> float:
    """Seconds of the best run: the one least disturbed by others on the machine."""
    work()
    seconds: list[float] = []
    while len(seconds) < runs or (runs > 1 and sum(seconds) < _SECONDS_MIN):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def _order(excess: Any) -> Any:
    """The breached, selected first, by (excess, id); ids ascend with the rows."""
    import numpy as np

    excess = np.asarray(excess)
    short = np.flatnonzero(excess < 0)
    return short[np.argsort(excess[short], kind="stable")]


def _check_equal(name: str, book: AccountBook, matrix: Any, theirs: tuple[Any, Any]) -> None:
    import numpy as np

    margins, breaches = book.margins_and_breaches(matrix)
    ours = margins.column("excess").to_numpy()
    apart = np.abs(ours - np.asarray(theirs[1])).max()
    if not apart <= _TOLERANCE_USD:
        raise UnequalError(f"{name}: excess differs by {apart} USD")
    mine, other = breaches.column("account").to_numpy(), _order(theirs[1])
    if len(mine) != len(other) or np.abs(ours[mine] - ours[other]).max(initial=0) > _TOLERANCE_USD:
        raise UnequalError(f"{name}: the liquidation order differs")
    scenario = margins.column("worst_scenario").to_numpy()
    if np.count_nonzero(scenario != np.asarray(theirs[0])) > len(ours) // 1_000:
        raise UnequalError(f"{name}: worst scenarios differ beyond near ties")
