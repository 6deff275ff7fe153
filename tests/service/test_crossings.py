"""WatchLiquidations against a real spine: who is at risk, then every change of it."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import grpc

from tests.service.book import DEBTS_USD, account_of, observed, registry_of
from tests.service.conftest import Running, Start
from tests.service.test_margin import refused
from tests.spine.examples import CHAIN
from xmargin.crossings import CrossingLog
from xmargin.model import ChainStatus, Condition, Observation, PortfolioSpec
from xmargin.v1 import liquidation_service_pb2 as pb
from xmargin.v1 import margin_report_pb2 as report_pb

ACCOUNTS = {name: account_of(name, row) for row, name in enumerate(sorted(DEBTS_USD))}
SAFE_ACCOUNT_USD = 5_000 / 0.825 / 10
"""Below this price of ETH the venue liquidates the account that owes 5,000 USD."""


def told(crossings: Iterable[pb.Crossing]) -> list[tuple[str, str, str]]:
    """(whose, before, after) of each, without the prefix."""
    words = [
        [
            report_pb.HealthStatus.Name(one).removeprefix("HEALTH_STATUS_")
            for one in (c.before, c.after)
        ]
        for c in crossings
    ]
    names = [f"{c.portfolio} account" if c.account else c.portfolio for c in crossings]
    return [(name, *pair) for name, pair in zip(names, words, strict=True)]  # type: ignore[misc]


def watch(running: Running, **fields: Any) -> Any:
    return running.liquidation.WatchLiquidations(pb.WatchLiquidationsRequest(**fields))


async def test_a_watcher_hears_first_of_everyone_who_is_at_risk(running: Running) -> None:
    await running.spine.ingest(observed(1))
    call = watch(running)
    first = await call.read()
    assert first.restarted
    assert told(first.crossings) == [
        ("broke", "UNSPECIFIED", "LIQUIDATABLE"),
        ("broke account", "UNSPECIFIED", "LIQUIDATABLE"),
        ("called", "UNSPECIFIED", "MARGIN_CALL"),
    ]
    assert {one.number for one in first.crossings} == {0}
    assert first.metadata.as_of[0].block.height == 1
    call.cancel()


async def test_each_change_of_status_is_told_once_with_its_cause(running: Running) -> None:
    await running.spine.ingest(observed(1))
    call = watch(running)
    await call.read()
    await running.spine.ingest(observed(2, eth_usd=2_450))
    await running.spine.ingest(observed(3, eth_usd=2_600))
    fall, rise = await call.read(), await call.read()
    assert told(fall.crossings) == [("called account", "HEALTHY", "LIQUIDATABLE")]
    assert "ETH 2500" in fall.crossings[0].cause
    assert "2450" in fall.crossings[0].cause
    assert Decimal(fall.crossings[0].health_factor.value) < 1
    assert told(rise.crossings) == [
        ("called", "MARGIN_CALL", "HEALTHY"),
        ("called account", "LIQUIDATABLE", "HEALTHY"),
    ]
    numbers = [one.number for answer in (fall, rise) for one in answer.crossings]
    assert numbers == [1, 2, 3]
    call.cancel()


async def test_a_view_in_which_nobody_crosses_is_not_told(running: Running) -> None:
    await running.spine.ingest(observed(1))
    call = watch(running)
    await call.read()
    await running.spine.ingest(observed(2, eth_usd=2_501))
    reading = asyncio.ensure_future(call.read())
    await asyncio.sleep(0.1)
    assert not reading.done()
    await running.spine.ingest(observed(3, eth_usd=2_450))
    answer = await asyncio.wait_for(reading, 5)
    assert answer.metadata.as_of[0].block.height == 3
    call.cancel()


async def test_who_was_liquidatable_between_two_answers_is_still_told(running: Running) -> None:
    """A watcher that reads nothing for a while hears of a dip that is over."""
    await running.spine.ingest(observed(1))
    call = watch(running, portfolio_ids=["safe"])
    assert not (await call.read()).crossings
    deep = int(SAFE_ACCOUNT_USD) - 1
    for height, eth_usd in enumerate([deep, 2_500, deep, 2_500], start=2):
        await running.spine.ingest(observed(height, eth_usd=eth_usd))
    heard: list[tuple[str, str, str]] = []
    while len(heard) < 8:
        heard += told((await asyncio.wait_for(call.read(), 5)).crossings)
    of_account = [pair for name, *pair in heard if name == "safe account"]
    assert of_account == [["HEALTHY", "LIQUIDATABLE"], ["LIQUIDATABLE", "HEALTHY"]] * 2
    call.cancel()


async def test_a_watcher_of_some_hears_only_of_those(running: Running) -> None:
    await running.spine.ingest(observed(1))
    call = watch(running, portfolio_ids=["called", "safe"])
    assert told((await call.read()).crossings) == [("called", "UNSPECIFIED", "MARGIN_CALL")]
    await running.spine.ingest(observed(2, eth_usd=500))
    names = {name for name, *_ in told((await call.read()).crossings)}
    assert names == {"called", "called account", "safe", "safe account"}
    call.cancel()


async def test_a_plan_comes_with_an_account_that_becomes_liquidatable(running: Running) -> None:
    await running.spine.ingest(observed(1))
    call = watch(running, with_plans=True)
    first = await call.read()
    plans = {one.account: one.HasField("plan") for one in first.crossings}
    assert plans == {"": False, ACCOUNTS["broke"]: True}
    await running.spine.ingest(observed(2, eth_usd=2_450))
    (crossing,) = (await call.read()).crossings
    assert crossing.plan.verdict == pb.PLAN_VERDICT_PROPOSED
    assert crossing.plan.account == ACCOUNTS["called"]
    asked = await running.liquidation.PlanLiquidation(
        pb.PlanLiquidationRequest(account_id=ACCOUNTS["called"])
    )
    assert crossing.plan == asked.plans[0]
    call.cancel()


async def test_an_account_that_is_gone_meanwhile_has_no_plan_and_ends_no_watch(
    running: Running,
) -> None:
    """A watcher that reads late is told by a view that no longer has the account."""
    await running.spine.ingest(observed(1))
    call = watch(running, with_plans=True)
    await call.read()
    # Two views at once: no watcher comes between.
    here = registry_of(tuple(DEBTS_USD))
    rest = tuple(one for one in here.portfolios if one.id != "called")
    fewer = Observation(replace(here, portfolios=rest), running.clock.milliseconds)
    crossed, removed = observed(2, eth_usd=2_450), [fewer]
    await asyncio.gather(running.spine.ingest(crossed), running.spine.ingest(removed))
    heard = [c for c in (await asyncio.wait_for(call.read(), 5)).crossings if c.account]
    assert told(heard) == [("called account", "HEALTHY", "LIQUIDATABLE")]
    await running.spine.ingest(observed(3, eth_usd=500))
    assert (await asyncio.wait_for(call.read(), 5)).crossings
    call.cancel()


async def test_an_account_that_begins_to_owe_and_ceases_to_is_told(running: Running) -> None:
    await running.spine.ingest(observed(1))
    call = watch(running, portfolio_ids=["free"])
    await call.read()
    for height, debt in enumerate([5_000, 0, 22_500], start=2):
        await running.spine.ingest(observed(height, debts_usd={**DEBTS_USD, "free": debt}))
    heard: list[tuple[str, str, str]] = []
    while len(heard) < 6:
        heard += told((await asyncio.wait_for(call.read(), 5)).crossings)
    assert [pair for name, *pair in heard if name == "free account"] == [
        ["NO_DEBT", "HEALTHY"],
        ["HEALTHY", "NO_DEBT"],
        ["NO_DEBT", "LIQUIDATABLE"],
    ]
    call.cancel()


async def test_an_account_that_changes_hands_is_told_to_who_watches_its_new_portfolio(
    running: Running,
) -> None:
    await running.spine.ingest(observed(1))
    call = watch(running, portfolio_ids=["safe"])
    await call.read()
    here = registry_of(tuple(DEBTS_USD))
    others = [one for one in here.portfolios if one.id not in ("broke", "safe")]
    both = PortfolioSpec("safe", (ACCOUNTS["broke"], ACCOUNTS["safe"]))
    changed = replace(here, portfolios=tuple(sorted([*others, both], key=lambda one: one.id)))
    await running.spine.ingest([Observation(changed, running.clock.milliseconds)])
    heard = [c for c in (await asyncio.wait_for(call.read(), 5)).crossings if c.account]
    assert told(heard) == [("safe account", "UNSPECIFIED", "LIQUIDATABLE")]
    assert heard[0].account == ACCOUNTS["broke"]
    assert "of this portfolio from now on" in heard[0].cause
    call.cancel()


async def test_a_chain_that_stops_is_a_cause(running: Running) -> None:
    await running.spine.ingest(observed(1))
    call = watch(running, portfolio_ids=["safe"])
    await call.read()
    status = ChainStatus(Condition.UNREACHABLE, "no answer", "mine")
    now_ms = running.clock.milliseconds
    await running.spine.ingest([Observation(status, now_ms, CHAIN, source="test")])
    answer = await asyncio.wait_for(call.read(), 5)
    assert [one.portfolio for one in answer.crossings] == ["safe"]
    assert "is UNREACHABLE" in answer.crossings[0].cause
    call.cancel()


async def test_watching_an_unknown_portfolio_is_not_found(running: Running) -> None:
    await running.spine.ingest(observed(1))
    failed = await refused(watch(running, portfolio_ids=["safe", "nobody"]).read())
    assert (failed.code, failed.reason) == (grpc.StatusCode.NOT_FOUND, "PORTFOLIO_NOT_FOUND")


async def test_the_log_says_when_it_no_longer_holds_what_was_missed(running: Running) -> None:
    await running.spine.ingest(observed(1))
    log = CrossingLog(held_max=2)
    view = running.spine.view
    assert view is not None
    log.follow(view, [])
    for height, eth_usd in enumerate([100, 2_500], start=2):
        await running.spine.ingest(observed(height, eth_usd=eth_usd))
        view = running.spine.view
        assert view is not None
        log.follow(view, [])
    assert log.newest > 2
    assert log.after(0) is None
    last = log.after(log.newest - 2)
    assert last is not None
    assert [one.number for one in last] == [log.newest - 1, log.newest]
    assert log.after(log.newest) == ()


async def test_watchers_of_all_are_told_the_same_whenever_they_came(running: Running) -> None:
    """They share messages; one who has heard less is told more."""
    await running.spine.ingest(observed(1))
    early = [watch(running), watch(running, with_plans=True), watch(running)]
    firsts = [await call.read() for call in early]
    assert firsts[0] == firsts[2] != firsts[1]
    await running.spine.ingest(observed(2, eth_usd=2_450))
    late = watch(running)
    assert (await late.read()).restarted
    await running.spine.ingest(observed(3, eth_usd=500))
    heard = {}
    for name, call in [*zip(("one", "planned", "other"), early, strict=True), ("late", late)]:
        heard[name] = list((await asyncio.wait_for(call.read(), 5)).crossings)
        while heard[name][-1].tape_sequence < running.spine.position.sequence:
            heard[name] += (await asyncio.wait_for(call.read(), 5)).crossings
        call.cancel()
    assert heard["one"] == heard["other"]
    assert heard["one"][0].number == 1
    assert heard["late"] == heard["one"][1:]
    for crossing in heard["planned"]:
        crossing.ClearField("plan")
    assert heard["planned"] == heard["one"]


async def test_what_is_told_comes_in_parts_that_any_client_takes(start: Start) -> None:
    debts = {f"p{number:04d}": 24_000 for number in range(700)}
    async with start(sorted(debts)) as running:
        await running.spine.ingest(observed(1, debts_usd=debts))
        call = watch(running, with_plans=True)
        first, second = await call.read(), await call.read()
        assert [first.continues, second.continues] == [True, False]
        assert first.restarted
        assert second.restarted
        everyone = [*first.crossings, *second.crossings]
        assert len(first.crossings) == 1_000
        assert len({(one.portfolio, one.account) for one in everyone}) == 1_400
        await running.spine.ingest(observed(2, eth_usd=5_000, debts_usd=debts))
        third, fourth = await call.read(), await call.read()
        assert not third.restarted
        assert [third.continues, fourth.continues] == [True, False]
        numbers = [one.number for one in (*third.crossings, *fourth.crossings)]
        assert numbers == list(range(1, 1_401))
        call.cancel()
