"""A real spine behind a real server, fed with observations by the test."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.service.book import DEBTS_USD, Clock, registry_of
from xmargin.config import ServiceConfig
from xmargin.params import load_parameters
from xmargin.service.embedded import embedded_service
from xmargin.service.intake import ReaderPlan
from xmargin.spine import Spine
from xmargin.v1 import liquidation_service_pb2_grpc, margin_service_pb2_grpc

NO_TICKS_MS = 10**9


@dataclass
class Running:
    """A served spine, and stubs to ask it."""

    spine: Spine
    clock: Clock
    address: str
    channel: grpc.aio.Channel
    margin: Any
    liquidation: Any


Start = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Start a server over a new tape: ``async with start() as running``."""

    @asynccontextmanager
    async def started(
        portfolios: Sequence[str] = tuple(DEBTS_USD),
        readers: Sequence[ReaderPlan] = (),
        clock_tick_ms: int = NO_TICKS_MS,
    ) -> AsyncIterator[Running]:
        clock = Clock()
        service = ServiceConfig(listen="127.0.0.1:0", clock_tick_ms=clock_tick_ms)
        spine = await Spine.open(
            tmp_path / "served.tape",
            registry_of(portfolios),
            load_parameters("unified-v1"),
            clock.now_ms,
        )
        try:
            async with (
                embedded_service(service, spine, readers, clock.now_ms) as address,
                grpc.aio.insecure_channel(address) as channel,
            ):
                margin = margin_service_pb2_grpc.MarginServiceStub(channel)
                liquidation = liquidation_service_pb2_grpc.LiquidationServiceStub(channel)
                yield Running(spine, clock, address, channel, margin, liquidation)
        finally:
            await spine.close()

    return started


@pytest.fixture
async def running(start: Start) -> AsyncIterator[Running]:
    """A server that has not read anything yet."""
    async with start() as one:
        yield one
