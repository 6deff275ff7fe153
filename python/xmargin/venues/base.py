"""What every venue is to its chain's reader.

On EVM chains: a plan of reads made by discovery, and who each log concerns. On Solana: accounts by
address, and what each of them rests on in turn.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from xmargin.model import AccountId, Fact, Registry, VenueId, VenueSpec, chain_of, venue_of
from xmargin.reads import EvmCall, EvmLog, EvmRead, SolanaRead

EvmCaller: TypeAlias = Callable[[Sequence[EvmCall]], Awaitable[Sequence[bytes | None]]]
"""Makes calls at one block; one result a call, ``None`` where it failed."""


@dataclass(frozen=True, slots=True)
class EvmAccess:
    """How discovery reaches the chain, at the one block it is made for."""

    call: EvmCaller
    multicall3: str


Unit: TypeAlias = tuple[str, ...]
"""The smallest thing read by itself because only logs say that it moved, e.g. one account."""


class Reread(Exception):  # noqa: N818 - a signal, not a fault
    """Raised by a decode that learnt that more must be asked at the same block."""

    def __init__(self, read: EvmRead) -> None:
        super().__init__()
        self.read = read


class EvmVenue(Protocol):
    """A discovered venue, as of the block of its discovery."""

    @property
    def log_addresses(self) -> Sequence[str]:
        """Contracts whose logs may concern a unit."""
        ...

    @property
    def static_facts(self) -> Sequence[Fact]:
        """What discovery itself learnt; told with every full read."""
        ...

    @property
    def units(self) -> Sequence[Unit]:
        """Everything that is read in full once, and then when a log touches it."""
        ...

    def block_reads(self) -> Sequence[EvmRead]:
        """What every block must be asked: it moves without a log."""
        ...

    def unit_read(self, unit: Unit) -> EvmRead:
        """The read of one unit. Its decode may raise :class:`Reread` twice."""
        ...

    def touched(self, log: EvmLog) -> Iterable[Unit]:
        """The units that a log of one of ``log_addresses`` may have changed."""
        ...


class EvmVenueKind(Protocol):
    """A protocol: how a venue of it is discovered, and what is told when it cannot be read."""

    async def discover(self, spec: VenueSpec, registry: Registry, access: EvmAccess) -> EvmVenue:
        """Learn the venue's contracts.

        Raises:
            DecodeError: the venue is not what its kind says; the message says why.
        """
        ...

    def fault_facts(self, spec: VenueSpec, registry: Registry, fault: str) -> list[Fact]:
        """What stands in for the venue's facts while it cannot be read."""
        ...


class SolanaVenue(Protocol):
    """A configured venue of a Solana chain."""

    @property
    def static_facts(self) -> Sequence[Fact]:
        """What is true without asking; told with every slot."""
        ...

    @property
    def units(self) -> Sequence[Unit]:
        """What is read from the start: watched accounts, whatever they hold."""
        ...

    def unit_read(self, unit: Unit) -> SolanaRead:
        """The read of one unit; without addresses where it cannot be asked for."""
        ...

    def rests_on(self, fact: Fact) -> Iterable[Unit]:
        """The units that a fact of the venue cannot do without: banks, markets, oracles."""
        ...


class SolanaVenueKind(Protocol):
    """A protocol on Solana."""

    def watch(self, spec: VenueSpec, registry: Registry) -> SolanaVenue:
        """The venue with what is watched of it.

        Raises:
            ConfigError: a setting of the venue is none of its kind's.
        """
        ...


def accounts_at(registry: Registry, venue: VenueId) -> tuple[AccountId, ...]:
    """All watched accounts of a venue, sorted."""
    accounts = (a for portfolio in registry.portfolios for a in portfolio.accounts)
    return tuple(sorted(a for a in accounts if venue_of(a) == venue))


def erc20_id(venue: VenueId, address: str) -> str:
    """The CAIP-19 id of an ERC-20 contract on the venue's chain."""
    return f"{chain_of(venue)}/erc20:{address}"
