"""An L2's sequencer feed, played by a real Chainlink aggregator: down, back, after the grace."""

import time
from typing import Any

import pytest

from tests.evm.harness import CHAIN, Followed, follow, settings
from tests.following import now_ms
from tests.reliability.operators import watched
from xmargin.model import Condition, FeedRound, Observation, Registry, Verdict
from xmargin.oracles.sequencer import judge_sequencer
from xmargin.params import load_parameters
from xmargin.snapshot import cut
from xmargin.testbed import artifacts
from xmargin.testbed.anvil import Anvil
from xmargin.testbed.evm_chain import EvmChain
from xmargin.testbed.script import Script
from xmargin.testbed.world import Testbed

GRACE_S = 3_600
UP, DOWN = 0, 1
_NO_ADDRESS = "0x" + "00" * 20


async def deploy_uptime_feed(node: Anvil, status: int) -> Any:
    """A FluxAggregator with one oracle, the node's admin, and its first answer."""
    script = await Script.begin(node, node.admin)
    described = "L2 Sequencer Uptime Status Feed"
    aggregator = script.deploy(
        artifacts.chainlink("FluxAggregator"),
        _NO_ADDRESS, 0, 60, _NO_ADDRESS, UP, DOWN, 0, described,
    )  # fmt: skip
    script.call(aggregator, "changeOracles", [], [node.admin], [node.admin], 1, 1, 0)
    script.call(aggregator, "submit", 1, status)
    await script.run()
    return aggregator


async def say(node: Anvil, aggregator: Any, status: int) -> None:
    script = await Script.begin(node, node.admin)
    script.call(aggregator, "submit", await aggregator.functions.latestRound().call() + 1, status)
    await script.run()


def with_feed(bed: Testbed, address: str, grace_s: int) -> Registry:
    config = settings(bed, sequencer_feed=address.lower(), sequencer_grace_s=grace_s)[0]
    registry = watched(bed)
    return registry.__class__(
        (config.spec(),), registry.tokens, registry.feeds, registry.venues, registry.portfolios
    )


def look(followed: Followed, now: int) -> tuple[Condition, str, Verdict]:
    """The chain, and the price on it, at a time."""
    for fact in (load_parameters("unified-v1"),):
        followed.world.apply(Observation(fact, now))
    snapshot = cut(followed.world)
    return snapshot.chains[0].condition, snapshot.chains[0].reason, snapshot.prices["ETH"].verdict


@pytest.mark.chains
async def test_down_and_back_and_trusted_again_after_the_grace(testbed: Testbed) -> None:
    core: EvmChain = testbed.evm[CHAIN]
    feed = await deploy_uptime_feed(core.node, DOWN)
    registry = with_feed(testbed, feed.address, grace_s=GRACE_S)
    async with follow(testbed, registry=registry, head_age_ms_max=10**9) as followed:
        await followed.caught_up(testbed)
        condition, reason, verdict = look(followed, now_ms())
        assert (condition, verdict) == (Condition.SUSPENDED, Verdict.REFUSE)
        assert reason.startswith("its sequencer is down since 1")
        await say(core.node, feed, UP)
        await followed.caught_up(testbed)
        condition, reason, verdict = look(followed, now_ms())
        assert (condition, verdict) == (Condition.SUSPENDED, Verdict.REFUSE)
        assert "is back since" in reason
        assert "the grace is 3,600 s" in reason
    without_grace = with_feed(testbed, feed.address, grace_s=0)
    async with follow(testbed, registry=without_grace, head_age_ms_max=10**9) as followed:
        await followed.caught_up(testbed)
        condition, _, verdict = look(followed, int((time.time() + 2) * 1000))
        assert (condition, verdict) == (Condition.OK, Verdict.OK)


@pytest.mark.chains
async def test_a_feed_that_is_none_cuts_the_chain_off(testbed: Testbed) -> None:
    registry = with_feed(testbed, "0x" + "11" * 20, GRACE_S)
    async with follow(testbed, registry=registry) as followed:
        await followed.caught_up(testbed)
        condition, reason, _ = look(followed, now_ms())
    assert condition is Condition.INVALID
    assert "its sequencer feed could not be read" in reason


def uptime(answer: int, since_s: int, fault: str = "") -> FeedRound:
    return FeedRound("sequencer@eip155:1/0x", answer, 0, 0, since_s, 1, "", "", "", fault)


@pytest.mark.parametrize(
    ("newest", "now_s", "condition"),
    [
        (uptime(UP, 1_000), 1_000 + GRACE_S, Condition.SUSPENDED),
        (uptime(UP, 1_000), 1_001 + GRACE_S, Condition.OK),
        (uptime(DOWN, 1_000), 10**9, Condition.SUSPENDED),
        (uptime(2, 1_000), 10**9, Condition.INVALID),
        (uptime(UP, 0, "its round has not begun"), 10**9, Condition.INVALID),
        (None, 10**9, Condition.UNREAD),
    ],
)
def test_the_grace_ends_one_second_after_its_length(
    newest: FeedRound | None, now_s: int, condition: Condition
) -> None:
    """Chainlink's own example reverts while the time since the start is at most the grace."""
    assert judge_sequencer(newest, GRACE_S, 1_000 * now_s)[0] is condition
