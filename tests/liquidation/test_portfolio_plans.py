"""Plans of whole portfolios: believed only as far as the model and the exact checker agree."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cache
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.house.paths import ROOT
from tests.liquidation import portfolio_snapshots as made
from xmargin.engine import Engine, Evaluation
from xmargin.engine.cascade import NO_DEPTH, DepthCurve
from xmargin.engine.portfolio_case import Case, Cases
from xmargin.engine.portfolio_legs import Market
from xmargin.engine.portfolio_plans import EVALUATIONS_MAX, PortfolioPlans
from xmargin.engine.trade_cost import ImpactLaws
from xmargin.engine.what_if import Alone
from xmargin.errors import EngineError, PortfolioNotFoundError
from xmargin.model import (
    AaveV3Account,
    AaveV3Reserve,
    ChainId,
    HealthStatus,
    LegSide,
    PlanCertificate,
    PlanVerdict,
    PortfolioPlan,
    RiskParameters,
    TokenState,
    Verdict,
    chain_of,
    venue_of,
)
from xmargin.reference.leg_plan_check import Book, faults_of_plan, is_proof_of_no_plan
from xmargin.snapshot import Snapshot
from xmargin.spine import replay
from xmargin.view import View
from xmargin.world import key_of

DEMO = ROOT / "python/xmargin/tapes/demo.tape"
DEPTH = {
    "BTC": DepthCurve(((0, 1), (0, 0.9995), (5, 0.99), (100, 0.9))),
    "ETH": DepthCurve(((0, 1), (50, 0.998), (500, 0.97), (500, 0))),
    "ODD": DepthCurve(((0, 1), (10**6, 0.99), (10**8, 0.5), (10**8, 0))),
    "PYUSD": DepthCurve(((0, 1), (10**6, 0.999))),
    "SOL": DepthCurve(((0, 1), (1000, 0.99))),
    "USDC": DepthCurve(((0, 1), (10**9, 0.999))),
}


def book_of(certificate: PlanCertificate) -> Book:
    """What the checker takes, from the wire's numbers alone."""
    return Book(
        equity=float(certificate.equity),
        loss_share_max=float(certificate.loss_share_max),
        spread=[float(leg.spread) for leg in certificate.legs],
        impact=[float(leg.impact) for leg in certificate.legs],
        lots=[0 for _ in certificate.legs],
        losses=[[float(loss) for loss in one.losses] for one in certificate.scenarios],
    )


def faults(plan: PortfolioPlan) -> list[str]:
    """What the independent checker finds wrong with a plan, or with a proof that there is none."""
    certificate = plan.certificate
    if certificate is None:
        return []
    multipliers = [float(one.multiplier) for one in certificate.scenarios]
    if not certificate.is_plan:
        proven = is_proof_of_no_plan(book_of(certificate), multipliers)
        return [] if proven else ["no proof"]
    assert (plan.cost, plan.cost_bound) == (certificate.value, certificate.bound)
    return faults_of_plan(
        book_of(certificate),
        [float(leg.fraction) for leg in certificate.legs],
        float(certificate.value),
        multipliers,
        float(certificate.bound),
    )


def planned(
    snapshot: Snapshot, depth: Mapping[str, DepthCurve] = DEPTH, portfolio: str = "p"
) -> PortfolioPlan:
    return PortfolioPlans(snapshot, Engine().evaluate(snapshot), depth).of(portfolio)


def initial_excess(snapshot: Snapshot, portfolio: str = "p") -> float:
    """By the real engine."""
    evaluation = Engine().evaluate(snapshot)
    row = evaluation.portfolios[evaluation.rows.portfolio_ids.index(portfolio)]
    excess: float = row["initial_excess"]
    return excess


class Closings:
    """Other plans of the same legs, at the same costs, as the model sees them."""

    def __init__(
        self,
        snapshot: Snapshot,
        evaluation: Evaluation,
        depth: Mapping[str, DepthCurve],
        portfolio: str,
    ) -> None:
        laws = ImpactLaws.of(snapshot.parameters.content)
        number = evaluation.rows.portfolio_ids.index(portfolio)
        self._alone = Alone(snapshot, snapshot.registry.portfolios[number], {})
        self._cases = Cases(snapshot, evaluation, Market(snapshot.prices, depth, laws))
        self._engine = Engine()
        case = self._cases.of(self._alone, evaluation.portfolios[number])
        assert case is not None
        self.case: Case = case

    def meets_the_target(self, fractions: Sequence[float]) -> bool:
        moved = self._cases.moved(self.case, fractions)
        (row,) = self._engine.evaluate(self._alone.after(moved)).portfolios
        return moved.unplaced >= 0 and row["initial_excess"] >= 0

    def least_pro_rata_cost(self) -> float | None:
        """Of the least equal part of all legs that meets the target, if any of 24 does."""
        legs = len(self.case.subject.legs)
        parts = (step / 24 for step in range(1, 25))
        enough = next((p for p in parts if self.meets_the_target([p] * legs)), None)
        if enough is None:
            return None
        less = enough - 1 / 24
        for _ in range(30):
            part = (less + enough) / 2
            less, enough = (less, part) if self.meets_the_target([part] * legs) else (part, enough)
        return self.case.cost([enough] * legs)


# --- The demo's falling market --------------------------------------------------------------------


@cache
def demo_views() -> tuple[View, ...]:
    return tuple(replay(DEMO))


@cache
def demo_plans(depth: bool) -> tuple[tuple[View, PortfolioPlan], ...]:
    """The plans of every fifth view."""
    plans = []
    for view in demo_views()[5::8]:
        made_here = PortfolioPlans(view._snapshot, view._evaluation, DEPTH if depth else {})
        plans += [(view, made_here.of(portfolio)) for portfolio in view.portfolio_ids]
    return tuple(plans)


@pytest.mark.parametrize("depth", [False, True])
def test_in_the_demo_all_that_are_liquidatable_get_a_plan_or_a_proof(depth: bool) -> None:
    seen = set()
    for view, plan in demo_plans(depth):
        health = view.health(plan.portfolio)
        if any(account.status is HealthStatus.REFUSED for account in health.accounts):
            assert plan.verdict is PlanVerdict.UNKNOWN
        elif health.status is HealthStatus.LIQUIDATABLE:
            assert plan.verdict in (PlanVerdict.PROPOSED, PlanVerdict.REFUSED)
            assert plan.certificate is not None, plan.portfolio
            seen.add((plan.portfolio[:3], plan.verdict))
        elif health.status in (HealthStatus.UNKNOWN, HealthStatus.REFUSED):
            assert plan.verdict is PlanVerdict.UNKNOWN
        else:
            assert (plan.verdict, plan.legs, plan.moves) == (PlanVerdict.NOT_DUE, (), ())
    due = ("p08", "p09", "p14", "p15", "p16", "p17")
    assert {verdict for _, verdict in seen} == {PlanVerdict.PROPOSED, PlanVerdict.REFUSED}
    assert {name for name, verdict in seen if verdict is PlanVerdict.PROPOSED} == set(due)


@pytest.mark.parametrize("depth", [False, True])
def test_in_the_demo_every_certificate_passes_the_independent_checker(depth: bool) -> None:
    for _, plan in demo_plans(depth):
        assert faults(plan) == [], plan.portfolio
        if plan.gap is not None and plan.cost is not None:
            assert 0 <= plan.gap <= Decimal("1e-4") * plan.cost


@pytest.mark.parametrize("depth", [False, True])
def test_in_the_demo_every_plan_just_meets_initial_margin(depth: bool) -> None:
    for view, plan in demo_plans(depth):
        if plan.verdict is PlanVerdict.PROPOSED:
            before, after = plan.initial_excess_before, plan.initial_excess_after
            assert before == view.health(plan.portfolio).initial_excess
            assert before is not None
            assert after is not None
            assert 0 <= after <= Decimal("1e-6") * -before
            assert plan.health_factor_after is not None
            assert plan.health_factor_after > 1
            assert plan.initial_excess_target == 0


@pytest.mark.parametrize("depth", [False, True])
def test_in_the_demo_no_plan_is_dearer_than_the_least_pro_rata_one(depth: bool) -> None:
    """To what a plan may leave unused of the shortfall, and the solver's own 1e-6."""
    curves = DEPTH if depth else {}
    compared = 0
    for view in demo_views()[9:60:16]:
        snapshot, evaluation = view._snapshot, view._evaluation
        plans = PortfolioPlans(snapshot, evaluation, curves)
        for name in view.portfolio_ids:
            plan = plans.of(name)
            if plan.verdict is PlanVerdict.PROPOSED:
                pro_rata = Closings(snapshot, evaluation, curves, name).least_pro_rata_cost()
                assert plan.cost is not None
                assert pro_rata is None or float(plan.cost) <= pro_rata * (1 + 1e-5), name
                compared += pro_rata is not None
    assert compared >= 12


def test_what_is_proven_hopeless_is_so_wherever_one_looks() -> None:
    view = demo_views()[33]
    name = "p14-liquidatable-everywhere"
    plan = PortfolioPlans(view._snapshot, view._evaluation, {}).of(name)
    assert plan.certificate is not None
    assert not plan.certificate.costs_counted
    closings = Closings(view._snapshot, view._evaluation, {}, name)
    steps = [step / 20 for step in range(21)]
    for fractions in product(steps, repeat=len(closings.case.subject.legs)):
        assert not closings.meets_the_target(fractions)


# --- Generated portfolios -------------------------------------------------------------------------


# portfolio-plan-3
@given(made.distressed(models=made.ALL_MODELS), st.booleans())
@settings(max_examples=100, deadline=None)
def test_the_moves_of_a_plan_made_one_by_one_restore_initial_margin(
    snapshot: Snapshot, has_depth: bool
) -> None:
    plan = planned(snapshot, DEPTH if has_depth else {})
    if plan.verdict is PlanVerdict.PROPOSED:
        assert initial_excess(made.applied(snapshot, plan.moves)) >= 0
        assert plan.evaluations <= EVALUATIONS_MAX


# portfolio-plan-4
@given(made.distressed(models=made.ALL_MODELS), st.booleans())
@settings(max_examples=100, deadline=None)
def test_every_certificate_passes_the_independent_checker(
    snapshot: Snapshot, has_depth: bool
) -> None:
    plan = planned(snapshot, DEPTH if has_depth else {})
    assert faults(plan) == []
    if plan.verdict is PlanVerdict.PROPOSED:
        assert plan.cost is not None
        assert plan.gap is not None
        assert sum(leg.cost for leg in plan.legs) == pytest.approx(plan.cost, rel=Decimal("1e-9"))


# portfolio-plan-5
@given(made.distressed(cut_off=False, models=("nothing charged for size",)))
@settings(max_examples=50, deadline=None)
def test_no_plan_is_dearer_than_the_least_pro_rata_one(snapshot: Snapshot) -> None:
    """Without a charge for size the lines are the model's own, but for where it has kinks."""
    evaluation = Engine().evaluate(snapshot)
    plan = PortfolioPlans(snapshot, evaluation, {}).of("p")
    if plan.verdict in (PlanVerdict.PROPOSED, PlanVerdict.REFUSED) and plan.money:
        pro_rata = Closings(snapshot, evaluation, {}, "p").least_pro_rata_cost()
        if pro_rata is not None:
            assert plan.cost is not None, "what pro-rata can do, a plan can"
            assert float(plan.cost) <= pro_rata * (1 + 1e-3)


# portfolio-plan-6
@given(made.distressed(models=made.ALL_MODELS), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_no_random_closing_refutes_a_proof_that_there_is_none(
    snapshot: Snapshot, seed: int
) -> None:
    evaluation = Engine().evaluate(snapshot)
    plan = PortfolioPlans(snapshot, evaluation, {}).of("p")
    if plan.why.endswith("(proven)"):
        assert plan.certificate is not None
        assert all("nothing charged" in one.name for one in plan.certificate.scenarios)
        closings, random = Closings(snapshot, evaluation, {}, "p"), Random(seed)
        for _ in range(20):
            fractions = [random.choice([0, 1, random.random()]) for _ in closings.case.subject.legs]
            assert not closings.meets_the_target(fractions)


# portfolio-plan-7
@given(made.distressed())
@settings(max_examples=60, deadline=None)
def test_nothing_is_moved_on_chains_that_cannot_be_reached(snapshot: Snapshot) -> None:
    plan = planned(snapshot)
    cut_off = {chain.chain for chain in snapshot.chains if chain.cut_off}
    assert not any(chain_of(move.account) in cut_off for move in plan.moves)
    for chain in cut_off:
        assert f"chain {chain} is UNREACHABLE: nothing there is closed" in plan.flags


# portfolio-plan-8
@given(made.distressed(models=made.ALL_MODELS))
@settings(max_examples=30, deadline=None)
def test_a_portfolio_is_planned_as_if_it_were_alone(snapshot: Snapshot) -> None:
    (spec,) = snapshot.registry.portfolios
    other = made.wallet(made.CHAINS[0], "0x02", {"ETH": 500.0})
    both = replace(snapshot.registry, portfolios=(made.portfolio("a", other), spec))
    facts = {kind: dict(of_kind) for kind, of_kind in snapshot.facts.items()}
    facts["balance"] |= {key_of(fact): fact for fact in other}
    together = replace(snapshot, registry=both, facts=facts)
    assert planned(together) == planned(snapshot)


# --- Bad input, and what must not be traded -------------------------------------------------------

OWNER = "0x01"
SUPPLIED = {"ETH": 100_000.0, "BTC": 40_000.0}
OWED = {"USDC": 125_000.0}


def example(
    supplied: Mapping[str, float] = SUPPLIED,
    owed: Mapping[str, float] = OWED,
    held: Mapping[str, float] | None = None,
    *,
    cut_off: Sequence[ChainId] = (),
    verdicts: dict[str, Verdict] | None = None,
    parameters: RiskParameters = made.PARAMETERS,
) -> Snapshot:
    """One account at a venue, and wallets on all three chains."""
    facts = [made.holder(made.CHAINS[0], OWNER, dict(supplied), dict(owed))]
    for chain in made.CHAINS:
        facts += made.wallet(chain, OWNER, dict(held or {}))
    registry = made.registry([made.portfolio("p", facts)])
    return made.snapshot(registry, facts, cut_off=cut_off, verdicts=verdicts, parameters=parameters)


def test_an_example_is_what_a_person_would_do() -> None:
    plan = planned(example())
    assert plan.verdict is PlanVerdict.PROPOSED
    assert plan.money == "USDC"
    assert {(leg.asset, leg.side) for leg in plan.legs} <= {
        ("BTC", LegSide.SELL),
        ("ETH", LegSide.SELL),
    }
    repaid = -sum(move.change for move in plan.moves if move.symbol == "USDC")
    sold = sum(leg.value for leg in plan.legs)
    assert plan.cost is not None
    # Debts are repaid at the high end of USDC's range, a tenth of a percent above its mark.
    assert repaid * Decimal("1.001") == pytest.approx(sold - plan.cost, abs=Decimal("0.01"))


def test_what_is_owed_is_bought_back_with_what_is_owned() -> None:
    plan = planned(example({"USDC": 100_000.0}, {"ETH": 92_000.0}))
    assert [(leg.asset, leg.side) for leg in plan.legs] == [("ETH", LegSide.BUY)]
    changes = {move.symbol: move.change for move in plan.moves}
    assert changes.keys() == {"ETH", "USDC"}
    assert all(change < 0 for change in changes.values())


def test_a_loop_of_one_asset_is_unwound_although_it_hardly_moves() -> None:
    plan = planned(example({"WSTETH": 100_000.0}, {"ETH": 98_500.0}))
    assert (plan.verdict, plan.money) == (PlanVerdict.PROPOSED, "ETH")
    assert [(leg.asset, leg.side) for leg in plan.legs] == [("ETH", LegSide.SELL)]


def test_without_any_depth_nothing_can_be_closed() -> None:
    plan = planned(example(), dict.fromkeys(DEPTH, NO_DEPTH))
    assert (plan.verdict, plan.moves) == (PlanVerdict.REFUSED, ())
    assert plan.why == "no plan: it has no leg that could be closed"
    assert "sell ETH: the market takes 0.0000% of it" in plan.flags


def test_a_market_that_ends_is_not_sold_beyond_its_end() -> None:
    thin = DEPTH | {"ETH": DepthCurve(((0, 1), (10, 0.99), (10, 0)))}
    snapshot = example(owed={"USDC": 121_000.0})
    plan = planned(snapshot, thin)
    assert plan.verdict is PlanVerdict.PROPOSED
    sold = {leg.asset: leg.amount for leg in plan.legs}
    assert sold["ETH"] <= 10
    assert "sell ETH: the market takes 25.0000% of it" in plan.flags
    deep = planned(snapshot)
    assert plan.cost is not None
    assert deep.cost is not None
    assert deep.cost <= plan.cost


@pytest.mark.parametrize("debt", [141_000.0, 200_000.0, 1e9])
def test_negative_equity_is_refused_with_a_proof_that_no_cost_matters(debt: float) -> None:
    plan = planned(example(owed={"USDC": debt}))
    assert plan.verdict is PlanVerdict.REFUSED
    assert plan.certificate is not None
    assert not plan.certificate.costs_counted
    assert faults(plan) == []


def test_amounts_that_no_market_knows_are_told_and_end_nothing() -> None:
    plan = planned(example({"ETH": 1e35}, {"USDC": 0.9e35}))
    assert plan.verdict is PlanVerdict.UNKNOWN
    assert plan.why.startswith("it is due, but cannot be planned: ")


def test_equal_portfolios_get_equal_plans() -> None:
    facts = [
        fact
        for owner in ("0x01", "0x02", "0x03")
        for fact in (
            made.holder(made.CHAINS[0], owner, dict(SUPPLIED), dict(OWED)),
            *made.wallet(made.CHAINS[0], owner, {}),
        )
    ]
    specs = [
        made.portfolio(owner, [f for f in facts if getattr(f, "account", "").endswith(owner)])
        for owner in ("0x01", "0x02", "0x03")
    ]
    snapshot = made.snapshot(made.registry(specs), facts)
    plans = [planned(snapshot, portfolio=spec.id) for spec in specs]
    assert len({(plan.legs, plan.cost, plan.certificate) for plan in plans}) == 1
    assert plans[0].verdict is PlanVerdict.PROPOSED


@pytest.mark.parametrize("verdict", [Verdict.HOLD, Verdict.REFUSE])
def test_a_portfolio_that_rests_on_a_price_in_doubt_is_not_planned(verdict: Verdict) -> None:
    for base in ("ETH", "USDC"):
        plan = planned(example(verdicts={base: verdict}))
        assert (plan.verdict, plan.legs) == (PlanVerdict.UNKNOWN, ()), base
        assert plan.why.startswith("it may be due")


def test_an_unread_account_makes_it_unknown() -> None:
    snapshot = example()
    facts = {kind: dict(of_kind) for kind, of_kind in snapshot.facts.items()}
    (key,) = facts["aave-v3-account"]
    user = facts["aave-v3-account"][key]
    assert isinstance(user, AaveV3Account)
    facts["aave-v3-account"][key] = replace(user, fault="timed out")
    plan = planned(replace(snapshot, facts=facts))
    assert plan.verdict is PlanVerdict.UNKNOWN
    assert plan.why.endswith("timed out")
    assert any("timed out" in flag for flag in plan.flags)


def test_a_token_at_fault_is_never_sold() -> None:
    snapshot = example(held={"ODD": 30_000.0})
    facts = {kind: dict(of_kind) for kind, of_kind in snapshot.facts.items()}
    for key, state in facts["token"].items():
        if isinstance(state, TokenState) and state.symbol == "ODD":
            facts["token"][key] = replace(state, fault="no decimals")
    plan = planned(replace(snapshot, facts=facts))
    assert plan.verdict is PlanVerdict.PROPOSED
    assert not any(move.symbol == "ODD" for move in plan.moves)
    assert any("no decimals" in flag for flag in plan.flags)


@pytest.mark.parametrize("symbol", ["ETH", "USDC"])
def test_what_its_venue_has_paused_no_plan_sells_or_repays(symbol: str) -> None:
    snapshot = example()
    facts = {kind: dict(of_kind) for kind, of_kind in snapshot.facts.items()}
    paused = made.token_id(made.CHAINS[0], symbol)
    for key, reserve in facts["aave-v3-reserve"].items():
        if isinstance(reserve, AaveV3Reserve) and reserve.token == paused:
            word = reserve.configuration | 1 << 60
            facts["aave-v3-reserve"][key] = replace(reserve, configuration=word)
    before, plan = planned(snapshot), planned(replace(snapshot, facts=facts))
    venue = made.venue_id(made.CHAINS[0])
    assert any((venue_of(m.account), m.symbol) == (venue, symbol) for m in before.moves)
    assert not any((venue_of(m.account), m.symbol) == (venue, symbol) for m in plan.moves)
    assert any(f"{symbol} is paused" in flag for flag in plan.flags)
    assert not faults(plan)


def test_a_rich_wallet_that_cannot_be_reached_is_left_alone() -> None:
    there = made.CHAINS[2]
    plan = planned(example(held={"ETH": 30_000.0}, cut_off=[there], owed={"USDC": 185_000.0}))
    assert plan.verdict is PlanVerdict.PROPOSED
    assert not any(chain_of(move.account) == there for move in plan.moves)
    assert f"chain {there} is UNREACHABLE: nothing there is closed" in plan.flags


def test_where_no_cost_is_known_it_is_said() -> None:
    flags = planned(example(), {}).flags
    assert "no depth curve of ETH: its cost is the parameter file's own impact law" in flags
    assert not any("no depth" in flag for flag in planned(example()).flags)


def test_a_portfolio_that_nobody_has_is_not_found() -> None:
    with pytest.raises(PortfolioNotFoundError, match="no portfolio 'q'; list the 1 there are"):
        planned(example(), portfolio="q")


def test_a_depth_curve_that_is_none_is_refused_by_asset() -> None:
    with pytest.raises(EngineError, match="depth of ETH"):
        planned(example(), {"ETH": DepthCurve(((0, 2.0),))})


def test_a_plan_is_made_once() -> None:
    snapshot = example()
    plans = PortfolioPlans(snapshot, Engine().evaluate(snapshot), DEPTH)
    assert plans.of("p") is plans.of("p")
