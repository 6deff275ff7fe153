"""One JSON-RPC endpoint: bounded in time and size, checked for its chain, never trusted.

The requests are our own: solana-py's client sends no ``minContextSlot`` with account batches and
reads answers of any size.
"""

import json
from collections import Counter
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, Self

import aiohttp

from xmargin.config import ChainConfig, EndpointConfig
from xmargin.errors import EndpointError
from xmargin.model import ChainId, Condition

ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
# CAIP-2 names a Solana chain by so many characters of its genesis hash.
_REFERENCE_CHARACTERS: Final = 32
_MESSAGE_CHARACTERS_MAX: Final = 160
_SECRET_CHARACTERS_MIN: Final = 6
_HTTP_OK: Final = 200

Json = Any


@dataclass(frozen=True, slots=True)
class Refusal:
    """A JSON-RPC error: the endpoint is well, but will not or cannot answer this."""

    code: int
    message: str


class SolanaEndpoint:
    """A connection to one endpoint of one chain; ``calls`` counts requests by method.

    Every fault is an :class:`EndpointError` whose message names the endpoint redacted and whose
    ``metadata["condition"]`` is the :class:`Condition` it puts the chain in.
    """

    def __init__(self, chain: ChainConfig, endpoint: EndpointConfig) -> None:
        self.chain: ChainId = chain.id
        self.label = endpoint.label
        self.redacted = endpoint.redacted
        self.calls: Counter[str] = Counter()
        self._url = endpoint.http_url
        self._secrets = _secrets(endpoint)
        self._timeout_ms = chain.request_timeout_ms
        self._ids = count(1)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Connect; nothing the endpoint says is believed before it named the right chain."""
        timeout = aiohttp.ClientTimeout(total=self._timeout_ms / 1000)
        self._session = aiohttp.ClientSession(timeout=timeout)
        try:
            await self.check_chain()
        except BaseException:
            await self._session.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def check_chain(self) -> None:
        """Ask for the genesis hash.

        Raises:
            EndpointError: it fails, or is of another chain.
        """
        genesis_hash = await self.ask("getGenesisHash")
        if not isinstance(genesis_hash, str):
            raise self.fault(f"getGenesisHash gave {shown(genesis_hash)}", Condition.INVALID)
        chain = f"solana:{genesis_hash[:_REFERENCE_CHARACTERS]}"
        if chain != self.chain:
            raise self.fault(
                f"is an endpoint of {_printable(chain)}, not of {self.chain}; fix its URL",
                Condition.INVALID,
            )

    async def ask(self, method: str, *params: Json) -> Json | Refusal:
        """One request.

        Raises:
            EndpointError: no answer in time, or not one JSON-RPC would give.
        """
        self.calls[method] += 1
        request_id = next(self._ids)
        request = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": list(params)}
        return self._outcome(await self._within_bounds(request), request_id)

    async def _within_bounds(self, request: Json) -> Json:
        try:
            return json.loads(await self._post(json.dumps(request)))
        except TimeoutError:
            raise self.fault(f"no answer within {self._timeout_ms} ms") from None
        except aiohttp.ClientConnectorError:
            raise self.fault("cannot be reached") from None
        except (aiohttp.ClientError, OSError) as error:
            raise self.fault(f"the connection broke ({type(error).__name__})") from None
        except (ValueError, RecursionError):
            raise self.fault("the answer is not JSON", Condition.INVALID) from None

    async def _post(self, body: str) -> bytes:
        if self._session is None:
            raise self.fault("is not connected; use it as a context manager")
        headers = {"Content-Type": "application/json"}
        async with self._session.post(self._url, data=body, headers=headers) as response:
            if response.status != _HTTP_OK:
                raise self.fault(f"HTTP {response.status}")
            answer = bytearray()
            async for chunk in response.content.iter_any():
                answer += chunk
                if len(answer) > ANSWER_BYTES_MAX:
                    raise self.fault(
                        f"answer larger than {ANSWER_BYTES_MAX} bytes", Condition.INVALID
                    )
        return bytes(answer)

    def _outcome(self, answer: Json, request_id: int) -> Json | Refusal:
        if isinstance(answer, dict):
            if isinstance(answer.get("error"), dict):
                return self._refusal(answer["error"])
            if "result" in answer and answer.get("id") == request_id:
                return answer["result"]
        raise self.fault(f"the answer is not JSON-RPC: {shown(answer)}", Condition.INVALID)

    def _refusal(self, error: dict[str, Json]) -> Refusal:
        code = error.get("code")
        message = str(error.get("message", ""))[:_MESSAGE_CHARACTERS_MAX]
        for secret in self._secrets:
            message = message.replace(secret, "…")
        return Refusal(code if isinstance(code, int) else 0, _printable(message))

    def fault(self, what: str, condition: Condition = Condition.UNREACHABLE) -> EndpointError:
        """An error about this endpoint."""
        return EndpointError(
            f"{self.chain}: {self.redacted}: {what}", condition=condition, endpoint=self.redacted
        )


def _secrets(endpoint: EndpointConfig) -> list[str]:
    """Parts of the URL that an endpoint's own message might repeat."""
    _, _, hidden = endpoint.http_url.partition("://")
    for separator in "?&=@:":
        hidden = hidden.replace(separator, "/")
    host, *parts = hidden.split("/")
    return [part for part in parts if len(part) >= _SECRET_CHARACTERS_MIN and part != host]


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:_MESSAGE_CHARACTERS_MAX])


def shown(value: Json | Refusal) -> str:
    """An unwanted answer in a few words, for a message."""
    if isinstance(value, Refusal):
        return value.message or f"error {value.code}"
    return type(value).__name__
