"""``health``, ``order`` and ``watch`` against a real server: data, exit codes, Ctrl-C."""

import asyncio
import json
import shlex
import signal
from dataclasses import replace
from typing import Any, TypeGuard

import pytest

from tests.cli.command import (
    XMARGIN,
    interrupt_until_it_ends,
    started,
    xmargin,
    xmargin_unread,
)
from tests.service.book import DEBTS_USD, account_of, observed
from tests.service.conftest import Running
from tests.spine.examples import CHAIN, WETH
from xmargin.model import AaveV3Account, ChainStatus, Condition, Observation, TokenState

UNREACHABLE = ChainStatus(Condition.UNREACHABLE, "no answer within 5000 ms", "mine")


def portfolio(document: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [health for health in document["healths"] if health["portfolio"] == name]
    return dict(found)


@pytest.mark.parametrize(("name", "code"), [("safe", 0), ("free", 0), ("called", 3), ("broke", 4)])
async def test_the_exit_code_of_one_portfolio_is_its_standing(
    running: Running, name: str, code: int
) -> None:
    await running.spine.ingest(observed(1))
    outcome = await xmargin("health", name, "--server", running.address, "--json")
    assert (outcome.code, outcome.err) == (code, "")
    document = json.loads(outcome.out)
    assert portfolio(document, name)["accounts"]
    assert document["metadata"]["asOf"][0]["block"]["height"] == "1"


async def test_all_portfolios_exit_by_the_most_urgent(running: Running) -> None:
    await running.spine.ingest(observed(1))
    outcome = await xmargin("health", "--server", running.address, "--json")
    assert outcome.code == 4
    names = [health["portfolio"] for health in json.loads(outcome.out)["healths"]]
    assert names == ["broke", "called", "free", "safe"]
    better = await xmargin("health", "safe", "called", "--server", running.address, "--json")
    assert better.code == 3


async def test_a_venue_that_would_liquidate_is_4_though_the_whole_is_only_called(
    running: Running,
) -> None:
    await running.spine.ingest(observed(1, eth_usd=2_450))
    outcome = await xmargin("health", "called", "--server", running.address, "--json")
    called = portfolio(json.loads(outcome.out), "called")
    assert called["status"] == "HEALTH_STATUS_MARGIN_CALL"
    assert called["accounts"][0]["status"] == "HEALTH_STATUS_LIQUIDATABLE"
    assert outcome.code == 4


async def test_partial_data_never_exits_0_but_liquidatable_goes_first(running: Running) -> None:
    await running.spine.ingest(observed(1))
    now_ms = running.clock.milliseconds
    await running.spine.ingest([Observation(UNREACHABLE, now_ms, CHAIN, None, "reader")])
    outcome = await xmargin("health", "free", "--server", running.address)
    assert outcome.code == 5
    assert "partial" in outcome.out
    order = await xmargin("order", "--server", running.address)
    assert order.code in {4, 5}
    assert "unreachable" in order.out


async def test_a_venue_account_that_is_unread_leaves_nobody_sound(running: Running) -> None:
    (account,) = (f for f in (o.fact for o in observed(1)) if is_account_of(f, "safe"))
    unread = replace(account, positions=(), configuration=0, fault="the pool does not answer")
    sound = [o for o in observed(1, debts_usd=dict.fromkeys(DEBTS_USD, 0)) if o.fact != account]
    batch = [replace(o, fact=unread) if is_account_of(o.fact, "safe") else o for o in sound]
    await running.spine.ingest(batch)
    health = await xmargin("health", "safe", "--server", running.address, "--json")
    assert portfolio(json.loads(health.out), "safe")["status"] == "HEALTH_STATUS_UNKNOWN"
    order = await xmargin("order", "--server", running.address, "--json")
    assert json.loads(order.out)["entries"] == []
    assert (health.code, order.code) == (5, 5)
    table = await xmargin("health", "safe", "--server", running.address)
    assert "unknown partial" in table.out
    assert "the pool does not answer" in table.out
    other = await xmargin("health", "free", "--server", running.address)
    assert other.code == 0


def is_account_of(fact: object, name: str) -> TypeGuard[AaveV3Account]:
    index = sorted(DEBTS_USD).index(name)
    return isinstance(fact, AaveV3Account) and fact.account == account_of(name, index)


async def test_an_amount_whose_decimals_are_unknown_is_a_question_mark(running: Running) -> None:
    await running.spine.ingest(observed(1))
    garbled = TokenState(WETH, 0, "WETH", "claims 255 decimals; at most 36 are believed")
    batch = [
        replace(o, fact=garbled) if isinstance(o.fact, TokenState) and o.fact.token == WETH else o
        for o in observed(2)
    ]
    await running.spine.ingest(batch)
    outcome = await xmargin("health", "free", "--server", running.address, "--json")
    assert outcome.code == 5
    (position,) = portfolio(json.loads(outcome.out), "free")["positions"]
    assert position["token"] == WETH
    assert position["counting"] == "COUNTING_EXCLUDED"
    assert "amount" not in position
    assert "value" not in position
    table = await xmargin("health", "free", "--server", running.address)
    (row,) = (line for line in table.out.splitlines() if line.rstrip().endswith(" excluded"))
    assert row.split()[-6:] == ["?", "-", "0", "0", "0", "excluded"]


async def test_the_order_exits_4_while_anything_is_liquidatable(running: Running) -> None:
    await running.spine.ingest(observed(1))
    outcome = await xmargin("order", "--server", running.address, "--json")
    assert (outcome.code, outcome.err) == (4, "")
    entries = json.loads(outcome.out)["entries"]
    assert [entry["rank"] for entry in entries] == [1, 2]
    sound = {"broke": 0, "called": 0, "free": 0, "safe": 0}
    await running.spine.ingest(observed(2, debts_usd=sound))
    calm = await xmargin("order", "--server", running.address)
    assert calm.code == 0
    assert "nothing is liquidatable" in calm.out


@pytest.mark.parametrize(("name", "code"), [("safe", 0), ("free", 0), ("broke", 4)])
async def test_a_plan_exits_4_where_the_venue_would_liquidate(
    running: Running, name: str, code: int
) -> None:
    await running.spine.ingest(observed(1))
    outcome = await xmargin("plan", name, "--server", running.address, "--json")
    assert (outcome.code, outcome.err) == (code, "")
    document = json.loads(outcome.out)
    (plan,) = document["plans"]
    account = account_of(name, sorted(DEBTS_USD).index(name))
    assert plan["account"] == account
    assert document["metadata"]["asOf"][0]["block"]["height"] == "1"
    of_account = await xmargin("plan", account, "--server", running.address, "--json")
    assert of_account.code == outcome.code
    assert json.loads(of_account.out)["plans"] == [plan]
    assert document["portfolioPlan"]["portfolio"] == name


async def test_a_plan_as_a_table_says_what_is_moved_and_why_nothing_is(running: Running) -> None:
    await running.spine.ingest(observed(1))
    proposed = await xmargin("plan", "broke", "--server", running.address)
    (row,) = (line for line in proposed.out.splitlines() if "aave_v3 3.0" in line)
    assert row.split()[-10:] == [
        *("proposed", "0.91", "no", "debt", "22,500", "USDC", "9.405", "WETH", "0.045", "WETH")
    ]
    await running.spine.ingest(observed(2, eth_usd=1_500))
    toxic = await xmargin("plan", "broke", "--server", running.address)
    assert toxic.code == 4
    assert "is not proposed: every liquidation lowers the account's health" in toxic.out


async def test_the_plan_of_an_account_that_was_not_read_exits_5(running: Running) -> None:
    unread = AaveV3Account(account_of("safe", 3), 0, 0, (), "the pool does not answer")
    batch = [replace(o, fact=unread) if is_account_of(o.fact, "safe") else o for o in observed(1)]
    await running.spine.ingest(batch)
    outcome = await xmargin("plan", "safe", "--server", running.address)
    assert outcome.code == 5
    assert "unknown" in outcome.out
    assert "the pool does not answer" in outcome.out
    other = await xmargin("plan", "free", "--server", running.address)
    assert other.code == 0


async def test_a_plan_of_what_is_unknown_is_an_error_and_of_what_is_malformed_a_usage_mistake(
    running: Running,
) -> None:
    await running.spine.ingest(observed(1))
    stranger = f"aave-v3@{CHAIN}/0x{'ee' * 20}"
    unknown = await xmargin("plan", stranger, "--server", running.address)
    assert (unknown.code, unknown.out) == (1, "")
    assert unknown.err.startswith(f"error: no account '{stranger}'; `xmargin plan PORTFOLIO")
    malformed = await xmargin("plan", f"aave-v3@{CHAIN}/0x12", "--server", running.address)
    assert (malformed.code, malformed.out) == (2, "")
    assert malformed.err.startswith("error: account_id: '0x12' is no EVM address")


async def test_an_unknown_portfolio_is_an_error_and_a_malformed_one_a_usage_mistake(
    running: Running,
) -> None:
    await running.spine.ingest(observed(1))
    unknown = await xmargin("health", "nobody", "--server", running.address)
    assert (unknown.code, unknown.out) == (1, "")
    assert unknown.err == "error: no portfolio 'nobody'; `xmargin health` lists those there are\n"
    malformed = await xmargin("health", "NOBODY", "--server", running.address)
    assert (malformed.code, malformed.out) == (2, "")
    assert malformed.err.startswith("error: portfolio_ids[0]")


async def test_a_server_that_has_read_nothing_is_an_error(running: Running) -> None:
    outcome = await xmargin("health", "--server", running.address)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == "error: no chain has been read yet; try again shortly\n"


async def test_tables_fit_120_columns_and_name_what_they_rest_on(running: Running) -> None:
    await running.spine.ingest(observed(1))
    for arguments in (("health",), ("health", "broke"), ("order",), ("plan", "broke")):
        outcome = await xmargin(*arguments, "--server", running.address)
        assert outcome.err == ""
        assert max(len(line) for line in outcome.out.splitlines()) <= 120
        view = running.spine.view
        assert view is not None
        assert view.metadata.snapshot_hash[:12] in outcome.out
        assert "alpha" in outcome.out
        assert "broke" in outcome.out


async def test_watching_prints_a_json_line_a_view_and_ends_at_ctrl_c(running: Running) -> None:
    await running.spine.ingest(observed(1))
    async with started("watch", "--server", running.address, "--json") as process:
        assert process.stdout is not None
        first = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
        assert len(first["changed"]) == 4
        await running.spine.ingest(observed(2, eth_usd=2_450))
        second = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
        assert second["metadata"]["asOf"][0]["block"]["height"] == "2"
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 10) == 4


async def test_watching_into_a_pipe_prints_a_line_a_change(running: Running) -> None:
    await running.spine.ingest(observed(1))
    async with started("watch", "safe", "--server", running.address) as process:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
        assert "safe  healthy" in line
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0


@pytest.mark.parametrize(
    "arguments",
    [("order",), ("order", "--json"), ("plan", "broke"), ("plan", "broke", "--json"),
     ("health",), ("health", "safe"), ("health", "--json"),
     ("watch",), ("watch", "--json")],
    ids=" ".join,
)  # fmt: skip
async def test_a_reader_of_the_pipe_that_goes_away_ends_us_without_a_word(
    running: Running, arguments: tuple[str, ...]
) -> None:
    await running.spine.ingest(observed(1))
    outcome = await xmargin_unread(*arguments, "--server", running.address)
    assert (outcome.code, outcome.err) == (141, "")


async def test_the_head_of_the_order_is_all_of_it_that_is_printed(running: Running) -> None:
    await running.spine.ingest(observed(1))
    process = await asyncio.create_subprocess_shell(
        f"{shlex.join(XMARGIN)} order --server {running.address} | head -n 1",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert len(out.splitlines()) == 1
    assert err == b""


@pytest.mark.parametrize("arguments", [("watch",), ("watch", "--json")], ids=" ".join)
async def test_a_second_ctrl_c_changes_nothing(
    running: Running, arguments: tuple[str, ...]
) -> None:
    await running.spine.ingest(observed(1))
    async with started(*arguments, "--server", running.address) as process:
        assert process.stdout is not None
        await asyncio.wait_for(process.stdout.readline(), 20)
        outcome = await interrupt_until_it_ends(process)
    assert (outcome.code, outcome.err) == (4, "")
