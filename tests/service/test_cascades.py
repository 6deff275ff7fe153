"""SimulateCascade against a real spine: what a shock sets off, and bad input."""

import asyncio
import threading
from decimal import Decimal
from typing import Any

import grpc
import pytest
from google.type.decimal_pb2 import Decimal as DecimalMessage

from tests.service.book import DEBTS_USD, observed, registry_of
from tests.service.conftest import Running
from tests.service.test_margin import refused
from xmargin.model import AssetDepth, DepthKnot, LiquidationTerms, Observation
from xmargin.service import liquidations
from xmargin.service.cascades import simulate
from xmargin.v1 import liquidation_service_pb2 as pb


def request(**fields: Any) -> pb.SimulateCascadeRequest:
    shocks = fields.pop("shocks", {})
    return pb.SimulateCascadeRequest(
        shocks={asset: DecimalMessage(value=move) for asset, move in shocks.items()}, **fields
    )


async def simulated(running: Running, **fields: Any) -> pb.SimulateCascadeResponse:
    answer = await running.liquidation.SimulateCascade(request(**fields))
    assert isinstance(answer, pb.SimulateCascadeResponse)
    return answer


def asset(answer: pb.SimulateCascadeResponse, name: str) -> pb.CascadeAsset:
    (found,) = [one for one in answer.assets if one.asset == name]
    return found


def number(message: DecimalMessage) -> Decimal:
    return Decimal(message.value)


async def deepened(running: Running, *knots: tuple[str, str]) -> None:
    """A depth curve of ETH, told as the configuration's would be."""
    curve = tuple(DepthKnot(Decimal(sold), Decimal(multiple)) for sold, multiple in knots)
    terms = LiquidationTerms(depth=(AssetDepth("ETH", curve),))
    await running.spine.ingest([Observation(terms, running.clock.milliseconds)])


async def test_a_shock_makes_accounts_sell_and_selling_lowers_the_price(running: Running) -> None:
    await running.spine.ingest(observed(1))
    await deepened(running, ("0", "1"), ("100", "0.9"))
    answer = await simulated(running, shocks={"ETH": "-0.1"})
    eth = asset(answer, "ETH")
    assert number(eth.price) == 2_500
    assert number(eth.price_shocked) == 2_250
    assert number(eth.price_low) <= number(eth.price_high) < 2_250
    # broke and called: all of their ten WETH each, at most.
    assert 10 <= number(eth.sold_least) <= number(eth.sold_most) <= 20
    assert [one.portfolio for one in answer.accounts] == ["broke", "called"]
    assert answer.due_most == 2
    assert answer.metadata.as_of[0].block.height == 1


async def test_a_chain_of_liquidations_is_longer_than_the_shock_alone(running: Running) -> None:
    """``called`` holds after the shock, and falls by what ``broke`` sells."""
    await running.spine.ingest(observed(1))
    shallow = await simulated(running, shocks={"ETH": "-0.002"})
    assert [one.portfolio for one in shallow.accounts] == ["broke"]
    await deepened(running, ("0", "1"), ("10", "0.9"), ("10", "0.5"))
    answer = await simulated(running, shocks={"ETH": "-0.002"})
    assert [one.portfolio for one in answer.accounts] == ["broke", "called"]
    assert number(answer.bad_debt_most) >= number(answer.bad_debt_least) >= 0


async def test_no_shock_at_all_says_what_is_due_now(running: Running) -> None:
    await running.spine.ingest(observed(1))
    answer = await simulated(running)
    assert [one.portfolio for one in answer.accounts] == ["broke"]
    assert (answer.due_least, answer.due_most) == (1, 1)


async def test_a_price_may_go_to_zero(running: Running) -> None:
    await running.spine.ingest(observed(1))
    answer = await simulated(running, shocks={"ETH": "-1"})
    owed = sum(DEBTS_USD.values())
    assert number(asset(answer, "ETH").price_low) == 0
    assert answer.due_most == sum(debt > 0 for debt in DEBTS_USD.values())
    assert number(answer.bad_debt_most) == pytest.approx(Decimal(owed), rel=Decimal("1e-9"))


async def test_a_market_without_depth_takes_nothing(running: Running) -> None:
    await running.spine.ingest(observed(1))
    await deepened(running, ("0", "1"), ("0", "0"))
    answer = await simulated(running, shocks={"ETH": "-0.05"})
    assert number(asset(answer, "ETH").price_low) == 0


async def test_accounts_are_named_up_to_the_limit_and_counted_beyond_it(running: Running) -> None:
    await running.spine.ingest(observed(1))
    answer = await simulated(running, shocks={"ETH": "-0.9"}, accounts_max=1)
    assert len(answer.accounts) == 1
    assert answer.due_most == 3


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"shocks": {"DOGE": "-0.1"}}, "shocks"),
        ({"shocks": {"ETH": "-1.1"}}, "shocks"),
        ({"shocks": {"ETH": "nan"}}, "shocks"),
        ({"shocks": {"ETH": "a fifth"}}, "shocks"),
        ({"shocks": {"ETH": ""}}, "shocks"),
        ({"passes_max": 1_000_001}, "passes_max"),
        ({"accounts_max": 10_001}, "accounts_max"),
    ],
)
async def test_bad_input_is_refused_by_its_field(
    running: Running, fields: dict[str, Any], field: str
) -> None:
    await running.spine.ingest(observed(1))
    failed = await refused(running.liquidation.SimulateCascade(request(**fields)))
    assert failed.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failed.fields == [field]


@pytest.mark.parametrize(
    "shocks",
    [
        {f"NONE-{number}": "0" for number in range(10_000)},
        {"\N{EURO SIGN}" * 100_000: "0"},
        {"": "0"},
        {"ETH": "x" * 100_000},
        {"\N{EURO SIGN}" * 100_000: "x" * 100_000},
    ],
    ids=["many", "long", "empty", "no number", "long and no number"],
)
async def test_what_is_refused_is_named_in_no_more_than_headers_hold(
    running: Running, shocks: dict[str, str]
) -> None:
    await running.spine.ingest(observed(1))
    failed = await refused(running.liquidation.SimulateCascade(request(shocks=shocks)))
    assert failed.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failed.fields == ["shocks"]


async def test_the_tape_does_not_wait_for_cascades(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are asked for, the threads by which the tape writes stay free."""
    await running.spine.ingest(observed(1))
    loop, has_begun, may_end = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    simulated_in: set[str] = set()

    def held_up(*asked: Any) -> pb.SimulateCascadeResponse:
        simulated_in.add(threading.current_thread().name)
        loop.call_soon_threadsafe(has_begun.set)
        may_end.wait(30)
        return simulate(*asked)

    monkeypatch.setattr(liquidations, "simulate", held_up)
    calls = [asyncio.ensure_future(simulated(running)) for _ in range(100)]
    try:
        await has_begun.wait()
        await asyncio.wait_for(running.spine.ingest(observed(2)), 10)
        assert running.spine.view is not None
        assert running.spine.view.metadata.as_of[0].block.height == 2  # type: ignore[union-attr]
    finally:
        may_end.set()
    answers = await asyncio.gather(*calls)
    assert [one.due_most for one in answers] == [1] * 100
    assert len(simulated_in) == 1


async def test_before_the_first_view_there_is_nothing_to_simulate(running: Running) -> None:
    failed = await refused(running.liquidation.SimulateCascade(request()))
    assert failed.reason == "NOT_READY"


async def test_a_book_without_debts_has_no_cascade(running: Running) -> None:
    debts = dict.fromkeys(DEBTS_USD, 0)
    assert registry_of(sorted(debts)).portfolios
    await running.spine.ingest(observed(1, debts_usd=debts))
    answer = await simulated(running, shocks={"ETH": "-0.9"})
    assert (answer.due_most, list(answer.accounts)) == (0, [])
