"""An endpoint of an EVM chain: checked for its chain id; several requests may go as one."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar, cast

from web3 import AsyncHTTPProvider
from web3.types import RPCEndpoint, RPCResponse

from xmargin.chains.jsonrpc import Json, JsonRpcEndpoint, Refusal, shown
from xmargin.chains.quorum import Ballot
from xmargin.config import ChainConfig, EndpointConfig
from xmargin.errors import EndpointError
from xmargin.model import ChainId, Condition

_T = TypeVar("_T")


class _BoundedHttpProvider(AsyncHTTPProvider):
    """web3's HTTP provider over the endpoint's own ``post``.

    web3's opens a connection for every request and reads answers of any size.
    """

    def __init__(self, url: str, post: Callable[[bytes], Awaitable[Json]]) -> None:
        super().__init__(url, exception_retry_configuration=None)
        self._post = post

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """One JSON-RPC request."""
        return cast(RPCResponse, await self._post(self.encode_rpc_request(method, params)))

    async def make_batch_request(
        self, batch_requests: list[tuple[RPCEndpoint, Any]]
    ) -> list[RPCResponse] | RPCResponse:
        """Several JSON-RPC requests in one HTTP request; the answers in whatever order came."""
        return cast(
            list[RPCResponse], await self._post(self.encode_batch_rpc_request(batch_requests))
        )


class EvmEndpoint(JsonRpcEndpoint):
    """A connection to one endpoint of an EVM chain; ``calls["http"]`` counts HTTP requests."""

    def __init__(self, chain: ChainConfig, endpoint: EndpointConfig) -> None:
        super().__init__(chain, endpoint)
        self._provider = _BoundedHttpProvider(endpoint.http_url, self._post)

    async def agreed(
        self, read: Callable[["EvmEndpoint"], Awaitable[_T]], ballot: Ballot[_T]
    ) -> _T:
        """What this endpoint says: alone, it agrees with itself."""
        return await read(self)

    async def first(self, read: Callable[["EvmEndpoint"], Awaitable[_T]]) -> _T:
        """What this endpoint says."""
        return await read(self)

    async def check_chain(self) -> None:
        """Ask for the chain id; see :meth:`JsonRpcEndpoint.check_chain`."""
        self.require_chain(await self.ask("eth_chainId"))

    def require_chain(self, answer: Json | Refusal) -> None:
        """Raise unless ``answer`` (to ``eth_chainId``) is this chain's number."""
        number = quantity(answer)
        if number is None:
            raise self.fault(f"eth_chainId gave {shown(answer)}", Condition.INVALID)
        if f"eip155:{number}" != self.chain:
            raise self.fault(
                f"is an endpoint of eip155:{number}, not of {self.chain}; fix its URL",
                Condition.INVALID,
            )

    async def _request(self, method: str, params: list[Json]) -> Json:
        self.calls["http"] += 1
        return await self._provider.make_request(RPCEndpoint(method), params)

    async def ask_all(self, requests: Sequence[tuple[str, list[Json]]]) -> list[Json | Refusal]:
        """Several requests in one HTTP request; outcomes in the order asked.

        Raises:
            EndpointError: as :meth:`ask`, or an answer is missing.
        """
        self.calls["http"] += 1
        self.calls.update(method for method, _ in requests)
        batch = [(RPCEndpoint(method), params) for method, params in requests]
        answers = await self._provider.make_batch_request(batch)
        if not isinstance(answers, list):
            outcome = self._outcome(answers)
            raise self.fault(f"answers no JSON-RPC batch: {shown(outcome)}", Condition.INVALID)
        return self._in_order(answers, len(requests))

    def _in_order(self, answers: list[Json], expected: int) -> list[Json | Refusal]:
        """The ids of one batch are consecutive, so sorting by id gives the order asked."""
        numbered = [
            (answer["id"], answer)
            for answer in answers
            if isinstance(answer, dict) and isinstance(answer.get("id"), int)
        ]
        if len({number for number, _ in numbered}) != expected or len(answers) != expected:
            raise self.fault(
                f"answered {len(numbered)} of {expected} requests of a batch", Condition.INVALID
            )
        return [self._outcome(answer) for _, answer in sorted(numbered, key=lambda pair: pair[0])]


class EvmSource(Protocol):
    """Whatever an EVM chain is read from: one endpoint, or a quorum of several."""

    chain: ChainId
    label: str
    redacted: str

    @property
    def calls(self) -> Counter[str]:
        """Requests so far, by method."""
        ...

    async def agreed(self, read: Callable[[EvmEndpoint], Awaitable[_T]], ballot: Ballot[_T]) -> _T:
        """What is believed of the endpoints' answers to ``read``.

        Raises:
            EndpointError: nothing is.
        """
        ...

    async def first(self, read: Callable[[EvmEndpoint], Awaitable[_T]]) -> _T:
        """The first answer to a question whose answers prove themselves.

        Raises:
            EndpointError: nobody gave one.
        """
        ...

    def take_doubts(self) -> str:
        """What is held against single endpoints as of a block that is told."""
        ...

    def fault(self, what: str, condition: Condition = Condition.UNREACHABLE) -> EndpointError:
        """An error about it."""
        ...


def quantity(value: Json | Refusal) -> int | None:
    """A JSON-RPC quantity (``0x`` hex) as an int; ``None`` if it is none."""
    if not isinstance(value, str) or not value.startswith("0x"):
        return None
    try:
        return int(value, 16)
    except ValueError:
        return None


def hex_bytes(value: Json | Refusal) -> bytes | None:
    """JSON-RPC data (``0x`` hex) as bytes; ``None`` if it is none."""
    if not isinstance(value, str) or not value.startswith("0x"):
        return None
    try:
        return bytes.fromhex(value[2:])
    except ValueError:
        return None
