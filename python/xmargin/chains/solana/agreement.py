"""Account batches that operators agree on, byte for byte, at one and the same slot.

Solana has no reading at a block of one's choice: every node answers as of the slot it stands at.
So each operator is read again and again for a moment, and what is kept is a slot at which enough
of them were seen to say the same. An account that two nodes showed at different slots is evidence
of nothing, even when its bytes are equal.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from xmargin.chains.quorum import Ballot, BlockUnavailableError, Member, Quorum
from xmargin.chains.solana.accounts import (
    Accounts,
    BehindError,
    SlotLabel,
    label_slot,
    read_accounts,
)
from xmargin.chains.solana.endpoint import SolanaEndpoint
from xmargin.chains.solana.slots import SlotWatch
from xmargin.errors import EndpointError
from xmargin.model import Condition

SAMPLING_S: Final = 2.0
"""How long operators may take to be seen at one slot: five of them."""

_PAUSE_S: Final = 0.1  # four looks a slot
_LABEL_WAITS_S: Final = (0.05, 0.1, 0.2, 0.4, 0.8)

SolanaQuorum: TypeAlias = Quorum[SolanaEndpoint]
_Member: TypeAlias = Member[SolanaEndpoint]


@dataclass(slots=True)
class _Sightings:
    """Who answered what in one reading: by slot, batch and answer."""

    size: int
    batches: int
    seen: dict[int, list[dict[Accounts, list[_Member]]]] = field(default_factory=dict)
    behind: set[str] = field(default_factory=set)
    decided: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, member: _Member, index: int, answer: Accounts) -> None:
        """Take one answer to one batch."""
        at_slot = self.seen.setdefault(answer.slot, [{} for _ in range(self.batches)])
        members = at_slot[index].setdefault(answer, [])
        if member not in members:
            members.append(member)
        if len(self.agreed_at(answer.slot)) == self.batches:
            self.decided.set()

    def agreed_at(self, slot: int) -> dict[int, Accounts]:
        """The batches of which enough operators say the same at a slot, and no others so many."""
        agreed: dict[int, Accounts] = {}
        for index, answers in enumerate(self.seen[slot]):
            winners = [a for a, members in answers.items() if _operators(members) >= self.size]
            if len(winners) == 1:
                agreed[index] = winners[0]
        return agreed

    def best(self) -> tuple[int, dict[int, Accounts]]:
        """The slot at which most batches are agreed on, the newest of such; none: no batches."""
        slots = sorted(self.seen, reverse=True)
        agreed = {slot: self.agreed_at(slot) for slot in slots}
        slot = max(slots, key=lambda one: (len(agreed[one]), one), default=0)
        return slot, agreed.get(slot, {})

    def judge(self, slot: int, agreed: Mapping[int, Accounts]) -> None:
        """Note who agreed at the slot that is told, and who contradicted."""
        for index, answer in agreed.items():
            for other, members in self.seen[slot][index].items():
                for member in members:
                    if other == answer:
                        member.agreed()
                    else:
                        name = member.endpoint.redacted
                        member.blame(f"{name}: contradicts the quorum (accounts)")

    def answered(self) -> int:
        """How many operators answered at all, be it that they are behind."""
        everyone = [m for at in self.seen.values() for b in at for ms in b.values() for m in ms]
        return len(self.behind.union(member.operator for member in everyone))

    def differ(self) -> bool:
        """Whether operators enough were at one slot and did not say the same there."""
        return any(
            len(answers) > 1
            and _operators([m for members in answers.values() for m in members]) >= self.size
            for at_slot in self.seen.values()
            for answers in at_slot
        )


def _operators(members: Iterable[_Member]) -> int:
    return len({member.operator for member in members})


async def read_agreed(
    quorum: SolanaQuorum, batches: Sequence[Sequence[str]], min_slot: int
) -> tuple[int, dict[int, Accounts]]:
    """A slot not before ``min_slot``, and the batches (by index) that the quorum agrees on there.

    Raises:
        BehindError: operators enough answer, but were not seen at one slot.
        EndpointError: too few can be read, or at one slot they contradict each other.
    """
    sightings = _Sightings(quorum.size, len(batches))
    faults: dict[str, EndpointError] = {}

    async def sample(member: _Member) -> None:
        while True:
            try:
                await member.read(lambda one: _look(one, member))
            except BehindError:
                sightings.behind.add(member.operator)
            except EndpointError as error:
                faults[member.endpoint.redacted] = error
                return
            await asyncio.sleep(_PAUSE_S)

    async def _look(endpoint: SolanaEndpoint, member: _Member) -> None:
        async def one(index: int, addresses: Sequence[str]) -> None:
            sightings.add(member, index, await read_accounts(endpoint, addresses, min_slot))

        looks = [asyncio.create_task(one(*pair)) for pair in enumerate(batches)]
        try:
            await asyncio.gather(*looks)
        finally:
            for look in looks:
                look.cancel()
            await asyncio.gather(*looks, return_exceptions=True)

    samplers = [asyncio.create_task(sample(member)) for member in quorum.members]
    decided = asyncio.create_task(sightings.decided.wait())
    try:
        await _until_decided(quorum, decided, samplers, faults)
    finally:
        for task in (*samplers, decided):
            task.cancel()
        await asyncio.gather(*samplers, decided, return_exceptions=True)
    return _outcome(quorum, sightings, faults)


async def _until_decided(
    quorum: SolanaQuorum,
    decided: "asyncio.Task[bool]",
    samplers: Iterable["asyncio.Task[None]"],
    faults: Mapping[str, EndpointError],
) -> None:
    """Return when all is agreed on, when it cannot be any more, or when time is up."""
    pending = {decided, *samplers}
    deadline_s = asyncio.get_running_loop().time() + SAMPLING_S
    while not decided.done():
        left_s = deadline_s - asyncio.get_running_loop().time()
        done, pending = await asyncio.wait(
            pending, timeout=max(0.0, left_s), return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            return
        for task in done - {decided}:
            task.result()
        quorum.require_reachable(faults)


def _outcome(
    quorum: SolanaQuorum, sightings: _Sightings, faults: Mapping[str, EndpointError]
) -> tuple[int, dict[int, Accounts]]:
    slot, agreed = sightings.best()
    if agreed:
        sightings.judge(slot, agreed)
        return slot, agreed
    quorum.require_reachable(faults)
    if sightings.differ():
        raise quorum.fault("answers differ (accounts of one slot)", Condition.INVALID)
    if sightings.answered() < quorum.size:
        raise quorum.fault(f"only {sightings.answered()} answer in time, {quorum.size} must agree")
    raise BehindError(
        quorum.fault("operators were not seen at one slot").message,
        condition=Condition.LAGGING,
        endpoint=quorum.redacted,
    )


# --- Blockhash ------------------------------------------------------------------------------------


def _merged(labels: Sequence[SlotLabel]) -> SlotLabel:
    return SlotLabel(labels[0].hash, min(label.finalized_slot for label in labels))


_LABEL = Ballot("blockhash", lambda label: label.hash, _merged)


async def label_agreed(quorum: SolanaQuorum, slot: int) -> SlotLabel:
    """The blockhash that the quorum agrees on, and the lowest finality of those.

    Raises:
        EndpointError: they do not agree, or too few have the block in time.
    """

    async def label(endpoint: SolanaEndpoint) -> SlotLabel:
        one = await label_slot(endpoint, slot)
        if not one.hash:
            raise BlockUnavailableError(
                endpoint.fault(f"has no block of slot {slot} yet").message,
                condition=Condition.LAGGING,
                endpoint=endpoint.redacted,
            )
        return one

    for wait_s in _LABEL_WAITS_S:
        try:
            return await quorum.agreed(label, _LABEL)
        except BlockUnavailableError:
            await asyncio.sleep(wait_s)
    return await quorum.agreed(label, _LABEL)


# --- Hints ----------------------------------------------------------------------------------------


class SlotWatches:
    """The hints of all endpoints as one; see :class:`xmargin.chains.solana.slots.SlotWatch`.

    A change counts as announced by whoever announces it; that changes are announced at all, and
    how far a node must have come to show them, takes as many operators as the quorum.
    """

    def __init__(self, quorum: SolanaQuorum, watches: Sequence[SlotWatch]) -> None:
        self._size = quorum.size
        self._operators = [member.operator for member in quorum.members]
        self._watches = watches

    @property
    def listening(self) -> bool:
        """Whether operators enough announce changes."""
        heard = zip(self._operators, self._watches, strict=True)
        return len({operator for operator, watch in heard if watch.listening}) >= self._size

    @property
    def min_slot(self) -> int:
        """The slot that as many operators as the quorum say a read must have reached."""
        by_operator: dict[str, int] = {}
        for operator, watch in zip(self._operators, self._watches, strict=True):
            by_operator[operator] = max(watch.min_slot, by_operator.get(operator, 0))
        return sorted(by_operator.values(), reverse=True)[self._size - 1]

    async def next(self) -> None:
        """Return as soon as any of them says that there may be a new slot."""
        tasks = [asyncio.create_task(watch.next()) for watch in self._watches]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def take_touched(self) -> set[str]:
        """Addresses that any of them said may have changed."""
        return {address for watch in self._watches for address in watch.take_touched()}
