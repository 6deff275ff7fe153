"""An event loop whose clock jumps to the next thing due: hours pass in seconds, in order."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


class _Clock:
    now_s = 0.0


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits: when nothing is ready, time moves on by what would have been waited."""

    def __init__(self, clock: _Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("nothing is due: the simulation would wait for ever")
            self._clock.now_s += max(0.0, timeout)
        return ready


class SimulatedTimeLoop(asyncio.SelectorEventLoop):
    """No sockets, no threads: what it runs must be all within the process."""

    def __init__(self) -> None:
        self._simulated = _Clock()
        super().__init__(_JumpingSelector(self._simulated))

    def time(self) -> float:
        return self._simulated.now_s


def run(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """The coroutine's result, in simulated time."""
    with asyncio.Runner(loop_factory=SimulatedTimeLoop) as runner:
        return runner.run(coroutine)
