"""Readers that other packages bring, held to what a reader promises.

Whatever else they raise or give costs their own venue its figures: it becomes the ``DecodeError``
of a reader that could not read. Endpoint failures pass through, since they are nobody's fault here.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from xmargin import records
from xmargin.errors import DecodeError, EndpointError
from xmargin.model import Fact, Registry, TokenState, VenueRecord, VenueSpec
from xmargin.reads import EvmLog, EvmRead, Rediscover
from xmargin.venues.base import (
    EvmAccess,
    EvmVenue,
    EvmVenueKind,
    Reread,
    Unit,
    accounts_at,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

_PASSED_ON = (DecodeError, EndpointError, Reread, Rediscover)


@dataclass(frozen=True, slots=True)
class OutsideKind:
    """An ``EvmVenueKind`` around that of another package."""

    kind: EvmVenueKind

    async def discover(self, spec: VenueSpec, registry: Registry, access: EvmAccess) -> EvmVenue:
        """As the package does.

        Raises:
            DecodeError: the venue is not what its kind says, or the package failed.
        """
        venue = await _awaited(spec, lambda: self.kind.discover(spec, registry, access))
        return asked(
            spec,
            lambda: OutsideVenue(
                spec=spec,
                venue=venue,
                log_addresses=tuple(map(as_text, venue.log_addresses)),
                static_facts=own_facts(spec, venue.static_facts),
                units=tuple(map(as_unit, venue.units)),
            ),
        )

    def fault_facts(self, spec: VenueSpec, registry: Registry, fault: str) -> list[Fact]:
        """All accounts at fault, whatever the package would say of them."""
        return [records.account_fault(one, fault) for one in accounts_at(registry, spec.id)]


@dataclass(frozen=True, slots=True)
class OutsideVenue:
    """An ``EvmVenue`` around that of another package; what does not move is as of its discovery."""

    spec: VenueSpec
    venue: EvmVenue
    log_addresses: Sequence[str]
    static_facts: Sequence[Fact]
    units: Sequence[Unit]

    def block_reads(self) -> Sequence[EvmRead]:
        """As the package asks; where it fails, a read that tells so."""
        try:
            reads = asked(self.spec, lambda: tuple(self.venue.block_reads()))
            return [self._held(read) for read in reads]
        except DecodeError as error:
            return [_failing(error)]

    def unit_read(self, unit: Unit) -> EvmRead:
        """As the package asks; where it fails, a read that tells so."""
        try:
            return self._held(asked(self.spec, lambda: self.venue.unit_read(unit)))
        except DecodeError as error:
            return _failing(error)

    def touched(self, log: EvmLog) -> Iterable[Unit]:
        """As the package says; where it fails, everything."""
        try:
            return asked(self.spec, lambda: tuple(map(as_unit, self.venue.touched(log))))
        except DecodeError:
            return self.units

    def _held(self, read: object) -> EvmRead:
        if not isinstance(read, EvmRead):
            raise DecodeError(f"its reader gave a {type(read).__name__} for a read")

        def decode(results: Sequence[bytes | None]) -> list[Fact]:
            try:
                return asked(self.spec, lambda: list(own_facts(self.spec, read.decode(results))))
            except Reread as more:
                raise Reread(self._held(more.read)) from None

        return EvmRead(read.calls, decode)


def _failing(error: DecodeError) -> EvmRead:
    def decode(_: Sequence[bytes | None]) -> list[Fact]:
        raise error

    return EvmRead((), decode)


async def _awaited(spec: VenueSpec, ask: Callable[[], Awaitable[T]]) -> T:
    try:
        return await ask()
    except _PASSED_ON:
        raise
    except Exception as error:
        raise _failure(spec, error) from error


def asked(spec: VenueSpec, ask: Callable[[], T]) -> T:
    """What a package answers.

    Raises:
        DecodeError: it could not read, or failed.
    """
    try:
        return ask()
    except _PASSED_ON:
        raise
    except Exception as error:
        raise _failure(spec, error) from error


def _failure(spec: VenueSpec, error: Exception) -> DecodeError:
    log.error("the reader of %s failed", spec.id, exc_info=error)
    return DecodeError(f"its reader failed: {type(error).__name__}: {error}")


# --- What a reader may say ------------------------------------------------------------------------


def own_facts(spec: VenueSpec, facts: Iterable[object]) -> tuple[Fact, ...]:
    """Facts that a reader of the venue may tell.

    Raises:
        DecodeError: one is another's.
    """
    return tuple(_fact(spec, fact) for fact in facts)


def _fact(spec: VenueSpec, fact: object) -> Fact:
    """Of its own venue, or what a token of it is."""
    if isinstance(fact, TokenState) or (isinstance(fact, VenueRecord) and fact.venue == spec.id):
        return fact
    raise DecodeError(f"its reader tells what is none of its venue's: a {type(fact).__name__}")


def as_unit(unit: object) -> Unit:
    """A unit.

    Raises:
        DecodeError: it is none.
    """
    if not isinstance(unit, tuple):
        raise DecodeError(f"its reader gave a {type(unit).__name__} for a unit")
    return tuple(map(as_text, unit))


def as_text(value: object) -> str:
    """A text.

    Raises:
        DecodeError: it is none.
    """
    if not isinstance(value, str):
        raise DecodeError(f"its reader gave a {type(value).__name__} for a text")
    return value
