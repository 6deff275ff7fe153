"""A chain reader that feeds a real World, and ways to wait for what it tells."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from xmargin.model import ChainHead, ChainStatus, Condition, Fact, Observation, Registry
from xmargin.reading.base import ChainReader
from xmargin.world import World

PATIENCE_S = 20.0
_AAVE_KINDS = ("aave-v3-reserve", "aave-v3-emode", "aave-v3-account")
_KINDS = ("feed", "token", "balance", "supply", *_AAVE_KINDS)


def now_ms() -> int:
    return int(time.time() * 1000)


@dataclass
class Told:
    """All that a reader told, and the World it made."""

    registry: Registry
    world: World = field(default_factory=World)
    batches: list[list[Observation]] = field(default_factory=list)

    async def sink(self, batch: Sequence[Observation]) -> None:
        self.batches.append(list(batch))
        news = self.world.news(batch)
        self.world.check(news)
        for observation in news:
            self.world.apply(observation)

    @property
    def statuses(self) -> list[ChainStatus]:
        return [o.fact for b in self.batches for o in b if isinstance(o.fact, ChainStatus)]

    @property
    def status(self) -> ChainStatus:
        return self.statuses[-1]

    @property
    def heads(self) -> list[Observation]:
        return [o for b in self.batches for o in b if isinstance(o.fact, ChainHead)]

    def facts(self) -> Mapping[tuple[str, ...], Fact]:
        return {
            key: cast(Fact, fact) for kind in _KINDS for key, fact in self.world.facts(kind).items()
        }

    async def until(self, what: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(patience_s):
            while not what():  # noqa: ASYNC110 - the reader has no reason to signal a test
                await asyncio.sleep(0.01)

    async def told(self, condition: Condition) -> ChainStatus:
        await self.until(lambda: bool(self.statuses) and self.status.condition is condition)
        return self.status


@asynccontextmanager
async def running(reader: ChainReader, told: Told) -> AsyncIterator[None]:
    """The reader runs, and at the end must have run without an exception."""
    told.world.apply(Observation(told.registry, now_ms()))
    task = asyncio.create_task(reader.run(told.sink))
    try:
        yield
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
