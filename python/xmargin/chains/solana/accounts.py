"""Accounts in batches, each with the slot it was read at and that slot's own time.

Every batch asks for the Clock sysvar along with its accounts: the bank that was read says itself
which slot it is and what time it has, so neither can be of another slot than the accounts are.
"""

import asyncio
import base64
import binascii
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from xmargin.chains.jsonrpc import Json, Refusal, shown
from xmargin.chains.solana.endpoint import SolanaEndpoint
from xmargin.errors import EndpointError
from xmargin.model import Condition
from xmargin.reads import SolanaAccount

COMMITMENT: Final = "confirmed"
ADDRESSES_PER_CALL_MAX: Final = 99
"""``getMultipleAccounts`` takes 100 addresses; the Clock sysvar is one of them."""

CLOCK_SYSVAR: Final = "SysvarC1ock11111111111111111111111111111111"
SYSVAR_OWNER: Final = "Sysvar1111111111111111111111111111111111111"
_CLOCK_BYTES: Final = 40
_UNIX_SECONDS_MAX: Final = 1 << 40
_LAMPORTS_MAX: Final = (1 << 64) - 1
_MIN_CONTEXT_SLOT_NOT_REACHED: Final = -32016

_T = TypeVar("_T")


class BehindError(EndpointError):
    """The endpoint has not reached a slot that was already seen; nothing of it was kept."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """Accounts as of one slot, in the order asked; ``None`` where there is none."""

    slot: int
    time_s: int
    accounts: tuple[SolanaAccount | None, ...]


async def read_accounts(
    endpoint: SolanaEndpoint, addresses: Sequence[str], min_slot: int
) -> Accounts:
    """Up to :data:`ADDRESSES_PER_CALL_MAX` accounts at one confirmed slot, not before ``min_slot``.

    Raises:
        BehindError: the endpoint is not there yet.
        EndpointError: it fails, or answers what no node would.
    """
    keys = [CLOCK_SYSVAR, *addresses]
    options = {"encoding": "base64", "commitment": COMMITMENT, "minContextSlot": min_slot}
    answer = await endpoint.ask("getMultipleAccounts", keys, options)
    if isinstance(answer, Refusal):
        if answer.code == _MIN_CONTEXT_SLOT_NOT_REACHED:
            raise _behind(endpoint, f"has not reached slot {min_slot}")
        raise endpoint.fault(f"refuses getMultipleAccounts: {answer.message}")
    slot, values = _context(endpoint, answer)
    if slot < min_slot:
        # Some nodes do not know minContextSlot, or do not keep it.
        raise _behind(endpoint, f"answers as of slot {slot}, before slot {min_slot}")
    if len(values) != len(keys):
        raise endpoint.fault(
            f"gave {len(values)} accounts, not the {len(keys)} asked for", Condition.INVALID
        )
    clock, *accounts = (
        _account(endpoint, key, value) for key, value in zip(keys, values, strict=True)
    )
    return Accounts(slot, _clock_time_s(endpoint, clock, slot), tuple(accounts))


def _behind(endpoint: SolanaEndpoint, what: str) -> BehindError:
    message = endpoint.fault(what).message
    return BehindError(message, condition=Condition.LAGGING, endpoint=endpoint.redacted)


def _context(endpoint: SolanaEndpoint, answer: Json) -> tuple[int, list[Json]]:
    if isinstance(answer, dict) and isinstance(answer.get("context"), dict):
        slot, values = answer["context"].get("slot"), answer.get("value")
        if type(slot) is int and slot >= 0 and isinstance(values, list):
            return slot, values
    raise endpoint.fault("gave accounts without a context slot", Condition.INVALID)


def _account(endpoint: SolanaEndpoint, address: str, value: Json) -> SolanaAccount | None:
    if value is None:
        return None
    if isinstance(value, dict):
        lamports, owner, data = value.get("lamports"), value.get("owner"), value.get("data")
        if (
            type(lamports) is int
            and 0 <= lamports <= _LAMPORTS_MAX
            and isinstance(owner, str)
            and isinstance(data, list)
            and len(data) == 2
            and isinstance(data[0], str)
        ):
            try:
                content = base64.b64decode(data[0], validate=True)
            except (binascii.Error, ValueError):
                raise endpoint.fault(f"gave {address} in no base64", Condition.INVALID) from None
            return SolanaAccount(address, lamports, owner, content)
    raise endpoint.fault(f"gave {shown(value)} for account {address}", Condition.INVALID)


def _clock_time_s(endpoint: SolanaEndpoint, clock: SolanaAccount | None, slot: int) -> int:
    """The time of the slot by its own Clock sysvar: slot u64, epoch start i64, epochs, time i64."""
    if clock is None or clock.owner != SYSVAR_OWNER or len(clock.data) != _CLOCK_BYTES:
        raise endpoint.fault("gave no Clock sysvar", Condition.INVALID)
    clock_slot = int.from_bytes(clock.data[:8], "little")
    if clock_slot != slot:
        raise endpoint.fault(
            f"gave the Clock of slot {clock_slot} with accounts of slot {slot}", Condition.INVALID
        )
    time_s = int.from_bytes(clock.data[32:], "little", signed=True)
    if not 0 <= time_s < _UNIX_SECONDS_MAX:
        raise endpoint.fault(f"slot {slot} has the time {time_s} s", Condition.INVALID)
    return time_s


async def read_batches(
    endpoint: SolanaEndpoint, batches: Sequence[Sequence[str]], min_slot: int, rounds: int
) -> list[Accounts]:
    """Batches side by side; those at an older slot than the newest are asked again.

    After ``rounds`` attempts the slots may still differ: each answer says its own.

    Raises:
        BehindError: the endpoint has not reached ``min_slot``.
        EndpointError: it fails.
    """
    answers = await _together(read_accounts(endpoint, batch, min_slot) for batch in batches)
    for _ in range(rounds - 1):
        newest = max(answer.slot for answer in answers)
        late = [index for index, answer in enumerate(answers) if answer.slot < newest]
        if not late:
            break
        again = await _together(_unless_behind(endpoint, batches[i], newest) for i in late)
        for index, answer in zip(late, again, strict=True):
            answers[index] = answer or answers[index]
    return answers


async def _unless_behind(
    endpoint: SolanaEndpoint, batch: Sequence[str], min_slot: int
) -> Accounts | None:
    """As :func:`read_accounts`, but ``None`` where the node asked is not there yet."""
    try:
        return await read_accounts(endpoint, batch, min_slot)
    except BehindError:
        return None


async def _together(coroutines: Iterable[Coroutine[object, object, _T]]) -> list[_T]:
    """All results in order; the first fault ends the rest and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except ExceptionGroup as faults:
        raise faults.exceptions[0] from None
    return [task.result() for task in tasks]


@dataclass(frozen=True, slots=True)
class SlotLabel:
    """What the endpoint says of a slot that was read: its blockhash, and how far final reaches."""

    hash: str
    finalized_slot: int


async def label_slot(endpoint: SolanaEndpoint, slot: int) -> SlotLabel:
    """The blockhash of ``slot`` (empty where the endpoint has or gives no block yet) and finality.

    Raises:
        EndpointError: the endpoint failed.
    """
    block, final = await _together([_block(endpoint, slot), _finalized_slot(endpoint)])
    if type(final) is not int or final < 0:
        raise endpoint.fault(f"getSlot gave {shown(final)}", Condition.INVALID)
    if block is None or isinstance(block, Refusal):
        return SlotLabel("", final)
    blockhash = block.get("blockhash") if isinstance(block, dict) else None
    if not isinstance(blockhash, str):
        raise endpoint.fault(f"getBlock gave {shown(block)}", Condition.INVALID)
    return SlotLabel(blockhash, final)


async def _block(endpoint: SolanaEndpoint, slot: int) -> Json | Refusal:
    options = {
        "commitment": COMMITMENT,
        "transactionDetails": "none",
        "rewards": False,
        "maxSupportedTransactionVersion": 0,
    }
    return await endpoint.ask("getBlock", slot, options)


async def _finalized_slot(endpoint: SolanaEndpoint) -> Json | Refusal:
    return await endpoint.ask("getSlot", {"commitment": "finalized"})
