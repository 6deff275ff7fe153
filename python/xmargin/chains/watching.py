"""When to look: a WebSocket kept up beside an endpoint, and polling while it is away.

What arrives over it is only ever a hint that something may be new. The reader asks the endpoint
itself before it believes anything of it.
"""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from typing import Final, Self

from xmargin.chains.jsonrpc import JsonRpcEndpoint
from xmargin.config import ChainConfig

_LOG = logging.getLogger(__name__)
_RETRY_S_MIN: Final = 0.25
_RETRY_S_MAX: Final = 30.0


class Watch(ABC):
    """Keeps one endpoint's WebSocket subscription up; reconnects with pauses that grow."""

    def __init__(self, chain: ChainConfig, endpoint: JsonRpcEndpoint, ws_url: str | None) -> None:
        self._endpoint = endpoint
        self._ws_url = ws_url
        self._timeout_s = chain.request_timeout_ms / 1000
        self._poll_s = chain.poll_ms / 1000
        self._hinted = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._subscription: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._hinted.set()
        if self._ws_url is not None:
            self._keeper = asyncio.create_task(self._keep_listening(self._ws_url))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)

    @property
    @abstractmethod
    def listening(self) -> bool:
        """Whether a WebSocket subscription is up."""

    @abstractmethod
    async def _listen(self, url: str) -> None:
        """One subscription's life; ends by an exception, or when the socket closes."""

    @abstractmethod
    def _ended(self, ending: BaseException | None) -> None:
        """The subscription is gone, by this exception if by one."""

    def _resubscribe(self) -> None:
        """Give up a subscription that is up but silent, for a new one."""
        if self._subscription is not None:
            self._tell("is silent; reconnecting")
            self._subscription.cancel()

    async def _keep_listening(self, url: str) -> None:
        retry_s = _RETRY_S_MIN
        while True:
            began_s = time.monotonic()
            self._subscription = asyncio.create_task(self._listen(url))
            (ending,) = await asyncio.gather(self._subscription, return_exceptions=True)
            self._ended(ending)
            if not isinstance(ending, asyncio.CancelledError):
                # The message of a connection's error may hold the URL, and the key in it.
                why = "closed" if ending is None else type(ending).__name__
                self._tell(f"ended ({why}); polling until it is back")
            if time.monotonic() - began_s > _RETRY_S_MAX:
                retry_s = _RETRY_S_MIN
            await asyncio.sleep(retry_s)
            retry_s = min(2 * retry_s, _RETRY_S_MAX)

    def _tell(self, what: str) -> None:
        _LOG.warning(
            "%s: the WebSocket of %s %s", self._endpoint.chain, self._endpoint.redacted, what
        )
