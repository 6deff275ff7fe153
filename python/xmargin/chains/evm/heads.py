"""When to look: newHeads over WebSocket under a watchdog, polling when there is none.

The socket is aiohttp's: web3's persistent provider spins the event loop while it waits for an
answer, and can swallow a cancellation.
"""

import asyncio
from typing import Any, Final

import aiohttp

from xmargin import untrusted_json
from xmargin.chains.evm.blocks import latest
from xmargin.chains.evm.endpoint import EvmEndpoint, quantity
from xmargin.chains.watching import Watch
from xmargin.config import ChainConfig
from xmargin.errors import EndpointError
from xmargin.model import Condition

_MESSAGE_BYTES_MAX: Final = 1024 * 1024
_PING_S: Final = 10
# A subscription that stays quiet for so many polling intervals is checked by polling once.
_QUIET_INTERVALS_MAX: Final = 3
# Polled heads it said nothing of, in a row: one may be a race, two are a hung socket.
_MISSED_HEADS_MAX: Final = 2


class HeadWatch(Watch):
    """Yields the newest head's hash of one endpoint; heads that piled up are coalesced."""

    _endpoint: EvmEndpoint

    def __init__(self, chain: ChainConfig, endpoint: EvmEndpoint, ws_url: str | None) -> None:
        super().__init__(chain, endpoint, ws_url)
        self._hint: str | None = None
        self._seen = ""
        self._missed_heads = 0
        self._listening = False
        self._fault: EndpointError | None = None

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
            if self._missed_heads >= _MISSED_HEADS_MAX:
                self._missed_heads = 0
                self._resubscribe()
        self._seen = head
        return head

    def _wake(self, hint: str | None = None) -> None:
        """Let :meth:`next` return: with the hinted head, or by polling when there is no hint."""
        self._hint = hint
        self._hinted.set()

    def _ended(self, ending: BaseException | None) -> None:
        self._listening = False
        if isinstance(ending, EndpointError):
            self._fault = ending
        self._wake()

    async def _listen(self, url: str) -> None:
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
                self._announce(message.json(loads=untrusted_json.loads))

    def _require_chain(self, answer: Any) -> None:
        number = quantity(answer)
        if number is None or f"eip155:{number}" != self._endpoint.chain:
            raise self._endpoint.fault(
                f"its WebSocket is of eip155:{number}, not of {self._endpoint.chain}; fix its URL",
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
    return (await socket.receive_json(loads=untrusted_json.loads))["result"]
