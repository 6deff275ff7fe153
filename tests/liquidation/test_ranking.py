"""The order that is served: by bad debt avoided per priced unit of depth, explained, certified."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from importlib.resources import as_file, files
from math import inf
from typing import Any

import pytest

from tests.service.book import DEBTS_USD, observed, registry_of
from xmargin.engine import Engine
from xmargin.errors import ObservationError
from xmargin.model import (
    AssetDepth,
    DepthKnot,
    FleetCertificate,
    LiquidationEntry,
    LiquidationKind,
    LiquidationTerms,
    Observation,
    PlanVerdict,
    RankReason,
)
from xmargin.params import load_parameters
from xmargin.reference import fleet_check
from xmargin.snapshot import cut
from xmargin.spine import replay
from xmargin.view import View
from xmargin.world import World

NOW_MS = 1_000


def view_of(
    debts_usd: Mapping[str, int] = DEBTS_USD,
    eth_usd: int = 2_500,
    terms: LiquidationTerms | None = None,
) -> View:
    facts: list[Any] = [registry_of(sorted(debts_usd)), load_parameters("unified-v1")]
    world = World()
    for fact in facts + ([terms] if terms else []):
        world.apply(Observation(fact, NOW_MS))
    for observation in observed(1, eth_usd=eth_usd, debts_usd=debts_usd):
        world.apply(observation)
    snapshot = cut(world)
    return View(snapshot, Engine().evaluate(snapshot), 1, "00")


def reason_of(entry: LiquidationEntry) -> RankReason:
    assert entry.rank_reason is not None
    return entry.rank_reason


def accounts(view: View) -> list[LiquidationEntry]:
    return [e for e in view.liquidations() if e.kind is LiquidationKind.VENUE_ACCOUNT]


def shallow(sold: str, **more: Any) -> LiquidationTerms:
    """A market of ETH that takes so many units at all but no loss, and then nothing."""
    knots = (DepthKnot(Decimal(0), Decimal(1)), DepthKnot(Decimal(sold), Decimal("0.96")),
             DepthKnot(Decimal(sold), Decimal(0)))  # fmt: skip
    return LiquidationTerms(depth=(AssetDepth("ETH", knots),), **more)


def faults_as_served(
    ranked: Sequence[LiquidationEntry], certificate: FleetCertificate, block_accounts_max: int
) -> list[str]:
    """What the checker finds wrong with entries and certificate as they are served."""
    worst_first = sorted(ranked, key=lambda e: (e.health_factor, -e.debt, e.account))
    ids = {entry.account: number for number, entry in enumerate(worst_first)}
    checked, ranks = [], []
    for entry in ranked:
        reason, number = reason_of(entry), ids[entry.account]
        used = {asset: float(units) for asset, units in reason.depth_used.items()}
        cost = float(reason.cost)
        checked.append(fleet_check.Account(number, float(reason.bad_debt_expected), cost, used))
        key = inf if reason.key is None else float(reason.key)
        batch = None if reason.batch is None else reason.batch - 1
        ranks.append(fleet_check.Ranked(number, key, float(reason.share), batch))
    prices = {asset: float(price) for asset, price in certificate.price_of_depth.items()}
    order = fleet_check.Order(ranks, prices, float(certificate.avoided), float(certificate.bound))
    depth = {asset: float(units) for asset, units in certificate.depth.items()}
    return fleet_check.faults_of_order(
        checked, depth, order, parts=True, block_accounts_max=block_accounts_max
    )


def test_who_avoids_more_bad_debt_comes_first_where_depth_is_free() -> None:
    debts = {"deep": 21_600, "edge": 20_700}
    first, second = accounts(view_of(debts))
    assert [first.portfolio, second.portfolio] == ["deep", "edge"]
    assert reason_of(first).key is None
    assert reason_of(first).bad_debt_avoided > reason_of(second).bad_debt_avoided > 0
    assert [one.verdict for one in (first, second)] == [PlanVerdict.PROPOSED] * 2


def test_ranks_count_from_one_without_a_gap_accounts_before_portfolios() -> None:
    entries = view_of({"a": 21_600, "b": 22_500, "c": 24_000}).liquidations()
    assert [entry.rank for entry in entries] == list(range(1, len(entries) + 1))
    kinds = [entry.kind for entry in entries]
    assert kinds == sorted(kinds, key=[*LiquidationKind].index)


def test_where_depth_is_short_it_has_a_price_and_the_last_get_a_part_or_nothing() -> None:
    debts = {f"p{number}": 20_700 + 100 * number for number in range(8)}
    view = view_of(debts, terms=shallow("12"))
    (certificate,) = view.ranking.certificates
    assert certificate.price_of_depth["ETH"] > 0
    used = sum(
        Fraction(reason_of(e).depth_used["ETH"] * reason_of(e).share) for e in accounts(view)
    )
    assert used <= Fraction(certificate.depth["ETH"]) * (1 + Fraction(1, 10**12))
    shares = [reason_of(entry).share for entry in accounts(view)]
    assert shares[0] == 1
    assert shares[-1] == 0
    assert certificate.avoided <= certificate.bound


def test_the_served_order_passes_the_independent_check() -> None:
    """From what is served alone: keys, order, depth, batches and the bound, in rationals."""
    debts = {f"p{number}": 20_700 + 90 * number for number in range(12)}
    view = view_of(debts, terms=shallow("20", block_accounts_max=3))
    ranked = accounts(view)
    (certificate,) = view.ranking.certificates
    assert faults_as_served(ranked, certificate, block_accounts_max=3) == []


def test_blocks_are_counted_from_one_and_hold_what_the_terms_allow() -> None:
    debts = {f"p{number}": 20_700 + 100 * number for number in range(7)}
    view = view_of(debts, terms=LiquidationTerms(block_accounts_max=3))
    assert [reason_of(entry).batch for entry in accounts(view)] == [1, 1, 1, 2, 2, 2, 3]


def test_equal_accounts_are_ranked_all_the_same_each_time() -> None:
    debts = dict.fromkeys(("a", "b", "c", "d"), 21_000)
    orders = [[entry.account for entry in view_of(debts).liquidations()] for _ in range(3)]
    assert orders[0] == orders[1] == orders[2] == sorted(orders[0])


def test_a_toxic_liquidation_is_told_last_and_not_planned() -> None:
    entries = accounts(view_of({"deep": 24_000, "edge": 20_700}))
    assert [(e.portfolio, e.verdict) for e in entries] == [
        ("edge", PlanVerdict.PROPOSED),
        ("deep", PlanVerdict.TOXIC),
    ]
    assert entries[1].rank_reason is None


def test_a_longer_horizon_never_lowers_the_bad_debt_that_is_expected() -> None:
    found = [
        reason_of(accounts(view_of({"p": 21_000}, terms=LiquidationTerms(horizon_s=horizon)))[0])
        for horizon in (3_600, 86_400, 864_000)
    ]
    expected = [reason.bad_debt_expected for reason in found]
    assert expected == sorted(expected)
    assert expected[0] < expected[-1]


def test_without_depth_nothing_is_planned_and_all_are_listed() -> None:
    knots = (DepthKnot(Decimal(0), Decimal(1)), DepthKnot(Decimal(0), Decimal(0)))
    terms = LiquidationTerms(depth=(AssetDepth("ETH", knots),))
    entries = accounts(view_of({"a": 21_000, "b": 20_700}, terms=terms))
    assert [reason_of(entry).share for entry in entries] == [0, 0]
    assert [reason_of(entry).batch for entry in entries] == [None, None]


def test_parameters_without_liquidity_keep_the_worst_first() -> None:
    parameters = load_parameters("unified-v1")
    tree = json.loads(parameters.content)
    for key in ("liquidity", "venue_risk", "mobility"):
        del tree[key]
    bare = replace(parameters, content=json.dumps(tree))
    world = World()
    for fact in (registry_of(["a", "b"]), bare):
        world.apply(Observation(fact, NOW_MS))
    for observation in observed(1, debts_usd={"a": 20_700, "b": 21_600}):
        world.apply(observation)
    snapshot = cut(world)
    view = View(snapshot, Engine().evaluate(snapshot), 1, "00")
    assert [entry.portfolio for entry in accounts(view)] == ["b", "a"]
    assert view.ranking.certificates == ()
    assert {entry.rank_reason for entry in view.liquidations()} == {None}


def test_every_view_of_the_falling_market_has_a_certified_order() -> None:
    with as_file(files("xmargin.tapes") / "demo.tape") as tape:
        views = [view for view in replay(tape) if view.ranking.certificates]
    assert views
    for view in views:
        (certificate,) = view.ranking.certificates
        assert 0 <= certificate.avoided <= certificate.bound
        assert certificate.avoided >= certificate.bound * Decimal("0.999")


@pytest.mark.parametrize(
    ("terms", "problem"),
    [
        (LiquidationTerms(horizon_s=0), "horizon_s is 0"),
        (LiquidationTerms(correlation=Decimal("1.1")), "correlation is 1.1"),
        (LiquidationTerms(correlation=Decimal("NaN")), "infinite or none"),
        (LiquidationTerms(depth=(AssetDepth("ETH", ()),)), "0 knots"),
        (
            LiquidationTerms(depth=(AssetDepth("ETH", (DepthKnot(Decimal(1), Decimal(1)),)),)),
            "begin at sold 0",
        ),
        (
            LiquidationTerms(
                depth=(
                    AssetDepth(
                        "ETH",
                        (DepthKnot(Decimal(0), Decimal(1)), DepthKnot(Decimal(1), Decimal("1.1"))),
                    ),
                )
            ),
            "must be in",
        ),
    ],
)
def test_terms_that_nothing_can_be_ordered_by_are_refused(
    terms: LiquidationTerms, problem: str
) -> None:
    world = World()
    with pytest.raises(ObservationError, match=problem):
        world.check([Observation(terms, NOW_MS)])
    assert world.terms == LiquidationTerms()


@pytest.mark.parametrize("sold", ["1e-300", "1e-28", "1e-320"])
def test_a_market_of_next_to_nothing_is_a_market_of_nothing(sold: str) -> None:
    knots = (DepthKnot(Decimal(0), Decimal(1)), DepthKnot(Decimal(sold), Decimal("0.5")))
    view = view_of(terms=LiquidationTerms(depth=(AssetDepth("ETH", knots),)))
    (certificate,) = view.ranking.certificates
    assert certificate.depth == {"ETH": 0}
    assert [reason_of(entry).share for entry in accounts(view)] == [0]
