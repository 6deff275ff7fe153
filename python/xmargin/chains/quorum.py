"""Several endpoints of one chain, of which operators must agree before anything is believed.

What is asked goes to every endpoint at once. An answer counts once an operator, however many
endpoints the operator has, and is given as soon as ``quorum`` operators gave it and no other answer
can still get as many. The quorum is a number of the configuration: it never shrinks because
somebody is away.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Self, TypeVar

from xmargin.chains.jsonrpc import JsonRpcEndpoint, Refusal
from xmargin.config import ChainConfig, EndpointConfig
from xmargin.errors import EndpointError
from xmargin.model import ChainId, Condition

_E = TypeVar("_E", bound=JsonRpcEndpoint)
_T = TypeVar("_T")

# Requests that a slow endpoint has not answered yet; beyond, it is not asked until it has.
_UNANSWERED_MAX: Final = 16


class BlockUnavailableError(EndpointError):
    """The block is not known here (yet, or any more); asking again may help."""


@dataclass(frozen=True, slots=True)
class Ballot(Generic[_T]):
    """How answers to one question are compared: those of an equal ``key`` agree.

    ``merge`` makes one of several that agree. ``is_momentary`` answers differ between honest nodes
    for a moment; they are asked for again, not held against anybody.
    """

    what: str
    key: Callable[[_T], Hashable]
    merge: Callable[[Sequence[_T]], _T] = lambda answers: answers[0]
    is_momentary: bool = False


@dataclass(slots=True, eq=False)
class Member(Generic[_E]):
    """One endpoint of a quorum, and how it did since the last block told."""

    endpoint: _E
    operator: str
    is_connected: bool = False
    answered_last: bool = True
    unanswered: int = 0
    doubt: str = ""
    _fault: str = ""
    _agreed: bool = False
    _connecting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read(self, read: Callable[[_E], Awaitable[_T]]) -> _T:
        """What this endpoint alone answers; it names its chain before anything of it counts.

        Raises:
            EndpointError: it failed.
        """
        self.unanswered += 1
        try:
            await self._connect()
            return await read(self.endpoint)
        except EndpointError as error:
            if not isinstance(error, BlockUnavailableError):
                self.answered_last = False
                self.blame(error.message)
                # It may come back as another chain's.
                self.is_connected = error.metadata["condition"] != Condition.INVALID
            raise
        finally:
            self.unanswered -= 1

    async def _connect(self) -> None:
        async with self._connecting:
            if not self.is_connected:
                await self.endpoint.connect()
                self.is_connected = True

    def blame(self, fault: str) -> None:
        """It failed, or contradicted the quorum."""
        self._fault = self._fault or fault

    def agreed(self) -> None:
        """It said what the quorum said."""
        self.answered_last = True
        self._agreed = True

    def settle(self) -> None:
        """A block is told: a fault stays until the endpoint agreed for a whole block."""
        if self._fault or self._agreed:
            self.doubt = self._fault
        self._fault, self._agreed = "", False


@dataclass(slots=True)
class _Count(Generic[_E, _T]):
    """The answers to one question so far."""

    ballot: Ballot[_T]
    answers: dict[Hashable, list[tuple[Member[_E], _T]]] = field(default_factory=dict)
    unready: list[Member[_E]] = field(default_factory=list)
    faults: list[EndpointError] = field(default_factory=list)

    def take(self, member: Member[_E], task: "asyncio.Task[_T]") -> None:
        """Count a finished task.

        Raises:
            Exception: the task's own, if it is not the endpoint's fault.
        """
        try:
            answer = task.result()
        except BlockUnavailableError:
            self.unready.append(member)
        except EndpointError as error:
            self.faults.append(error)
        else:
            self.answers.setdefault(self.ballot.key(answer), []).append((member, answer))
            if isinstance(answer, Refusal):
                self.unready.append(member)

    def operators(self, key: Hashable) -> frozenset[str]:
        return frozenset(member.operator for member, _ in self.answers[key])

    def strongest(self) -> list[Hashable]:
        """The answers' keys, that of most operators first."""
        return sorted(self.answers, key=lambda key: -len(self.operators(key)))


class Quorum(Generic[_E]):
    """The endpoints of one chain as one that says only what ``quorum`` operators agree on.

    ``calls`` counts requests by method over all endpoints.
    """

    def __init__(self, chain: ChainConfig, members: Sequence[tuple[_E, EndpointConfig]]) -> None:
        self.chain: ChainId = chain.id
        self.size = chain.quorum
        self.members = [
            Member(endpoint, config.operator or config.label) for endpoint, config in members
        ]
        operators = sorted({member.operator for member in self.members})
        self.label = "+".join(operators)
        self.redacted = f"{self.size} of {len(operators)} operators ({', '.join(operators)})"
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for member in self.members:
            await member.endpoint.close()

    @property
    def calls(self) -> Counter[str]:
        """Requests so far, by method."""
        return sum((member.endpoint.calls for member in self.members), Counter())

    def fault(self, what: str, condition: Condition = Condition.UNREACHABLE) -> EndpointError:
        """An error about the quorum."""
        return EndpointError(
            f"{self.chain}: {self.redacted}: {what}", condition=condition, endpoint=self.redacted
        )

    def take_doubts(self) -> str:
        """What is held against single endpoints as of a block that is told."""
        for member in self.members:
            member.settle()
        return "; ".join(member.doubt for member in self.members if member.doubt)

    def require_reachable(self, faults: Mapping[str, EndpointError]) -> None:
        """Given who cannot be read, by endpoint: whether operators enough are left.

        Raises:
            EndpointError: they are fewer than the quorum.
        """
        left = {m.operator for m in self.members if m.endpoint.redacted not in faults}
        if len(left) < self.size:
            raise self._lost(len(left), faults.values())

    # --- Asking -------------------------------------------------------------------------------

    async def agreed(self, read: Callable[[_E], Awaitable[_T]], ballot: Ballot[_T]) -> _T:
        """What ``quorum`` operators agree on, and no other such number on anything else.

        Raises:
            BlockUnavailableError: some do not have the block; asking again may help.
            EndpointError: no quorum agrees. Its condition is INVALID if answers differ.
        """
        count: _Count[_E, _T] = _Count(ballot)
        pending = {self._begin(member, read): member for member in self._askable()}
        decided = False
        try:
            while pending:
                done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    count.take(pending.pop(task), task)
                if self._is_decided(count, pending.values()):
                    decided = True
                    return self._outcome(count, pending)
            return self._outcome(count, pending)
        finally:
            if not decided:
                for task in pending:
                    task.cancel()

    async def first(self, read: Callable[[_E], Awaitable[_T]]) -> _T:
        """The first answer to a question whose answers prove themselves.

        Raises:
            EndpointError: nobody gave one.
        """
        faults: list[EndpointError] = []
        for member in sorted(self.members, key=lambda one: not one.answered_last):
            try:
                return await member.read(read)
            except EndpointError as error:
                faults.append(error)
        raise self._lost(0, faults)

    def _askable(self) -> Iterator[Member[_E]]:
        return (member for member in self.members if member.unanswered < _UNANSWERED_MAX)

    def _begin(self, member: Member[_E], read: Callable[[_E], Awaitable[_T]]) -> "asyncio.Task[_T]":
        task = asyncio.get_running_loop().create_task(_coroutine(member.read(read)))
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Whoever still waits for it gets it; of one that answers too late it was noted.
            task.exception()

    def _is_decided(self, count: _Count[_E, _T], pending: Iterable[Member[_E]]) -> bool:
        """Whether an answer has its quorum and no other can get one from those who usually answer.

        One that failed when it was last asked is not waited for: else it would slow all down.
        """
        first, *others = count.strongest() or [None]
        if first is None or len(count.operators(first)) < self.size:
            return False
        reliable = frozenset(member.operator for member in pending if member.answered_last)
        rivals = [count.operators(key) for key in others] or [frozenset()]
        return all(len(rival | reliable) < self.size for rival in rivals)

    def _outcome(
        self, count: _Count[_E, _T], pending: Mapping["asyncio.Task[_T]", Member[_E]]
    ) -> _T:
        winners = [key for key in count.strongest() if len(count.operators(key)) >= self.size]
        if len(winners) != 1:
            raise self._disagreement(count, len(winners))
        (winner,) = winners
        self._judge(count, winner)
        for task, member in pending.items():
            task.add_done_callback(_Late(count.ballot, member, winner))
        return count.ballot.merge([answer for _, answer in count.answers[winner]])

    def _judge(self, count: _Count[_E, _T], winner: Hashable) -> None:
        """Note who agreed and who did not."""
        for key, answers in count.answers.items():
            for member, answer in answers:
                _judge(count.ballot, member, answer, agrees=key == winner)

    def _disagreement(self, count: _Count[_E, _T], winners: int) -> EndpointError:
        if winners:
            return self.fault(
                f"{winners} answers have {self.size} operators each ({count.ballot.what})",
                Condition.INVALID,
            )
        if count.ballot.is_momentary and len(count.answers) > 1:
            return self._unavailable("operators are not at one block yet")
        ready: frozenset[str] = frozenset()
        for key in count.strongest()[:1]:
            ready = count.operators(key)
        if len(ready | {member.operator for member in count.unready}) >= self.size:
            return self._unavailable(f"too few have the block yet ({count.ballot.what})")
        if len(count.answers) > 1:
            camps = sorted(" and ".join(sorted(count.operators(key))) for key in count.answers)
            return self.fault(
                f"answers differ ({count.ballot.what}): {' against '.join(camps)}",
                Condition.INVALID,
            )
        return self._lost(len(ready), count.faults)

    def _unavailable(self, what: str) -> BlockUnavailableError:
        error = self.fault(what)
        return BlockUnavailableError(
            error.message, condition=Condition.LAGGING, endpoint=self.redacted
        )

    def _lost(self, left: int, faults: Iterable[EndpointError]) -> EndpointError:
        told = list(faults)
        reasons = sorted({error.message.removeprefix(f"{self.chain}: ") for error in told})
        why = f": {'; '.join(reasons)}" if reasons else ""
        invalid = any(e.metadata["condition"] == Condition.INVALID for e in told)
        return self.fault(
            f"only {left} can be read, {self.size} must agree{why}",
            Condition.INVALID if invalid else Condition.UNREACHABLE,
        )


@dataclass(frozen=True, slots=True)
class _Late(Generic[_T]):
    """Compares an answer that came after the quorum was reached."""

    ballot: Ballot[_T]
    member: Member[Any]
    winner: Hashable

    def __call__(self, task: "asyncio.Task[_T]") -> None:
        with suppress(asyncio.CancelledError, EndpointError):
            answer = task.result()
            agrees = self.ballot.key(answer) == self.winner
            _judge(self.ballot, self.member, answer, agrees=agrees)


def _judge(ballot: Ballot[_T], member: Member[Any], answer: _T, *, agrees: bool) -> None:
    if agrees:
        member.agreed()
    elif not ballot.is_momentary and not isinstance(answer, Refusal):
        member.blame(f"{member.endpoint.redacted}: contradicts the quorum ({ballot.what})")


async def _coroutine(awaitable: Awaitable[_T]) -> _T:
    return await awaitable
