"""When to look and at what: slots and changed accounts over WebSocket, under a watchdog."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from xmargin.chains.solana.accounts import COMMITMENT
from xmargin.chains.solana.endpoint import SolanaEndpoint
from xmargin.chains.watching import Watch
from xmargin.config import ChainConfig

if TYPE_CHECKING:
    from solana.rpc.websocket_api import SolanaWsClient

_LOG = logging.getLogger(__name__)
_MESSAGE_BYTES_MAX: Final = 32 * 1024 * 1024
_NOTES_MAX: Final = 100_000
_PING_S: Final = 10
_CLOSE_S: Final = 1.0
# Slots that stay away for so many polling intervals mean a hung socket.
_QUIET_INTERVALS_MAX: Final = 3
_SUBSCRIBING_AT_ONCE: Final = 16


class SlotWatch(Watch):
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
        super().__init__(chain, endpoint, ws_url)
        self._addresses = addresses[: chain.subscriptions_max]
        self._touched: set[str] = set()
        self.covered: frozenset[str] = frozenset()
        self.newest_slot: int | None = None
        self.min_slot = 0

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

    def _ended(self, ending: BaseException | None) -> None:
        self.covered, self.newest_slot, self.min_slot = frozenset(), None, 0

    async def _listen(self, url: str) -> None:
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
