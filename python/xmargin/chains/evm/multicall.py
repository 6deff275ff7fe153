"""Many contract calls as one ``eth_call`` at one block hash, safe against hostile contracts.

Multicall3 gives each call nearly all the gas that is left, so one contract that burns gas can fail
its neighbours, or the whole batch. Contracts caught at that are *isolated*: asked in an
``eth_call`` of their own, with little gas, until :meth:`Multicall.forget`.
"""

import asyncio
from collections.abc import Coroutine, Hashable, Sequence
from functools import lru_cache
from typing import Any, Final, TypeVar

from xmargin.chains.evm.endpoint import EvmEndpoint, EvmSource, hex_bytes
from xmargin.chains.jsonrpc import Json, Refusal
from xmargin.chains.quorum import Ballot, BlockUnavailableError
from xmargin.model import Condition
from xmargin.reads import EvmCall

RETURNED_BYTES_MAX: Final = 64 * 1024
"""A result longer than this is a fault of its contract; nothing we ask returns so much."""

BATCHES_IN_FLIGHT_MAX: Final = 4
# geth's default cap on the gas of an eth_call; naming it bounds what a burner costs elsewhere too.
_GAS_MAX = 50_000_000
_ISOLATED_GAS_BASE = 3_000_000
_ISOLATED_GAS_PER_CALL = 50_000
_AGGREGATE3 = bytes.fromhex("82ad56cb")
_WORD = 32

Results = list[bytes | None]
_T = TypeVar("_T")


def encode_aggregate3(calls: Sequence[EvmCall]) -> bytes:
    """Call data of ``aggregate3((address target, bool allowFailure, bytes callData)[])``."""
    heads, tails = [], []
    offset = _WORD * len(calls)
    for call in calls:
        tail = _encode_call(call)
        heads.append(_word(offset))
        tails.append(tail)
        offset += len(tail)
    return b"".join((_AGGREGATE3, _word(_WORD), _word(len(calls)), *heads, *tails))


@lru_cache(maxsize=2**16)
def _encode_call(call: EvmCall) -> bytes:
    """One tuple of the array; remembered, since every block asks nearly the same calls."""
    padded = call.data + bytes(-len(call.data) % _WORD)
    return b"".join(
        (_word(int(call.target, 16)), _word(1), _word(96), _word(len(call.data)), padded)
    )


def decode_aggregate3(data: bytes, calls_count: int) -> list[tuple[bool, bytes]] | None:
    """The ``(bool success, bytes returnData)[]`` in ``data``; ``None`` unless it is just that."""
    array = _number(data, 0)
    if array != _WORD or _number(data, array) != calls_count:
        return None
    start = array + _WORD
    results = []
    for index in range(calls_count):
        at = start + _number(data, start + _WORD * index)
        success = _number(data, at)
        returned = at + _number(data, at + _WORD)
        length = _number(data, returned)
        end = returned + _WORD + length
        if success not in (0, 1) or end > len(data):
            return None
        results.append((success == 1, data[returned + _WORD : end]))
    return results


def _word(number: int) -> bytes:
    return number.to_bytes(_WORD)


def _number(data: bytes, at: int) -> int:
    """The word at ``at``; beyond the end a number that no length or count can be."""
    word = data[at : at + _WORD]
    return int.from_bytes(word) if len(word) == _WORD else 1 << 256


class Multicall:
    """Multicall3 of one chain, over whatever endpoint is in use."""

    def __init__(self, address: str, calls_per_batch_max: int) -> None:
        self.address = address
        self._calls_per_batch_max = calls_per_batch_max
        self._calls_per_batch = calls_per_batch_max
        self._isolated: set[str] = set()
        self._harmful: set[str] = set()

    @property
    def isolated(self) -> tuple[str, ...]:
        """Contracts that are asked apart from the others, sorted."""
        return tuple(sorted(self._isolated))

    def forget(self) -> None:
        """Give every contract a new chance, and batches their full size."""
        self._isolated.clear()
        self._harmful.clear()
        self._calls_per_batch = self._calls_per_batch_max

    async def require_contract(self, source: EvmSource, block_hash: str) -> None:
        """Make sure that the block is there, and Multicall3 in it.

        Raises:
            BlockUnavailableError: the endpoint does not know the block.
            EndpointError: there is no Multicall3 at the address.
        """
        answer = await self._eth_call(source, block_hash, (), _GAS_MAX)
        if isinstance(answer, Refusal):
            raise BlockUnavailableError(
                source.fault(f"refuses reads at block {block_hash}: {answer.message}").message,
                condition=Condition.UNREACHABLE,
                endpoint=source.redacted,
            )
        self._decode(source, answer, 0)

    async def read(self, source: EvmSource, block_hash: str, calls: Sequence[EvmCall]) -> Results:
        """One result a call, ``None`` where it failed or returned too much.

        Raises:
            EndpointError: the endpoint failed; no single contract can cause this.
        """
        results: Results = [None] * len(calls)
        pending = list(range(len(calls)))
        while pending:
            batches = self._batches(calls, pending)
            pending = []
            for part in await _in_flight(
                [self._batch(source, block_hash, calls, indices) for indices in batches]
            ):
                answered, again = part
                for index, data in answered.items():
                    results[index] = data
                pending += again
            pending.sort()
        return results

    def _batches(self, calls: Sequence[EvmCall], indices: Sequence[int]) -> list[list[int]]:
        """Batches of at most ``calls_per_batch`` calls; an isolated contract has its own."""
        groups: dict[str, list[int]] = {}
        for index in indices:
            target = calls[index].target
            groups.setdefault(target if target in self._isolated else "", []).append(index)
        size = self._calls_per_batch
        return [
            group[start : start + size]
            for _, group in sorted(groups.items())
            for start in range(0, len(group), size)
        ]

    async def _batch(
        self, source: EvmSource, block_hash: str, calls: Sequence[EvmCall], indices: list[int]
    ) -> tuple[dict[int, bytes | None], list[int]]:
        """Results by index, and the indices to ask again now that more is isolated."""
        asked = [calls[index] for index in indices]
        alone = asked[0].target in self._isolated
        gas = _GAS_MAX
        if alone:
            gas = min(gas, _ISOLATED_GAS_BASE + _ISOLATED_GAS_PER_CALL * len(asked))
        outcome = await self._try(source, block_hash, asked, gas)
        if outcome is None:
            await self.require_contract(source, block_hash)
            if alone:
                self._harmful.add(asked[0].target)
                return dict.fromkeys(indices), []
            await self._find_harmful(source, block_hash, asked)
            return {}, indices
        answered = dict(zip(indices, outcome, strict=True))
        if alone:
            self._release_if_well(asked[0].target, outcome)
            return answered, []
        failed = self._isolate_failed(asked, outcome)
        return answered, [index for index in indices if calls[index].target in failed]

    def _release_if_well(self, target: str, outcome: Results) -> None:
        if None not in outcome and target not in self._harmful:
            self._isolated.discard(target)

    async def _find_harmful(
        self, source: EvmSource, block_hash: str, calls: Sequence[EvmCall]
    ) -> None:
        """Isolate the contracts that make ``calls`` fail as a whole."""
        by_contract = sorted(calls, key=lambda call: call.target)
        if await self._halve(source, block_hash, by_contract):
            return
        if len(calls) == 1:
            raise source.fault("a single harmless call fails", Condition.INVALID)
        # Nobody's fault: together they are just too much for this source.
        self._calls_per_batch = max(1, min(self._calls_per_batch, len(calls)) // 2)

    async def _halve(self, source: EvmSource, block_hash: str, calls: Sequence[EvmCall]) -> bool:
        """Given calls, sorted, that fail together: whether a contract was isolated for it."""
        if len(calls) == 1:
            harmful = {calls[0].target} - {self.address}
            self._isolated |= harmful
            self._harmful |= harmful
            return bool(harmful)
        found = False
        for half in _halves(calls):
            suspects = [call for call in half if call.target not in self._isolated]
            if not suspects:
                continue
            outcome = await self._try(source, block_hash, suspects, _GAS_MAX)
            if outcome is None:
                found |= await self._halve(source, block_hash, suspects)
            else:
                found |= bool(self._isolate_failed(suspects, outcome))
        return found

    def _isolate_failed(self, calls: Sequence[EvmCall], outcome: Results) -> set[str]:
        """Isolate the contracts of failed calls: one of them may have burnt the others' gas."""
        failed = {call.target for call, data in zip(calls, outcome, strict=True) if data is None}
        failed.discard(self.address)
        self._isolated |= failed
        return failed

    async def _try(
        self, source: EvmSource, block_hash: str, calls: Sequence[EvmCall], gas: int
    ) -> Results | None:
        """One result a call, or ``None`` when the endpoint refuses the batch as a whole."""
        answer = await self._eth_call(source, block_hash, calls, gas)
        if isinstance(answer, Refusal):
            return None
        return [
            data if success and len(data) <= RETURNED_BYTES_MAX else None
            for success, data in self._decode(source, answer, len(calls))
        ]

    def _decode(
        self, source: EvmSource, answer: Json, calls_count: int
    ) -> list[tuple[bool, bytes]]:
        data = hex_bytes(answer)
        if data == b"":
            what = f"no Multicall3 at {self.address}; set multicall3 of the chain"
            raise source.fault(what, Condition.INVALID)
        outcome = None if data is None else decode_aggregate3(data, calls_count)
        if outcome is None:
            raise source.fault("eth_call gave no aggregate3 result", Condition.INVALID)
        return outcome

    async def _eth_call(
        self, source: EvmSource, block_hash: str, calls: Sequence[EvmCall], gas: int
    ) -> Json | Refusal:
        transaction = {
            "to": self.address,
            "data": "0x" + encode_aggregate3(calls).hex(),
            "gas": hex(gas),
        }
        block = {"blockHash": block_hash, "requireCanonical": True}

        async def call(endpoint: EvmEndpoint) -> Json | Refusal:
            return await endpoint.ask("eth_call", transaction, block)

        return await source.agreed(call, _RESULT)


def _key(answer: Json | Refusal) -> Hashable:
    """Refusals are alike, whatever their words; hex is, whatever its letters."""
    if isinstance(answer, Refusal):
        return None
    return answer.lower() if isinstance(answer, str) else repr(answer)


_RESULT: Ballot[Json | Refusal] = Ballot("eth_call", _key)


def _halves(calls: Sequence[EvmCall]) -> tuple[Sequence[EvmCall], Sequence[EvmCall]]:
    """Two parts of sorted calls, cut between two contracts if there are two."""
    middle = len(calls) // 2
    cuts = [i for i in range(1, len(calls)) if calls[i].target != calls[i - 1].target]
    cut = min(cuts, key=lambda i: abs(i - middle), default=middle)
    return calls[:cut], calls[cut:]


async def _in_flight(work: Sequence[Coroutine[Any, Any, _T]]) -> list[_T]:
    """All results in order, ``BATCHES_IN_FLIGHT_MAX`` at a time; the first error ends all."""
    gate = asyncio.Semaphore(BATCHES_IN_FLIGHT_MAX)

    async def one(coroutine: Coroutine[Any, Any, _T]) -> _T:
        async with gate:
            return await coroutine

    tasks = [asyncio.create_task(one(coroutine)) for coroutine in work]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
