"""The spine: durable, then applied, then seen; and what it cannot evaluate it does not serve."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from tests.spine.examples import (
    AAVE,
    CHAIN,
    REGISTRY,
    START_S,
    VENUE,
    WETH,
    at,
    block,
    block_facts,
    committed,
    reorg,
)
from xmargin.errors import EngineError, ObservationError
from xmargin.model import (
    AaveV3Account,
    AaveV3Position,
    ChainStatus,
    ClockTick,
    Condition,
    Fact,
    HealthStatus,
    Observation,
    TokenState,
    Verdict,
)
from xmargin.params import load_parameters
from xmargin.spine import Spine, replay
from xmargin.tape import read_tape
from xmargin.view import View

PARAMETERS = load_parameters("unified-v1")


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Spine]:
    spine = await Spine.open(path, REGISTRY, PARAMETERS, lambda: START_S * 1000)
    try:
        yield spine
    finally:
        await spine.close()


async def seen(spine: Spine) -> View:
    view = spine.view
    assert view is not None
    return view


async def test_there_is_no_view_before_a_chain_was_read(tmp_path: Path) -> None:
    async with opened(tmp_path / "a.tape") as spine:
        assert spine.view is None
        await spine.ingest([Observation(ClockTick(), START_S * 1000)])
        assert spine.view is None


async def test_a_block_becomes_a_view_that_names_its_place_on_the_tape(tmp_path: Path) -> None:
    tape = tmp_path / "a.tape"
    async with opened(tape) as spine:
        await spine.ingest(committed(block_facts(7, debt=1_000 * 10**6), block(7)))
        view = await seen(spine)
    positions = [position for _, position in read_tape(tape)]
    assert view.metadata.tape_sequence == positions[-1].sequence
    assert view.metadata.tape_hash == positions[-1].digest
    health = view.health("alice")
    assert health.status is HealthStatus.HEALTHY
    assert health.partial, "the other chain has not been read"
    assert view.health("bob").status is HealthStatus.NO_DEBT


async def test_what_is_already_known_is_not_told_to_the_tape_again(tmp_path: Path) -> None:
    tape = tmp_path / "a.tape"
    async with opened(tape) as spine:
        await spine.ingest(committed(block_facts(7), block(7)))
        before = spine.position.sequence
        tokens: list[Fact] = [f for f in block_facts(7) if isinstance(f, TokenState)]
        await spine.ingest(committed(tokens, block(8)))
        assert spine.position.sequence == before + 1, "the head alone"


async def test_a_batch_with_one_bad_observation_leaves_no_trace(tmp_path: Path) -> None:
    tape = tmp_path / "a.tape"
    async with opened(tape) as spine:
        await spine.ingest(committed(block_facts(7), block(7)))
        before, view = tape.read_bytes(), spine.view
        bad = at(TokenState(WETH, 18, "", ""), block(8), chain="eip155:5")
        with pytest.raises(ObservationError, match="not in the Registry"):
            await spine.ingest([*committed(block_facts(8), block(8)), bad])
        assert tape.read_bytes() == before
        assert spine.view is view


async def test_a_clock_that_steps_back_is_held(tmp_path: Path) -> None:
    tape = tmp_path / "a.tape"
    async with opened(tape) as spine:
        await spine.ingest(committed(block_facts(7), block(7)))
        await spine.ingest([Observation(ClockTick(), 5)])
    times = [observation.observed_at_ms for observation, _ in read_tape(tape)]
    assert times == sorted(times)


async def test_a_cancelled_caller_leaves_tape_and_world_in_step(tmp_path: Path) -> None:
    tape = tmp_path / "a.tape"
    async with opened(tape) as spine:
        task = asyncio.create_task(spine.ingest(committed(block_facts(7), block(7))))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await spine.ingest(committed(block_facts(8), block(8)))
        live = await seen(spine)
    *_, last = replay(tape)
    assert last.sha256 == live.sha256


async def test_views_after_a_reorg_replay_to_the_bit(tmp_path: Path) -> None:
    tape = tmp_path / "a.tape"
    live = {}
    async with opened(tape) as spine:
        for batch in (
            committed(block_facts(7, debt=10**9), block(7)),
            committed(block_facts(8, eth_usd=2400, debt=10**9), block(8)),
            [reorg(block(7), block(8)), *committed(block_facts(8, weth=9), block(8, "b"))],
            [Observation(ChainStatus(Condition.UNREACHABLE, "down", "x"), 0, CHAIN)],
            [Observation(ClockTick(), START_S * 1000 + 90_000)],
        ):
            await spine.ingest(batch)
            view = await seen(spine)
            live[view.metadata.tape_sequence] = view.sha256
    replayed = {view.metadata.tape_sequence: view.sha256 for view in replay(tape)}
    assert len(live) == 5
    assert live.items() <= replayed.items()


async def test_a_reopened_spine_goes_on_to_the_same_views(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole.tape", tmp_path / "parts.tape"
    batches = [committed(block_facts(h, debt=10**9), block(h)) for h in (7, 8, 9)]
    async with opened(whole) as spine:
        for batch in batches:
            await spine.ingest(batch)
        expected = (await seen(spine)).sha256
    for batch in batches:
        async with opened(parts) as spine:
            await spine.ingest(batch)
            last = (await seen(spine)).sha256
    assert last == expected
    assert whole.read_bytes() == parts.read_bytes()


async def test_a_waiting_watcher_gets_the_newest_view_and_no_backlog(tmp_path: Path) -> None:
    async with opened(tmp_path / "a.tape") as spine:
        waiting = asyncio.create_task(spine.next_view(0))
        await asyncio.sleep(0)
        for height in (7, 8, 9):
            await spine.ingest(committed(block_facts(height), block(height)))
        first = await waiting
        assert (await spine.next_view(first.metadata.tape_sequence - 1)) is spine.view


async def test_a_snapshot_that_cannot_be_evaluated_serves_no_older_view(tmp_path: Path) -> None:
    async with opened(tmp_path / "a.tape") as spine:
        await spine.ingest(committed(block_facts(7), block(7)))
        impossible = AaveV3Account(AAVE, 0, 0b10, (AaveV3Position(0, 2**256, 0, 0, 0, 0),), "")
        await spine.ingest(committed([impossible], block(8)))
        with pytest.raises(EngineError, match="does not fit"):
            _ = spine.view
        await spine.ingest(committed(block_facts(9), block(9)))
        assert spine.view is not None


async def test_an_account_in_a_reserve_nobody_read_is_refused_and_not_guessed(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path / "a.tape") as spine:
        positions = (AaveV3Position(0, 10**18, 0, 0, 0, 0), AaveV3Position(7, 0, 5, 0, 0, 0))
        user = AaveV3Account(AAVE, 0, 0b10, positions, "")
        await spine.ingest(committed([*block_facts(7)[:-1], user], block(7)))
        health = (await seen(spine)).health("alice")
    (account,) = health.accounts
    assert (account.status, account.fault) == (
        HealthStatus.REFUSED,
        "in reserves that were not read: [7]",
    )
    assert health.partial
    assert any(VENUE in flag for flag in health.flags)


async def test_views_that_differ_name_just_the_portfolios_that_do(tmp_path: Path) -> None:
    async with opened(tmp_path / "a.tape") as spine:
        await spine.ingest(committed(block_facts(7), block(7)))
        first = await seen(spine)
        assert first.changed_since(None) == ("alice", "bob")
        await spine.ingest(committed(block_facts(8, eth_usd=2600), block(8)))
        second = await seen(spine)
        assert second.changed_since(first) == ("alice",)
        status = ChainStatus(Condition.UNREACHABLE, "down", "x")
        await spine.ingest([Observation(status, 0, CHAIN)])
        third = await seen(spine)
        assert third.changed_since(second) == ("alice", "bob"), "flags are part of health"


async def test_a_price_that_grows_stale_is_refused_by_the_clock_alone(tmp_path: Path) -> None:
    async with opened(tmp_path / "a.tape") as spine:
        await spine.ingest(committed(block_facts(7, debt=10**9), block(7)))
        fresh = await seen(spine)
        assert {p.base: p.verdict for p in fresh.metadata.prices}["ETH"] is Verdict.OK
        later_ms = (START_S + 7 + 3600 + 61) * 1000
        # The chain goes on; only the feed stays silent.
        where = block(3_700)
        await spine.ingest(committed([], where))
        await spine.ingest([Observation(ClockTick(), later_ms)])
        stale = await seen(spine)
    eth = next(p for p in stale.metadata.prices if p.base == "ETH")
    assert eth.verdict is Verdict.REFUSE
    assert {eth.mark, eth.low, eth.high} == {Decimal(0)}
