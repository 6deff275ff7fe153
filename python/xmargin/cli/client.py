"""A gRPC client whose failures are the typed errors of :mod:`xmargin.errors`."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from xmargin import errors
from xmargin.v1 import liquidation_service_pb2 as liquidation_pb
from xmargin.v1 import liquidation_service_pb2_grpc, margin_service_pb2_grpc
from xmargin.v1 import margin_service_pb2 as margin_pb

BATCH_SIZE_MAX = 1_000
_PLANS_MAX = 100
TIMEOUT_S = 10.0

# A full batch outgrows gRPC's 4 MB default.
_MESSAGE_BYTES_MAX = 256 * 1024 * 1024


class HealthClient:
    """Asks one server; an async context manager."""

    def __init__(self, server: str) -> None:
        host, colon, port = server.rpartition(":")
        if not (host and colon and port.isdecimal()):
            raise errors.InvalidArgumentError(
                f"--server: {server!r} is no address; write HOST:PORT", field="server"
            )
        self._server = server
        self._channel = grpc.aio.insecure_channel(
            server, options=(("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),)
        )
        self._margin = margin_service_pb2_grpc.MarginServiceStub(self._channel)
        self._liquidation = liquidation_service_pb2_grpc.LiquidationServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._channel.close(grace=None)

    async def healths(
        self, portfolio_ids: Sequence[str] = ()
    ) -> AsyncIterator[margin_pb.BatchGetHealthResponse]:
        """Full health of ``portfolio_ids``, of all when empty; each answer is of one snapshot.

        Up to 1,000 portfolios come as one answer, more as one answer a thousand.
        """
        ids = list(portfolio_ids) or await self._portfolio_ids()
        for start in range(0, len(ids), BATCH_SIZE_MAX):
            request = margin_pb.BatchGetHealthRequest(
                portfolio_ids=ids[start : start + BATCH_SIZE_MAX],
                detail=margin_pb.HEALTH_DETAIL_FULL,
            )
            with self._typed_errors():
                yield await self._margin.BatchGetHealth(request, timeout=TIMEOUT_S)

    async def _portfolio_ids(self) -> list[str]:
        ids: list[str] = []
        request = margin_pb.ListPortfoliosRequest(page_size=BATCH_SIZE_MAX)
        while True:
            with self._typed_errors():
                page = await self._margin.ListPortfolios(request, timeout=TIMEOUT_S)
            ids += [health.portfolio for health in page.healths]
            if not page.next_page_token:
                return ids
            request.page_token = page.next_page_token

    async def liquidations(self) -> liquidation_pb.ListLiquidationsResponse:
        """The whole order as of one snapshot, its pages joined, with plans."""
        request = liquidation_pb.ListLiquidationsRequest(page_size=_PLANS_MAX, with_plans=True)
        whole = liquidation_pb.ListLiquidationsResponse()
        while True:
            with self._typed_errors():
                page = await self._liquidation.ListLiquidations(request, timeout=TIMEOUT_S)
            whole.entries.extend(page.entries)
            request.page_token = page.next_page_token
            if not page.next_page_token:
                whole.metadata.CopyFrom(page.metadata)
                whole.total_size = page.total_size
                whole.certificates.extend(page.certificates)
                return whole

    async def crossings(
        self, portfolio_ids: Sequence[str] = (), *, with_plans: bool = False
    ) -> AsyncIterator[liquidation_pb.WatchLiquidationsResponse]:
        """First who of ``portfolio_ids`` (empty: of all) is at risk, then each change, for ever."""
        request = liquidation_pb.WatchLiquidationsRequest(
            portfolio_ids=portfolio_ids, with_plans=with_plans
        )
        with self._typed_errors():
            async for answer in self._liquidation.WatchLiquidations(request):
                yield answer

    async def cascade(
        self, shocks: Mapping[str, str], accounts_max: int
    ) -> liquidation_pb.SimulateCascadeResponse:
        """What first moves of assets (decimals by name) would set off."""
        request = liquidation_pb.SimulateCascadeRequest(accounts_max=accounts_max)
        for asset, move in shocks.items():
            request.shocks[asset].value = move
        with self._typed_errors():
            return await self._liquidation.SimulateCascade(request, timeout=TIMEOUT_S)

    async def plan(self, subject: str) -> liquidation_pb.PlanLiquidationResponse:
        """The plans of one portfolio's accounts, or of one account: only its id has a slash."""
        request = liquidation_pb.PlanLiquidationRequest(portfolio_id=subject)
        if "/" in subject:
            request = liquidation_pb.PlanLiquidationRequest(account_id=subject)
        with self._typed_errors():
            return await self._liquidation.PlanLiquidation(request, timeout=TIMEOUT_S)

    async def watch(
        self,
        portfolio_ids: Sequence[str] = (),
        detail: "margin_pb.HealthDetail.ValueType" = margin_pb.HEALTH_DETAIL_FULL,
    ) -> AsyncIterator[margin_pb.WatchHealthResponse]:
        """First all of ``portfolio_ids`` (empty: all there are), then what changes, for ever."""
        request = margin_pb.WatchHealthRequest(portfolio_ids=portfolio_ids, detail=detail)
        with self._typed_errors():
            async for answer in self._margin.WatchHealth(request):
                yield answer

    @contextmanager
    def _typed_errors(self) -> Iterator[None]:
        try:
            yield
        except grpc.aio.AioRpcError as error:
            raise self._typed(error) from None

    def _typed(self, error: grpc.aio.AioRpcError) -> errors.XmarginError:
        """The error the server raised, or what kept us from reaching it."""
        status = rpc_status.from_call(error)
        for detail in status.details if status else ():
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info) and info.reason in _BY_REASON:
                return _as_commands_say(_BY_REASON[info.reason], info, status.message)
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            return errors.EndpointError(
                f"no xmargin server answers at {self._server}; start one with "
                "`xmargin serve --config FILE` or name another with --server"
            )
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return errors.EndpointError(
                f"{self._server} did not answer within {TIMEOUT_S:g} s; see its log"
            )
        code = error.code().name
        return errors.EndpointError(f"{self._server} answered {code}: {error.details()}")


def _as_commands_say(
    kind: type[errors.XmarginError], info: error_details_pb2.ErrorInfo, message: str
) -> errors.XmarginError:
    """The server's error; where it tells of a method to call, the command to type instead."""
    metadata = dict(info.metadata)
    if kind is errors.PortfolioNotFoundError:
        name = metadata.get("portfolio_id", "")
        message = f"no portfolio {name!r}; `xmargin health` lists those there are"
    if kind is errors.AccountNotFoundError:
        name = metadata.get("account_id", "")
        message = f"no account {name!r}; `xmargin plan PORTFOLIO --json` names those of a portfolio"
    return kind(message, **metadata)


def _reasons() -> dict[str, type[errors.XmarginError]]:
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    known = [kind for kind in classes if issubclass(kind, errors.XmarginError)]
    return {kind.reason: kind for kind in known}


_BY_REASON = _reasons()
