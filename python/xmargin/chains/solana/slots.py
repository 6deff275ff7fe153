"""When to look and at what: slots and changed accounts over WebSocket, under a watchdog.

What arrives here is only ever a hint: that there is a new slot, that an account may have changed.
The reader asks the endpoint itself before it believes anything of it.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Self

from xmargin.chains.solana.accounts import COMMITMENT
from xmargin.chains.solana.endpoint import SolanaEndpoint
from xmargin.config import ChainConfig

if TYPE_CHECKING:
    from solana.rpc.websocket_api import SolanaWsClient

_LOG = logging.getLogger(__name__)
_RETRY_S_MIN: Final = 0.25
_RETRY_S_MAX: Final = 30.0
_MESSAGE_BYTES_MAX: Final = 32 * 1024 * 1024
_NOTES_MAX: Final = 100_000
_PING_S: Final = 10
_CLOSE_S: Final = 1.0
# Slots that stay away for so many polling intervals mean a hung socket.
_QUIET_INTERVALS_MAX: Final = 3
_SUBSCRIBING_AT_ONCE: Final = 16


class SlotWatch:
    """Says when a slot may be new, and which accounts may have changed since they were read.

    ``addresses`` are subscribed to in order, as many as the chain's ``subscriptions_max`` and the
    endpoint allow. Without a WebSocket, or while it is away, slots are polled for and nothing is
    ``covered``.
    """

    def __init__(
        self,
        chain: ChainConfig,
        endpoint: SolanaEndpoint,
        ws_url: str | None,
        addresses: Sequence[str],
    ) -> None:
        self._endpoint = endpoint
        self._ws_url = ws_url
        self._addresses = addresses[: chain.subscriptions_max]
        self._timeout_s = chain.request_timeout_ms / 1000
        self._poll_s = chain.poll_ms / 1000
        self._hinted = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._touched: set[str] = set()
        self.covered: frozenset[str] = frozenset()
        self.newest_slot: int | None = None
        self.min_slot = 0

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
    def listening(self) -> bool:
        """Whether a WebSocket subscription is up and slots arrive."""
        return self.newest_slot is not None

    async def next(self) -> None:
        """Return as soon as there may be a new slot; slots that piled up count as one."""
        try:
            async with asyncio.timeout(self._poll_s):
                await self._hinted.wait()
        except TimeoutError:
            return
        self._hinted.clear()

    def take_touched(self) -> set[str]:
        """Addresses that may have changed since this was last asked.

        A read that is to see these changes must be of :attr:`min_slot` or later.
        """
        touched, self._touched = self._touched, set()
        return touched

    async def _keep_listening(self, url: str) -> None:
        retry_s = _RETRY_S_MIN
        while True:
            began_s = time.monotonic()
            (ending,) = await asyncio.gather(self._listen(url), return_exceptions=True)
            self.covered, self.newest_slot, self.min_slot = frozenset(), None, 0
            # The client's own message may print the URL, and with it the key in it.
            _LOG.warning(
                "%s: the WebSocket of %s ended (%s); polling until it is back",
                self._endpoint.chain,
                self._endpoint.redacted,
                type(ending).__name__,
            )
            if time.monotonic() - began_s > _RETRY_S_MAX:
                retry_s = _RETRY_S_MIN
            await asyncio.sleep(retry_s)
            retry_s = min(2 * retry_s, _RETRY_S_MAX)

    async def _listen(self, url: str) -> None:
        """One connection's life; ends by an exception."""
        from solana.rpc.websocket_api import SolanaWsClient

        client = SolanaWsClient(
            url,
            request_timeout=self._timeout_s,
            notification_queue_size=_NOTES_MAX,
            open_timeout=self._timeout_s,
            close_timeout=_CLOSE_S,
            ping_interval=_PING_S,
            ping_timeout=self._timeout_s,
            max_size=_MESSAGE_BYTES_MAX,
        )
        async with client:
            await client.slot_subscribe()
            subscriptions = await self._subscribe(client)
            # Changes before the subscriptions were not announced: look at all of them once.
            self.covered = frozenset(subscriptions.values())
            self._touched |= self.covered
            await self._take_notes(client, subscriptions)

    async def _subscribe(self, client: "SolanaWsClient") -> dict[int, str]:
        """Subscribe to as many accounts as the endpoint allows; addresses by subscription."""
        from solana.rpc.commitment import Commitment
        from solana.rpc.jsonrpc import SolanaJsonRpcError
        from solana.rpc.models import DataSliceOpts
        from solders.pubkey import Pubkey

        only_the_fact = DataSliceOpts(offset=0, length=0)
        subscriptions: dict[int, str] = {}
        for start in range(0, len(self._addresses), _SUBSCRIBING_AT_ONCE):
            some = self._addresses[start : start + _SUBSCRIBING_AT_ONCE]
            asked = [
                client.account_subscribe(
                    pubkey=Pubkey.from_string(address),
                    commitment=Commitment(COMMITMENT),
                    encoding="base64",
                    data_slice=only_the_fact,
                )
                for address in some
            ]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            for address, answer in zip(some, answers, strict=True):
                if not isinstance(answer, BaseException):
                    subscriptions[answer.subscription_id] = address
                elif not isinstance(answer, SolanaJsonRpcError):
                    raise answer
            if any(isinstance(answer, SolanaJsonRpcError) for answer in answers):
                _LOG.warning(
                    "%s: %s allows %d account subscriptions of %d; the rest is read in turn",
                    self._endpoint.chain,
                    self._endpoint.redacted,
                    len(subscriptions),
                    len(self._addresses),
                )
                break
        return subscriptions

    async def _take_notes(self, client: "SolanaWsClient", subscriptions: Mapping[int, str]) -> None:
        from solders.rpc.responses import AccountNotification, SlotNotification

        quiet_s = self._poll_s * _QUIET_INTERVALS_MAX
        clock = asyncio.get_running_loop().time
        async with asyncio.timeout(quiet_s) as watchdog:
            while True:
                note = await client.recv()
                if isinstance(note, SlotNotification):
                    watchdog.reschedule(clock() + quiet_s)
                    self.newest_slot = note.result.slot
                    self._hinted.set()
                elif isinstance(note, AccountNotification) and note.subscription in subscriptions:
                    self._touched.add(subscriptions[note.subscription])
                    self.min_slot = max(self.min_slot, note.result.context.slot)
