"""Intake: what keeps observations coming. Readers that end are reported and started again."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xmargin.config import ChainConfig, Config
from xmargin.errors import ConfigError, TapeError, XmarginError
from xmargin.model import (
    ChainId,
    ChainStatus,
    ClockTick,
    Condition,
    Observation,
    Registry,
)
from xmargin.reading.base import ChainReader, ClockMs
from xmargin.reading.kinds import reader_of
from xmargin.spine import Spine

_PAUSE_S_MIN = 1.0
_PAUSE_S_MAX = 30.0
_RAN_WELL_S = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReaderPlan:
    """How to make the reader of one chain, anew after every failure."""

    chain: ChainId
    make: Callable[[], ChainReader]


def reader_plans(config: Config, clock_ms: ClockMs) -> tuple[ReaderPlan, ...]:
    """A plan for every chain of ``config``.

    Raises:
        ConfigError: a chain has no reader, or one that does not know a feed or venue of it.
    """
    registry = config.registry()
    return tuple(_plan(chain, registry, clock_ms) for chain in config.chains)


def _plan(chain: ChainConfig, registry: Registry, clock_ms: ClockMs) -> ReaderPlan:
    """Its first reader is made at once: what is wrong with it is said before anything runs."""

    def make() -> ChainReader:
        return reader_of(chain, registry, clock_ms)

    ready = [make()]
    return ReaderPlan(chain.id, lambda: ready.pop() if ready else make())


class Intake:
    """Runs all readers and the clock into one spine."""

    def __init__(
        self, spine: Spine, readers: Sequence[ReaderPlan], clock_tick_ms: int, clock_ms: ClockMs
    ) -> None:
        self._spine = spine
        self._readers = readers
        self._tick_s = clock_tick_ms / 1_000
        self._clock_ms = clock_ms
        self._ingested_at_s = time.monotonic()
        self._tape_failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Run until cancelled.

        Raises:
            TapeError: nothing can be acknowledged any more; going on would lose observations.
            ConfigError: a reader cannot be made; starting it again would not mend that.
        """
        tasks = [asyncio.create_task(self._keep_reading(plan)) for plan in self._readers]
        tasks.append(asyncio.create_task(self._keep_ticking()))
        try:
            await asyncio.wait({self._tape_failed, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            for ended in (self._tape_failed, *tasks):
                if ended.done():
                    ended.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def ingest(self, observations: Sequence[Observation]) -> None:
        """Hand one batch to the spine; durable on return."""
        try:
            await self._spine.ingest(observations)
        except TapeError as error:
            if not self._tape_failed.done():
                self._tape_failed.set_exception(error)
            raise
        self._ingested_at_s = time.monotonic()

    async def _keep_reading(self, plan: ReaderPlan) -> None:
        pause_s = _PAUSE_S_MIN
        while True:
            started_s = time.monotonic()
            try:
                await plan.make().run(self.ingest)
                why = "it ended by itself"
            except ConfigError:
                raise
            except Exception as error:
                # What an untyped error says may hold a secret: its text is for the log only.
                why = error.message if isinstance(error, XmarginError) else type(error).__name__
                _log.error("the reader of %s failed", plan.chain, exc_info=error)
            if time.monotonic() - started_s >= _RAN_WELL_S:
                pause_s = _PAUSE_S_MIN
            await self._report(plan.chain, why, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _PAUSE_S_MAX)

    async def _report(self, chain: ChainId, why: str, pause_s: float) -> None:
        reason = f"our reader of this chain stopped ({why}); it starts again in {pause_s:g} s"
        _log.warning("%s: %s", chain, reason)
        status = ChainStatus(Condition.UNREACHABLE, reason, endpoint="")
        await self._say(Observation(status, self._clock_ms(), chain, source="intake"))

    async def _keep_ticking(self) -> None:
        while True:
            quiet_s = time.monotonic() - self._ingested_at_s
            if quiet_s < self._tick_s:
                await asyncio.sleep(self._tick_s - quiet_s)
                continue
            await self._say(Observation(ClockTick(), self._clock_ms(), source="intake"))

    async def _say(self, observation: Observation) -> None:
        """Ingest one observation of our own; a view that cannot be made must not stop the next."""
        try:
            await self.ingest([observation])
        except TapeError:
            raise
        except XmarginError as error:
            _log.error("no new view: %s", error.message)
            await asyncio.sleep(self._tick_s)
