"""``xmargin.v1.MarginService``: health asked for, listed and watched."""

from bisect import bisect_right
from collections.abc import AsyncIterator
from typing import Any

import grpc

from xmargin.errors import InvalidArgumentError
from xmargin.service.answers import Latest, wants_full
from xmargin.service.pages import page_size, read_token, write_token
from xmargin.v1 import margin_service_pb2 as pb
from xmargin.v1 import margin_service_pb2_grpc
from xmargin.view import View

BATCH_SIZE_MAX = 1_000

Context = grpc.aio.ServicerContext[Any, Any]


class MarginService(margin_service_pb2_grpc.MarginServiceServicer):
    """Serves the one cross-chain health view. Raises typed errors; see :mod:`.status`."""

    def __init__(self, latest: Latest) -> None:
        self._latest = latest

    async def GetHealth(  # noqa: N802 - the proto's name
        self, request: pb.GetHealthRequest, context: Context
    ) -> pb.GetHealthResponse:
        """Health of one portfolio."""
        full = wants_full(request.detail, unsaid=True)
        answers = self._latest.answers()
        portfolio_id = answers.check_known(request.portfolio_id, "portfolio_id")
        return pb.GetHealthResponse(
            metadata=answers.metadata, health=answers.health(portfolio_id, full=full)
        )

    async def BatchGetHealth(  # noqa: N802 - the proto's name
        self, request: pb.BatchGetHealthRequest, context: Context
    ) -> pb.BatchGetHealthResponse:
        """Health of several portfolios as of one snapshot, in the order asked for."""
        full = wants_full(request.detail, unsaid=True)
        asked = request.portfolio_ids
        if not 1 <= len(asked) <= BATCH_SIZE_MAX:
            raise InvalidArgumentError(
                f"portfolio_ids: {len(asked)} ids; ask for 1 to {BATCH_SIZE_MAX} at a time",
                field="portfolio_ids",
            )
        answers = self._latest.answers()
        return pb.BatchGetHealthResponse(
            metadata=answers.metadata,
            healths=answers.healths(answers.check_all_known(asked), full=full),
        )

    async def ListPortfolios(  # noqa: N802 - the proto's name
        self, request: pb.ListPortfoliosRequest, context: Context
    ) -> pb.ListPortfoliosResponse:
        """Portfolios by id; a page begins after the last id of the page before."""
        full = wants_full(request.detail, unsaid=False)
        size = page_size(request.page_size)
        question = f"portfolios {int(full)}"
        last_id = read_token(question, request.page_token)
        answers = self._latest.answers()
        ids = answers.view.portfolio_ids
        start = 0 if last_id is None else bisect_right(ids, last_id)
        page = ids[start : start + size]
        more = start + len(page) < len(ids)
        return pb.ListPortfoliosResponse(
            metadata=answers.metadata,
            healths=answers.healths(page, full=full),
            next_page_token=write_token(question, page[-1]) if more else "",
            total_size=len(ids),
        )

    async def WatchHealth(  # noqa: N802 - the proto's name
        self, request: pb.WatchHealthRequest, context: Context
    ) -> AsyncIterator[pb.WatchHealthResponse]:
        """First all watched portfolios, then what changed, view by view."""
        full = wants_full(request.detail, unsaid=False)
        answers = await self._latest.after(-1)
        watched = frozenset(answers.check_all_known(request.portfolio_ids))
        told: View | None = None
        while True:
            yield answers.changes(told, watched, full=full)
            told = answers.view
            answers = await self._latest.after(answers.sequence)
