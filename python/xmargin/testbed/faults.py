"""A faulty endpoint, made of a real one: deterministic, and each fault named as what it is.

What it passes on is the real chain's own answer. The faults are the endpoint's: it falls silent,
drops, delays, cuts; stands behind, replays what is old, forks off; or lies about one account only
and is truthful in all else, which is what the poisoned endpoints of 2026 did.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol, TypeAlias

Json: TypeAlias = Any
Upstream: TypeAlias = Callable[[bytes], Awaitable[bytes]]
"""Answers one JSON-RPC body: the real chain, or the recording of one."""

Ask: TypeAlias = Callable[[str, list[Json]], Awaitable[Json]]
"""One call's whole JSON-RPC answer by the real chain."""

# What an endpoint is asked to learn which chain it serves.
IDENTITY_METHODS: Final = frozenset({"eth_chainId", "net_version", "getGenesisHash"})


class Fault(StrEnum):
    """How the endpoint behaves."""

    NONE = "none"
    HANG = "hang"  # takes everything, answers nothing; WebSockets stay open and fall silent
    DROP = "drop"  # closes connections without an answer
    HTTP_500 = "http-500"
    TRUNCATE = "truncate"  # the first half of each answer
    OTHER_CHAIN = "other-chain"  # says it serves another chain; all else is passed on
    LAG = "lag"  # stands some blocks behind and knows nothing later
    REPLAY = "replay"  # names an old block as the newest
    FORK = "fork"  # its newest blocks are of its own making
    LIE = "lie"  # another number for one account; all else is true
    HIDE = "hide"  # leaves all logs out


DECEITS: Final = frozenset({Fault.LAG, Fault.REPLAY, Fault.FORK, Fault.LIE, Fault.HIDE})
"""Faults that take an understanding of what is asked."""


class DroppedError(Exception):
    """The connection closes without an answer."""


class ServerError(Exception):
    """The server says that it failed."""


class Deceit(Protocol):
    """How a kind of chain is told wrongly."""

    async def answer(self, fault: Fault, call: Json, ask: Ask) -> Json:
        """The whole JSON-RPC answer to one call, under one of :data:`DECEITS`."""
        ...


class FaultyEndpoint:
    """Answers JSON-RPC bodies as ``upstream`` does, but for the fault in force.

    ``calls`` counts methods asked for; ``delay_s`` is how long each answer takes beside.
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        other_chain: Upstream | None = None,
        deceit: Deceit | None = None,
    ) -> None:
        self._upstream = upstream
        self._other_chain = other_chain or upstream
        self._deceit = deceit
        self._fault = Fault.NONE
        self._changed = asyncio.Event()
        self.delay_s = 0.0
        self.calls: Counter[str] = Counter()

    @property
    def fault(self) -> Fault:
        """The fault in force."""
        return self._fault

    def set_fault(self, fault: Fault) -> None:
        """Behave so from now on. Requests that hang are dropped when that ends."""
        if fault is not self._fault:
            self._fault = fault
            self._changed.set()
            self._changed = asyncio.Event()

    async def while_hanging(self) -> None:
        """Return when the endpoint does not hang."""
        while self._fault is Fault.HANG:
            await self._changed.wait()

    async def answer(self, body: bytes) -> bytes:
        """The answer to one body.

        Raises:
            DroppedError: there is none.
            ServerError: it is HTTP 500.
        """
        self.count(body)
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        fault = self._fault
        if fault is Fault.HANG:
            await self._changed.wait()
            raise DroppedError
        if fault is Fault.DROP:
            raise DroppedError
        if fault is Fault.HTTP_500:
            raise ServerError
        if fault is Fault.OTHER_CHAIN or fault in DECEITS:
            return await self._each(body, fault)
        answer = await self._upstream(body)
        return answer[: len(answer) // 2] if fault is Fault.TRUNCATE else answer

    def count(self, body: bytes | str) -> None:
        """Count the methods a body asks for."""
        calls = json.loads(body)
        for call in calls if isinstance(calls, list) else [calls]:
            self.calls[str(call.get("method"))] += 1

    async def _each(self, body: bytes, fault: Fault) -> bytes:
        calls = json.loads(body)
        if isinstance(calls, dict):
            return json.dumps(await self.answer_call(calls, fault)).encode()
        answers = await asyncio.gather(*(self.answer_call(call, fault) for call in calls))
        return json.dumps(answers).encode()

    async def answer_call(self, call: Json, fault: Fault) -> Json:
        """One call's whole answer under a fault that does not cut the connection."""
        if fault in DECEITS:
            if self._deceit is None:
                raise TypeError(f"fault {fault} needs a deceit of the chain's kind")
            answer = await self._deceit.answer(fault, call, self._ask)
            return {**answer, "id": call["id"]}
        asks_identity = call.get("method") in IDENTITY_METHODS
        upstream = self._other_chain if asks_identity else self._upstream
        return json.loads(await upstream(json.dumps(call).encode()))

    async def _ask(self, method: str, params: list[Json]) -> Json:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return json.loads(await self._upstream(json.dumps(body).encode()))


@dataclass(frozen=True, slots=True)
class Schedule:
    """Which fault is in force when: drawn anew every ``period_s``, the same for the same seed.

    A period is faulty with the probability ``share``, by one of ``faults`` alike.
    """

    seed: str
    faults: Sequence[Fault]
    share: float
    period_s: float

    def at(self, time_s: float) -> Fault:
        """The fault in force at a time."""
        draw = random.Random(f"{self.seed} {int(time_s // self.period_s)}")  # noqa: S311
        return draw.choice(self.faults) if draw.random() < self.share else Fault.NONE
