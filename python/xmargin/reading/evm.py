"""Follows one EVM chain: from heads to batches of facts, each of one canonical block.

Per block, whatever the number of accounts: one request for the header and its logs, the
``eth_call`` of all reads at that block's hash (more only beyond the batch size), and one request
for the labels that also confirms that the block is still canonical. Nothing of a block is told
before all of that went well.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from xmargin.chains.evm.announcements import Announcements
from xmargin.chains.evm.blocks import (
    Branch,
    HeadLabels,
    Trunk,
    fetch_block,
    is_canonical,
    label_head,
    trace,
)
from xmargin.chains.evm.endpoint import EvmEndpoint, EvmSource
from xmargin.chains.evm.heads import HeadWatch
from xmargin.chains.evm.multicall import Multicall
from xmargin.chains.quorum import BlockUnavailableError, Quorum
from xmargin.config import ChainConfig, EndpointConfig
from xmargin.model import (
    BlockRef,
    ChainHead,
    ChainReorg,
    Fact,
    Observation,
    Registry,
)
from xmargin.reading.balance_proofs import BalanceProofs
from xmargin.reading.base import ClockMs, Sink
from xmargin.reading.evm_state import EvmState, VenueUnit
from xmargin.reading.failover import FailoverReader, Patience
from xmargin.reads import EvmCall
from xmargin.venues.base import EvmAccess

_LOG = logging.getLogger(__name__)
# An endpoint announces a head before all of its nodes know the block.
_BLOCK_WAITS_S: Final = (0.05, 0.1, 0.2, 0.4, 0.8)


class _Heads(Protocol):
    """Where heads to look at come from."""

    @property
    def has_newer(self) -> bool: ...

    async def next(self) -> str: ...


class EvmReader(FailoverReader):
    """Reads one EVM chain for ever; see :class:`xmargin.reading.base.ChainReader`.

    ``calls_last_block`` counts what the last block told took: JSON-RPC calls by method, and
    ``http`` requests.
    """

    def __init__(
        self,
        config: ChainConfig,
        registry: Registry,
        clock_ms: ClockMs,
        open_endpoint: Callable[[ChainConfig, EndpointConfig], EvmEndpoint] = EvmEndpoint,
    ) -> None:
        super().__init__(config, clock_ms)
        self._open = open_endpoint
        self.calls_last_block: Mapping[str, int] = {}
        self._state = EvmState(config.id, registry)
        self._proofs = BalanceProofs(config)
        self._multicall = Multicall(config.multicall3, config.calls_per_batch_max)
        self._trunk: Trunk[frozenset[VenueUnit]] = Trunk(config.reorg_depth_max)

    async def _follow(self, config: EndpointConfig, sink: Sink, *, last_resort: bool) -> None:
        async with (
            self._open(self._config, config) as endpoint,
            HeadWatch(self._config, endpoint, config.ws_url) as heads,
        ):
            await self._follow_heads(endpoint, heads, sink, last_resort=last_resort)

    async def _follow_quorum(self, sink: Sink) -> None:
        endpoints = self._config.endpoints
        members = [(self._open(self._config, one), one) for one in endpoints]
        async with (
            Quorum(self._config, members) as quorum,
            Announcements(self._config, quorum, endpoints) as heads,
        ):
            await self._follow_heads(quorum, heads, sink, last_resort=True)

    async def _follow_heads(
        self, source: EvmSource, heads: _Heads, sink: Sink, *, last_resort: bool
    ) -> None:
        self._multicall.forget()
        patience = Patience(self, source, last_resort=last_resort)
        while True:
            head_hash = await heads.next()
            calls_before = Counter(source.calls)
            head = await self._advance(source, heads, head_hash, sink)
            if head is not None:
                self.calls_last_block = source.calls - calls_before
            patience.judge(head)

    async def _advance(
        self, source: EvmSource, heads: _Heads, head_hash: str, sink: Sink
    ) -> BlockRef | None:
        """Tell the head, waiting a little while its block is not known everywhere."""
        for wait_s in _BLOCK_WAITS_S:
            try:
                return await self._tell_head(source, head_hash, sink)
            except BlockUnavailableError as error:
                _LOG.info("%s", error.message)
            await asyncio.sleep(wait_s)
            if heads.has_newer:
                break
        return None

    # --- Blocks -----------------------------------------------------------------------------

    async def _tell_head(self, source: EvmSource, head_hash: str, sink: Sink) -> BlockRef | None:
        """Read and tell the head of that hash; ``None`` if it is no news, or not canonical."""
        branch = await trace(
            source,
            head_hash,
            self._trunk,
            self._state.log_addresses,
            self._config.reorg_depth_max,
        )
        if branch is not None and await self._is_stale(source, branch):
            return None
        checkpoint = self._state.checkpoint()
        told = False
        try:
            if branch is None:
                told = await self._tell_anew(source, head_hash, sink)
            else:
                told = await self._tell_branch(source, branch, sink)
        finally:
            if not told:
                self._state.restore(checkpoint)
        return self._trunk.tip if told else None

    async def _is_stale(self, source: EvmSource, branch: Branch) -> bool:
        """Whether a branch ends at or before the last head told, on the same chain.

        Hints come late and from several nodes: a branch off the trunk is a reorg only if the
        source has given up the trunk's tip.
        """
        tip = self._trunk.tip
        if not branch.blocks or tip is None:
            return True
        return branch.ancestor != tip and await is_canonical(source, tip)

    async def _tell_branch(self, source: EvmSource, branch: Branch, sink: Sink) -> bool:
        """Tell the newest block of a branch: what its logs touched, and what a reorg undid."""
        head = branch.blocks[-1].ref
        dirty = self._state.touched(branch.logs)
        for units in self._trunk.notes_above(branch.ancestor):
            dirty |= units
        facts, units = await self._state.read_changes(self._access(source, head), dirty)
        await self._proofs.check(source, head, facts)
        labels = await label_head(source, head)
        if not labels.canonical:
            return False
        undone = self._undone(branch.ancestor)
        await self._tell_block(source, _News(undone, head, facts, labels), sink)
        self._trunk.grow(head, units)
        return True

    async def _tell_anew(self, source: EvmSource, head_hash: str, sink: Sink) -> bool:
        """Discover and read everything: at the start, or when the last head is too far back."""
        head = (await fetch_block(source, head_hash, ())).ref
        undone, tip = None, self._trunk.tip
        if tip is not None and not await is_canonical(source, tip):
            # All facts are told again, so how far back exactly the chains part does not matter.
            undone = self._undone(BlockRef(self._trunk.lowest_height - 1, "", "", 0))
        elif tip is not None and head.height <= tip.height:
            return False  # an old block of the same chain, announced anew
        access = self._access(source, head)
        await self._state.discover(access)
        facts, units = await self._state.read_all(access)
        await self._proofs.check(source, head, facts)
        labels = await label_head(source, head)
        if not labels.canonical:
            return False
        await self._tell_block(source, _News(undone, head, facts, labels), sink)
        self._trunk.clear()
        self._trunk.grow(head, units)
        return True

    def _access(self, source: EvmSource, block: BlockRef) -> EvmAccess:
        async def call(calls: Sequence[EvmCall]) -> Sequence[bytes | None]:
            return await self._multicall.read(source, block.hash, calls)

        return EvmAccess(call, self._config.multicall3)

    def _undone(self, ancestor: BlockRef) -> tuple[BlockRef, ChainReorg] | None:
        """What to tell first when the last head told is not ``ancestor`` itself."""
        tip = self._trunk.tip
        if tip is None or tip == ancestor:
            return None
        return ancestor, ChainReorg(tip.height, tip.hash)

    # --- Telling ----------------------------------------------------------------------------

    async def _tell_block(self, source: EvmSource, news: "_News", sink: Sink) -> None:
        """One batch: the reorg if any, all facts, the head last."""
        await self._tell_status(self._status_at(source, news.head), sink)
        now_ms = self._clock_ms()
        await sink(
            [
                Observation(fact, now_ms, self.chain, block, source.label)
                for block, fact in news.dated()
            ]
        )
        self.heads_told += 1


@dataclass(frozen=True, slots=True)
class _News:
    """A block read well: its facts, and the reorg that came before it if one did."""

    undone: tuple[BlockRef, ChainReorg] | None
    head: BlockRef
    facts: Sequence[Fact]
    labels: HeadLabels

    def dated(self) -> Iterator[tuple[BlockRef, Fact]]:
        """All there is to tell, in order, each with its block."""
        if self.undone is not None:
            yield self.undone
        for fact in self.facts:
            yield self.head, fact
        yield self.head, ChainHead(self.labels.safe_height, self.labels.finalized_height)
