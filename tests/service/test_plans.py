"""PlanLiquidation against a real spine: the packaged tape, bad input, accounts not read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.service.book import DEBTS_USD, account_of, observed
from tests.service.conftest import NO_TICKS_MS, Running, Start
from tests.service.test_margin import refused
from tests.spine.examples import CHAIN, VENUE
from xmargin.config import ServiceConfig
from xmargin.model import (
    AaveV3Account,
    AaveV3Reserve,
    ChainStatus,
    Condition,
    HealthStatus,
    Observation,
    PlanVerdict,
    Registry,
    RiskParameters,
)
from xmargin.service.embedded import embedded_service
from xmargin.spine import Spine
from xmargin.tape import read_tape
from xmargin.v1 import liquidation_service_pb2 as pb
from xmargin.v1 import liquidation_service_pb2_grpc
from xmargin.v1 import margin_report_pb2 as report_pb
from xmargin.wire import to_message

BROKE = account_of("broke", sorted(DEBTS_USD).index("broke"))
SAFE = account_of("safe", sorted(DEBTS_USD).index("safe"))
_ALL = str(2**256 - 1)


@dataclass
class Served:
    spine: Spine
    liquidation: Any


@asynccontextmanager
async def served_tape(folder: Path) -> AsyncIterator[Served]:
    """The packaged tape, all of it, behind a server."""
    with as_file(files("xmargin.tapes") / "demo.tape") as tape:
        registry, parameters, *rest = [observation for observation, _ in read_tape(tape)]
    assert isinstance(registry.fact, Registry)
    assert isinstance(parameters.fact, RiskParameters)

    def now_ms() -> int:
        return registry.observed_at_ms

    service = ServiceConfig(listen="127.0.0.1:0", clock_tick_ms=NO_TICKS_MS)
    spine = await Spine.open(folder / "a.tape", registry.fact, parameters.fact, now_ms)
    try:
        async with (
            embedded_service(service, spine, (), now_ms) as address,
            grpc.aio.insecure_channel(address) as channel,
        ):
            await spine.ingest(rest)
            yield Served(spine, liquidation_service_pb2_grpc.LiquidationServiceStub(channel))
    finally:
        await spine.close()


async def planned(running: Running, account: str) -> pb.LiquidationPlan:
    request = pb.PlanLiquidationRequest(account_id=account)
    answer = await running.liquidation.PlanLiquidation(request)
    (plan,) = answer.plans
    assert isinstance(plan, pb.LiquidationPlan)
    return plan


# --- The packaged tape ---------------------------------------------------------------------------


async def test_every_account_of_the_packaged_tape_has_a_plan_that_agrees_with_its_health(
    tmp_path: Path,
) -> None:
    seen = set()
    async with served_tape(tmp_path) as served:
        view = served.spine.view
        assert view is not None
        for portfolio in view.portfolio_ids:
            request = pb.PlanLiquidationRequest(portfolio_id=portfolio)
            answer = await served.liquidation.PlanLiquidation(request)
            assert answer.metadata == to_message(view.metadata, report_pb.ViewMetadata)
            plans = view.plans.of_portfolio(portfolio)
            assert list(answer.plans) == [to_message(plan, pb.LiquidationPlan) for plan in plans]
            healths = view.health(portfolio).accounts
            assert [plan.account for plan in plans] == [health.account for health in healths]
            for plan, health in zip(plans, healths, strict=True):
                wad = health.health_factor_wad
                assert plan.health_before == (None if wad is None else Decimal(f"{wad}E-18"))
                is_due = health.status is HealthStatus.LIQUIDATABLE
                assert (plan.verdict is not PlanVerdict.NOT_DUE) == is_due
                assert (plan.legs is not None) == is_due
                seen.add(plan.verdict)
    assert seen == {PlanVerdict.NOT_DUE, PlanVerdict.PROPOSED, PlanVerdict.TOXIC}


# --- One account ---------------------------------------------------------------------------------


async def test_a_plan_says_what_is_repaid_and_seized_in_token_units(running: Running) -> None:
    await running.spine.ingest(observed(1))
    plan = await planned(running, BROKE)
    assert (plan.portfolio, plan.account) == ("broke", BROKE)
    assert (plan.rule, plan.release) == ("aave_v3", "3.0")
    assert plan.verdict == pb.PLAN_VERDICT_PROPOSED
    assert plan.health_before.value == "0.916666666666666667"
    assert not plan.flags
    legs = plan.legs
    # Health is below 0.95: all of the debt. 22,500 at 2,500 each are 9 WETH, 5 % on top 9.45.
    assert (legs.repay.symbol, legs.repay.amount.value) == ("USDC", "22500.000000")
    assert legs.seize.symbol == "WETH"
    assert Decimal(legs.protocol_fee.amount.value) == Decimal("0.045")
    assert Decimal(legs.seize.amount.value) == Decimal("9.405")
    assert legs.debt_to_cover == _ALL
    assert not legs.deficits
    assert not plan.HasField("health_after")


async def test_hex_of_an_account_may_be_in_either_case(running: Running) -> None:
    await running.spine.ingest(observed(1))
    venue, _, address = BROKE.partition("/")
    shouted = f"{venue}/0x{address.removeprefix('0x').upper()}"
    assert await planned(running, shouted) == await planned(running, BROKE)


async def test_a_sound_account_is_not_due(running: Running) -> None:
    await running.spine.ingest(observed(1))
    plan = await planned(running, SAFE)
    assert plan.verdict == pb.PLAN_VERDICT_NOT_DUE
    assert not plan.HasField("legs")
    assert plan.health_after == plan.health_before
    assert not plan.flags


# --- What was not read ---------------------------------------------------------------------------


async def test_an_account_that_could_not_be_read_may_be_due_and_is_flagged(
    running: Running,
) -> None:
    unread = AaveV3Account(SAFE, 0, 0, (), "the pool does not answer")
    batch = [
        replace(o, fact=unread)
        if isinstance(o.fact, AaveV3Account) and o.fact.account == SAFE
        else o
        for o in observed(1)
    ]
    await running.spine.ingest(batch)
    plan = await planned(running, SAFE)
    assert plan.verdict == pb.PLAN_VERDICT_UNKNOWN
    assert plan.why == "it may be due: the pool does not answer"
    assert list(plan.flags) == [f"{SAFE}: the pool does not answer"]
    assert not plan.HasField("legs")
    assert not plan.HasField("health_before")
    assert (await planned(running, BROKE)).verdict == pb.PLAN_VERDICT_PROPOSED


async def test_an_account_that_was_never_read_may_be_due(start: Start) -> None:
    async with start(("broke", "new")) as running:
        await running.spine.ingest(observed(1, debts_usd={"broke": 22_500}))
        request = pb.PlanLiquidationRequest(portfolio_id="new")
        (plan,) = (await running.liquidation.PlanLiquidation(request)).plans
        assert plan.verdict == pb.PLAN_VERDICT_UNKNOWN
        assert plan.why == "it may be due: not read yet"


async def test_figures_of_a_chain_that_is_cut_off_are_flagged_as_the_last_known(
    running: Running,
) -> None:
    await running.spine.ingest(observed(1))
    status = ChainStatus(Condition.UNREACHABLE, "no answer within 5000 ms", "mine")
    now_ms = running.clock.milliseconds
    await running.spine.ingest([Observation(status, now_ms, CHAIN, None, "reader")])
    for account in (BROKE, SAFE):
        plan = await planned(running, account)
        assert list(plan.flags) == ["chain alpha is UNREACHABLE: figures are as of block 1"]


async def test_a_reserve_that_no_venue_would_have_makes_an_account_unknown_not_the_call_bad(
    running: Running,
) -> None:
    batch = [
        replace(o, fact=replace(o.fact, configuration=o.fact.configuration | 0xFFFF << 16))
        if isinstance(o.fact, AaveV3Reserve)
        else o
        for o in observed(1)
    ]
    await running.spine.ingest(batch)
    plan = await planned(running, BROKE)
    assert plan.verdict == pb.PLAN_VERDICT_UNKNOWN
    assert "liquidation_threshold_bps" in plan.why


async def test_what_the_pool_has_paused_is_refused(running: Running) -> None:
    batch = [
        replace(o, fact=replace(o.fact, configuration=o.fact.configuration | 1 << 60))
        if isinstance(o.fact, AaveV3Reserve)
        else o
        for o in observed(1)
    ]
    await running.spine.ingest(batch)
    plan = await planned(running, BROKE)
    assert plan.verdict == pb.PLAN_VERDICT_REFUSED
    assert plan.why.startswith("the pool has paused or deactivated the reserve")
    assert (await planned(running, SAFE)).verdict == pb.PLAN_VERDICT_NOT_DUE


# --- Bad input -----------------------------------------------------------------------------------


async def test_before_the_first_block_there_is_no_plan(running: Running) -> None:
    request = pb.PlanLiquidationRequest(portfolio_id="safe")
    error = await refused(running.liquidation.PlanLiquidation(request))
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "NOT_READY")


async def test_an_unknown_account_or_portfolio_is_not_found_and_named(running: Running) -> None:
    await running.spine.ingest(observed(1))
    stranger = f"{VENUE}/0x{'ee' * 20}"
    request = pb.PlanLiquidationRequest(account_id=stranger)
    error = await refused(running.liquidation.PlanLiquidation(request))
    assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "ACCOUNT_NOT_FOUND")
    assert error.metadata == {"account_id": stranger}
    request = pb.PlanLiquidationRequest(portfolio_id="nobody")
    error = await refused(running.liquidation.PlanLiquidation(request))
    assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "PORTFOLIO_NOT_FOUND")


@pytest.mark.parametrize(
    "malformed",
    ["", "safe", "/", f"{VENUE}/", f"{VENUE}/0x12", f"aave-v3/{'0x' + '1' * 40}", f"{SAFE}/a b"],
)
async def test_a_malformed_account_id_names_its_field(running: Running, malformed: str) -> None:
    await running.spine.ingest(observed(1))
    request = pb.PlanLiquidationRequest(account_id=malformed)
    error = await refused(running.liquidation.PlanLiquidation(request))
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["account_id"])


async def test_a_request_for_nothing_or_a_malformed_portfolio_names_its_field(
    running: Running,
) -> None:
    await running.spine.ingest(observed(1))
    for request, field in (
        (pb.PlanLiquidationRequest(), "subject"),
        (pb.PlanLiquidationRequest(portfolio_id="No"), "portfolio_id"),
    ):
        error = await refused(running.liquidation.PlanLiquidation(request))
        assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


async def test_a_wallet_is_refused_by_name_and_left_out_of_its_portfolio(tmp_path: Path) -> None:
    async with served_tape(tmp_path) as served:
        view = served.spine.view
        assert view is not None
        positions = view.health(view.portfolio_ids[0]).positions
        wallet = next(p.account for p in positions if p.account.startswith("wallet@"))
        request = pb.PlanLiquidationRequest(account_id=wallet)
        error = await refused(served.liquidation.PlanLiquidation(request))
        assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["account_id"])
