"""``xmargin.v1.LiquidationService``: whom to liquidate first, and what of them."""

from typing import Any

import grpc

from xmargin.errors import InvalidArgumentError
from xmargin.model import LiquidationPlan, parse_account_id
from xmargin.service.answers import Answers, Latest
from xmargin.service.pages import page_size, read_token, write_token
from xmargin.v1 import liquidation_service_pb2 as pb
from xmargin.v1 import liquidation_service_pb2_grpc
from xmargin.wire import to_message

HELD_ORDERS_MAX = 16

_QUESTION = "liquidations"


class LiquidationService(liquidation_service_pb2_grpc.LiquidationServiceServicer):
    """Lists the order. Its pages are cut from one view, for ranks of two views do not join."""

    def __init__(self, latest: Latest) -> None:
        self._latest = latest
        self._held: dict[str, Answers] = {}

    async def ListLiquidations(  # noqa: N802 - the proto's name
        self, request: pb.ListLiquidationsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ListLiquidationsResponse:
        """What is liquidatable now, worst first."""
        size = page_size(request.page_size)
        answers, start = self._continued(read_token(_QUESTION, request.page_token))
        order = answers.liquidations()
        end = min(start + size, len(order))
        more = end < len(order)
        return pb.ListLiquidationsResponse(
            metadata=answers.metadata,
            entries=order[start:end],
            next_page_token=self._token(answers, end) if more else "",
            total_size=len(order),
        )

    async def PlanLiquidation(  # noqa: N802 - the proto's name
        self, request: pb.PlanLiquidationRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.PlanLiquidationResponse:
        """What its venue would let be liquidated of an account, or of each of a portfolio."""
        answers = self._latest.answers()
        plans = _plans(answers, request)
        return pb.PlanLiquidationResponse(
            metadata=answers.metadata,
            plans=[to_message(plan, pb.LiquidationPlan) for plan in plans],
        )

    def _continued(self, position: str | None) -> tuple[Answers, int]:
        """The order a page is cut from and where it begins."""
        if position is None:
            return self._latest.answers(), 0
        tape_hash, _, rank = position.partition(" ")
        held = self._held.get(tape_hash)
        if held is None:
            raise InvalidArgumentError(
                "page_token: the order it continues is no longer held; leave it empty to begin "
                "with the newest",
                field="page_token",
            )
        return held, int(rank)

    def _token(self, answers: Answers, rank: int) -> str:
        """A token for the page after ``rank``; the newest few orders asked for stay held."""
        tape_hash = answers.view.metadata.tape_hash
        self._held.pop(tape_hash, None)
        self._held[tape_hash] = answers
        while len(self._held) > HELD_ORDERS_MAX:
            del self._held[next(iter(self._held))]
        return write_token(_QUESTION, f"{tape_hash} {rank}")


def _plans(answers: Answers, request: pb.PlanLiquidationRequest) -> tuple[LiquidationPlan, ...]:
    plans = answers.view.plans
    match request.WhichOneof("subject"):
        case "portfolio_id":
            return plans.of_portfolio(answers.check_known(request.portfolio_id, "portfolio_id"))
        case "account_id":
            return (plans.of_account(parse_account_id(request.account_id, "account_id")),)
    raise InvalidArgumentError("subject: give a portfolio_id or an account_id", field="subject")
