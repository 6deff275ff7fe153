"""Follows one Solana chain: from slots to batches of facts, each of one confirmed slot.

Per slot, whatever the number of accounts: the account batches (``solana_plan`` says which), one
``getBlock`` for the blockhash and one ``getSlot`` for finality. What is told together was read at
one slot: batches at an older slot than the newest are asked again, and if they cannot keep up
they are told with a later slot. Until everything has been read once, the chain is LAGGING.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final, TypeAlias

from xmargin.chains.quorum import Quorum
from xmargin.chains.solana.accounts import Accounts, BehindError, label_slot, read_batches
from xmargin.chains.solana.agreement import (
    SlotWatches,
    SolanaQuorum,
    label_agreed,
    read_agreed,
)
from xmargin.chains.solana.endpoint import SolanaEndpoint
from xmargin.chains.solana.slots import SlotWatch
from xmargin.config import ChainConfig, EndpointConfig
from xmargin.model import (
    BlockRef,
    ChainHead,
    ChainStatus,
    Condition,
    Fact,
    Observation,
    Registry,
)
from xmargin.reading.base import ClockMs, Sink
from xmargin.reading.failover import FailoverReader, Patience
from xmargin.reading.solana_plan import Batch, SolanaPlan

_ROUNDS: Final = 3
# Behind a load balancer some nodes are a few slots late; longer than this is lagging.
_BEHIND_S_MAX: Final = 3.0
# HTTP and WebSocket of one chain are at nearly the same slot: this is five minutes.
_SLOTS_APART_MAX: Final = 750

_Source: TypeAlias = SolanaEndpoint | SolanaQuorum
_Watch: TypeAlias = SlotWatch | SlotWatches


class SolanaReader(FailoverReader):
    """Reads one Solana chain for ever; see :class:`xmargin.reading.base.ChainReader`.

    ``calls_last_slot`` counts what the last slot told took, by JSON-RPC method.
    """

    def __init__(self, config: ChainConfig, registry: Registry, clock_ms: ClockMs) -> None:
        super().__init__(config, clock_ms)
        self.calls_last_slot: Mapping[str, int] = {}
        self._plan = SolanaPlan(config.id, registry)
        self._last_slot = 0

    async def _follow(self, config: EndpointConfig, sink: Sink, *, last_resort: bool) -> None:
        async with (
            SolanaEndpoint(self._config, config) as endpoint,
            self._watch(endpoint, config) as watch,
        ):
            await self._follow_slots(endpoint, watch, sink, last_resort=last_resort)

    async def _follow_quorum(self, sink: Sink) -> None:
        endpoints = self._config.endpoints
        members = [(SolanaEndpoint(self._config, one), one) for one in endpoints]
        async with Quorum(self._config, members) as quorum, AsyncExitStack() as stack:
            watches = [
                await stack.enter_async_context(self._watch(endpoint, one))
                for endpoint, one in members
            ]
            watch = SlotWatches(quorum, watches)
            await self._follow_slots(quorum, watch, sink, last_resort=True)

    def _watch(self, endpoint: SolanaEndpoint, config: EndpointConfig) -> SlotWatch:
        return SlotWatch(self._config, endpoint, config.ws_url, self._plan.addresses_to_watch)

    async def _follow_slots(
        self, source: _Source, watch: _Watch, sink: Sink, *, last_resort: bool
    ) -> None:
        self._plan.forget()
        patience = Patience(self, source, last_resort=last_resort)
        answer_s = time.monotonic()
        while True:
            await watch.next()
            now_s = time.monotonic()
            calls_before = Counter(source.calls)
            try:
                head = await self._tell_slot(source, watch, sink)
            except BehindError:
                if now_s - answer_s > _BEHIND_S_MAX:
                    raise
                continue
            answer_s = now_s
            if head is not None:
                self.calls_last_slot = source.calls - calls_before
            patience.judge(head)

    # --- Slots ------------------------------------------------------------------------------

    async def _tell_slot(self, source: _Source, watch: _Watch, sink: Sink) -> BlockRef | None:
        """Read and tell the newest confirmed slot; ``None`` if it was told before."""
        self._plan.touch(watch.take_touched())
        min_slot = max(self._last_slot, watch.min_slot)
        asked = self._plan.take_batches(announced=watch.listening)
        told: list[Batch] = []
        try:
            read = await self._read(source, asked, min_slot)
            _require_one_chain(source, watch, read.slot)
            if read.slot == self._last_slot:
                return None
            head = await self._tell(source, read, sink)
            told = list(read.answers)
            return head
        finally:
            self._plan.settle(asked, told, time.monotonic())

    async def _read(self, source: _Source, batches: Sequence[Batch], min_slot: int) -> "_Reading":
        addresses = [self._plan.addresses(batch) for batch in batches]
        if isinstance(source, Quorum):
            slot, agreed = await read_agreed(source, addresses, min_slot)
            told = {batches[index]: answer for index, answer in sorted(agreed.items())}
            return _Reading(slot, next(iter(told.values())).time_s, told)
        answers = await read_batches(source, addresses, min_slot, _ROUNDS)
        newest = max(answers, key=lambda answer: answer.slot)
        at_newest = {
            batch: answer
            for batch, answer in zip(batches, answers, strict=True)
            if answer.slot == newest.slot
        }
        return _Reading(newest.slot, newest.time_s, at_newest)

    async def _tell(self, source: _Source, read: "_Reading", sink: Sink) -> BlockRef:
        """One batch of observations: all facts read at the slot, the head last."""
        if isinstance(source, Quorum):
            label = await label_agreed(source, read.slot)
        else:
            label = await label_slot(source, read.slot)
        block = BlockRef(read.slot, label.hash, "", read.time_s)
        read_facts = [
            fact
            for batch, answer in read.answers.items()
            for fact in self._plan.decode(batch, answer)
        ]
        facts: list[Fact] = [*self._plan.static_facts, *read_facts]
        status = self._status_after(source, block, read.answers)
        if status.condition is not Condition.OK:
            await self._tell_status(status, sink)
        # What was asked for as confirmed is confirmed; nothing later than it can be final.
        facts.append(ChainHead(read.slot, min(label.finalized_slot, read.slot)))
        now_ms = self._clock_ms()
        await sink([Observation(fact, now_ms, self.chain, block, source.label) for fact in facts])
        self._last_slot = read.slot
        self.heads_told += 1
        await self._tell_status(status, sink)
        return block

    def _status_after(self, source: _Source, head: BlockRef, told: Iterable[Batch]) -> ChainStatus:
        """How the chain stands once these batches are told at ``head``."""
        unread = self._plan.unread_after(told)
        stalest_ms = 1000 * self._plan.stalest_after(told, time.monotonic())
        if unread:
            reason = f"some of {self._plan.units:,} accounts are still to be read"
        elif stalest_ms > self.head_age_ms_max and not self.is_old(head):
            reason = (
                f"some of {self._plan.units:,} accounts were last read over "
                f"{self.head_age_ms_max} ms ago"
            )
        else:
            return self._status_at(source, head)
        return ChainStatus(Condition.LAGGING, reason, source.redacted)


@dataclass(frozen=True, slots=True)
class _Reading:
    """The newest slot among the answers, and the batches that were read at it."""

    slot: int
    time_s: int
    answers: Mapping[Batch, Accounts]


def _require_one_chain(source: _Source, watch: _Watch, slot: int) -> None:
    """The WebSocket names no chain, but its slots must be those of the endpoint's chain.

    Of a quorum's sockets one alone is believed in nothing, so none needs to be found out.
    """
    if not isinstance(watch, SlotWatch):
        return
    if watch.newest_slot is not None and abs(watch.newest_slot - slot) > _SLOTS_APART_MAX:
        raise source.fault(
            f"its WebSocket is at slot {watch.newest_slot}, its HTTP at slot {slot}; "
            "give both of one chain",
            Condition.INVALID,
        )
