"""What is read of one EVM chain at one block: feeds, venues, accounts; and how faults stay apart.

A venue that cannot be read stands in with its fault facts and is tried again; the others, and the
feeds, are read all the same. Only an endpoint's own failure fails the whole read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from xmargin.errors import ConfigError, DecodeError, EndpointError, XmarginError
from xmargin.model import (
    ChainId,
    Fact,
    Registry,
    VenueId,
    VenueSpec,
    chain_of,
)
from xmargin.oracles import sequencer
from xmargin.reading.feeds import evm_feed_read
from xmargin.reads import EvmLog, EvmRead, Rediscover
from xmargin.venues.base import EvmAccess, EvmVenue, EvmVenueKind, Reread, Unit
from xmargin.venues.evm import check_settings, venue_kind, venue_kinds

AUDITED_UNITS_PER_BLOCK: Final = 16
"""Units read at each block in turn though nothing touched them: balances may move without a log,
and a log may be lost. Their number does not grow with the accounts."""

_REDISCOVERY_BLOCKS_MAX: Final = 64
_STAGES_MAX: Final = 3

VenueUnit = tuple[VenueId, Unit]


@dataclass(slots=True, eq=False)
class _Slot:
    """A configured venue and what is known of it now."""

    spec: VenueSpec
    kind: EvmVenueKind
    venue: EvmVenue | None = None
    fault: str = ""
    outdated: bool = False
    blocks_until_retry: int = 0
    retry_blocks: int = 1
    facts: list[Fact] = field(default_factory=list)
    units_read: set[VenueUnit] = field(default_factory=set)

    def begin_block(self) -> None:
        """Forget what the last block said; only a venue not discovered stays at fault."""
        self.facts = []
        self.units_read = set()
        self.outdated = False
        if self.venue is not None:
            self.fault = ""

    def fail(self, fault: str) -> None:
        """The venue cannot be read at this block; its first fault is told."""
        self.fault = self.fault or fault

    def moving(self) -> list["_Ask"]:
        """What every block must be asked."""
        return [] if self.venue is None else [_Ask(self, read) for read in self.venue.block_reads()]

    def resting(self, dirty: set[VenueUnit] | None) -> list["_Ask"]:
        """The units in ``dirty``, in order; all, and what discovery told, when it is ``None``."""
        if self.venue is None:
            return []
        if dirty is None:
            self.facts += self.venue.static_facts
            units = self.venue.units
        else:
            units = sorted(unit for venue, unit in dirty if venue == self.spec.id)
        self.units_read.update((self.spec.id, unit) for unit in units)
        return [_Ask(self, self.venue.unit_read(unit)) for unit in units]


@dataclass(frozen=True, slots=True)
class _Ask:
    """A read, and the venue it is for (``None``: a feed)."""

    slot: _Slot | None
    read: EvmRead


class EvmState:
    """The plan of reads of one chain, made and remade by discovery."""

    def __init__(self, chain: ChainId, registry: Registry) -> None:
        self.chain = chain
        self._registry = registry
        self._feeds = [evm_feed_read(feed) for feed in registry.feeds if chain_of(feed.id) == chain]
        self._feeds += [
            sequencer.feed_read(spec.sequencer_feed)
            for spec in registry.chains
            if spec.id == chain and spec.sequencer_feed
        ]
        self._slots = [_slot(spec) for spec in _venue_specs(chain, registry)]
        self._audit_position = 0

    @property
    def log_addresses(self) -> tuple[str, ...]:
        """Contracts whose logs say that something must be read again; sorted."""
        venues = (slot.venue for slot in self._slots if slot.venue is not None)
        return tuple(sorted({address for venue in venues for address in venue.log_addresses}))

    def touched(self, logs: Iterable[EvmLog]) -> set[VenueUnit]:
        """The units that logs may have changed."""
        return {
            (slot.spec.id, unit)
            for log in logs
            for slot in self._slots
            if slot.venue is not None
            for unit in slot.venue.touched(log)
        }

    def checkpoint(self) -> tuple[_Slot, ...]:
        """What to :meth:`restore` when what is read next is not told after all."""
        return tuple(replace(slot) for slot in self._slots)

    def restore(self, checkpoint: tuple[_Slot, ...]) -> None:
        """Go back to a checkpoint."""
        self._slots = list(checkpoint)

    async def discover(self, access: EvmAccess) -> None:
        """Discover every venue anew.

        Raises:
            EndpointError: the endpoint failed.
        """
        for slot in self._slots:
            await self._discover(slot, access)

    async def read_all(self, access: EvmAccess) -> tuple[list[Fact], frozenset[VenueUnit]]:
        """Every fact of the chain at one block, and the units that were read.

        Raises:
            EndpointError: the endpoint failed.
        """
        return await self._read(access, None)

    async def read_changes(
        self, access: EvmAccess, dirty: set[VenueUnit]
    ) -> tuple[list[Fact], frozenset[VenueUnit]]:
        """What moves with every block, the ``dirty`` units and a few in turn; and which those were.

        Raises:
            EndpointError: the endpoint failed.
        """
        await self._retry_faulty(access)
        return await self._read(access, dirty | self._next_to_audit())

    # --- Discovery --------------------------------------------------------------------------

    async def _discover(self, slot: _Slot, access: EvmAccess) -> None:
        slot.venue = None
        try:
            slot.venue = await slot.kind.discover(slot.spec, self._registry, access)
        except EndpointError:
            raise
        except XmarginError as error:
            # Whatever else is wrong with one venue is its own: the others are read all the same.
            slot.fail(error.message)
            slot.blocks_until_retry = slot.retry_blocks
            slot.retry_blocks = min(2 * slot.retry_blocks, _REDISCOVERY_BLOCKS_MAX)
        else:
            slot.retry_blocks = 1

    async def _retry_faulty(self, access: EvmAccess) -> None:
        for slot in self._slots:
            if slot.venue is None:
                slot.blocks_until_retry -= 1
                if slot.blocks_until_retry <= 0:
                    await self._discover(slot, access)

    def _next_to_audit(self) -> set[VenueUnit]:
        """The next few of all units, round and round."""
        units = [(s.spec.id, s.venue.units) for s in self._slots if s.venue is not None]
        total = sum(len(of_venue) for _, of_venue in units)
        chosen: set[VenueUnit] = set()
        for _ in range(min(AUDITED_UNITS_PER_BLOCK, total)):
            position = self._audit_position = (self._audit_position + 1) % total
            for venue, of_venue in units:
                if position < len(of_venue):
                    chosen.add((venue, of_venue[position]))
                    break
                position -= len(of_venue)
        return chosen

    # --- Reading ----------------------------------------------------------------------------

    async def _read(
        self, access: EvmAccess, dirty: set[VenueUnit] | None
    ) -> tuple[list[Fact], frozenset[VenueUnit]]:
        """The moving part of the chain and its ``dirty`` units; all of them when ``None``."""
        facts: list[Fact] = []
        failing = [slot for slot in self._slots if slot.fault]
        for slot in self._slots:
            slot.begin_block()
        # Contracts that anyone may have written come last: gas they burn is nobody else's then.
        asks = [_Ask(None, read) for read in self._feeds]
        asks += [ask for slot in self._slots for ask in slot.moving()]
        asks += [ask for slot in self._slots if slot not in failing for ask in slot.resting(dirty)]
        await _ask_in_stages(access, asks, facts)
        for slot in self._slots:
            if slot.outdated:
                await self._read_anew(slot, access)
            elif slot in failing and not slot.fault:
                await _ask_in_stages(access, slot.resting(None), facts)
        for slot in self._slots:
            if slot.fault:
                slot.facts = slot.kind.fault_facts(slot.spec, self._registry, slot.fault)
            facts += slot.facts
        return facts, frozenset(unit for slot in self._slots for unit in slot.units_read)

    async def _read_anew(self, slot: _Slot, access: EvmAccess) -> None:
        """The venue was not what it was at its discovery."""
        await self._discover(slot, access)
        if slot.venue is None:
            return
        slot.begin_block()
        await _ask_in_stages(access, [*slot.moving(), *slot.resting(None)], [])
        if slot.outdated:
            slot.fail("the venue does not agree with its own discovery at the same block")


async def _ask_in_stages(access: EvmAccess, asks: Sequence[_Ask], feed_facts: list[Fact]) -> None:
    """Ask all at once and decode; what learns that more is needed is asked once more."""
    pending = list(asks)
    for _ in range(_STAGES_MAX):
        if not pending:
            return
        results = await access.call([call for ask in pending for call in ask.read.calls])
        again: list[_Ask] = []
        start = 0
        for ask in pending:
            end = start + len(ask.read.calls)
            more = _decode(ask, results[start:end], feed_facts)
            again += [more] if more is not None else []
            start = end
        pending = again
    for ask in pending:
        if ask.slot is not None:
            ask.slot.fail("an account asks for ever more")


def _decode(ask: _Ask, results: Sequence[bytes | None], feed_facts: list[Fact]) -> _Ask | None:
    slot = ask.slot
    try:
        facts = ask.read.decode(results)
    except Reread as more:
        return _Ask(slot, more.read)
    except Rediscover:
        if slot is not None:
            slot.outdated = True
        return None
    except DecodeError as error:
        if slot is None:
            raise
        slot.fail(error.message)
        return None
    (feed_facts if slot is None else slot.facts).extend(facts)
    return None


def _venue_specs(chain: ChainId, registry: Registry) -> list[VenueSpec]:
    """The configured venues of the chain, and its wallets, which need no configuration."""
    specs = {spec.id: spec for spec in registry.venues if chain_of(spec.id) == chain}
    wallets = f"wallet@{chain}"
    specs.setdefault(wallets, VenueSpec(wallets, "wallet"))
    return [spec for _, spec in sorted(specs.items())]


def _slot(spec: VenueSpec) -> _Slot:
    kind = venue_kind(spec.kind)
    if kind is None:
        raise ConfigError(
            f"venues.{spec.id}.kind: no venue kind {spec.kind!r} on an EVM chain; "
            f"use one of {', '.join(venue_kinds())}",
            field="venues",
        )
    check_settings(spec)
    return _Slot(spec, kind)
