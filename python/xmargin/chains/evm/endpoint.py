"""One JSON-RPC endpoint: bounded in time and size, checked for its chain, never trusted."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Self, cast

import aiohttp
from web3 import AsyncHTTPProvider
from web3.types import RPCEndpoint, RPCResponse

from xmargin.config import ChainConfig, EndpointConfig
from xmargin.errors import EndpointError
from xmargin.model import ChainId, Condition

ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
_MESSAGE_CHARACTERS_MAX = 160
_SECRET_CHARACTERS_MIN = 6

Json = Any


@dataclass(frozen=True, slots=True)
class Refusal:
    """A JSON-RPC error: the endpoint is well, but will not or cannot answer this."""

    code: int
    message: str


class BoundedHttpProvider(AsyncHTTPProvider):
    """web3's HTTP provider over one kept-alive session, with a cap on the size of answers.

    web3's own opens a connection for every request and reads answers of any size.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        super().__init__(url, exception_retry_configuration=None)
        self._url = url
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

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

    async def disconnect(self) -> None:
        """Close the session."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _post(self, body: bytes) -> Json:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        headers = {"Content-Type": "application/json"}
        async with self._session.post(self._url, data=body, headers=headers) as response:
            if response.status != HTTPStatus.OK:
                raise EndpointError(f"HTTP {response.status}")
            answer = bytearray()
            async for chunk in response.content.iter_any():
                answer += chunk
                if len(answer) > ANSWER_BYTES_MAX:
                    raise EndpointError(f"answer larger than {ANSWER_BYTES_MAX} bytes")
        return json.loads(answer)


class EvmEndpoint:
    """A connection to one endpoint of one chain; ``calls`` counts requests by method.

    Every fault is an :class:`EndpointError` whose message names the endpoint redacted and whose
    ``metadata["condition"]`` is the :class:`Condition` it puts the chain in.
    """

    def __init__(self, chain: ChainConfig, endpoint: EndpointConfig) -> None:
        self.chain: ChainId = chain.id
        self.label = endpoint.label
        self.redacted = endpoint.redacted
        self.calls: Counter[str] = Counter()
        self._secrets = _secrets(endpoint)
        self._timeout_ms = chain.request_timeout_ms
        self._provider = BoundedHttpProvider(endpoint.http_url, chain.request_timeout_ms / 1000)

    async def __aenter__(self) -> Self:
        """Connect; nothing the endpoint says is believed before it named the right chain."""
        try:
            await self.check_chain()
        except BaseException:
            await self._provider.disconnect()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._provider.disconnect()

    async def check_chain(self) -> None:
        """Ask for the chain id.

        Raises:
            EndpointError: it fails, or is of another chain.
        """
        self.require_chain(await self.ask("eth_chainId"))

    def require_chain(self, answer: Json | Refusal) -> None:
        """Raise unless ``answer`` (to ``eth_chainId``) is this chain's number."""
        number = quantity(answer)
        if number is None:
            raise self.fault(f"eth_chainId gave {_shown(answer)}", Condition.INVALID)
        if f"eip155:{number}" != self.chain:
            raise self.fault(
                f"is an endpoint of eip155:{number}, not of {self.chain}; fix its URL",
                Condition.INVALID,
            )

    async def ask(self, method: str, *params: Json) -> Json | Refusal:
        """One request.

        Raises:
            EndpointError: no answer in time, or not one JSON-RPC would give.
        """
        self.calls["http"] += 1
        self.calls[method] += 1
        answer = await self._within_bounds(
            self._provider.make_request(RPCEndpoint(method), list(params))
        )
        return self._outcome(answer)

    async def ask_all(self, requests: Sequence[tuple[str, list[Json]]]) -> list[Json | Refusal]:
        """Several requests in one HTTP request; outcomes in the order asked.

        Raises:
            EndpointError: as :meth:`ask`, or an answer is missing.
        """
        self.calls["http"] += 1
        self.calls.update(method for method, _ in requests)
        batch = [(RPCEndpoint(method), params) for method, params in requests]
        answers = await self._within_bounds(self._provider.make_batch_request(batch))
        if not isinstance(answers, list):
            outcome = self._outcome(answers)
            raise self.fault(f"answers no JSON-RPC batch: {_shown(outcome)}", Condition.INVALID)
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

    async def _within_bounds(self, request: Any) -> Json:
        try:
            return await request
        except TimeoutError:
            raise self.fault(f"no answer within {self._timeout_ms} ms") from None
        except aiohttp.ClientConnectorError:
            raise self.fault("cannot be reached") from None
        except (aiohttp.ClientError, OSError) as error:
            raise self.fault(f"the connection broke ({type(error).__name__})") from None
        except EndpointError as error:
            raise self.fault(error.message) from None
        except (ValueError, RecursionError):
            raise self.fault("the answer is not JSON", Condition.INVALID) from None

    def _outcome(self, answer: Json) -> Json | Refusal:
        if isinstance(answer, dict):
            if isinstance(answer.get("error"), dict):
                return self._refusal(answer["error"])
            if "result" in answer:
                return answer["result"]
        raise self.fault(f"the answer is not JSON-RPC: {_shown(answer)}", Condition.INVALID)

    def _refusal(self, error: dict[str, Json]) -> Refusal:
        code = error.get("code")
        message = str(error.get("message", ""))[:_MESSAGE_CHARACTERS_MAX]
        for secret in self._secrets:
            message = message.replace(secret, "…")
        return Refusal(code if isinstance(code, int) else 0, message)

    def fault(self, what: str, condition: Condition = Condition.UNREACHABLE) -> EndpointError:
        """An error about this endpoint."""
        return EndpointError(
            f"{self.chain}: {self.redacted}: {what}", condition=condition, endpoint=self.redacted
        )


def _secrets(endpoint: EndpointConfig) -> list[str]:
    """Parts of the URL that an endpoint's own message might repeat."""
    _, _, hidden = endpoint.http_url.partition("://")
    parts = hidden.replace("?", "/").replace("&", "/").replace("=", "/").replace("@", "/")
    return [part for part in parts.split("/")[1:] if len(part) >= _SECRET_CHARACTERS_MIN]


def _shown(value: Json | Refusal) -> str:
    text = value.message if isinstance(value, Refusal) else type(value).__name__
    return "".join(c if c.isprintable() else "?" for c in text) or "nothing"


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
