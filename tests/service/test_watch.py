"""WatchHealth: first everything, then changes; a slow watcher skips, it never makes a queue."""

import asyncio

import grpc
import pytest

from tests.service.book import observed
from tests.service.conftest import Running, Start
from xmargin.v1 import margin_service_pb2 as pb


async def test_a_watcher_hears_everything_first_and_then_only_changes(running: Running) -> None:
    await running.spine.ingest(observed(1))
    call = running.margin.WatchHealth(pb.WatchHealthRequest())
    first = await call.read()
    assert [health.portfolio for health in first.changed] == ["broke", "called", "free", "safe"]
    debts = {"broke": 22_500, "called": 20_500, "free": 0, "safe": 6_000}
    await running.spine.ingest(observed(2, debts_usd=debts))
    second = await call.read()
    assert [health.portfolio for health in second.changed] == ["safe"]
    assert second.metadata.as_of[0].block.height == 2
    call.cancel()


async def test_a_view_without_a_change_is_still_told(running: Running) -> None:
    await running.spine.ingest(observed(1))
    call = running.margin.WatchHealth(pb.WatchHealthRequest())
    await call.read()
    await running.spine.ingest(observed(2))
    second = await call.read()
    assert not second.changed
    assert second.metadata.as_of[0].block.height == 2
    call.cancel()


async def test_a_watcher_of_some_hears_only_of_those(running: Running) -> None:
    await running.spine.ingest(observed(1))
    call = running.margin.WatchHealth(pb.WatchHealthRequest(portfolio_ids=["safe", "free"]))
    first = await call.read()
    assert [health.portfolio for health in first.changed] == ["free", "safe"]
    await running.spine.ingest(observed(2, eth_usd=2_400))
    second = await call.read()
    assert [health.portfolio for health in second.changed] == ["free", "safe"]
    call.cancel()


async def test_a_watcher_that_comes_before_the_first_view_waits_for_it(running: Running) -> None:
    call = running.margin.WatchHealth(pb.WatchHealthRequest())
    reading = asyncio.ensure_future(call.read())
    await asyncio.sleep(0.1)
    assert not reading.done()
    await running.spine.ingest(observed(1))
    first = await asyncio.wait_for(reading, 5)
    assert len(first.changed) == 4
    call.cancel()


async def test_watching_an_unknown_portfolio_is_not_found(running: Running) -> None:
    await running.spine.ingest(observed(1))
    call = running.margin.WatchHealth(pb.WatchHealthRequest(portfolio_ids=["nobody"]))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call.read()
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_slow_watcher_is_brought_to_the_newest_view_without_a_queue(start: Start) -> None:
    debts = {f"p{number:03d}": 5_000 for number in range(300)}
    views = 120
    async with start(tuple(debts)) as running:
        await running.spine.ingest(observed(1, debts_usd=debts))
        call = running.margin.WatchHealth(pb.WatchHealthRequest(detail=pb.HEALTH_DETAIL_FULL))
        await call.read()
        for height in range(2, views + 1):
            await running.spine.ingest(observed(height, eth_usd=2_500 + height, debts_usd=debts))
        heard = 0
        while True:
            answer = await asyncio.wait_for(call.read(), 5)
            heard += 1
            assert len(answer.changed) == len(debts)
            if answer.metadata.as_of[0].block.height == views:
                break
        assert heard < views / 2
        call.cancel()


async def test_watchers_of_everything_share_one_message(running: Running) -> None:
    from xmargin.service.answers import Answers

    await running.spine.ingest(observed(1))
    view = running.spine.view
    assert view is not None
    answers = Answers(view)
    one = answers.changes(None, frozenset(), full=True)
    assert answers.changes(None, frozenset(), full=True) is one
    assert answers.health("safe", full=True) is answers.health("safe", full=True)


async def test_a_watchers_going_leaves_the_server_well(running: Running) -> None:
    await running.spine.ingest(observed(1))
    for _ in range(20):
        call = running.margin.WatchHealth(pb.WatchHealthRequest())
        await call.read()
        call.cancel()
    await running.spine.ingest(observed(2))
    answer = await running.margin.GetHealth(pb.GetHealthRequest(portfolio_id="safe"))
    assert answer.metadata.as_of[0].block.height == 2
