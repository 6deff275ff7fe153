"""What to ask a chain and how to make facts of the answer.

Venues and oracles say *what* to read; chains say *how* it travels; neither imports the other.
A read is decoded as a whole: calls that failed arrive as ``None`` and become a fact's ``fault``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xmargin.model import Fact


@dataclass(frozen=True, slots=True)
class EvmCall:
    """One ``eth_call`` target (lower-case hex) and its ABI-encoded call data."""

    target: str
    data: bytes


@dataclass(frozen=True, slots=True)
class EvmRead:
    """Calls that belong together; ``decode`` gets one result a call, ``None`` where it reverted."""

    calls: tuple[EvmCall, ...]
    decode: Callable[[Sequence[bytes | None]], list[Fact]]


@dataclass(frozen=True, slots=True)
class EvmLog:
    """One event as ``eth_getLogs`` gives it; address and topics in lower-case hex."""

    address: str
    topics: tuple[str, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class SolanaAccount:
    """An account's content at one context slot; ``owner`` is the owning program."""

    address: str
    lamports: int
    owner: str
    data: bytes


@dataclass(frozen=True, slots=True)
class SolanaRead:
    """Account addresses that belong together; absent accounts arrive as ``None``.

    ``every_slot`` is for what prices: it is read at each slot. ``announced`` is whether a change
    of the accounts is worth a notification.
    """

    addresses: tuple[str, ...]
    decode: Callable[[Sequence[SolanaAccount | None]], list[Fact]]
    every_slot: bool = False
    announced: bool = True


class Rediscover(Exception):  # noqa: N818 - a signal, not a fault
    """Raised by a decode whose plan is outdated (e.g. a reserve was listed): discover again."""
