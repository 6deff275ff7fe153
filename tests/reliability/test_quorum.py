"""A quorum at work: kept on failover, told what breaks it, and slowed down by nobody."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.evm.actions import EMPTY, ONE, send_ether
from tests.evm.harness import CHAIN, Followed
from tests.following import now_ms
from tests.reliability.operators import OWNER, WALLET, Operators, operators, told
from xmargin.model import ChainHead, Condition, FeedRound, Observation, TokenBalance, Verdict
from xmargin.params import load_parameters
from xmargin.snapshot import Snapshot, cut
from xmargin.testbed.evm_chain import EvmChain
from xmargin.testbed.faults import Fault
from xmargin.testbed.world import Testbed

pytestmark = pytest.mark.chains

NONE, LIE, DROP = Fault.NONE, Fault.LIE, Fault.DROP
ETHER = f"{CHAIN}/slip44:60"


@pytest.fixture
async def three(testbed: Testbed) -> AsyncIterator[Operators]:
    async with operators(testbed, 3) as them:
        yield them


@pytest.fixture
def core(testbed: Testbed) -> EvmChain:
    return testbed.evm[CHAIN]


def snapshot(followed: Followed) -> Snapshot:
    followed.world.apply(Observation(load_parameters("unified-v1"), now_ms()))
    return cut(followed.world)


def ether(followed: Followed) -> int:
    fact = followed.facts()["balance", WALLET, ETHER]
    assert isinstance(fact, TokenBalance)
    return fact.amount


@pytest.mark.parametrize(
    ("faults", "condition"),
    [
        ((NONE, DROP, DROP), Condition.UNREACHABLE),
        ((LIE, DROP, NONE), Condition.INVALID),
        ((Fault.HANG, Fault.TRUNCATE, NONE), Condition.INVALID),
        ((Fault.OTHER_CHAIN, Fault.HTTP_500, NONE), Condition.INVALID),
    ],
)
async def test_a_quorum_lost_midway_refuses_every_price_until_it_is_back(
    testbed: Testbed,
    three: Operators,
    core: EvmChain,
    faults: tuple[Fault, ...],
    condition: Condition,
) -> None:
    async with three.follow(3, 2, request_timeout_ms=1_500) as followed:
        await followed.caught_up(testbed)
        assert snapshot(followed).prices["ETH"].verdict is Verdict.OK
        heads = len(followed.heads)
        three.behave(*faults)
        await core.node.mine()
        await followed.told(condition)
        assert len(followed.heads) == heads
        lost = snapshot(followed)
        assert {price.verdict for price in lost.prices.values()} == {Verdict.REFUSE}
        assert all(chain.cut_off for chain in lost.chains)
        three.behave(NONE, NONE, NONE)
        await followed.caught_up(testbed)
        await followed.told(Condition.OK)
        assert snapshot(followed).prices["ETH"].verdict is Verdict.OK


async def test_a_quorum_is_found_lost_though_no_block_comes(three: Operators) -> None:
    async with three.follow(3, 2) as followed:
        await followed.told(Condition.OK)
        three.behave(NONE, DROP, DROP)
        status = await followed.told(Condition.UNREACHABLE)
    assert "only 1 can be read, 2 must agree" in status.reason
    assert status.endpoint == "2 of 3 operators (a, b, c)"


async def test_who_contradicts_is_named_and_outvoted(
    testbed: Testbed, three: Operators, core: EvmChain
) -> None:
    three.behave(NONE, LIE, NONE)
    async with three.follow(3, 2) as followed:
        truth = int(await core.w3.eth.get_balance(core.w3.to_checksum_address(OWNER)))
        while "node-1" not in (followed.statuses[-1].reason if followed.statuses else ""):
            await core.node.mine()
            await followed.caught_up(testbed)
        assert ether(followed) == truth
        assert followed.status.condition is Condition.OK
        assert "contradicts the quorum (eth_call)" in followed.status.reason
        (chain,) = snapshot(followed).chains
        assert "contradicts the quorum" in chain.reason
        assert not chain.cut_off


async def test_two_endpoints_of_one_operator_count_once(testbed: Testbed, three: Operators) -> None:
    together = three.endpoints(3, operators="aab")
    three.behave(NONE, NONE, DROP)
    async with three.follow(3, 2, endpoints=together) as followed:
        await followed.told(Condition.UNREACHABLE)
        assert not followed.heads
        three.behave(DROP, NONE, NONE)
        await followed.caught_up(testbed)
        assert followed.status.condition is Condition.OK


async def test_two_endpoints_of_one_operator_that_lie_alike_are_one_lie(
    three: Operators,
) -> None:
    together = three.endpoints(3, operators="aab")
    three.behave(LIE, LIE, NONE)
    async with three.follow(3, 2, endpoints=together) as followed:
        await followed.told(Condition.INVALID)
        assert not followed.heads


async def test_logs_are_cross_checked(testbed: Testbed, three: Operators, core: EvmChain) -> None:
    """An endpoint that leaves logs out would hide a transfer; two that show it outvote it."""
    three.behave(Fault.HIDE, NONE, NONE)
    async with three.follow(3, 2) as followed:
        await followed.caught_up(testbed)
        before = told(followed)
        await core.node.send([core.aave.mint("WETH", OWNER, ONE, OWNER)])
        await followed.caught_up(testbed)
        assert told(followed) != before
        three.behave(Fault.HIDE, NONE, DROP)
        await core.node.send([core.aave.mint("WETH", OWNER, ONE, OWNER)])
        status = await followed.told(Condition.INVALID)
        assert "header and logs" in status.reason


async def test_a_node_that_lags_is_waited_for_or_outvoted_but_never_read_for_the_rest(
    testbed: Testbed, three: Operators, core: EvmChain
) -> None:
    async with three.follow(3, 2) as followed:
        await followed.caught_up(testbed)
        three.behave(Fault.LAG, NONE, NONE)
        await core.node.mine(5)
        await followed.caught_up(testbed)
        head = followed.heads[-1].block
        three.behave(Fault.LAG, NONE, DROP)
        await core.node.mine(1)
        await asyncio.sleep(1.0)  # two are left, and one of them is three blocks behind
        assert followed.heads[-1].block == head
        await core.node.mine(3)  # so it comes to know what was new
        await followed.until(lambda: followed.heads[-1].block != head)


async def test_old_blocks_replayed_move_nothing_back(
    testbed: Testbed, three: Operators, core: EvmChain
) -> None:
    await core.node.mine(12)
    three.behave(Fault.REPLAY, NONE, NONE)
    async with three.follow(3, 2, reorg_depth_max=1) as followed:
        await followed.caught_up(testbed)
        for _ in range(4):
            await core.node.mine()
            await followed.caught_up(testbed)
            await asyncio.sleep(0.2)
        heights = [o.block.height for o in followed.heads[1:] if o.block is not None]
        assert heights == sorted(set(heights))


async def test_a_fork_of_one_operator_is_followed_by_nobody(
    testbed: Testbed, three: Operators, core: EvmChain
) -> None:
    three.behave(Fault.FORK, NONE, NONE)
    async with three.follow(3, 2) as followed:
        for _ in range(4):
            await core.node.send([send_ether(core.node.admin, EMPTY, 1)])
            await followed.caught_up(testbed)
        real = {
            (await core.w3.eth.get_block(o.block.height))["hash"].to_0x_hex()
            for o in followed.heads
            if o.block is not None
        }
        assert {o.block.hash for o in followed.heads if o.block is not None} == real


async def test_operators_on_two_forks_tell_nothing_new(
    testbed: Testbed, three: Operators, core: EvmChain
) -> None:
    three.behave(NONE, NONE, DROP)
    async with three.follow(3, 2) as followed:
        await followed.caught_up(testbed)
        three.behave(Fault.FORK, NONE, DROP)
        await core.node.mine(2)
        tip = (await core.w3.eth.get_block("latest"))["number"]
        await asyncio.sleep(1.0)
        # What both have is below the fork; above it nothing is told.
        newest = followed.heads[-1].block
        assert newest is not None
        assert newest.height < tip


async def test_a_reorg_that_the_quorum_sees_is_followed(
    testbed: Testbed, three: Operators, core: EvmChain
) -> None:
    async with three.follow(3, 2) as followed:
        await followed.caught_up(testbed)
        for _ in range(3):
            await core.node.send([send_ether(core.node.admin, OWNER, 10**15)])
            await followed.caught_up(testbed)
        rich = ether(followed)
        await core.node.reorg(3)
        await core.node.mine()
        await followed.caught_up(testbed)
        assert ether(followed) < rich
        assert followed.reorgs


async def test_finality_is_what_the_least_advanced_of_the_quorum_says(
    testbed: Testbed, three: Operators, core: EvmChain
) -> None:
    await core.node.mine(3)
    async with three.follow(3, 3) as followed:
        await followed.caught_up(testbed)
        head = followed.heads[-1].fact
        assert isinstance(head, ChainHead)
        assert head.safe_height == (await core.w3.eth.get_block("safe"))["number"]


async def test_a_slow_operator_does_not_slow_the_others(
    testbed: Testbed, three: Operators, core: EvmChain
) -> None:
    three.proxies[2].delay_s = 1.5
    async with three.follow(3, 2) as followed:
        await followed.caught_up(testbed)
        waits_s = []
        for _ in range(4):
            await core.node.mine()
            began_s = time.monotonic()
            await followed.caught_up(testbed)
            waits_s.append(time.monotonic() - began_s)
        # A block takes three requests one after the other: 4.5 s of this operator's time.
        assert min(waits_s) < 1.5


async def test_a_chain_that_halts_is_cut_off_though_its_operators_answer(
    testbed: Testbed, three: Operators, core: EvmChain
) -> None:
    await core.node.catch_up_with_wall_clock()
    async with three.follow(3, 2, head_age_ms_max=2_500) as followed:
        await followed.caught_up(testbed)
        status = await followed.told(Condition.LAGGING)
        assert "no new block within 2500 ms" in status.reason
        assert {p.verdict for p in snapshot(followed).prices.values()} == {Verdict.REFUSE}


async def test_a_chain_whose_clock_runs_ahead_is_cut_off(
    testbed: Testbed, three: Operators, core: EvmChain
) -> None:
    async with three.follow(3, 2) as followed:
        await followed.caught_up(testbed)
        await core.node.rpc("evm_setNextBlockTimestamp", now_ms() // 1000 + 3_600)
        await core.node.mine()
        await followed.caught_up(testbed)
        (chain,) = snapshot(followed).chains
        assert chain.condition is Condition.INVALID
        assert "ahead of our clock" in chain.reason


async def test_what_is_told_names_the_operators(testbed: Testbed, three: Operators) -> None:
    async with three.follow(3, 2) as followed:
        await followed.caught_up(testbed)
        assert {o.source for b in followed.batches for o in b if o.block is not None} == {"a+b+c"}
        (feed,) = [fact for fact in told(followed).values() if isinstance(fact, FeedRound)]
        assert not feed.fault
