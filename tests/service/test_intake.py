"""Readers that fail are told of and started again; a tape that fails ends the service."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from tests.limits import no_file_may_grow_beyond
from tests.service.book import observed
from tests.service.conftest import Start
from tests.spine.examples import CHAIN
from xmargin.errors import ConfigError, TapeError
from xmargin.model import ChainStatus, ClockTick, Condition
from xmargin.reading.base import ChainReader, Sink
from xmargin.service.intake import ReaderPlan
from xmargin.tape import read_tape
from xmargin.v1 import margin_service_pb2 as pb


class FailsFirst:
    """A reader whose first life ends with an error that holds a secret URL."""

    lives = 0

    def __init__(self) -> None:
        self.chain = CHAIN

    async def run(self, sink: Sink) -> None:
        type(self).lives += 1
        if type(self).lives == 1:
            await sink(observed(1))
            raise RuntimeError("https://rpc.example/v3/0badc0de broke")
        await sink(observed(2))
        await asyncio.Event().wait()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)


async def test_a_reader_that_fails_is_told_of_and_started_again(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    FailsFirst.lives = 0
    async with start(readers=[ReaderPlan(CHAIN, FailsFirst)]) as running:
        await until(lambda: FailsFirst.lives == 2)
        view = running.spine.view
        assert view is not None
        (chain,) = view.metadata.as_of
        assert chain.condition is Condition.UNREACHABLE
        assert "starts again in 1 s" in chain.reason
        assert view.metadata.partial
    statuses = [
        observation.fact
        for observation, _ in read_tape(tmp_path / "served.tape")
        if isinstance(observation.fact, ChainStatus)
    ]
    assert len(statuses) == 1
    assert "0badc0de" not in statuses[0].reason
    assert "failed" in caplog.text


async def test_a_reader_that_its_configuration_forbids_is_not_tried_for_ever(
    start: Start, tmp_path: Path
) -> None:
    def refused() -> ChainReader:
        raise ConfigError("venues.x: no such kind; use another", field="venues")

    async def serve_without_it() -> None:
        async with start(readers=[ReaderPlan(CHAIN, refused)]) as running:
            await asyncio.sleep(0.5)
            with pytest.raises(grpc.aio.AioRpcError):
                await running.margin.ListPortfolios(pb.ListPortfoliosRequest(), timeout=5)

    with pytest.raises(ConfigError, match="no such kind"):
        await serve_without_it()
    facts = [observation.fact for observation, _ in read_tape(tmp_path / "served.tape")]
    assert not any(isinstance(fact, ChainStatus) for fact in facts)


async def test_the_clock_ticks_only_when_nothing_else_is_said(start: Start, tmp_path: Path) -> None:
    async with start(clock_tick_ms=200) as running:
        for height in range(1, 9):
            await running.spine.ingest(observed(height))
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
    facts = [observation.fact for observation, _ in read_tape(tmp_path / "served.tape")]
    assert any(isinstance(fact, ClockTick) for fact in facts)


async def test_a_tape_that_cannot_be_written_ends_the_service(start: Start, tmp_path: Path) -> None:
    async def serve_until_the_disk_is_full() -> None:
        async with start(clock_tick_ms=20) as running:
            await running.spine.ingest(observed(1))
            with no_file_may_grow_beyond(len((tmp_path / "served.tape").read_bytes())):
                await asyncio.sleep(0.5)
                # Nobody serves on what can no longer be acknowledged.
                with pytest.raises(grpc.aio.AioRpcError):
                    await running.margin.ListPortfolios(pb.ListPortfoliosRequest(), timeout=5)

    with pytest.raises(TapeError):
        await serve_until_the_disk_is_full()


async def test_a_port_that_is_taken_is_a_configuration_mistake(
    start: Start, tmp_path: Path
) -> None:
    from xmargin.config import ServiceConfig
    from xmargin.service.server import serve

    async with start() as running:
        with pytest.raises(ConfigError) as refused:
            await serve(
                ServiceConfig(listen=running.address),
                running.spine,
                (),
                stop=asyncio.Event(),
                on_bound=lambda address: None,
            )
    assert refused.value.field == "service.listen"


@pytest.mark.parametrize("listen", ["nowhere", ":50051", "127.0.0.1:x", "127.0.0.1:70000"])
async def test_an_address_that_is_none_is_a_configuration_mistake(
    start: Start, listen: str
) -> None:
    from xmargin.config import ServiceConfig
    from xmargin.service.server import serve

    async with start() as running:
        with pytest.raises(ConfigError) as refused:
            await serve(
                ServiceConfig(listen=listen),
                running.spine,
                (),
                stop=asyncio.Event(),
                on_bound=lambda address: None,
            )
    assert refused.value.field == "service.listen"


async def test_listening_beyond_loopback_is_warned_of(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    from xmargin.config import ServiceConfig
    from xmargin.service.server import serve

    stop = asyncio.Event()
    async with start() as running:
        await serve(
            ServiceConfig(listen="0.0.0.0:0"),
            running.spine,
            (),
            stop=stop,
            on_bound=lambda address: stop.set(),
        )
    assert "not loopback" in caplog.text
