"""The World holds what was committed, and after a reorg what the canonical chain says."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.spine.examples import (
    CHAIN,
    ETH_FEED,
    OTHER,
    REGISTRY,
    USDC,
    WALLET,
    at,
    block,
    block_facts,
    committed,
    feed_round,
    reorg,
)
from xmargin.errors import ObservationError
from xmargin.model import (
    REORG_DEPTH_MAX,
    ChainHead,
    ClockTick,
    Fact,
    FeedRound,
    FeedSpec,
    Observation,
    PriceSpec,
    TokenBalance,
    TokenState,
)
from xmargin.world import World


def world_after(*batches: list[Observation]) -> World:
    world = World()
    world.apply(Observation(REGISTRY, 0))
    for batch in batches:
        for observation in world.news(batch):
            world.apply(observation)
    return world


def balance(world: World) -> int | None:
    fact = world.facts("balance").get(("balance", WALLET, USDC))
    return fact.amount if isinstance(fact, TokenBalance) else None


def paid(amount: int, height: int, fork: str = "a") -> list[Observation]:
    return committed([TokenBalance(WALLET, USDC, amount, "")], block(height, fork))


def test_facts_wait_for_the_head_of_their_block() -> None:
    world = world_after(paid(1, 5))
    world.apply(at(TokenBalance(WALLET, USDC, 2, ""), block(6)))
    assert balance(world) == 1
    world.apply(at(ChainHead(0, 0), block(6)))
    assert balance(world) == 2


def test_facts_of_a_block_whose_head_never_came_are_dropped() -> None:
    world = world_after(paid(1, 5))
    world.apply(at(TokenBalance(WALLET, USDC, 2, ""), block(6)))
    world.apply(at(ChainHead(0, 0), block(7)))
    assert balance(world) == 1


def test_a_reorg_restores_what_the_ancestor_said() -> None:
    world = world_after(paid(1, 5), paid(2, 6), paid(3, 7))
    world.apply(reorg(block(5), block(7)))
    assert balance(world) == 1
    assert world.chains[CHAIN].block == block(5)


def test_a_reorg_deeper_than_the_journal_forgets_the_chain() -> None:
    world = world_after(paid(1, 5), paid(2, 6))
    world.apply(reorg(block(2), block(6)))
    assert balance(world) is None
    assert world.chains[CHAIN].block is None


def test_the_deepest_reorg_a_reader_may_tell_is_undone_and_one_deeper_forgets_the_chain() -> None:
    heights = range(1, REORG_DEPTH_MAX + 10)
    batches = [paid(height, height) for height in heights]
    tip, deepest = heights[-1], heights[-1] - REORG_DEPTH_MAX
    world = world_after(*batches)
    world.apply(reorg(block(deepest), block(tip)))
    assert balance(world) == deepest
    assert world.chains[CHAIN].block == block(deepest)
    world = world_after(*batches)
    world.apply(reorg(block(deepest - 1), block(tip)))
    assert balance(world) is None
    assert world.chains[CHAIN].block is None


def test_a_reorg_to_an_ancestor_we_never_saw_forgets_the_chain() -> None:
    world = world_after(paid(1, 5), paid(2, 6))
    world.apply(reorg(block(5, "b"), block(6)))
    assert balance(world) is None


def test_a_reader_that_starts_again_on_another_fork_replaces_it() -> None:
    world = world_after(paid(1, 5), paid(2, 6), paid(9, 6, "b"))
    assert balance(world) == 9
    world.apply(reorg(block(5), block(6, "b")))
    assert balance(world) == 1


def test_what_is_known_is_no_news_unless_the_chain_rolls_back() -> None:
    world = world_after(paid(1, 5), paid(2, 6))
    assert [type(o.fact) for o in world.news(paid(2, 7))] == [ChainHead]
    rolled = [reorg(block(5), block(6)), *paid(2, 6, "b")]
    assert world.news(rolled) == rolled


def test_a_pin_outlives_the_facts_of_its_chain() -> None:
    world = world_after(committed([feed_round(ETH_FEED, 2_000, block(5), "ETH / USD")], block(5)))
    pinned = world.pin(ETH_FEED)
    again = committed([feed_round(ETH_FEED, 4_000, block(1, "z"), "WBTC / ETH")], block(1, "z"))
    for observation in again:
        world.apply(observation)
    assert world.chains[CHAIN].block == block(1, "z")
    assert world.pin(ETH_FEED) == pinned


def test_the_first_faultless_round_of_a_feed_is_its_pin() -> None:
    def round_of(description: str, fault: str) -> Fact:
        return FeedRound(ETH_FEED, 1, 0, -8, 1, 1, description, "", "", fault)

    world = world_after(
        committed([round_of("", "reverted")], block(5)),
        committed([round_of("ETH / USD", "")], block(6)),
        committed([round_of("BTC / USD", "")], block(7)),
    )
    pin = world.pin(ETH_FEED)
    assert pin is not None
    assert pin.description == "ETH / USD"


def approved(approval: int) -> Observation:
    feeds = tuple(replace(feed, approval=approval) for feed in REGISTRY.feeds)
    return Observation(replace(REGISTRY, feeds=feeds), 0)


def priced(answer: int, height: int, description: str = "ETH / USD") -> list[Observation]:
    return committed([feed_round(ETH_FEED, answer, block(height), description)], block(height))


def test_an_approval_makes_the_round_that_stands_then_the_pin() -> None:
    world = world_after(priced(2_000, 5), priced(2_000, 6, "ETH / USD v2"))
    pin = world.pin(ETH_FEED)
    assert pin is not None
    assert pin.description == "ETH / USD"
    world.apply(approved(1))
    assert world.pin(ETH_FEED) is None
    for observation in world.news(committed([], block(7))):
        world.apply(observation)
    pin = world.pin(ETH_FEED)
    assert pin is not None
    assert pin.description == "ETH / USD v2"
    world.apply(approved(0))
    pin = world.pin(ETH_FEED)
    assert pin is not None
    assert pin.description == "ETH / USD"


def test_a_history_of_answers_rolls_back_with_its_chain() -> None:
    world = world_after(priced(2_000, 100), priced(3_000, 200))
    before = world.feed_history(ETH_FEED)
    for observation in priced(9_000, 300):
        world.apply(observation)
    assert before is not None
    assert [step.answer for step in before.steps] == [2_000, 3_000]
    after = world.feed_history(ETH_FEED)
    assert after is not None
    assert [step.answer for step in after.steps] == [2_000, 3_000, 9_000]
    world.apply(reorg(block(200), block(300)))
    assert world.feed_history(ETH_FEED) == before


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 9), st.integers(1, 60)),
        min_size=1,
        max_size=15,
    )
)
def test_w2_after_any_forks_pins_and_histories_are_those_of_the_canonical_chain(
    steps: list[tuple[int, int, int]],
) -> None:
    """W2: each step abandons ``back`` blocks and reads an answer ``gap`` seconds later."""
    canonical = [priced(5, 1)]
    world = world_after(*canonical)
    for number, (back, answer, gap) in enumerate(steps):
        keep = max(1, len(canonical) - back)
        abandoned, ancestor = canonical[-1][-1].block, canonical[keep - 1][-1].block
        assert abandoned is not None
        assert ancestor is not None
        where = replace(block(ancestor.height + gap, f"f{number}-"), parent_hash=ancestor.hash)
        batch = committed([feed_round(ETH_FEED, answer, where, "ETH / USD")], where)
        undo = [reorg(ancestor, abandoned)] if keep < len(canonical) else []
        for observation in world.news([*undo, *batch]):
            world.apply(observation)
        canonical = [*canonical[:keep], batch]
    straight = world_after(*canonical)
    assert world.feed_history(ETH_FEED) == straight.feed_history(ETH_FEED)
    assert world.facts_digest() == straight.facts_digest()


@pytest.mark.parametrize(
    ("observation", "says"),
    [
        (Observation(TokenState(USDC, 6, "", ""), 1, "eip155:5", block(1)), "not in the Registry"),
        (Observation(TokenState(USDC, 6, "", ""), 1, "", block(1)), r"\(no chain\)"),
        (Observation(TokenState(USDC, 6, "", ""), 1, CHAIN), "names no block"),
        (Observation(ChainHead(0, 0), 1, OTHER), "names no block"),
    ],
)
def test_an_observation_that_cannot_be_applied_is_refused(
    observation: Observation, says: str
) -> None:
    world = world_after(paid(1, 5))
    before = world.facts_digest()
    with pytest.raises(ObservationError, match=says):
        world.check([*paid(2, 6), observation])
    assert world.facts_digest() == before


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"chains": REGISTRY.chains[:1]}, "the chain of .*31338.* is not among its chains"),
        ({"venues": ()}, "the venue of .*aave-v3.* is not among its venues"),
        ({"tokens": (*REGISTRY.tokens, REGISTRY.tokens[0])}, ".* stands there twice"),
        ({"portfolios": REGISTRY.portfolios * 2}, ".* stands there twice"),
        (
            {"prices": (PriceSpec("ETH", price_max=Decimal("1e19")),)},
            "price ETH: price_max is 1E\\+19",
        ),
        ({"prices": (PriceSpec("ETH", price_min=Decimal("1e-37")),)}, "price ETH: price_min"),
        ({"prices": (PriceSpec("ETH", price_min=Decimal("NaN")),)}, "price ETH: price_min is NaN"),
        ({"prices": (PriceSpec("ETH", haircut_bps=10_001),)}, "price ETH: haircut_bps is 10001"),
        ({"prices": (PriceSpec("ETH", jump_sources_min=1),)}, "price ETH: jump_sources_min is 1"),
        ({"prices": (PriceSpec("ETH", jump_window_s=0),)}, "price ETH: jump_window_s is 0"),
        (
            {"feeds": (replace(REGISTRY.feeds[0], rate_snapshot=Decimal(0)),)},
            "feed .*: rate_snapshot is 0; above 0",
        ),
        (
            {"feeds": (replace(REGISTRY.feeds[0], rate_growth_bps_max=10_000_001),)},
            "feed .*: rate_growth_bps_max is 10000001",
        ),
        ({"feeds": (replace(REGISTRY.feeds[0], haircut_bps=10_001),)}, "feed .*: haircut_bps"),
        ({"prices": (PriceSpec("ETH"), PriceSpec("ETH"))}, "price ETH stands there twice"),
        ({"feeds": (FeedSpec("chainlink", "ETH", "USD", 1, 1),)}, ".* names no chain"),
    ],
)
def test_a_registry_that_contradicts_itself_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ObservationError, match=f"Registry: {says}"):
        World().check([Observation(replace(REGISTRY, **changes), 0)])


def test_nothing_but_the_registry_may_come_first() -> None:
    with pytest.raises(ObservationError, match="Registry"):
        World().check(paid(1, 1))


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=25))
def test_w1_after_any_forks_the_world_equals_one_that_saw_only_the_canonical_chain(
    steps: list[tuple[int, int]],
) -> None:
    """W1: each step abandons ``back`` blocks and reads one new block on another fork."""
    canonical = [paid(1, 10), *(committed(block_facts(h), block(h)) for h in (11, 12, 13))]
    world = world_after(*canonical)
    for number, (back, amount) in enumerate(steps):
        fork = f"fork{number}-"
        keep = max(1, len(canonical) - back)
        abandoned, ancestor = canonical[-1][-1].block, canonical[keep - 1][-1].block
        assert abandoned is not None
        assert ancestor is not None
        batch = paid(amount, ancestor.height + 1, fork)
        if keep < len(canonical):
            batch = [reorg(ancestor, abandoned), *batch]
        for observation in world.news(batch):
            world.apply(observation)
        canonical = [*canonical[:keep], [o for o in batch if not _is_reorg(o)]]
    straight = world_after(*canonical)
    assert world.facts_digest() == straight.facts_digest()
    assert world.chains[CHAIN].block == straight.chains[CHAIN].block


def _is_reorg(observation: Observation) -> bool:
    return type(observation.fact).__name__ == "ChainReorg"


def test_the_clock_only_moves_on() -> None:
    world = world_after(paid(1, 5))
    now_ms = world.now_ms
    world.apply(Observation(ClockTick(), now_ms - 10_000))
    assert world.now_ms == now_ms


@pytest.mark.parametrize("token", ["junk", "", "eip155:99/erc20:0x" + "11" * 20])
def test_what_is_told_of_another_chain_or_of_none_is_refused(token: str) -> None:
    world = World()
    world.apply(Observation(REGISTRY, 0))
    told = committed([TokenState(token, 18, "X", "no such token")], block(7))
    with pytest.raises(ObservationError, match=r"names no chain|tell it on its own chain"):
        world.check(told)
