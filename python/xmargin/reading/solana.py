"""Follows one Solana chain: from slots to batches of facts, each of one confirmed slot.

Per slot, whatever the number of accounts: the account batches (``solana_plan`` says which), one
``getBlock`` for the blockhash and one ``getSlot`` for finality. What is told together was read at
one slot: batches at an older slot than the newest are asked again, and if they cannot keep up
they are told with a later slot. Until everything has been read once, the chain is LAGGING.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xmargin.chains.solana.accounts import Accounts, BehindError, label_slot, read_batches
from xmargin.chains.solana.endpoint import SolanaEndpoint
from xmargin.chains.solana.slots import SlotWatch
from xmargin.config import ChainConfig, EndpointConfig
from xmargin.errors import EndpointError
from xmargin.model import (
    BlockRef,
    ChainHead,
    ChainId,
    ChainStatus,
    Condition,
    Fact,
    Observation,
    Registry,
)
from xmargin.reading.base import ClockMs, Sink
from xmargin.reading.solana_plan import Batch, SolanaPlan

_LOG = logging.getLogger(__name__)
_PAUSE_S_MIN: Final = 0.25
_PAUSE_S_MAX: Final = 10.0
_ROUNDS: Final = 3
# Behind a load balancer some nodes are a few slots late; longer than this is lagging.
_BEHIND_S_MAX: Final = 3.0
# HTTP and WebSocket of one chain are at nearly the same slot: this is five minutes.
_SLOTS_APART_MAX: Final = 750


class SolanaReader:
    """Reads one Solana chain for ever; see :class:`xmargin.reading.base.ChainReader`.

    ``calls_last_slot`` counts what the last slot told took, by JSON-RPC method; ``slots_told``
    counts those slots.
    """

    def __init__(self, config: ChainConfig, registry: Registry, clock_ms: ClockMs) -> None:
        self.chain: ChainId = config.id
        self.calls_last_slot: Mapping[str, int] = {}
        self.slots_told = 0
        self._config = config
        self._clock_ms = clock_ms
        self._plan = SolanaPlan(config.id, registry)
        self._last_slot = 0
        self._status: ChainStatus | None = None
        self._last_fault = ""

    # --- Endpoints --------------------------------------------------------------------------

    async def run(self, sink: Sink) -> None:
        """Read until cancelled; endpoints are tried in order, with pauses that grow.

        The chain is called unreachable, invalid or lagging only when each endpoint failed since
        the last slot told; until then the fault is the ``reason`` of an OK status.

        Raises:
            XmarginError: whatever ``sink`` raises; never an endpoint's fault.
        """
        endpoints = self._config.endpoints
        failures, index, pause_s = 0, 0, _PAUSE_S_MIN
        while True:
            told_before = self.slots_told
            try:
                await self._follow(
                    endpoints[index], sink, last_resort=failures + 1 >= len(endpoints)
                )
            except EndpointError as error:
                if self.slots_told > told_before:
                    failures, pause_s = 0, _PAUSE_S_MIN
                failures += 1
                self._last_fault = error.message
                _LOG.warning("%s", error.message)
                if failures >= len(endpoints):
                    await self._tell_status(_status_of(error), sink)
            index = (index + 1) % len(endpoints)
            if failures >= len(endpoints):
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _PAUSE_S_MAX)

    async def _follow(self, config: EndpointConfig, sink: Sink, *, last_resort: bool) -> None:
        """Tell one endpoint's slots until it fails; an old head is put up with as last resort."""
        self._plan.forget()
        async with (
            SolanaEndpoint(self._config, config) as endpoint,
            SlotWatch(
                self._config, endpoint, config.ws_url, self._plan.addresses_to_watch
            ) as watch,
        ):
            news_s = answer_s = time.monotonic()
            while True:
                await watch.next()
                now_s = time.monotonic()
                calls_before = Counter(endpoint.calls)
                try:
                    head = await self._tell_slot(endpoint, watch, sink)
                except BehindError:
                    if now_s - answer_s > _BEHIND_S_MAX:
                        raise
                    continue
                answer_s = now_s
                if head is not None:
                    self.calls_last_slot = endpoint.calls - calls_before
                    news_s = now_s
                    last_resort = last_resort or not self._is_old(head)
                    if not last_resort:
                        raise _lagging(endpoint, f"its slot {head.height} is old")
                elif 1000 * (now_s - news_s) > self._config.head_age_ms_max:
                    raise _lagging(endpoint, f"no new slot for {now_s - news_s:.0f} s")

    # --- Slots ------------------------------------------------------------------------------

    async def _tell_slot(
        self, endpoint: SolanaEndpoint, watch: SlotWatch, sink: Sink
    ) -> BlockRef | None:
        """Read and tell the newest confirmed slot; ``None`` if it was told before."""
        self._plan.touch(watch.take_touched())
        min_slot = max(self._last_slot, watch.min_slot)
        asked = self._plan.take_batches(announced=watch.listening)
        told: list[Batch] = []
        try:
            read = await self._read(endpoint, asked, min_slot)
            _require_one_chain(endpoint, watch, read.slot)
            if read.slot == self._last_slot:
                return None
            head = await self._tell(endpoint, read, sink)
            told = list(read.answers)
            return head
        finally:
            self._plan.settle(asked, told, time.monotonic())

    async def _read(
        self, endpoint: SolanaEndpoint, batches: Sequence[Batch], min_slot: int
    ) -> "_Reading":
        addresses = [self._plan.addresses(batch) for batch in batches]
        answers = await read_batches(endpoint, addresses, min_slot, _ROUNDS)
        newest = max(answers, key=lambda answer: answer.slot)
        at_newest = {
            batch: answer
            for batch, answer in zip(batches, answers, strict=True)
            if answer.slot == newest.slot
        }
        return _Reading(newest.slot, newest.time_s, at_newest)

    async def _tell(self, endpoint: SolanaEndpoint, read: "_Reading", sink: Sink) -> BlockRef:
        """One batch of observations: all facts read at the slot, the head last."""
        label = await label_slot(endpoint, read.slot)
        block = BlockRef(read.slot, label.hash, "", read.time_s)
        status = self._status_at(endpoint, block, read.answers)
        if status.condition is not Condition.OK:
            await self._tell_status(status, sink)
        facts: list[Fact] = list(self._plan.static_facts)
        for batch, answer in read.answers.items():
            facts += self._plan.decode(batch, answer)
        # What was asked for as confirmed is confirmed; nothing later than it can be final.
        facts.append(ChainHead(read.slot, min(label.finalized_slot, read.slot)))
        now_ms = self._clock_ms()
        await sink([Observation(fact, now_ms, self.chain, block, endpoint.label) for fact in facts])
        self._last_slot = read.slot
        self.slots_told += 1
        await self._tell_status(status, sink)
        return block

    # --- Status -----------------------------------------------------------------------------

    def _status_at(
        self, endpoint: SolanaEndpoint, head: BlockRef, told: Iterable[Batch]
    ) -> ChainStatus:
        """How the chain stands once these batches are told at ``head``."""
        reason = ""
        unread = self._plan.unread_after(told)
        stalest_ms = int(1000 * self._plan.stalest_after(told, time.monotonic()))
        if unread:
            reason = f"{unread:,} of {self._plan.units:,} accounts are still to be read"
        elif self._is_old(head):
            age_ms = self._clock_ms() - 1000 * head.time_s
            reason = f"slot {head.height} is {age_ms} ms old"
        elif stalest_ms > self._config.head_age_ms_max:
            reason = f"some of {self._plan.units:,} accounts were read {stalest_ms} ms ago"
        if reason:
            return ChainStatus(Condition.LAGGING, reason, endpoint.redacted)
        return ChainStatus(Condition.OK, self._last_fault, endpoint.redacted)

    def _is_old(self, head: BlockRef) -> bool:
        return self._clock_ms() - 1000 * head.time_s > self._config.head_age_ms_max

    async def _tell_status(self, status: ChainStatus, sink: Sink) -> None:
        """Told when it changes, not with every slot."""
        same = self._status is not None and self._status.condition is status.condition
        if same and self._status is not None and self._status.endpoint == status.endpoint:
            return
        self._status = status
        await sink([Observation(status, self._clock_ms(), self.chain, None, "reader")])


@dataclass(frozen=True, slots=True)
class _Reading:
    """The newest slot among the answers, and the batches that were read at it."""

    slot: int
    time_s: int
    answers: Mapping[Batch, Accounts]


def _require_one_chain(endpoint: SolanaEndpoint, watch: SlotWatch, slot: int) -> None:
    """The WebSocket names no chain, but its slots must be those of the endpoint's chain."""
    if watch.newest_slot is not None and abs(watch.newest_slot - slot) > _SLOTS_APART_MAX:
        raise endpoint.fault(
            f"its WebSocket is at slot {watch.newest_slot}, its HTTP at slot {slot}; "
            "give both of one chain",
            Condition.INVALID,
        )


def _lagging(endpoint: SolanaEndpoint, what: str) -> EndpointError:
    return endpoint.fault(what, Condition.LAGGING)


def _status_of(error: EndpointError) -> ChainStatus:
    condition = Condition(error.metadata["condition"])
    return ChainStatus(condition, error.message, error.metadata["endpoint"])
