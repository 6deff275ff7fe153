"""What every chain reader is, and where its observations go."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from xmargin.model import ChainId, Observation

Sink = Callable[[Sequence[Observation]], Awaitable[None]]
"""Takes one batch: all facts of one block with their head last, or statuses. When it returns,
the batch is durable on the tape."""

ClockMs = Callable[[], int]
"""Our clock in Unix milliseconds; read only at the edges, to stamp observations."""


class ChainReader(Protocol):
    """Follows one chain for ever; its faults are its own and are told as ``ChainStatus``."""

    chain: ChainId

    async def run(self, sink: Sink) -> None:
        """Read until cancelled. Never raises for an endpoint's sake."""
        ...
