"""Nobody is proposed for liquidation by a venue's price that is far from the market's."""

from dataclasses import replace

import pytest

from tests.spine.examples import AAVE, CHAIN, REGISTRY, block, block_facts, committed
from xmargin.engine import Engine
from xmargin.model import (
    AaveV3Account,
    AaveV3Reserve,
    Condition,
    Fact,
    FeedRound,
    HealthStatus,
    Observation,
)
from xmargin.params import load_parameters
from xmargin.spine import snapshot_of, view_of
from xmargin.tape.position import START
from xmargin.view import View
from xmargin.world import World

BOUND_BPS = 200
MARKET_CENTS = 250_000
DEBT = 3_000 * 10**6
"""Of one ether at 2,500 USD and a threshold of 82.5 %: due at the venue at any of these prices."""


def view(
    venue_cents: int, bound_bps: int = BOUND_BPS, *, debt: int = DEBT, sequencer: str = ""
) -> View:
    """An account that owes, its venue's price of ether, and the market's."""
    chain, *others = REGISTRY.chains
    suspended = replace(chain, sequencer_feed=sequencer, sequencer_grace_s=60)
    registry = replace(REGISTRY, chains=(suspended, *others), venue_price_bps_max=bound_bps)
    world = World()
    for own in (registry, load_parameters("unified-v1")):
        world.apply(Observation(own, 0))
    facts = [_priced(fact, venue_cents, debt) for fact in block_facts(1)]
    if sequencer:
        back_s = block(1).time_s
        facts.append(FeedRound(sequencer, 0, 0, 0, back_s, 1, "uptime", "", "", ""))
    for one in committed(facts, block(1)):
        world.apply(one)
    snapshot = snapshot_of(world)
    assert snapshot is not None
    return view_of(snapshot, Engine(), START)


def _priced(fact: Fact, venue_cents: int, debt: int) -> Fact:
    if isinstance(fact, AaveV3Reserve) and fact.reserve_id == 0:
        return replace(fact, price_base=venue_cents * 10**6)
    if isinstance(fact, AaveV3Account):
        owing = replace(fact.positions[1], variable_debt_scaled=debt)
        return replace(fact, positions=(fact.positions[0], owing))
    return fact


def due(one: View) -> list[str]:
    return [entry.account for entry in one.liquidations() if entry.account]


@pytest.mark.parametrize(
    ("venue_cents", "is_proposed"),
    [
        (MARKET_CENTS, True),
        (MARKET_CENTS * 98 // 100, True),
        (MARKET_CENTS * 98 // 100 - 1, False),
        (MARKET_CENTS * 102 // 100, True),
        (MARKET_CENTS * 102 // 100 + 1, False),
        (112, False),
    ],
)
def test_the_bound_is_met_with_equality_on_either_side(venue_cents: int, is_proposed: bool) -> None:
    found = view(venue_cents)
    assert due(found) == [AAVE] * is_proposed
    (health,) = (one for _, one in found.venue_accounts() if one.account == AAVE)
    assert health.status is HealthStatus.LIQUIDATABLE, "the venue's own truth stays"
    flagged = any("outside the judged range" in flag for flag in found.metadata.flags)
    assert flagged is not is_proposed


def test_without_a_bound_nothing_is_compared() -> None:
    found = view(112, bound_bps=0)
    assert due(found) == [AAVE]
    assert not any("judged range" in flag for flag in found.metadata.flags)


def test_nobody_is_proposed_where_a_sequencer_is_only_just_back() -> None:
    found = view(MARKET_CENTS, sequencer=f"sequencer@{CHAIN}/0x{'f9' * 20}")
    assert next(c.condition for c in found.metadata.as_of) is Condition.SUSPENDED
    assert due(found) == []
