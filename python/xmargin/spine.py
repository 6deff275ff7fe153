"""The spine at work: observations onto the tape, into the World, out as views.

One :class:`Spine` lives in one event loop. An observation is acknowledged when it is on the disk;
only then is it applied, and only what is applied is ever seen in a view.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from xmargin.crossings import CrossingLog
from xmargin.engine import Engine
from xmargin.engine.standing_watch import StandingWatch
from xmargin.engine.venue_watch import VenueWatch
from xmargin.errors import TapeError, XmarginError
from xmargin.model import FactorReturns, LiquidationTerms, Observation, Registry, RiskParameters
from xmargin.snapshot import Snapshot, cut
from xmargin.tape import TapePosition, TapeWriter, read_observations, read_tape
from xmargin.view import View
from xmargin.world import World

log = logging.getLogger(__name__)

_CLOCK_STEP_MS_MAX = 60_000


class Spine:
    """Tape, World, engine and the newest view. Make one with :meth:`open`."""

    def __init__(self, tape: TapeWriter, world: World) -> None:
        self._tape = tape
        self._world = world
        self._engine = Engine()
        self._view: View | None = None
        self._fault: XmarginError | None = None
        self.crossings = CrossingLog()
        self.venue_watch = VenueWatch()
        self._standing_watch = StandingWatch()
        self._turn = asyncio.Lock()
        self._news = asyncio.Condition()

    @classmethod
    async def open(
        cls,
        tape_path: Path,
        registry: Registry,
        parameters: RiskParameters,
        clock_ms: Callable[[], int],
        *,
        returns: FactorReturns = FactorReturns(),  # noqa: B008 - immutable
        terms: LiquidationTerms = LiquidationTerms(),  # noqa: B008 - immutable
    ) -> "Spine":
        """Go on from the tape at ``tape_path`` (a new one if there is none).

        Factor returns and liquidation terms on the tape hold no longer than they are handed in.

        Raises:
            TapeError: the tape is damaged, from the future, or another process writes it.
        """
        tape = await asyncio.to_thread(TapeWriter, tape_path)
        try:
            world = World()
            for observation, _ in read_tape(tape_path):
                world.apply(observation)
            now_ms = clock_ms()
            _require_our_time(tape_path, world, now_ms)
            spine = cls(tape, world)
            opening = (registry, parameters, returns, terms)
            await spine.ingest([Observation(fact, now_ms) for fact in opening])
        except BaseException:
            tape.close()
            raise
        return spine

    @property
    def view(self) -> View | None:
        """The newest view; ``None`` until a chain has been read.

        Raises:
            XmarginError: the newest snapshot could not be evaluated; no older view stands in.
        """
        if self._fault is not None:
            raise self._fault
        return self._view

    @property
    def position(self) -> TapePosition:
        """Where the tape stands: all of it is durable."""
        return self._tape.position

    async def ingest(self, observations: Sequence[Observation]) -> None:
        """Take a batch; when this returns it is on the disk, applied and in the newest view.

        What is already known is dropped. ``observed_at_ms`` never decreases along the tape: a
        clock that steps back is held.

        Raises:
            ObservationError: one of the batch cannot be applied; nothing of it was taken.
            TapeError: the disk refused; nothing of it was taken.
        """
        # A caller that is cancelled must not leave the tape ahead of the World.
        await asyncio.shield(self._take(observations))

    async def _take(self, observations: Sequence[Observation]) -> None:
        async with self._turn:
            self._world.check(observations)
            news = self._in_time(self._world.news(observations))
            if not news:
                return
            position = await asyncio.to_thread(self._tape.append, news)
            due = [self._world.apply(observation) for observation in news]
            if any(due):
                self._evaluate(position)
        async with self._news:
            self._news.notify_all()

    def _in_time(self, observations: Sequence[Observation]) -> list[Observation]:
        now_ms, in_time = self._world.now_ms, []
        for observation in observations:
            if observation.observed_at_ms < now_ms:
                in_time.append(replace(observation, observed_at_ms=now_ms))
            else:
                now_ms = observation.observed_at_ms
                in_time.append(observation)
        return in_time

    def _evaluate(self, position: TapePosition) -> None:
        try:
            snapshot = snapshot_of(self._world)
            if snapshot is not None:
                view = view_of(snapshot, self._engine, position)
                changes = self.venue_watch.advance(snapshot)
                changes += self._standing_watch.advance(view.standings)
                self.crossings.follow(view, changes)
                self._view = view
        except XmarginError as error:
            log.error("no view at observation %d: %s", position.sequence, error)
            self._fault = error
        else:
            self._fault = None

    async def next_view(self, after_sequence: int) -> View:
        """The newest view as soon as there is one whose tape sequence is above ``after_sequence``.

        Views in between are skipped: a slow caller gets the newest, never a backlog.

        Raises:
            XmarginError: the newest snapshot could not be evaluated.
        """
        async with self._news:
            while True:
                view = self.view
                if view is not None and view.metadata.tape_sequence > after_sequence:
                    return view
                await self._news.wait()

    async def close(self) -> None:
        """Release the tape; a batch under way is finished first."""
        async with self._turn:
            self._tape.close()


def _require_our_time(path: Path, world: World, now_ms: int) -> None:
    """A tape's clock never goes back: one ahead of ours would make everything look old."""
    ahead_ms = world.now_ms - now_ms
    if ahead_ms > _CLOCK_STEP_MS_MAX:
        raise TapeError(
            f"{path}: its last observation is {ahead_ms} ms ahead of this machine's clock; set the "
            "clock right, or begin a new tape"
        )


def snapshot_of(world: World) -> Snapshot | None:
    """The World as it stands; ``None`` while no chain has been read."""
    if world.registry is None or world.parameters is None:
        return None
    if not any(state.block is not None for state in world.chains.values()):
        return None
    return cut(world)


def view_of(snapshot: Snapshot, engine: Engine, position: TapePosition) -> View:
    """The view of a snapshot taken at ``position``."""
    return View(snapshot, engine.evaluate(snapshot), position.sequence, position.digest)


def replay(path: Path) -> Iterator[View]:
    """The views of a tape, one for each observation that changes any, in order.

    ``path`` may also hold observations as JSON lines. The views equal, to the bit, those that were
    served while the tape was written.

    Raises:
        TapeError: not a tape, damaged, or an observation on it cannot be applied.
    """
    world, engine = World(), Engine()
    for observation, position in read_observations(path):
        try:
            world.check([observation])
        except XmarginError as error:
            raise TapeError(f"{path}: observation {position.sequence}: {error}") from error
        if world.apply(observation):
            snapshot = snapshot_of(world)
            if snapshot is not None:
                yield view_of(snapshot, engine, position)
