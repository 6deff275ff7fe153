"""GetHealth, BatchGetHealth, ListPortfolios and ListLiquidations against a real spine."""

from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tests.service.book import DEBTS_USD, observed
from tests.service.conftest import Running, Start
from tests.spine.examples import USDC, WETH
from xmargin.model import TokenState
from xmargin.service.liquidations import HELD_ORDERS_MAX
from xmargin.service.pages import write_token
from xmargin.v1 import liquidation_service_pb2 as liquidation_pb
from xmargin.v1 import margin_report_pb2 as report_pb
from xmargin.v1 import margin_service_pb2 as pb
from xmargin.wire import to_message


class Refused:
    """A failed call's code, reason, metadata and the fields at fault."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        self.code = error.code()
        status: Any = rpc_status.from_call(error)
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        self.fields: list[str] = []
        for packed in status.details:
            if packed.Unpack(info):
                self.reason, self.metadata = info.reason, dict(info.metadata)
                assert info.domain == "xmargin.dev"
            if packed.Unpack(bad):
                self.fields = [violation.field for violation in bad.field_violations]


async def refused(call: Awaitable[Any]) -> Refused:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return Refused(raised.value)


def portfolios_named(count: int) -> dict[str, int]:
    return {f"p{number:04d}": 5_000 for number in range(count)}


# --- One portfolio -------------------------------------------------------------------------------


async def test_health_is_the_views_own_with_what_it_rests_on(running: Running) -> None:
    await running.spine.ingest(observed(1))
    answer = await running.margin.GetHealth(pb.GetHealthRequest(portfolio_id="safe"))
    view = running.spine.view
    assert view is not None
    assert answer.health == to_message(view.health("safe"), report_pb.PortfolioHealth)
    assert answer.metadata == to_message(view.metadata, report_pb.ViewMetadata)
    assert answer.health.status == report_pb.HEALTH_STATUS_HEALTHY
    assert len(answer.metadata.snapshot_hash) == 64
    assert [chain.block.height for chain in answer.metadata.as_of] == [1]
    assert {price.base for price in answer.metadata.prices} == {"ETH", "USDC"}


async def test_an_amount_whose_decimals_are_unknown_is_absent(running: Running) -> None:
    batch = observed(1)
    garbled = TokenState(WETH, 0, "", "decimals() reverts")
    faulty = [
        replace(o, fact=garbled) if isinstance(o.fact, TokenState) and o.fact.token == WETH else o
        for o in batch
    ]
    await running.spine.ingest(faulty)
    answer = await running.margin.GetHealth(pb.GetHealthRequest(portfolio_id="safe"))
    positions = {position.token: position for position in answer.health.positions}
    assert not positions[WETH].HasField("amount")
    assert not positions[WETH].HasField("value")
    assert positions[WETH].counting == report_pb.COUNTING_EXCLUDED
    assert positions[USDC].amount.value == "5000.000000"
    assert answer.health.partial
    await running.spine.ingest(observed(2))
    healed = await running.margin.GetHealth(pb.GetHealthRequest(portfolio_id="safe"))
    (weth,) = (p for p in healed.health.positions if p.token == WETH)
    assert weth.amount.value == "10.000000000000000000"


async def test_a_summary_leaves_accounts_and_positions_out(running: Running) -> None:
    await running.spine.ingest(observed(1))
    answer = await running.margin.GetHealth(
        pb.GetHealthRequest(portfolio_id="safe", detail=pb.HEALTH_DETAIL_SUMMARY)
    )
    assert not answer.health.accounts
    assert not answer.health.positions
    assert answer.health.HasField("equity")


async def test_an_unknown_portfolio_is_not_found_and_named(running: Running) -> None:
    await running.spine.ingest(observed(1))
    error = await refused(running.margin.GetHealth(pb.GetHealthRequest(portfolio_id="nobody")))
    assert error.code is grpc.StatusCode.NOT_FOUND
    assert error.reason == "PORTFOLIO_NOT_FOUND"
    assert error.metadata == {"portfolio_id": "nobody"}


@pytest.mark.parametrize("malformed", ["", "Safe", "a b", "ü", "x" * 65, "-a", "p\x00"])
async def test_a_malformed_portfolio_id_names_its_field(running: Running, malformed: str) -> None:
    await running.spine.ingest(observed(1))
    error = await refused(running.margin.GetHealth(pb.GetHealthRequest(portfolio_id=malformed)))
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.reason == "INVALID_ARGUMENT"
    assert error.fields == ["portfolio_id"]


async def test_an_unknown_detail_is_refused(running: Running) -> None:
    await running.spine.ingest(observed(1))
    request = pb.GetHealthRequest(portfolio_id="safe", detail=7)  # type: ignore[arg-type]
    error = await refused(running.margin.GetHealth(request))
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["detail"])


async def test_before_the_first_block_every_question_is_answered_not_ready(
    running: Running,
) -> None:
    for call in (
        running.margin.GetHealth(pb.GetHealthRequest(portfolio_id="safe")),
        running.margin.BatchGetHealth(pb.BatchGetHealthRequest(portfolio_ids=["safe"])),
        running.margin.ListPortfolios(pb.ListPortfoliosRequest()),
        running.liquidation.ListLiquidations(liquidation_pb.ListLiquidationsRequest()),
    ):
        error = await refused(call)
        assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "NOT_READY")


async def test_bytes_that_are_no_request_are_a_bad_argument(running: Running) -> None:
    await running.spine.ingest(observed(1))
    call: Any = running.channel.unary_unary("/xmargin.v1.MarginService/GetHealth")
    error = await refused(call(b"\xff\xff\xff garbage"))
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["request"])


async def test_an_unknown_method_stays_unimplemented(running: Running) -> None:
    call: Any = running.channel.unary_unary("/xmargin.v1.MarginService/GetWealth")
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call(b"")
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


# --- Several at once -----------------------------------------------------------------------------


async def test_a_batch_keeps_the_order_asked_for(running: Running) -> None:
    await running.spine.ingest(observed(1))
    asked = ["safe", "broke", "safe", "free"]
    answer = await running.margin.BatchGetHealth(pb.BatchGetHealthRequest(portfolio_ids=asked))
    assert [health.portfolio for health in answer.healths] == asked


@pytest.mark.parametrize("count", [0, 1_001])
async def test_a_batch_is_one_to_a_thousand(running: Running, count: int) -> None:
    await running.spine.ingest(observed(1))
    request = pb.BatchGetHealthRequest(portfolio_ids=["safe"] * count)
    error = await refused(running.margin.BatchGetHealth(request))
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["portfolio_ids"])


async def test_a_malformed_id_in_a_batch_is_named_by_its_place(running: Running) -> None:
    await running.spine.ingest(observed(1))
    request = pb.BatchGetHealthRequest(portfolio_ids=["safe", "NO"])
    error = await refused(running.margin.BatchGetHealth(request))
    assert error.fields == ["portfolio_ids[1]"]


# --- Pages ---------------------------------------------------------------------------------------


async def test_pages_give_every_portfolio_once(start: Start) -> None:
    debts = portfolios_named(25)
    async with start(tuple(debts)) as running:
        await running.spine.ingest(observed(1, debts_usd=debts))
        seen: list[str] = []
        request = pb.ListPortfoliosRequest(page_size=10)
        while True:
            page = await running.margin.ListPortfolios(request)
            seen += [health.portfolio for health in page.healths]
            assert page.total_size == 25
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        assert seen == sorted(debts)


async def test_a_page_token_goes_on_at_the_same_place_in_a_new_view(start: Start) -> None:
    debts = portfolios_named(25)
    async with start(tuple(debts)) as running:
        await running.spine.ingest(observed(1, debts_usd=debts))
        first = await running.margin.ListPortfolios(pb.ListPortfoliosRequest(page_size=10))
        await running.spine.ingest(observed(2, eth_usd=2_400, debts_usd=debts))
        second = await running.margin.ListPortfolios(
            pb.ListPortfoliosRequest(page_size=10, page_token=first.next_page_token)
        )
        assert second.healths[0].portfolio == "p0010"
        assert second.metadata.as_of[0].block.height == 2


async def test_a_page_token_for_another_detail_is_refused(start: Start) -> None:
    debts = portfolios_named(3)
    async with start(tuple(debts)) as running:
        await running.spine.ingest(observed(1, debts_usd=debts))
        page = await running.margin.ListPortfolios(pb.ListPortfoliosRequest(page_size=1))
        request = pb.ListPortfoliosRequest(
            page_token=page.next_page_token, detail=pb.HEALTH_DETAIL_FULL
        )
        error = await refused(running.margin.ListPortfolios(request))
        assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["page_token"])


async def test_a_tampered_page_token_is_refused(running: Running) -> None:
    await running.spine.ingest(observed(1))
    page = await running.margin.ListPortfolios(pb.ListPortfoliosRequest(page_size=1))
    token = page.next_page_token
    request = pb.ListPortfoliosRequest(page_token="A" + token[1:] if token[0] != "A" else "B")
    error = await refused(running.margin.ListPortfolios(request))
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["page_token"])


# --- The order -----------------------------------------------------------------------------------


async def test_the_order_is_the_views_own(running: Running) -> None:
    await running.spine.ingest(observed(1))
    answer = await running.liquidation.ListLiquidations(liquidation_pb.ListLiquidationsRequest())
    view = running.spine.view
    assert view is not None
    expected = [to_message(e, liquidation_pb.LiquidationEntry) for e in view.liquidations()]
    assert list(answer.entries) == expected
    assert [(entry.rank, entry.portfolio) for entry in answer.entries] == [
        (1, "broke"),
        (2, "broke"),
    ]
    assert answer.total_size == len(expected)


async def test_the_orders_pages_are_of_one_view_though_new_views_come(running: Running) -> None:
    await running.spine.ingest(observed(1, eth_usd=2_400))
    first = await running.liquidation.ListLiquidations(
        liquidation_pb.ListLiquidationsRequest(page_size=1)
    )
    entries, token = list(first.entries), first.next_page_token
    height = 1
    while token:
        height += 1
        await running.spine.ingest(observed(height, eth_usd=2_500))
        page = await running.liquidation.ListLiquidations(
            liquidation_pb.ListLiquidationsRequest(page_size=1, page_token=token)
        )
        assert page.metadata == first.metadata
        entries += page.entries
        token = page.next_page_token
    assert [entry.rank for entry in entries] == list(range(1, first.total_size + 1))
    assert first.total_size > 2


async def test_an_order_that_is_no_longer_held_is_refused(running: Running) -> None:
    request = liquidation_pb.ListLiquidationsRequest(page_size=1)
    await running.spine.ingest(observed(1))
    first = await running.liquidation.ListLiquidations(request)
    for height in range(2, HELD_ORDERS_MAX + 2):
        await running.spine.ingest(observed(height))
        await running.liquidation.ListLiquidations(request)
    request.page_token = first.next_page_token
    error = await refused(running.liquidation.ListLiquidations(request))
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["page_token"])


@pytest.mark.parametrize("rank", ["", " 1", "-1", "abc", "1e3", "٣", "9" * 5_000])
async def test_a_token_of_ones_own_making_is_refused(running: Running, rank: str) -> None:
    await running.spine.ingest(observed(1))
    request = liquidation_pb.ListLiquidationsRequest(page_size=1)
    first = await running.liquidation.ListLiquidations(request)
    position = f"{first.metadata.tape_hash} {rank}"
    assert first.next_page_token == write_token("liquidations 0", f"{first.metadata.tape_hash} 1")
    request.page_token = write_token("liquidations 0", position)
    error = await refused(running.liquidation.ListLiquidations(request))
    assert (error.code, error.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["page_token"])


def test_the_book_is_what_these_tests_take_it_for() -> None:
    assert DEBTS_USD["broke"] > 0.85 * 25_000 > DEBTS_USD["called"] > 0.8125 * 25_000
