"""Work too long for the event loop, one piece after the other."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Aside:
    """One thread of its own. The loop's default threads are the tape's: nothing may fill them.

    Work whose caller has gone is not begun; what has begun is finished.
    """

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"xmargin-{name}")

    async def do(self, work: Callable[[], T]) -> T:
        """What ``work`` returns or raises, after all that was asked before."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
