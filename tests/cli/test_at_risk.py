"""``crossings``, ``order``, ``plan``, ``cascade`` against a real server, as a person sees them."""

import asyncio
import json
import signal

import pytest

from tests.cli.command import started, xmargin
from tests.service.book import DEBTS_USD, account_of, observed
from tests.service.conftest import Running

SAFE = account_of("safe", sorted(DEBTS_USD).index("safe"))


async def test_crossings_are_told_as_they_happen_until_ctrl_c(running: Running) -> None:
    await running.spine.ingest(observed(1))
    async with started("crossings", "--server", running.address) as process:
        assert process.stdout is not None

        async def line() -> str:
            assert process.stdout is not None
            return (await asyncio.wait_for(process.stdout.readline(), 20)).decode()

        assert await line() == "3 not healthy:\n"
        assert [(await line()).split("  ")[1] for _ in range(3)] == [
            "broke",
            f"broke at {SAFE.partition('/')[0]}",
            "called",
        ]
        await running.spine.ingest(observed(2, eth_usd=2_450))
        crossing = await line()
        assert "called at " in crossing
        assert "healthy -> liquidatable  health 0.98" in crossing
        assert "venue price of WETH" in crossing
        assert "ETH 2500" in crossing
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 10) in (0, 5)


async def test_crossings_as_json_have_plans(running: Running) -> None:
    await running.spine.ingest(observed(1))
    async with started("crossings", "--server", running.address, "--json") as process:
        assert process.stdout is not None
        first = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
        assert first["restarted"] is True
        plans = [one["plan"]["verdict"] for one in first["crossings"] if one["account"]]
        assert plans == ["PLAN_VERDICT_PROPOSED"]
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), 10)


async def test_the_order_says_how_and_how_good_it_is(running: Running) -> None:
    await running.spine.ingest(observed(1))
    outcome = await xmargin("order", "--server", running.address)
    assert outcome.code == 4
    assert "22,500 USDC for 9.40 WETH" in outcome.out
    assert "this order avoids" in outcome.out
    assert "no order more than" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 120
    document = json.loads((await xmargin("order", "--server", running.address, "--json")).out)
    account, portfolio = document["entries"]
    assert account["rankReason"]["batch"] == 1
    assert account["plan"]["verdict"] == "PLAN_VERDICT_PROPOSED"
    assert portfolio["portfolioPlan"]["verdict"] == portfolio["verdict"]


async def test_the_plan_of_a_portfolio_says_what_to_close_and_what_proves_it(
    running: Running,
) -> None:
    await running.spine.ingest(observed(1, debts_usd={**DEBTS_USD, "broke": 21_500}))
    outcome = await xmargin("plan", "broke", "--server", running.address)
    assert outcome.code == 4
    assert "broke as a whole: proposed" in outcome.out
    assert "what to close against USDC" in outcome.out
    assert "no plan of this problem less than" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 120


async def test_a_sound_account_is_told_where_it_would_be_liquidated(running: Running) -> None:
    await running.spine.ingest(observed(1))
    outcome = await xmargin("plan", SAFE, "--server", running.address)
    assert outcome.code == 0
    assert "606.06" in outcome.out
    assert "-75.8%" in outcome.out


async def test_a_cascade_shows_prices_in_the_end_and_who_is_liquidated(running: Running) -> None:
    await running.spine.ingest(observed(1))
    outcome = await xmargin("cascade", "ETH=-0.1", "--server", running.address)
    assert outcome.code == 0
    assert "2,250.00" in outcome.out
    assert "2 accounts liquidated" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 120
    document = json.loads(
        (await xmargin("cascade", "ETH=-0.1", "--server", running.address, "--json")).out
    )
    assert document["dueMost"] == 2


@pytest.mark.parametrize(
    ("shocks", "said"),
    [
        (("ETH",), "is no shock"),
        (("\udcff=-0.1",), "is no shock"),
        (("ETH=\udcff",), "is no shock"),
        (("ETH=-0.1", "ETH=-0.2"), "has two moves"),
        (("ETH=much",), "is no number"),
        (("DOGE=-0.1",), "no lending account has DOGE"),
        (("ETH=-2",), "not in [-1"),
    ],
)
async def test_a_shock_that_is_none_is_a_usage_mistake_in_one_line(
    running: Running, shocks: tuple[str, ...], said: str
) -> None:
    await running.spine.ingest(observed(1))
    outcome = await xmargin("cascade", *shocks, "--server", running.address)
    assert outcome.code == 2
    assert outcome.out == ""
    assert said in outcome.err
    assert outcome.err.count("\n") == 1
