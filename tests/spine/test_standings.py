"""Accounts at venues with a rule of their own: read, judged, told, rolled back, replayed."""

import dataclasses
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.outside import installed
from tests.spine import till
from tests.spine.examples import (
    OWNER,
    REGISTRY,
    START_S,
    USDC,
    WETH,
    block,
    block_facts,
    committed,
    reorg,
)
from tests.spine.till import VENUE, TillAccount, TillMarket
from xmargin import extensions, records
from xmargin.engine import Engine
from xmargin.engine.standings import StandingBook
from xmargin.engine.what_if import Alone, Moved
from xmargin.errors import ConfigError
from xmargin.model import (
    ClockTick,
    Counting,
    Fact,
    HealthStatus,
    LiquidationKind,
    Observation,
    PortfolioSpec,
    Registry,
    VenueRecord,
    VenueSpec,
)
from xmargin.model.claims import CLAIM_RECORD, TokenClaim
from xmargin.model.standings import HeldLegs, VenueLeg, VenueStanding
from xmargin.model.token_terms import TOKEN_TERMS_RECORD, TokenTerms
from xmargin.params import load_parameters
from xmargin.snapshot import Snapshot, cut
from xmargin.spine import Spine, replay
from xmargin.view import View
from xmargin.world import World

ACCOUNT = f"{VENUE}/{OWNER}"
OTHER = f"{VENUE}/0x" + "bb" * 20
PARAMETERS = load_parameters("unified-v1")


def registry(kind: str = "till") -> Registry:
    """The example's, with a till at which carol has an account, and dave one."""
    return replace(
        REGISTRY,
        venues=(*REGISTRY.venues, VenueSpec(VENUE, kind)),
        portfolios=(
            *REGISTRY.portfolios,
            PortfolioSpec("carol", (ACCOUNT,)),
            PortfolioSpec("dave", (OTHER,)),
        ),
    )


def till_facts(
    owned: int = 10**18, owed: int = 1_000 * 10**6, price: int = 2_500
) -> list[VenueRecord]:
    return [
        records.account_record(ACCOUNT, TillAccount(owned, owed)),
        records.account_record(OTHER, TillAccount(10**18, 0)),
        records.market_record(VENUE, "market", "WETH", TillMarket(price)),
    ]


def batch(height: int, *facts: Fact, fork: str = "a") -> list[Observation]:
    return committed([*block_facts(height), *facts], block(height, fork))


@pytest.fixture(autouse=True)
def tills(tmp_path: Path) -> Iterator[None]:
    points = {"till": "tests.spine.till:KIND", "failing": "tests.spine.till:FAILING"}
    till.cases.clear()
    with installed(tmp_path / "site", "tills", {extensions.VENUES: points}):
        yield


def world_of(*batches: list[Observation], kind: str = "till") -> World:
    world = World()
    world.apply(Observation(registry(kind), 0))
    world.apply(Observation(PARAMETERS, 0))
    for one in batches:
        world.check(one)
        for observation in one:
            world.apply(observation)
    return world


def snapshot_of(*facts: Fact, kind: str = "till") -> Snapshot:
    return cut(world_of(batch(7, *facts), kind=kind))


def view_of(snapshot: Snapshot) -> View:
    return View(snapshot, Engine().evaluate(snapshot), 1, "")


def fault_of(view: View) -> str:
    (account,) = view.health("carol").accounts
    assert account.status is HealthStatus.REFUSED
    return account.fault


# --- Standing -------------------------------------------------------------------------------------


def test_an_account_stands_as_its_rule_says_and_its_legs_enter_the_unified_margin() -> None:
    view = view_of(snapshot_of(*till_facts()))
    health = view.health("carol")
    (account,) = health.accounts
    assert account.status is HealthStatus.HEALTHY
    assert account.health_factor_wad == 2 * 10**18
    assert (account.collateral_base, account.debt_base) == (2_500 * 10**6, 1_000 * 10**6)
    assert (account.counted_base, account.requirement_base) == (2_000 * 10**6, 1_000 * 10**6)
    assert (account.base_unit, account.base_decimals) == ("USDC", 6)
    held = {(p.token, p.counting): p.amount for p in health.positions}
    assert held == {(WETH, Counting.COUNTED): Decimal(1), (USDC, Counting.COUNTED): Decimal(1_000)}
    assert health.health_factor is not None
    (other,) = view.health("dave").accounts
    assert other.status is HealthStatus.NO_DEBT


def test_an_account_that_its_venue_would_liquidate_is_in_the_order_with_its_health() -> None:
    view = view_of(snapshot_of(*till_facts(owed=2_500 * 10**6)))
    first = view.liquidations()[0]
    assert (first.kind, first.account) == (LiquidationKind.VENUE_ACCOUNT, ACCOUNT)
    assert (first.portfolio, first.health_factor) == ("carol", Decimal("0.8"))
    assert first.shortfall == Decimal(500)
    assert first.debt == Decimal(2_500)
    assert "its venue would liquidate it" in first.reason


def test_accounts_due_come_worst_first() -> None:
    worse = records.account_record(OTHER, TillAccount(10**18, 4_000 * 10**6))
    view = view_of(snapshot_of(*till_facts(owed=2_500 * 10**6), worse))
    due = [one for one in view.liquidations() if one.kind is LiquidationKind.VENUE_ACCOUNT]
    assert [one.account for one in due] == [OTHER, ACCOUNT]


def test_an_unlisted_kind_of_venue_is_charged_as_the_riskiest_that_is_listed() -> None:
    """Alice has one WETH at Aave v3, the only listed kind at risk, and carol one at the till."""
    facts = [*block_facts(7, debt=1_000 * 10**6), *till_facts()]
    view = view_of(cut(world_of(committed(facts, block(7)))))
    listed, unlisted = (
        {one.name: one for one in view.health(portfolio).components}
        for portfolio in ("alice", "carol")
    )
    assert unlisted["venue_risk"] == listed["venue_risk"]
    assert unlisted["venue_risk"].maintenance > 0


# --- Faults ---------------------------------------------------------------------------------------


def test_what_was_not_read_is_refused_and_never_healthy() -> None:
    market = records.market_record(VENUE, "market", "WETH", TillMarket(2_500))
    assert fault_of(view_of(snapshot_of(market))) == (
        "a TillAccount that it rests on was not read yet"
    )
    assert fault_of(view_of(snapshot_of())) == "a TillMarket that it rests on was not read yet"


def test_a_record_at_fault_costs_its_own_account_alone() -> None:
    view = view_of(snapshot_of(*till_facts(), records.account_fault(ACCOUNT, "it reverted")))
    assert fault_of(view) == "it reverted"
    assert view.health("carol").status is HealthStatus.UNKNOWN
    assert view.health("dave").status is HealthStatus.NO_DEBT
    assert view.metadata.partial


def test_a_content_of_another_kind_is_refused() -> None:
    stranger = records.account_record(ACCOUNT, TillMarket(1))
    assert "missing or unknown" in fault_of(view_of(snapshot_of(*till_facts(), stranger)))


def test_a_kind_that_nobody_names_has_no_figures() -> None:
    view = view_of(snapshot_of(*till_facts(), kind="nowhere"))
    assert fault_of(view) == "no rule for venues of kind 'nowhere'"


def test_a_rule_that_fails_costs_its_venue_its_figures_and_no_other() -> None:
    view = view_of(snapshot_of(*till_facts(), kind="failing"))
    assert fault_of(view) == "its rule failed: ZeroDivisionError: of another's making"
    assert view.health("alice").status is HealthStatus.NO_DEBT
    assert view.health("bob").status is HealthStatus.NO_DEBT


SOUND = VenueStanding(1, 1, 1, 1, 1, 6, "USD", 10**18, is_liquidatable=False, legs=())
WRONG: tuple[tuple[str, object], ...] = (
    ("collateral", 1.5),
    ("counted", None),
    ("requirement", True),
    ("debt", 2**256),
    ("available", "1"),
    ("decimals", -1),
    ("decimals", 10**6),
    ("health_factor_wad", -1),
    ("health_factor_wad", 0.5),
    ("is_liquidatable", "no"),
    ("unit", None),
    ("legs", None),
    ("legs", [VenueLeg(WETH, 1)]),
    ("legs", ((WETH, 1),)),
    ("legs", (VenueLeg("ETH", 1),)),
    ("legs", (VenueLeg(WETH, 2**256),)),
    ("fault", 7),
)


def standing_with(name: str, value: object) -> VenueStanding:
    fields = {field.name: getattr(SOUND, field.name) for field in dataclasses.fields(SOUND)}
    return VenueStanding(**(fields | {name: value}))


NONSENSE: tuple[object, ...] = (
    None,
    7,
    "healthy",
    [SOUND],
    {ACCOUNT: None},
    {ACCOUNT: "healthy"},
    *({ACCOUNT: standing_with(name, value)} for name, value in WRONG),
)


@pytest.mark.parametrize("answer", NONSENSE, ids=range(len(NONSENSE)))
def test_nonsense_from_a_rule_costs_its_venue_its_figures_and_nothing_else(
    answer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(till, "KIND", SimpleNamespace(reader=None, rule=lambda _: answer))
    extensions.load.cache_clear()
    view = view_of(snapshot_of(*till_facts()))
    assert fault_of(view)
    assert view.health("alice").status is HealthStatus.NO_DEBT
    assert not [one for one in view.liquidations() if one.portfolio == "carol"]


def test_two_packages_may_not_name_one_kind(tmp_path: Path) -> None:
    points = {extensions.VENUES: {"till": "tests.spine.till:KIND"}}
    with installed(tmp_path / "other", "tills-too", points):
        with pytest.raises(ConfigError, match="named by tills, tills-too; uninstall all but one"):
            extensions.load(extensions.VENUES, "till")
        assert "named by" in fault_of(view_of(snapshot_of(*till_facts())))


def test_an_extension_that_cannot_be_imported_says_whose_it_is(tmp_path: Path) -> None:
    points = {extensions.VENUES: {"gone": "tests.spine.nowhere:KIND", "bare": "tests.spine.till:X"}}
    with installed(tmp_path / "other", "ruins", points):
        for kind in ("gone", "bare"):
            fault = fault_of(view_of(snapshot_of(*till_facts(), kind=kind)))
            assert f"'{kind}' of ruins cannot be loaded" in fault


# --- At rest --------------------------------------------------------------------------------------


def test_a_venue_at_rest_is_not_judged_again_and_one_that_moves_is() -> None:
    book, world = StandingBook(), world_of(batch(7, *till_facts()))
    first = book.of(cut(world))
    assert len(till.cases) == 1
    world.apply(Observation(ClockTick(), world.now_ms + 500))
    assert book.of(cut(world)) is first
    assert len(till.cases) == 1, "only our clock moved"
    for observation in batch(8):
        world.apply(observation)
    assert book.of(cut(world)) is first, "the rule says the same of a later block"
    assert len(till.cases) == 2, "interest grows by the block's time"
    for observation in batch(9, *till_facts(owed=5)):
        world.apply(observation)
    changed = book.of(cut(world))
    assert changed is not first
    assert len(till.cases) == 3
    assert changed[ACCOUNT].debt == 5
    assert book.of(cut(world)) is changed


# --- From view to view ----------------------------------------------------------------------------


async def opened(path: Path) -> Spine:
    return await Spine.open(path, registry(), PARAMETERS, lambda: START_S * 1000)


async def test_crossings_tell_when_an_account_becomes_due_unread_and_sound_again(
    tmp_path: Path,
) -> None:
    spine = await opened(tmp_path / "a.tape")
    try:
        await spine.ingest(batch(7, *till_facts()))
        await spine.ingest(batch(8, *till_facts(price=1_000)))
        await spine.ingest(batch(9, records.account_fault(ACCOUNT, "it reverted")))
        await spine.ingest(batch(10, *till_facts()))
        told = spine.crossings.after(0)
    finally:
        await spine.close()
    assert told is not None
    of_account = [one for one in told if one.account == ACCOUNT]
    assert [(one.before, one.after) for one in of_account] == [
        (HealthStatus.HEALTHY, HealthStatus.LIQUIDATABLE),
        (HealthStatus.LIQUIDATABLE, HealthStatus.REFUSED),
        (HealthStatus.REFUSED, HealthStatus.HEALTHY),
    ]
    assert of_account[0].health_factor == Decimal("0.8")


def test_a_reorg_rolls_records_back() -> None:
    before = world_of(batch(7, *till_facts()))
    world = world_of(batch(7, *till_facts()), batch(8, *till_facts(owed=2_500 * 10**6)))
    due = view_of(cut(world)).health("carol").accounts[0]
    assert due.status is HealthStatus.LIQUIDATABLE
    world.apply(reorg(block(7), block(8)))
    assert world.facts("venue-record") == before.facts("venue-record")
    assert view_of(cut(world)).health("carol").accounts[0].status is HealthStatus.HEALTHY


async def test_a_replay_gives_the_same_views_to_the_bit(tmp_path: Path) -> None:
    tape, served = tmp_path / "a.tape", []
    spine = await opened(tape)
    try:
        for height, owed in ((7, 1_000), (8, 2_500), (9, 100)):
            await spine.ingest(batch(height, *till_facts(owed=owed * 10**6)))
            assert spine.view is not None
            served.append(spine.view.sha256)
    finally:
        await spine.close()
    replayed = [view.sha256 for view in replay(tape)]
    assert [one for one in replayed if one in served] == served
    assert len(set(served)) == 3


# --- What if --------------------------------------------------------------------------------------


def test_after_a_plan_an_account_is_known_by_what_is_left_of_its_legs() -> None:
    snapshot = snapshot_of(*till_facts())
    standings = StandingBook().of(snapshot)
    (spec,) = (one for one in snapshot.registry.portfolios if one.id == "carol")
    alone = Alone(snapshot, spec, standings)
    as_it_is = Engine().evaluate(alone.snapshot()).standings[ACCOUNT]
    assert as_it_is == VenueStanding.held(standings[ACCOUNT].legs)
    sides = {(ACCOUNT, WETH, False): -4 * 10**17, (ACCOUNT, USDC, True): -(10**9)}
    before = {(ACCOUNT, WETH, False): 10**18, (ACCOUNT, USDC, True): 10**9}
    moved = Moved(sides, before, {WETH: 18, USDC: 6}, Fraction(0))
    after = Engine().evaluate(alone.after(moved)).standings[ACCOUNT]
    assert after.legs == (VenueLeg(WETH, 6 * 10**17),)


def test_the_held_legs_of_an_account_need_no_rule() -> None:
    held = records.market_record(VENUE, "held", ACCOUNT, HeldLegs((VenueLeg(WETH, 2 * 10**18),)))
    view = view_of(snapshot_of(held, kind="nowhere"))
    (account,) = view.health("carol").accounts
    assert account.status is HealthStatus.NO_DEBT
    (position,) = view.health("carol").positions
    assert (position.token, position.amount) == (WETH, Decimal(2))


@pytest.mark.parametrize(
    "record",
    [
        VenueRecord(VENUE, "held", ACCOUNT, "no JSON", ""),
        VenueRecord(VENUE, "held", ACCOUNT, "", "its endpoint gave up"),
        records.market_record(VENUE, "held", ACCOUNT, HeldLegs((VenueLeg(WETH, 2**256),))),
        records.market_record(VENUE, "held", ACCOUNT, HeldLegs((VenueLeg("no token", 1),))),
    ],
)
def test_held_legs_that_make_no_sense_cost_their_account_and_no_other(record: VenueRecord) -> None:
    view = view_of(snapshot_of(*till_facts(), record))
    assert fault_of(view)
    (other,) = view.health("dave").accounts
    assert other.status is HealthStatus.NO_DEBT


@pytest.mark.parametrize(
    "terms",
    [
        TokenTerms(10_000, 2**256, 0, ()),
        TokenTerms(9_999, 2**64 - 1, 0, ()),
        TokenTerms(-1, 0, 0, ()),
        TokenTerms(0, 0, 10_001, ()),
    ],
)
@pytest.mark.parametrize("amount", [2**256 - 1, 1 - 2**256, -1])
def test_terms_of_a_token_that_nobody_can_mean_do_not_cost_the_view(
    terms: TokenTerms, amount: int
) -> None:
    held = records.market_record(VENUE, "held", ACCOUNT, HeldLegs((VenueLeg(WETH, amount),)))
    told = records.market_record(VENUE, TOKEN_TERMS_RECORD, WETH, terms)
    view = view_of(snapshot_of(*till_facts(), held, told))
    assert not any(account.fault for account in view.health("carol").accounts)


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (
            records.market_record(
                VENUE, CLAIM_RECORD, WETH, TokenClaim(WETH, WETH, 1, 1, "", kept=False)
            ),
            "is excluded",
        ),
        (VenueRecord(VENUE, TOKEN_TERMS_RECORD, WETH, "no terms", ""), "counts nothing"),
    ],
)
def test_a_token_of_which_nothing_counts_is_flagged_where_only_a_venue_holds_it(
    record: VenueRecord, why: str
) -> None:
    view = view_of(snapshot_of(*till_facts(), record))
    (flag,) = (flag for flag in view.health("carol").flags if WETH in flag)
    assert why in flag
    assert flag in view.metadata.flags
