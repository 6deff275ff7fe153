"""Plans of portfolios and liquidation prices, from the wire alone."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import grpc

from tests.service.book import DEBTS_USD, account_of, observed
from tests.service.conftest import Running
from tests.service.test_margin import refused
from tests.spine.examples import WETH
from xmargin.model import AaveV3Reserve, Observation
from xmargin.reference.leg_plan_check import Book, faults_of_plan, is_proof_of_no_plan
from xmargin.v1 import liquidation_service_pb2 as pb

ACCOUNTS = {name: account_of(name, row) for row, name in enumerate(sorted(DEBTS_USD))}


async def planned(running: Running, portfolio: str) -> pb.PlanLiquidationResponse:
    request = pb.PlanLiquidationRequest(portfolio_id=portfolio)
    answer = await running.liquidation.PlanLiquidation(request)
    assert isinstance(answer, pb.PlanLiquidationResponse)
    return answer


async def listed(running: Running, **fields: Any) -> pb.ListLiquidationsResponse:
    answer = await running.liquidation.ListLiquidations(pb.ListLiquidationsRequest(**fields))
    assert isinstance(answer, pb.ListLiquidationsResponse)
    return answer


def number(message: Any) -> float:
    return float(message.value)


def book_of(certificate: pb.PlanCertificate) -> Book:
    return Book(
        equity=number(certificate.equity),
        loss_share_max=number(certificate.loss_share_max),
        spread=[number(leg.spread) for leg in certificate.legs],
        impact=[number(leg.impact) for leg in certificate.legs],
        lots=[0 for _ in certificate.legs],
        losses=[[number(loss) for loss in one.losses] for one in certificate.scenarios],
    )


async def test_a_plan_is_checked_from_the_wire_without_trusting_the_solver(
    running: Running,
) -> None:
    await running.spine.ingest(observed(1, eth_usd=2_500, debts_usd={**DEBTS_USD, "broke": 21_500}))
    plan = (await planned(running, "broke")).portfolio_plan
    assert plan.verdict == pb.PLAN_VERDICT_PROPOSED
    proof = plan.certificate
    assert proof.is_plan
    fractions = [number(leg.fraction) for leg in proof.legs]
    multipliers = [number(one.multiplier) for one in proof.scenarios]
    found = faults_of_plan(
        book_of(proof), fractions, number(proof.value), multipliers, number(proof.bound)
    )
    assert found == []
    assert (plan.cost, plan.cost_bound) == (proof.value, proof.bound)
    assert number(plan.gap) <= 0.01 * number(plan.cost)
    assert number(plan.initial_excess_before) < 0 <= number(plan.initial_excess_after)
    (leg,) = plan.legs
    assert (leg.asset, leg.side) == ("ETH", pb.LEG_SIDE_SELL)
    assert 0 < number(leg.fraction) < 1


async def test_where_no_plan_exists_the_wire_proves_it(running: Running) -> None:
    await running.spine.ingest(observed(1, debts_usd={**DEBTS_USD, "broke": 26_000}))
    plan = (await planned(running, "broke")).portfolio_plan
    assert plan.verdict == pb.PLAN_VERDICT_REFUSED
    multipliers = [number(one.multiplier) for one in plan.certificate.scenarios]
    assert is_proof_of_no_plan(book_of(plan.certificate), multipliers)
    assert not plan.legs


async def test_who_is_not_due_has_no_plan_and_one_account_is_no_portfolio(running: Running) -> None:
    await running.spine.ingest(observed(1))
    assert (await planned(running, "safe")).portfolio_plan.verdict == pb.PLAN_VERDICT_NOT_DUE
    request = pb.PlanLiquidationRequest(account_id=ACCOUNTS["safe"])
    answer = await running.liquidation.PlanLiquidation(request)
    assert not answer.HasField("portfolio_plan")


async def test_liquidation_prices_are_where_the_venue_changes_its_mind(running: Running) -> None:
    """10 WETH at a threshold of 82.5 % against 5,000 USDC: below 606.06 USD."""
    await running.spine.ingest(observed(1))
    prices = (await planned(running, "safe")).liquidation_prices
    weth, usdc = prices
    assert (list(weth.symbols), list(usdc.symbols)) == (["WETH"], ["USDC"])
    below = Decimal(weth.below.high.value)
    assert weth.below.low == weth.below.high
    assert not weth.HasField("above")
    assert abs(below - Decimal(5_000) / Decimal("8.25")) < Decimal("0.0000001")
    assert Decimal(usdc.above.low.value) > 1
    # At the very next price above it the venue does not liquidate; at it, it does.
    for height, units, is_due in ((2, 1, False), (3, 0, True)):
        eth_usd_base = int(below * 10**8) + units
        await running.spine.ingest(observed_at(height, eth_usd_base))
        plan = (await planned(running, "safe")).plans[0]
        assert (plan.verdict != pb.PLAN_VERDICT_NOT_DUE) == is_due


def observed_at(height: int, eth_base: int) -> list[Observation]:
    """As observed, but the venue's price of WETH is told in its own units."""

    def priced(fact: Any) -> Any:
        is_weth = isinstance(fact, AaveV3Reserve) and fact.token == WETH
        return replace(fact, price_base=eth_base) if is_weth else fact

    return [replace(one, fact=priced(one.fact)) for one in observed(height, eth_usd=2_500)]


async def test_the_order_has_plans_only_when_asked_for(running: Running) -> None:
    await running.spine.ingest(observed(1))
    plain, full = await listed(running), await listed(running, with_plans=True)
    assert len(plain.entries) == len(full.entries) == 2
    account, portfolio = full.entries
    assert account.plan == (await planned(running, "broke")).plans[0]
    assert portfolio.portfolio_plan == (await planned(running, "broke")).portfolio_plan
    assert portfolio.verdict == portfolio.portfolio_plan.verdict
    assert account.rank_reason.batch == 1
    for entry in plain.entries:
        assert not entry.HasField("plan")
        assert not entry.HasField("portfolio_plan")
    assert plain.certificates == full.certificates


async def test_a_page_with_plans_is_at_most_a_hundred(running: Running) -> None:
    await running.spine.ingest(observed(1))
    call = running.liquidation.ListLiquidations(
        pb.ListLiquidationsRequest(page_size=101, with_plans=True)
    )
    failed = await refused(call)
    assert (failed.code, failed.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["page_size"])


async def test_a_token_of_plain_pages_does_not_continue_pages_with_plans(running: Running) -> None:
    await running.spine.ingest(observed(1))
    first = await listed(running, page_size=1)
    assert first.next_page_token
    call = running.liquidation.ListLiquidations(
        pb.ListLiquidationsRequest(page_token=first.next_page_token, with_plans=True)
    )
    assert (await refused(call)).fields == ["page_token"]
