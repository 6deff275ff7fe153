"""When to look: newHeads over WebSocket under a watchdog, polling when there is none.

What arrives here is only ever a hint that a block of some hash may be the head. The reader asks
the endpoint for that block before it believes anything of it.

The socket is aiohttp's: web3's persistent provider spins the event loop while it waits for an
answer, and can swallow a cancellation.
"""

import asyncio
import logging
import time
from typing import Any, Final, Self

import aiohttp

from xmargin.chains.evm.blocks import latest
from xmargin.chains.evm.endpoint import EvmEndpoint, quantity
from xmargin.config import ChainConfig
from xmargin.errors import EndpointError
from xmargin.model import Condition

_LOG = logging.getLogger(__name__)
_RETRY_S_MIN: Final = 0.25
_RETRY_S_MAX: Final = 30.0
_MESSAGE_BYTES_MAX: Final = 1024 * 1024
_PING_S: Final = 10
# A subscription that stays quiet for so many polling intervals is checked by polling once.
_QUIET_INTERVALS_MAX: Final = 3
# Polled heads it said nothing of, in a row: one may be a race, two are a hung socket.
_MISSED_HEADS_MAX: Final = 2


class HeadWatch:
    """Yields the newest head's hash of one endpoint; heads that piled up are coalesced."""

    def __init__(self, chain: ChainConfig, endpoint: EvmEndpoint, ws_url: str | None) -> None:
        self._chain = chain.id
        self._endpoint = endpoint
        self._ws_url = ws_url
        self._timeout_s = chain.request_timeout_ms / 1000
        self._poll_s = chain.poll_ms / 1000
        self._hint: str | None = None
        self._hinted = asyncio.Event()
        self._seen = ""
        self._missed_heads = 0
        self._keeper: asyncio.Task[None] | None = None
        self._subscription: asyncio.Task[None] | None = None
        self._listening = False
        self._fault: EndpointError | None = None

    async def __aenter__(self) -> Self:
        self._wake()
        if self._ws_url is not None:
            self._keeper = asyncio.create_task(self._keep_listening(self._ws_url))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)

    @property
    def listening(self) -> bool:
        """Whether a WebSocket subscription is up."""
        return self._listening

    @property
    def has_newer(self) -> bool:
        """Whether :meth:`next` would return at once."""
        return self._hinted.is_set()

    async def next(self) -> str:
        """The hash of the newest head, as soon as it may be new.

        Raises:
            EndpointError: polling failed, or the WebSocket is of another chain.
        """
        patience_s = self._poll_s * (_QUIET_INTERVALS_MAX if self._listening else 1)
        try:
            async with asyncio.timeout(patience_s):
                await self._hinted.wait()
        except TimeoutError:
            return await self._poll()
        self._hinted.clear()
        if self._fault is not None:
            raise self._fault
        hint, self._hint = self._hint, None
        if hint is None:
            return await self._poll()
        self._missed_heads = 0
        self._seen = hint
        return hint

    async def _poll(self) -> str:
        head = (await latest(self._endpoint)).hash
        if self._listening and head != self._seen:
            self._missed_heads += 1
            if self._missed_heads >= _MISSED_HEADS_MAX and self._subscription is not None:
                _LOG.warning(
                    "%s: the WebSocket of %s is silent; reconnecting",
                    self._chain,
                    self._endpoint.redacted,
                )
                self._missed_heads = 0
                self._subscription.cancel()
        self._seen = head
        return head

    def _wake(self, hint: str | None = None) -> None:
        """Let :meth:`next` return: with the hinted head, or by polling when there is no hint."""
        self._hint = hint
        self._hinted.set()

    async def _keep_listening(self, url: str) -> None:
        retry_s = _RETRY_S_MIN
        while True:
            began_s = time.monotonic()
            self._subscription = asyncio.create_task(self._listen(url))
            (ending,) = await asyncio.gather(self._subscription, return_exceptions=True)
            self._listening = False
            if isinstance(ending, EndpointError):
                self._fault = ending
            if not isinstance(ending, asyncio.CancelledError):
                _LOG.warning(
                    "%s: the WebSocket of %s ended (%s); polling until it is back",
                    self._chain,
                    self._endpoint.redacted,
                    # The message of a connection's error may hold the URL, and the key in it.
                    "closed" if ending is None else type(ending).__name__,
                )
            self._wake()
            if time.monotonic() - began_s > _RETRY_S_MAX:
                retry_s = _RETRY_S_MIN
            await asyncio.sleep(retry_s)
            retry_s = min(2 * retry_s, _RETRY_S_MAX)

    async def _listen(self, url: str) -> None:
        """One subscription's life; ends by an exception, or when the socket closes."""
        timeout = aiohttp.ClientWSTimeout(ws_close=self._timeout_s)
        async with (
            asyncio.timeout(self._timeout_s) as handshake,
            aiohttp.ClientSession() as session,
        ):
            socket = await session.ws_connect(
                url, timeout=timeout, heartbeat=_PING_S, max_msg_size=_MESSAGE_BYTES_MAX
            )
            self._require_chain(await _ask(socket, "eth_chainId"))
            await _ask(socket, "eth_subscribe", "newHeads")
            handshake.reschedule(None)
            self._listening = True
            # Heads before the subscription were not announced: look once.
            self._wake()
            async for message in socket:
                self._announce(message.json())

    def _require_chain(self, answer: Any) -> None:
        number = quantity(answer)
        if number is None or f"eip155:{number}" != self._chain:
            raise self._endpoint.fault(
                f"its WebSocket is of eip155:{number}, not of {self._chain}; fix its URL",
                Condition.INVALID,
            )

    def _announce(self, message: Any) -> None:
        block_hash = message["params"]["result"]["hash"]
        if not isinstance(block_hash, str):
            raise TypeError("a head's hash is no string")
        self._wake(block_hash.lower())


async def _ask(socket: aiohttp.ClientWebSocketResponse, method: str, *params: str) -> Any:
    """One request over a socket that says nothing else yet."""
    await socket.send_json({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    return (await socket.receive_json())["result"]
