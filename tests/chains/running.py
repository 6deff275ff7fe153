"""The whole of xmargin over the testbed, in this process: readers, spine, views."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from xmargin.config import Config, parse_config
from xmargin.model import PortfolioHealth
from xmargin.params import load_parameters
from xmargin.service.intake import Intake, reader_plans
from xmargin.spine import Spine
from xmargin.testbed.world import Testbed
from xmargin.view import View

PATIENCE_S = 30.0


def now_ms() -> int:
    """Our clock."""
    return time.time_ns() // 1_000_000


@dataclass
class Running:
    """A spine that is being fed, and every view it gave."""

    spine: Spine
    tape: Path
    config: Config
    views: list[View] = field(default_factory=list)

    async def collect(self) -> None:
        """Keep every view that can be caught."""
        sequence = 0
        while True:
            view = await self.spine.next_view(sequence)
            sequence = view.metadata.tape_sequence
            self.views.append(view)

    async def until(self, holds: Callable[[View], bool]) -> View:
        """The first view from now on of which ``holds`` is true."""
        sequence = -1
        async with asyncio.timeout(PATIENCE_S):
            while True:
                view = await self.spine.next_view(sequence)
                if holds(view):
                    return view
                sequence = view.metadata.tape_sequence

    async def at_block(self, chain: str, height: int) -> View:
        """A view as of a block of a chain, or a later one."""

        def there(view: View) -> bool:
            blocks = {c.chain: c.block for c in view.metadata.as_of}
            block = blocks[chain]
            return block is not None and block.height >= height

        return await self.until(there)

    async def caught_up(self, bed: Testbed) -> View:
        """A view as of the newest blocks of both EVM chains, with Solana read."""
        heights = {chain.id: await chain.node.block_number() for chain in bed.evm.values()}

        return await self.reached(heights)

    async def reached(self, heights: Mapping[str, int]) -> View:
        """A view in which all chains were read, those named as of these heights at least."""

        def there(view: View) -> bool:
            blocks = {c.chain: c.block for c in view.metadata.as_of}
            return all(
                (block := blocks[chain]) is not None and block.height >= heights.get(chain, 0)
                for chain in blocks
            )

        return await self.until(there)


@asynccontextmanager
async def running(bed: Testbed, tape: Path, config: Config | None = None) -> AsyncIterator[Running]:
    """Readers of all three chains into a spine on ``tape``."""
    async with running_on(config or parse_config(bed.config_toml(tape=tape)), tape) as one:
        yield one


@asynccontextmanager
async def running_on(config: Config, tape: Path) -> AsyncIterator[Running]:
    """Readers of all chains of a configuration into a spine on ``tape``."""
    parameters = load_parameters(config.risk.parameters)
    spine = await Spine.open(tape, config.registry(), parameters, now_ms)
    one = Running(spine, tape, config)
    intake = Intake(spine, reader_plans(config, now_ms), config.service.clock_tick_ms, now_ms)
    tasks = [asyncio.create_task(intake.run()), asyncio.create_task(one.collect())]
    try:
        yield one
        for task in tasks:
            assert not task.done(), task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await spine.close()


def healths(view: View) -> dict[str, PortfolioHealth]:
    """All portfolios of a view."""
    return {portfolio: view.health(portfolio) for portfolio in view.portfolio_ids}
