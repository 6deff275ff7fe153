"""How programs of ours run: our clock, until a signal, until the first of several ends."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any


def wall_clock_ms() -> int:
    """Our clock, Unix milliseconds."""
    return time.time_ns() // 1_000_000


@contextmanager
def stop_on_signals() -> Iterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set while the block lasts.

    It is for programs that end with the block: after a first Ctrl-C any further one is ignored to
    the end, for the first is being obeyed. SIGTERM then ends the program at once.
    """
    stop = asyncio.Event()
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        stop.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield stop
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        loop.remove_signal_handler(signal.SIGINT)
        if interrupted:
            signal.signal(signal.SIGINT, signal.SIG_IGN)


async def until_first(*runs: Awaitable[Any]) -> None:
    """Run all until one ends; end the others; raise what it raised."""
    tasks = [asyncio.ensure_future(run) for run in runs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
