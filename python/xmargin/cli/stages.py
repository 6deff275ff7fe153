"""Where the demo plays: on the local real chains, or from the recorded tape."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from xmargin.config import ServiceConfig, parse_config
from xmargin.errors import SetupError, TapeError
from xmargin.model import ChainHead, ClockTick, Observation, Registry, RiskParameters
from xmargin.reading.base import ClockMs, Sink
from xmargin.service.embedded import embedded_service
from xmargin.service.intake import ReaderPlan, reader_plans
from xmargin.service.opening import open_spine
from xmargin.service.running import wall_clock_ms
from xmargin.spine import Spine
from xmargin.tape import read_tape
from xmargin.v1.margin_report_pb2 import ViewMetadata

if TYPE_CHECKING:
    from xmargin.testbed.market import Market

RECORDED_TAPE = Path(__file__).parent.parent / "tapes" / "demo.tape"

_LISTEN = "127.0.0.1:0"
_REPLAY_SPEED = 2.0
_NEVER_MS = 10**9


class Stage(Protocol):
    """A running service whose market can be moved on."""

    @property
    def address(self) -> str:
        """Where the service listens."""
        ...

    @property
    def clock_ms(self) -> ClockMs:
        """The clock by which its views are new or old."""
        ...

    async def next_step(self) -> bool:
        """Begin the next market step; ``False`` when the script is over."""
        ...

    @property
    def title(self) -> str:
        """Which step was begun last, for people."""
        ...

    def shows_step(self, metadata: ViewMetadata) -> bool:
        """Whether a view shows the step begun last on every chain."""
        ...

    async def play(self) -> None:
        """Play the whole script at its own pace."""
        ...

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of the steps begun."""
        ...


def stage(record_to: Path | None) -> "AbstractAsyncContextManager[Stage]":
    """The local chains where Node is there, else the recorded tape."""
    from xmargin.testbed.packages import NODE_FIX, node_available

    if node_available():
        return _chains_stage(record_to)
    if record_to is not None:
        raise SetupError(f"--record needs the local chains, and Node is missing; {NODE_FIX}")
    if not RECORDED_TAPE.exists():
        raise SetupError(f"Node is missing and this package holds no recorded tape; {NODE_FIX}")
    return tape_stage(RECORDED_TAPE)


def on_chains() -> bool:
    """Whether :func:`stage` plays on the local chains."""
    from xmargin.testbed.packages import node_available

    return node_available()


# --- The local chains ----------------------------------------------------------------------------


@dataclass(slots=True)
class _ChainsStage:
    address: str
    clock_ms: ClockMs
    market: "Market"
    played: int = 0

    async def next_step(self) -> bool:
        if self.played == len(self.market.steps):
            return False
        await self.market.apply(self.market.steps[self.played])
        self.played += 1
        return True

    @property
    def title(self) -> str:
        return f"market step {self.played} of {len(self.market.steps)}"

    def shows_step(self, metadata: ViewMetadata) -> bool:
        expected_usd = self.market.prices_usd
        return all(
            Decimal(quote.price.value) == expected_usd[price.base]
            for price in metadata.prices
            for quote in price.quotes
        )

    async def play(self) -> None:
        await self.market.play()

    @property
    def ended(self) -> bool:
        return False


@asynccontextmanager
async def _chains_stage(record_to: Path | None) -> AsyncIterator[Stage]:
    from xmargin.testbed.world import open_testbed

    with tempfile.TemporaryDirectory(prefix="xmargin-demo-") as folder:
        tape = record_to or Path(folder) / "demo.tape"
        async with open_testbed() as bed:
            config = parse_config(bed.config_toml(listen=_LISTEN, tape=tape), "testbed")
            readers = reader_plans(config, wall_clock_ms)
            async with (
                open_spine(config, tape, wall_clock_ms) as spine,
                embedded_service(config.service, spine, readers, wall_clock_ms) as address,
            ):
                yield _ChainsStage(address, wall_clock_ms, bed.market)


# --- The recorded tape ---------------------------------------------------------------------------


class TapePlayer:
    """Gives a tape's observations to a sink at their own pace, and their clock with them."""

    def __init__(self, path: Path, speed: float) -> None:
        self.chain = "the recorded tape"
        self.finished = asyncio.Event()
        self._observations = [observation for observation, _ in read_tape(path)]
        self._speed = speed
        self._now_ms = self._observations[0].observed_at_ms if self._observations else 0

    def now_ms(self) -> int:
        """The tape's clock at the observation played last."""
        return self._now_ms

    def opening(self) -> tuple[Registry, RiskParameters]:
        """What the tape watches, and by which parameters.

        Raises:
            TapeError: the tape does not begin with them.
        """
        match [observation.fact for observation in self._observations[:2]]:
            case [Registry() as registry, RiskParameters() as parameters]:
                return registry, parameters
        raise TapeError("the recorded tape does not begin with its registry and parameters")

    async def run(self, sink: Sink) -> None:
        """Play to the end, then rest."""
        batch: list[Observation] = []
        for observation in self._observations:
            pause_ms = observation.observed_at_ms - self._now_ms
            await asyncio.sleep(pause_ms / 1_000 / self._speed)
            self._now_ms = observation.observed_at_ms
            batch.append(observation)
            if isinstance(observation.fact, ChainHead | ClockTick):
                await sink(batch)
                batch = []
        await sink(batch)
        self.finished.set()
        await asyncio.Event().wait()


@dataclass(slots=True)
class _TapeStage:
    address: str
    clock_ms: ClockMs
    player: TapePlayer
    rounds_shown: dict[str, str] = field(default_factory=dict)

    async def next_step(self) -> bool:
        return not self.player.finished.is_set()

    @property
    def title(self) -> str:
        return "from the recorded tape"

    def shows_step(self, metadata: ViewMetadata) -> bool:
        """The tape does not say where its steps are: a new round of every feed tells."""
        rounds = {quote.feed: quote.round_id for price in metadata.prices for quote in price.quotes}
        if any(self.rounds_shown.get(feed) == number for feed, number in rounds.items()):
            return False
        self.rounds_shown = rounds
        return True

    async def play(self) -> None:
        await self.player.finished.wait()

    @property
    def ended(self) -> bool:
        return self.player.finished.is_set()


@asynccontextmanager
async def tape_stage(recorded: Path) -> AsyncIterator[Stage]:
    """Serve what a tape holds, at its own pace and by its own clock.

    Raises:
        TapeError: the tape is damaged or does not begin as one.
    """
    player = TapePlayer(recorded, _REPLAY_SPEED)
    registry, parameters = player.opening()
    # The tape holds the ticks of its own clock; ticks of ours would date its prices wrongly.
    service = ServiceConfig(listen=_LISTEN, clock_tick_ms=_NEVER_MS)
    with tempfile.TemporaryDirectory(prefix="xmargin-demo-") as folder:
        tape = Path(folder) / "replayed.tape"
        spine = await Spine.open(tape, registry, parameters, player.now_ms)
        try:
            plan = ReaderPlan(player.chain, lambda: player)
            async with embedded_service(service, spine, [plan], player.now_ms) as address:
                yield _TapeStage(address, player.now_ms, player)
        finally:
            await spine.close()
