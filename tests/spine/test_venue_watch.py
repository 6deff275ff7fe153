"""The watch says of every venue account what the view says, at every step of any tape."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import xmargin
from tests.spine.lending_tapes import CHAINS, REGISTRY, Market, account_of
from xmargin.engine import Engine, VenueHealth, VenueStatus, VenueWatch
from xmargin.errors import AccountNotFoundError, EngineError
from xmargin.model import (
    AaveV3Account,
    AaveV3EMode,
    AaveV3Reserve,
    AccountHealth,
    HealthStatus,
    Observation,
    PortfolioSpec,
)
from xmargin.params import load_parameters
from xmargin.snapshot import Snapshot, cut
from xmargin.tape import read_tape
from xmargin.view import View
from xmargin.world import ChainFact, Key, World

TAPE = Path(xmargin.__file__).parent / "tapes" / "demo.tape"
PARAMETERS = load_parameters("unified-v1")


def snapshots(observations: Iterable[Observation]) -> Iterator[Snapshot]:
    """What the spine evaluates."""
    world = World()
    for observation in observations:
        world.check([observation])
        is_due = world.apply(observation)
        if is_due and any(state.block is not None for state in world.chains.values()):
            yield cut(world)


def health_of(account: AccountHealth) -> VenueHealth:
    """The view's words as the watch's."""
    if account.status is HealthStatus.REFUSED:
        is_reverted = account.fault.startswith("the venue's own arithmetic")
        return VenueHealth(VenueStatus.REVERTS if is_reverted else VenueStatus.UNREAD, None)
    is_liquidatable = account.status is HealthStatus.LIQUIDATABLE
    status = VenueStatus.LIQUIDATABLE if is_liquidatable else VenueStatus.SAFE
    return VenueHealth(status, account.health_factor_wad)


def in_view(snapshot: Snapshot, engine: Engine) -> dict[str, VenueHealth]:
    view = View(snapshot, engine.evaluate(snapshot), 0, "")
    healths = (view.health(portfolio) for portfolio in view.portfolio_ids)
    return {one.account: health_of(one) for health in healths for one in health.accounts}


def follow(observations: Iterable[Observation]) -> set[VenueStatus]:
    """Compare at every view; the statuses that occurred."""
    engine, watch = Engine(), VenueWatch()
    told: dict[str, VenueStatus] = {}
    occurred: set[VenueStatus] = set()
    for snapshot in snapshots(observations):
        wanted = in_view(snapshot, engine)
        changes = watch.advance(snapshot)
        assert {account: watch.health(account) for account in wanted} == wanted
        assert watch.statuses == {account: health.status for account, health in wanted.items()}
        assert [one.account for one in changes] == sorted({one.account for one in changes})
        for change in changes:
            assert told.pop(change.account, None) is change.before is not change.after
            if change.after is not None:
                told[change.account] = change.after
                assert change.health_factor_wad == wanted[change.account].health_factor_wad
            assert change.moved.is_told or change.moved.prices or change.moved.interest
        assert told == watch.statuses
        assert watch.audit() == []
        occurred.update(told.values())
    return occurred


def test_at_every_view_of_the_recorded_demo_it_says_what_the_view_says() -> None:
    observations = (observation for observation, _ in read_tape(TAPE))
    occurred = follow(observations)
    assert occurred == {VenueStatus.UNREAD, VenueStatus.SAFE, VenueStatus.LIQUIDATABLE}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**9))
def test_at_every_view_of_any_tape_it_says_what_the_view_says(seed: int) -> None:
    follow(Market(Random(seed)).tape(25, PARAMETERS))


def test_such_tapes_bring_about_every_status() -> None:
    tapes = (Market(Random(seed)).tape(40, PARAMETERS) for seed in range(6))
    assert set().union(*map(follow, tapes)) == set(VenueStatus)


def falling(*, by: Decimal) -> tuple[VenueWatch, Snapshot, Snapshot]:
    """A quiet tape's end, and the same with every price changed."""
    *_, snapshot = snapshots(Market(Random(3), is_quiet=True).tape(3, PARAMETERS))
    watch = VenueWatch()
    watch.advance(snapshot)
    facts = {
        key: replace(fact, price_base=int(fact.price_base * by))
        for key, fact in snapshot.facts["aave-v3-reserve"].items()
        if isinstance(fact, AaveV3Reserve) and fact.reserve_id == 0
    }
    reserves = {**snapshot.facts["aave-v3-reserve"], **facts}
    return watch, snapshot, replace(snapshot, facts={**snapshot.facts, "aave-v3-reserve": reserves})


def test_a_change_names_the_prices_that_moved() -> None:
    watch, snapshot, later = falling(by=Decimal("0.01"))
    changes = watch.advance(later)
    assert changes
    assert all(change.moved.prices for change in changes)
    assert not any(change.moved.interest or change.moved.is_told for change in changes)
    back = watch.advance(snapshot)
    assert [(one.account, one.after) for one in back] == [(c.account, c.before) for c in changes]
    assert watch.advance(snapshot) == []
    assert watch.reevaluated == 0


def test_a_liquidation_price_is_exact() -> None:
    watch, snapshot, _ = falling(by=Decimal(1))
    tried = 0
    for account, status in watch.statuses.items():
        for found in watch.liquidation_prices(account):
            for change, inward in ((found.below, 1), (found.above, -1)):
                if change is None or not change.is_exact or len(found.tokens) > 1:
                    continue
                tried += 1
                price = int(change.low.scaleb(8))
                at = _priced(snapshot, account, found.tokens[0], price)
                nearer = _priced(snapshot, account, found.tokens[0], price + inward)
                assert at.status is not status
                assert nearer.status is status
    assert tried > 20


def test_a_category_without_a_price_of_its_own_has_no_liquidation_price_at_zero() -> None:
    """At zero the pool takes the reserves' prices again."""
    of_categories = 0
    for seed in range(6):
        watch = VenueWatch()
        for snapshot in snapshots(Market(Random(seed)).tape(12, PARAMETERS)):
            watch.advance(snapshot)
        for account in watch.statuses:
            for found in watch.liquidation_prices(account):
                if len(found.tokens) > 1:
                    of_categories += 1
                    assert found.below is None or found.below.low > 0
    assert of_categories


def _priced(snapshot: Snapshot, account: str, token: str, price_base: int) -> VenueHealth:
    """Another watch's word of the account at another price."""
    reserves = {
        key: replace(fact, price_base=price_base)
        if isinstance(fact, AaveV3Reserve) and fact.token == token
        else fact
        for key, fact in snapshot.facts["aave-v3-reserve"].items()
    }
    watch = VenueWatch()
    watch.advance(replace(snapshot, facts={**snapshot.facts, "aave-v3-reserve": reserves}))
    return watch.health(account)


def test_of_accounts_that_nobody_watches_nothing_is_said() -> None:
    watch, snapshot, _ = falling(by=Decimal(1))
    for unknown in ("nobody", f"wallet@{CHAINS[0]}/0x" + "00" * 20):
        with pytest.raises(AccountNotFoundError, match="no account"):
            watch.health(unknown)
        with pytest.raises(AccountNotFoundError, match="no account"):
            watch.liquidation_prices(unknown)
    empty = replace(snapshot, facts={**snapshot.facts, "aave-v3-account": {}})
    assert {change.after for change in watch.advance(empty)} == {VenueStatus.UNREAD}
    assert watch.liquidation_prices(next(iter(watch.statuses))) == ()


@pytest.mark.parametrize("category", [256, 1 << 70])
def test_a_fact_that_fits_no_table_is_refused_and_the_next_step_is_right(category: int) -> None:
    watch, snapshot, later = falling(by=Decimal("0.01"))
    before = dict(watch.statuses)
    users, emodes = dict(snapshot.facts["aave-v3-account"]), snapshot.facts["aave-v3-emode"]
    key, user = next(iter(users.items()))
    emode = next(iter(emodes.values()))
    assert isinstance(user, AaveV3Account)
    assert isinstance(emode, AaveV3EMode)
    broken = replace(
        later,
        facts={
            **later.facts,
            "aave-v3-account": {**users, key: replace(user, emode=category)},
            "aave-v3-emode": {**emodes, ("broken",): replace(emode, category=category)},
        },
    )
    with pytest.raises(EngineError, match=r"range|fit"):
        watch.advance(broken)
    assert watch.statuses == before
    changed = watch.advance(later)
    fresh = VenueWatch()
    fresh.advance(later)
    assert watch.statuses == fresh.statuses
    assert {one.account for one in changed} == {
        account for account, status in before.items() if fresh.statuses[account] != status
    }


def test_blocks_of_interest_and_small_moves_evaluate_hardly_anybody() -> None:
    """20,000 accounts: what is evaluated, not how long it takes."""
    random = Random(5)
    count, blocks = 20_000, 200
    accounts = [account_of(random, number) for number in range(count)]
    portfolios = (PortfolioSpec("all", tuple(one.account for one in accounts)),)
    market = Market(random, is_quiet=True)
    market.registry = replace(REGISTRY, portfolios=portfolios)
    *_, first = snapshots(market.tape(1, PARAMETERS))
    users: dict[Key, ChainFact] = {("aave-v3-account", one.account): one for one in accounts}
    snapshot = replace(first, facts={**first.facts, "aave-v3-account": users})
    watch = VenueWatch()
    watch.advance(snapshot)
    assert set(watch.statuses.values()) == {VenueStatus.SAFE, VenueStatus.LIQUIDATABLE}
    reevaluated = 0
    for _ in range(blocks):
        snapshot = market.next_block(snapshot, move=Decimal("0.0001"))
        watch.advance(snapshot)
        reevaluated += watch.reevaluated
    assert watch.audit() == []
    assert reevaluated < count * blocks / 1_000
    user = replace(accounts[0], configuration=0)
    users = {**users, ("aave-v3-account", user.account): user}
    watch.advance(replace(snapshot, facts={**snapshot.facts, "aave-v3-account": users}))
    assert watch.reevaluated == 1
