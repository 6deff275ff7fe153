"""Blocks by hash, their logs, and the way from a new head down to a block already known."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from xmargin.chains.evm.endpoint import EvmEndpoint, EvmSource, hex_bytes, quantity
from xmargin.chains.jsonrpc import Json, Refusal
from xmargin.chains.quorum import Ballot, BlockUnavailableError
from xmargin.model import BlockRef, Condition
from xmargin.reads import EvmLog

_HASH_BYTES = 32
_ADDRESS_BYTES = 20
_UNIX_SECONDS_MAX = 1 << 40


@dataclass(frozen=True, slots=True)
class Block:
    """A block and those of its logs that were asked for."""

    ref: BlockRef
    logs: tuple[EvmLog, ...]


@dataclass(frozen=True, slots=True)
class HeadLabels:
    """What the endpoint says once a block was read: is it canonical, and what is final."""

    canonical: bool
    safe_height: int
    finalized_height: int


def _merged(labels: Sequence[HeadLabels]) -> HeadLabels:
    return HeadLabels(
        labels[0].canonical,
        min(label.safe_height for label in labels),
        min(label.finalized_height for label in labels),
    )


_BLOCK: Ballot[Block] = Ballot("header and logs", key=lambda block: block)
# Nodes are not at the same head at the same instant: that is nobody's lie.
_LABELS = Ballot("canonical block", lambda labels: labels.canonical, _merged, is_momentary=True)
_CANONICAL: Ballot[bool] = Ballot("canonical block", lambda yes: yes, is_momentary=True)


def parse_header(endpoint: EvmEndpoint, header: Json) -> BlockRef:
    """A JSON-RPC header as a :class:`BlockRef`.

    Raises:
        EndpointError: it is no header.
    """
    if not isinstance(header, dict):
        raise endpoint.fault("gave no block header", Condition.INVALID)
    height, time_s = quantity(header.get("number")), quantity(header.get("timestamp"))
    block_hash, parent_hash = _hash(header.get("hash")), _hash(header.get("parentHash"))
    if height is None or time_s is None or block_hash is None or parent_hash is None:
        raise endpoint.fault(
            "gave a block header without number, hash, parentHash or timestamp", Condition.INVALID
        )
    if not 0 <= height < 1 << 63 or not 0 <= time_s < _UNIX_SECONDS_MAX:
        raise endpoint.fault("gave a block header out of range", Condition.INVALID)
    return BlockRef(height, block_hash, parent_hash, time_s)


def _hash(value: Json) -> str | None:
    data = hex_bytes(value)
    return None if data is None or len(data) != _HASH_BYTES else f"0x{data.hex()}"


def _parse_log(endpoint: EvmEndpoint, log: Json, block_hash: str) -> EvmLog:
    log = log if isinstance(log, dict) else {}
    address, data = hex_bytes(log.get("address")), hex_bytes(log.get("data"))
    topics = log.get("topics")
    hashes = [_hash(topic) for topic in topics] if isinstance(topics, list) else []
    parsed = [one for one in hashes if one is not None]
    of_the_block = _hash(log.get("blockHash")) == block_hash and len(parsed) == len(hashes)
    if not of_the_block or data is None or address is None or len(address) != _ADDRESS_BYTES:
        raise endpoint.fault("gave a log that is none of its block", Condition.INVALID)
    return EvmLog(f"0x{address.hex()}", tuple(parsed), data)


async def latest(endpoint: EvmEndpoint) -> BlockRef:
    """The header the endpoint holds for its head."""
    header = await endpoint.ask("eth_getBlockByNumber", "latest", False)
    if isinstance(header, Refusal):
        raise endpoint.fault(f"refuses eth_getBlockByNumber: {header.message}")
    return parse_header(endpoint, header)


async def fetch_block(source: EvmSource, block_hash: str, addresses: Sequence[str]) -> Block:
    """The block of that hash with the logs of ``addresses``, in one HTTP request an endpoint.

    The header is asked for along with the logs: an endpoint that does not know the block may
    otherwise pass off "no logs" as an answer.

    Raises:
        BlockUnavailableError: the endpoint, or too many of them, do not know the block.
        EndpointError: the endpoint failed, or too few agree.
    """

    async def fetch(endpoint: EvmEndpoint) -> Block:
        return await _fetch_block(endpoint, block_hash, addresses)

    return await source.agreed(fetch, _BLOCK)


async def _fetch_block(endpoint: EvmEndpoint, block_hash: str, addresses: Sequence[str]) -> Block:
    requests: list[tuple[str, list[Json]]] = [("eth_getBlockByHash", [block_hash, False])]
    if addresses:
        requests.append(("eth_getLogs", [{"blockHash": block_hash, "address": list(addresses)}]))
    header, *logs = await endpoint.ask_all(requests)
    if header is None or isinstance(header, Refusal) or any(isinstance(x, Refusal) for x in logs):
        why = next((x.message for x in (header, *logs) if isinstance(x, Refusal)), "unknown")
        raise BlockUnavailableError(
            endpoint.fault(f"has no block {block_hash}: {why}").message,
            condition=Condition.UNREACHABLE,
            endpoint=endpoint.redacted,
        )
    ref = parse_header(endpoint, header)
    if ref.hash != block_hash:
        raise endpoint.fault("gave another block than the one asked for", Condition.INVALID)
    found = logs[0] if logs else []
    if not isinstance(found, list):
        raise endpoint.fault("eth_getLogs gave no list", Condition.INVALID)
    return Block(ref, tuple(_parse_log(endpoint, log, block_hash) for log in found))


async def label_head(source: EvmSource, block: BlockRef) -> HeadLabels:
    """Whether ``block`` is canonical now, and how far safe and final reach, in one request.

    A chain that has no such tags gives height 0: nothing is called safe that is not. Of several
    endpoints that agree, the lowest heights hold.

    Raises:
        BlockUnavailableError: of several endpoints, some are not at the block yet.
        EndpointError: the endpoint failed, or turned to another chain, or too few agree.
    """

    async def label(endpoint: EvmEndpoint) -> HeadLabels:
        return await _label_head(endpoint, block)

    return await source.agreed(label, _LABELS)


async def _label_head(endpoint: EvmEndpoint, block: BlockRef) -> HeadLabels:
    chain, at_height, safe, finalized = await endpoint.ask_all(
        [
            ("eth_chainId", []),
            ("eth_getBlockByNumber", [hex(block.height), False]),
            ("eth_getBlockByNumber", ["safe", False]),
            ("eth_getBlockByNumber", ["finalized", False]),
        ]
    )
    endpoint.require_chain(chain)
    heights = [
        parse_header(endpoint, header).height if isinstance(header, dict) else 0
        for header in (safe, finalized)
    ]
    canonical = isinstance(at_height, dict) and _hash(at_height.get("hash")) == block.hash
    return HeadLabels(canonical, heights[0], heights[1])


async def is_canonical(source: EvmSource, block: BlockRef) -> bool:
    """Whether the endpoint has, or those that agree have, ``block`` at its height.

    Raises:
        BlockUnavailableError: of several endpoints, some are not at the block yet.
        EndpointError: the endpoint failed, or too few agree.
    """

    async def look(endpoint: EvmEndpoint) -> bool:
        header = await endpoint.ask("eth_getBlockByNumber", hex(block.height), False)
        return isinstance(header, dict) and _hash(header.get("hash")) == block.hash

    return await source.agreed(look, _CANONICAL)


_Note = TypeVar("_Note")


class Trunk(Generic[_Note]):
    """The heads told to the world, oldest first, each with a note; ``depth_max`` blocks deep."""

    def __init__(self, depth_max: int) -> None:
        self._depth_max = depth_max
        self._heads: deque[tuple[BlockRef, _Note]] = deque()

    @property
    def tip(self) -> BlockRef | None:
        """The newest head told."""
        return self._heads[-1][0] if self._heads else None

    @property
    def lowest_height(self) -> int:
        """The height of the oldest head remembered; beyond any block when there is none."""
        return self._heads[0][0].height if self._heads else 1 << 63

    def find(self, block_hash: str) -> BlockRef | None:
        """The remembered head of that hash."""
        return next((block for block, _ in self._heads if block.hash == block_hash), None)

    def notes_above(self, ancestor: BlockRef) -> list[_Note]:
        """The notes of all heads above ``ancestor``, oldest first."""
        return [note for block, note in self._heads if block.height > ancestor.height]

    def grow(self, block: BlockRef, note: _Note) -> None:
        """``block`` is the tip now; heads at or above its height are gone."""
        while self._heads and self._heads[-1][0].height >= block.height:
            self._heads.pop()
        self._heads.append((block, note))
        while self._heads[0][0].height < block.height - self._depth_max:
            self._heads.popleft()

    def clear(self) -> None:
        """Remember nothing."""
        self._heads.clear()


@dataclass(frozen=True, slots=True)
class Branch:
    """The way from a known head to a new one: blocks above ``ancestor``, oldest first."""

    ancestor: BlockRef
    blocks: tuple[Block, ...]

    @property
    def logs(self) -> Iterable[EvmLog]:
        """All logs along the way."""
        return (log for block in self.blocks for log in block.logs)


async def trace(
    source: EvmSource,
    head_hash: str,
    trunk: Trunk[_Note],
    addresses: Sequence[str],
    depth_max: int,
) -> Branch | None:
    """Walk from a head by parent hashes down to the trunk.

    ``None`` when the trunk is not met within ``depth_max`` blocks: the state must be read anew.

    Raises:
        EndpointError: the endpoint failed, or its parents are no parents.
    """
    blocks: deque[Block] = deque()
    wanted = head_hash
    while (known := trunk.find(wanted)) is None:
        if trunk.tip is None or len(blocks) == depth_max:
            return None
        block = await fetch_block(source, wanted, addresses)
        if blocks and block.ref.height != blocks[0].ref.height - 1:
            raise source.fault("gave a parent of the wrong height", Condition.INVALID)
        blocks.appendleft(block)
        if block.ref.height <= trunk.lowest_height:
            return None
        wanted = block.ref.parent_hash
    return Branch(known, tuple(blocks))
