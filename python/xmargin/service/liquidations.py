"""``xmargin.v1.LiquidationService``: who is at risk, whom to liquidate first, and how."""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import grpc

from xmargin.engine import venue_watch
from xmargin.engine.venue_plans import VenuePlans
from xmargin.errors import InvalidArgumentError
from xmargin.model import (
    AccountId,
    Crossing,
    HealthStatus,
    LiquidationPlan,
    LiquidationPrice,
    PortfolioId,
    PriceRange,
    parse_account_id,
)
from xmargin.service.answers import Answers, Latest
from xmargin.service.aside import Aside
from xmargin.service.cascades import simulate
from xmargin.service.pages import PAGE_SIZE_MAX, page_size, read_token, write_token
from xmargin.spine import Spine
from xmargin.v1 import liquidation_service_pb2 as pb
from xmargin.v1 import liquidation_service_pb2_grpc
from xmargin.view import View
from xmargin.wire import to_message

HELD_ORDERS_MAX = 16
PLANS_MAX = 100
"""Plans on one page: those of portfolios take some ten milliseconds each."""
CROSSINGS_MAX = 1_000
"""In one answer: clients refuse messages above 4 MB."""

_QUESTION = "liquidations"
_RANK = re.compile("[0-9]{1,12}")


class LiquidationService(liquidation_service_pb2_grpc.LiquidationServiceServicer):
    """Orders, watches, plans and cascades.

    Pages of the order are cut from one view, for ranks of two views do not join.
    """

    def __init__(self, latest: Latest, spine: Spine) -> None:
        self._latest = latest
        self._crossings = spine.crossings
        self._venue_watch = spine.venue_watch
        self._held: dict[str, Answers] = {}
        # Apart: what happens is told while an order is made, and an order while a cascade runs.
        self._watch_thread, self._order_thread = Aside("watch"), Aside("order")
        self._cascade_thread = Aside("cascade")

    async def ListLiquidations(  # noqa: N802 - the proto's name
        self, request: pb.ListLiquidationsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ListLiquidationsResponse:
        """What is liquidatable now, by rank."""
        size = page_size(request.page_size, PLANS_MAX if request.with_plans else PAGE_SIZE_MAX)
        question = f"{_QUESTION} {int(request.with_plans)}"
        answers, start = self._continued(read_token(question, request.page_token))
        make = partial(_page, answers, start, size, with_plans=request.with_plans)
        page = await self._order_thread.do(make)
        end = start + len(page.entries)
        if end < page.total_size:
            page.next_page_token = self._token(question, answers, end)
        return page

    async def WatchLiquidations(  # noqa: N802 - the proto's name
        self, request: pb.WatchLiquidationsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[pb.WatchLiquidationsResponse]:
        """First everyone who is at risk, then every change of status; none is left out."""
        answers = await self._latest.after(-1)
        watched = frozenset(answers.check_all_known(request.portfolio_ids))
        # The newest view and the newest number change together, between two awaits.
        news: Sequence[Crossing] | None = None
        number = self._crossings.newest
        while True:
            if news is None or any(not watched or one.portfolio in watched for one in news):
                tell = partial(_told, answers, news, watched, with_plans=request.with_plans)
                for message in await self._watch_thread.do(tell):
                    yield message
            answers = await self._latest.after(answers.sequence)
            news, number = self._crossings.after(number), self._crossings.newest

    async def PlanLiquidation(  # noqa: N802 - the proto's name
        self, request: pb.PlanLiquidationRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.PlanLiquidationResponse:
        """What venues let be liquidated of an account or a portfolio's, and of it as a whole."""
        answers = self._latest.answers()
        plans = _plans(answers, request)
        # The watch stands where the newest view does: asked for before anything is awaited.
        prices = [
            message
            for plan in plans
            for message in self._liquidation_prices(answers.view, plan.account)
        ]
        whole = None
        if request.portfolio_id:
            plan = await self._order_thread.do(
                partial(answers.view.portfolio_plans.of, request.portfolio_id)
            )
            whole = to_message(plan, pb.PortfolioPlan)
        return pb.PlanLiquidationResponse(
            metadata=answers.metadata,
            portfolio_plan=whole,
            plans=[to_message(plan, pb.LiquidationPlan) for plan in plans],
            liquidation_prices=prices,
        )

    async def SimulateCascade(  # noqa: N802 - the proto's name
        self, request: pb.SimulateCascadeRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.SimulateCascadeResponse:
        """Where prices come to rest when the liquidations after a shock sell into the market."""
        answers = self._latest.answers()
        return await self._cascade_thread.do(
            partial(simulate, answers.view, answers.metadata, request)
        )

    def _liquidation_prices(self, view: View, account: AccountId) -> Iterator[pb.LiquidationPrice]:
        if account in view.standings:
            return  # only accounts of the index have them
        for found in self._venue_watch.liquidation_prices(account):
            price = LiquidationPrice(
                account=account,
                tokens=found.tokens,
                symbols=tuple(map(view.symbol_of, found.tokens)),
                price=found.price,
                below=_range(found.below),
                above=_range(found.above),
            )
            yield to_message(price, pb.LiquidationPrice)

    def _continued(self, position: str | None) -> tuple[Answers, int]:
        """The order a page is cut from and where it begins."""
        if position is None:
            return self._latest.answers(), 0
        tape_hash, _, rank = position.partition(" ")
        held = self._held.get(tape_hash)
        # A token's digest is no secret: whoever writes one himself gets a refusal, no more.
        if held is None or _RANK.fullmatch(rank) is None:
            raise InvalidArgumentError(
                "page_token: the order it continues is no longer held; leave it empty to begin "
                "with the newest",
                field="page_token",
            )
        return held, int(rank)

    def _token(self, question: str, answers: Answers, rank: int) -> str:
        """A token for the page after ``rank``; the newest few orders asked for stay held."""
        tape_hash = answers.view.metadata.tape_hash
        self._held.pop(tape_hash, None)
        self._held[tape_hash] = answers
        while len(self._held) > HELD_ORDERS_MAX:
            del self._held[next(iter(self._held))]
        return write_token(question, f"{tape_hash} {rank}")


def _page(
    answers: Answers, start: int, size: int, *, with_plans: bool
) -> pb.ListLiquidationsResponse:
    """A page of the order, without the token of the next."""
    return pb.ListLiquidationsResponse(
        metadata=answers.metadata,
        entries=answers.liquidations(start, start + size, with_plans=with_plans),
        total_size=len(answers.view.liquidations()),
        certificates=answers.certificates,
    )


def _told(
    answers: Answers,
    news: Sequence[Crossing] | None,
    watched: frozenset[PortfolioId],
    *,
    with_plans: bool,
) -> Sequence[pb.WatchLiquidationsResponse]:
    """What changed; where that is not held (``None``), who is at risk. An empty watch is of all."""
    crossings = answers.at_risk if news is None else news
    if watched:
        of_watched = [crossing for crossing in crossings if crossing.portfolio in watched]
        return _messages(answers, of_watched, restarted=news is None, with_plans=with_plans)
    # News end with the view: where they begin says all. Watchers of all share the messages.
    key = (0 if news is None else news[0].number, with_plans)
    if key not in answers.told:
        answers.told[key] = _messages(
            answers, crossings, restarted=news is None, with_plans=with_plans
        )
    return answers.told[key]


def _messages(
    answers: Answers, crossings: Sequence[Crossing], *, restarted: bool, with_plans: bool
) -> Sequence[pb.WatchLiquidationsResponse]:
    """In parts: in a crash thousands cross, and clients refuse messages above 4 MB."""
    view = answers.view
    plans = view.plans if with_plans else None
    starts = range(0, max(1, len(crossings)), CROSSINGS_MAX)
    return [
        pb.WatchLiquidationsResponse(
            metadata=answers.metadata,
            crossings=[
                _crossing(crossing, view, plans)
                for crossing in crossings[start : start + CROSSINGS_MAX]
            ],
            restarted=restarted,
            continues=start != starts[-1],
        )
        for start in starts
    ]


def _range(found: venue_watch.PriceRange | None) -> PriceRange | None:
    return None if found is None else PriceRange(found.low, found.high)


def _crossing(crossing: Crossing, view: View, plans: VenuePlans | None) -> pb.Crossing:
    """With the plan of ``view``, which a slow watcher may find without the account."""
    is_due = crossing.after is HealthStatus.LIQUIDATABLE and view.has_account(crossing.account)
    if is_due and plans is not None:
        crossing = replace(crossing, plan=plans.of_account(crossing.account))
    return to_message(crossing, pb.Crossing)


def _plans(answers: Answers, request: pb.PlanLiquidationRequest) -> tuple[LiquidationPlan, ...]:
    plans = answers.view.plans
    match request.WhichOneof("subject"):
        case "portfolio_id":
            return plans.of_portfolio(answers.check_known(request.portfolio_id, "portfolio_id"))
        case "account_id":
            return (plans.of_account(parse_account_id(request.account_id, "account_id")),)
    raise InvalidArgumentError("subject: give a portfolio_id or an account_id", field="subject")
