"""A tape replays to the very views that were served, whatever happened while it was written."""

import asyncio
from decimal import Decimal
from pathlib import Path

from tests.chains.running import Running, running
from xmargin.spine import replay
from xmargin.testbed.world import Testbed


def assert_replays(xmargin: Running, tape: Path) -> None:
    replayed = {view.metadata.tape_sequence: view for view in replay(tape)}
    assert len(xmargin.views) > 3
    for view in xmargin.views:
        again = replayed[view.metadata.tape_sequence]
        assert again.metadata == view.metadata
        assert again.sha256 == view.sha256


async def test_a_recorded_tape_replays_to_bit_identical_views(
    testbed: Testbed, tmp_path: Path
) -> None:
    tape = tmp_path / "a.tape"
    chain = testbed.evm["eip155:31337"]
    owner = testbed.portfolio("p01-healthy-eth").evm_address
    async with running(testbed, tape) as xmargin:
        await xmargin.caught_up(testbed)
        for step in testbed.market.steps[:3]:
            await testbed.market.apply(step)
            await xmargin.caught_up(testbed)
        await chain.node.send([chain.aave.borrow("USDC", Decimal(5000), owner)])
        await xmargin.caught_up(testbed)
        await chain.node.reorg(1)
        await chain.node.mine()
        await xmargin.caught_up(testbed)
        await asyncio.sleep(1.5)  # the clock ticks
    assert_replays(xmargin, tape)


async def test_a_restarted_service_goes_on_with_its_tape(testbed: Testbed, tmp_path: Path) -> None:
    tape = tmp_path / "a.tape"
    async with running(testbed, tape) as first:
        before = await first.caught_up(testbed)
    await testbed.market.apply(testbed.market.steps[0])
    async with running(testbed, tape) as second:
        after = await second.caught_up(testbed)
        await testbed.mine()
        await second.caught_up(testbed)
        await asyncio.sleep(1.1)
    assert after.metadata.tape_sequence > before.metadata.tape_sequence
    assert_replays(second, tape)
