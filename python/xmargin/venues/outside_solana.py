"""Readers of Solana venues that other packages bring, held to what a reader promises.

Whatever they raise or give beside it costs their own venue its figures, and nobody else's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from xmargin import records
from xmargin.errors import DecodeError
from xmargin.model import Fact, Registry, VenueSpec
from xmargin.reads import SolanaAccount, SolanaRead
from xmargin.venues.base import SolanaVenue, SolanaVenueKind, Unit, accounts_at
from xmargin.venues.outside import as_text, as_unit, asked, own_facts


@dataclass(frozen=True, slots=True)
class OutsideSolanaKind:
    """A ``SolanaVenueKind`` around that of another package."""

    kind: SolanaVenueKind

    def watch(self, spec: VenueSpec, registry: Registry) -> SolanaVenue:
        """As the package does; where it fails, every account at fault."""
        try:
            venue = asked(spec, lambda: self.kind.watch(spec, registry))
            static = asked(spec, lambda: own_facts(spec, venue.static_facts))
            units = asked(spec, lambda: tuple(map(as_unit, venue.units)))
        except DecodeError as error:
            faults = _faults(spec, registry, error.message)
            return OutsideSolanaVenue(spec, registry, None, faults, ())
        return OutsideSolanaVenue(spec, registry, venue, static, units)


@dataclass(frozen=True, slots=True)
class OutsideSolanaVenue:
    """A ``SolanaVenue`` around that of another package; ``None`` has failed already."""

    spec: VenueSpec
    registry: Registry
    venue: SolanaVenue | None
    static_facts: Sequence[Fact]
    units: Sequence[Unit]

    def unit_read(self, unit: Unit) -> SolanaRead:
        """As the package asks; where it fails, every account at fault."""
        try:
            read = self._read(unit)
            addresses = tuple(map(as_text, read.addresses))
        except DecodeError as error:
            faults = _faults(self.spec, self.registry, error.message)
            return SolanaRead((), lambda _: list(faults))

        def decode(accounts: Sequence[SolanaAccount | None]) -> list[Fact]:
            try:
                return asked(self.spec, lambda: list(own_facts(self.spec, read.decode(accounts))))
            except DecodeError as error:
                return list(_faults(self.spec, self.registry, error.message))

        return SolanaRead(addresses, decode, bool(read.every_slot), bool(read.announced))

    def _read(self, unit: Unit) -> SolanaRead:
        venue = self.venue
        if venue is None:
            raise DecodeError("its reader failed")
        read: object = asked(self.spec, lambda: venue.unit_read(unit))
        if not isinstance(read, SolanaRead):
            raise DecodeError(f"its reader gave a {type(read).__name__} for a read")
        return read

    def rests_on(self, fact: Fact) -> Sequence[Unit]:
        """As the package says; where it fails, nothing, so that what is missing stays unread."""
        venue = self.venue
        if venue is None:
            return ()
        try:
            return asked(self.spec, lambda: tuple(map(as_unit, venue.rests_on(fact))))
        except DecodeError:
            return ()


def _faults(spec: VenueSpec, registry: Registry, fault: str) -> tuple[Fact, ...]:
    return tuple(records.account_fault(one, fault) for one in accounts_at(registry, spec.id))
