"""Follows one EVM chain: from heads to batches of facts, each of one canonical block.

Per block, whatever the number of accounts: one request for the header and its logs, the
``eth_call`` of all reads at that block's hash (more only beyond the batch size), and one request
for the labels that also confirms that the block is still canonical. Nothing of a block is told
before all of that went well.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xmargin.chains.evm.blocks import (
    Branch,
    HeadLabels,
    Trunk,
    fetch_block,
    is_canonical,
    label_head,
    trace,
)
from xmargin.chains.evm.endpoint import EvmEndpoint
from xmargin.chains.evm.heads import HeadWatch
from xmargin.chains.evm.multicall import BlockUnavailableError, Multicall
from xmargin.config import ChainConfig, EndpointConfig
from xmargin.model import (
    BlockRef,
    ChainHead,
    ChainReorg,
    Fact,
    Observation,
    Registry,
)
from xmargin.reading.base import ClockMs, Sink
from xmargin.reading.evm_state import EvmState, VenueUnit
from xmargin.reading.failover import FailoverReader, Patience
from xmargin.reads import EvmCall
from xmargin.venues.base import EvmAccess

_LOG = logging.getLogger(__name__)
# An endpoint announces a head before all of its nodes know the block.
_BLOCK_WAITS_S: Final = (0.05, 0.1, 0.2, 0.4, 0.8)


class EvmReader(FailoverReader):
    """Reads one EVM chain for ever; see :class:`xmargin.reading.base.ChainReader`.

    ``calls_last_block`` counts what the last block told took: JSON-RPC calls by method, and
    ``http`` requests.
    """

    def __init__(self, config: ChainConfig, registry: Registry, clock_ms: ClockMs) -> None:
        super().__init__(config, clock_ms)
        self.calls_last_block: Mapping[str, int] = {}
        self._state = EvmState(config.id, registry)
        self._multicall = Multicall(config.multicall3, config.calls_per_batch_max)
        self._trunk: Trunk[frozenset[VenueUnit]] = Trunk(config.reorg_depth_max)

    async def _follow(self, config: EndpointConfig, sink: Sink, *, last_resort: bool) -> None:
        self._multicall.forget()
        async with (
            EvmEndpoint(self._config, config) as endpoint,
            HeadWatch(self._config, endpoint, config.ws_url) as heads,
        ):
            patience = Patience(self, endpoint, last_resort=last_resort)
            while True:
                head_hash = await heads.next()
                calls_before = Counter(endpoint.calls)
                head = await self._advance(endpoint, heads, head_hash, sink)
                if head is not None:
                    self.calls_last_block = endpoint.calls - calls_before
                patience.judge(head)

    async def _advance(
        self, endpoint: EvmEndpoint, heads: HeadWatch, head_hash: str, sink: Sink
    ) -> BlockRef | None:
        """Tell the head, waiting a little while the endpoint does not know its own block."""
        for wait_s in _BLOCK_WAITS_S:
            try:
                return await self._tell_head(endpoint, head_hash, sink)
            except BlockUnavailableError as error:
                _LOG.info("%s", error.message)
            await asyncio.sleep(wait_s)
            if heads.has_newer:
                break
        return None

    # --- Blocks -----------------------------------------------------------------------------

    async def _tell_head(
        self, endpoint: EvmEndpoint, head_hash: str, sink: Sink
    ) -> BlockRef | None:
        """Read and tell the head of that hash; ``None`` if it is no news, or not canonical."""
        branch = await trace(
            endpoint,
            head_hash,
            self._trunk,
            self._state.log_addresses,
            self._config.reorg_depth_max,
        )
        if branch is not None and await self._is_stale(endpoint, branch):
            return None
        checkpoint = self._state.checkpoint()
        told = False
        try:
            if branch is None:
                told = await self._tell_anew(endpoint, head_hash, sink)
            else:
                told = await self._tell_branch(endpoint, branch, sink)
        finally:
            if not told:
                self._state.restore(checkpoint)
        return self._trunk.tip if told else None

    async def _is_stale(self, endpoint: EvmEndpoint, branch: Branch) -> bool:
        """Whether a branch ends at or before the last head told, on the same chain.

        Hints come late and from several nodes: a branch off the trunk is a reorg only if the
        endpoint has given up the trunk's tip.
        """
        tip = self._trunk.tip
        if not branch.blocks or tip is None:
            return True
        return branch.ancestor != tip and await is_canonical(endpoint, tip)

    async def _tell_branch(self, endpoint: EvmEndpoint, branch: Branch, sink: Sink) -> bool:
        """Tell the newest block of a branch: what its logs touched, and what a reorg undid."""
        head = branch.blocks[-1].ref
        dirty = self._state.touched(branch.logs)
        for units in self._trunk.notes_above(branch.ancestor):
            dirty |= units
        facts, units = await self._state.read_changes(self._access(endpoint, head), dirty)
        labels = await label_head(endpoint, head)
        if not labels.canonical:
            return False
        undone = self._undone(branch.ancestor)
        await self._tell_block(endpoint, _News(undone, head, facts, labels), sink)
        self._trunk.grow(head, units)
        return True

    async def _tell_anew(self, endpoint: EvmEndpoint, head_hash: str, sink: Sink) -> bool:
        """Discover and read everything: at the start, or when the last head is too far back."""
        head = (await fetch_block(endpoint, head_hash, ())).ref
        undone = None
        if self._trunk.tip is not None and not await is_canonical(endpoint, self._trunk.tip):
            # All facts are told again, so how far back exactly the chains part does not matter.
            undone = self._undone(BlockRef(self._trunk.lowest_height - 1, "", "", 0))
        access = self._access(endpoint, head)
        await self._state.discover(access)
        facts, units = await self._state.read_all(access)
        labels = await label_head(endpoint, head)
        if not labels.canonical:
            return False
        await self._tell_block(endpoint, _News(undone, head, facts, labels), sink)
        self._trunk.clear()
        self._trunk.grow(head, units)
        return True

    def _access(self, endpoint: EvmEndpoint, block: BlockRef) -> EvmAccess:
        async def call(calls: Sequence[EvmCall]) -> Sequence[bytes | None]:
            return await self._multicall.read(endpoint, block.hash, calls)

        return EvmAccess(call, self._config.multicall3)

    def _undone(self, ancestor: BlockRef) -> tuple[BlockRef, ChainReorg] | None:
        """What to tell first when the last head told is not ``ancestor`` itself."""
        tip = self._trunk.tip
        if tip is None or tip == ancestor:
            return None
        return ancestor, ChainReorg(tip.height, tip.hash)

    # --- Telling ----------------------------------------------------------------------------

    async def _tell_block(self, endpoint: EvmEndpoint, news: "_News", sink: Sink) -> None:
        """One batch: the reorg if any, all facts, the head last."""
        await self._tell_status(self._status_at(endpoint, news.head), sink)
        now_ms = self._clock_ms()
        await sink(
            [
                Observation(fact, now_ms, self.chain, block, endpoint.label)
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
