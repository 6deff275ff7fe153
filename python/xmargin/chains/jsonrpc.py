"""One HTTP endpoint: bounded in time and size, checked for its chain, never trusted."""

import re
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Self
from urllib.parse import urlsplit

import aiohttp

from xmargin import untrusted_json
from xmargin.config import ChainConfig, EndpointConfig
from xmargin.errors import EndpointError
from xmargin.model import ChainId, Condition

ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
_MESSAGE_CHARACTERS_MAX: Final = 160
_SECRET_CHARACTERS_MIN: Final = 6

Json = Any


@dataclass(frozen=True, slots=True)
class Refusal:
    """A JSON-RPC error: the endpoint is well, but will not or cannot answer this."""

    code: int
    message: str


class HttpEndpoint(ABC):
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
        self._secrets = _secrets(endpoint.http_url)
        self._timeout_ms = chain.request_timeout_ms
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def connect(self) -> None:
        """Connect; nothing the endpoint says is believed before it named the right chain.

        Raises:
            EndpointError: it fails, or is of another chain.
        """
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._timeout_ms / 1000)
            self._session = aiohttp.ClientSession(timeout=timeout)
        await self.check_chain()

    async def close(self) -> None:
        """Give the connection up; :meth:`connect` makes another."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # --- What each kind of chain does its own way ---------------------------------------------

    @abstractmethod
    async def check_chain(self) -> None:
        """Ask which chain this is.

        Raises:
            EndpointError: it fails, or is of another chain.
        """

    def take_doubts(self) -> str:
        """Nothing: there is nobody to contradict it."""
        return ""

    # --- Posting ------------------------------------------------------------------------------

    async def _post(self, body: bytes) -> Json:
        """The JSON that answers ``body``, within the bounds of time and size."""
        try:
            return untrusted_json.loads(await self._post_raw(body))
        except TimeoutError:
            raise self.fault(f"no answer within {self._timeout_ms} ms") from None
        except aiohttp.ClientConnectorError:
            raise self.fault("cannot be reached") from None
        except (aiohttp.ClientError, OSError) as error:
            raise self.fault(f"the connection broke ({type(error).__name__})") from None
        except ValueError:
            raise self.fault("the answer is not JSON", Condition.INVALID) from None

    async def _post_raw(self, body: bytes) -> bytes:
        if self._session is None:
            raise self.fault("is not connected; use it as a context manager")
        headers = {"Content-Type": "application/json"}
        async with self._session.post(self._url, data=body, headers=headers) as response:
            if response.status != HTTPStatus.OK:
                raise self.fault(f"HTTP {response.status}")
            answer = bytearray()
            async for chunk in response.content.iter_any():
                answer += chunk
                if len(answer) > ANSWER_BYTES_MAX:
                    raise self.fault(
                        f"answer larger than {ANSWER_BYTES_MAX} bytes", Condition.INVALID
                    )
        return bytes(answer)

    def fault(self, what: str, condition: Condition = Condition.UNREACHABLE) -> EndpointError:
        """An error about this endpoint."""
        return EndpointError(
            f"{self.chain}: {self.redacted}: {what}", condition=condition, endpoint=self.redacted
        )


class JsonRpcEndpoint(HttpEndpoint):
    """An endpoint that speaks JSON-RPC."""

    @abstractmethod
    async def _request(self, method: str, params: list[Json]) -> Json:
        """The whole JSON-RPC answer to one request."""

    async def ask(self, method: str, *params: Json) -> Json | Refusal:
        """One request.

        Raises:
            EndpointError: no answer in time, or not one JSON-RPC would give.
        """
        self.calls[method] += 1
        return self._outcome(await self._request(method, list(params)))

    def _outcome(self, answer: Json) -> Json | Refusal:
        if isinstance(answer, dict):
            if isinstance(answer.get("error"), dict):
                return self._refusal(answer["error"])
            if "result" in answer:
                return answer["result"]
        raise self.fault(f"the answer is not JSON-RPC: {shown(answer)}", Condition.INVALID)

    def _refusal(self, error: dict[str, Json]) -> Refusal:
        code = error.get("code")
        message = str(error.get("message", ""))
        for secret in self._secrets:
            message = message.replace(secret, "…")
        return Refusal(code if isinstance(code, int) else 0, printable(message))


def _secrets(url: str) -> list[str]:
    """Parts of the URL that an endpoint's own message might repeat; the longest first."""
    parts = urlsplit(url)
    words = re.split(r"[/?&=:@]", f"{parts.path}?{parts.query}")
    hidden = {word for word in (parts.username, parts.password, *words) if word}
    long = (word for word in hidden if len(word) >= _SECRET_CHARACTERS_MIN)
    return sorted(long, key=lambda word: (-len(word), word))


def printable(text: str) -> str:
    """What an endpoint said, short and without control characters."""
    return "".join(c if c.isprintable() else "?" for c in text[:_MESSAGE_CHARACTERS_MAX])


def shown(value: Json | Refusal) -> str:
    """An unwanted answer in a few words, for a message."""
    if isinstance(value, Refusal):
        return value.message or f"error {value.code}"
    return type(value).__name__
