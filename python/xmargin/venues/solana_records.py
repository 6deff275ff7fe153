"""Records of Solana venues: one account of a program, one record."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xmargin import records
from xmargin.errors import ConfigError, DecodeError
from xmargin.model import ACCOUNT_RECORD, Fact, Registry, VenueRecord, VenueSpec
from xmargin.model.posted_prices import ORACLE_RECORD
from xmargin.reads import SolanaAccount, SolanaRead
from xmargin.venues.base import Unit, accounts_at
from xmargin.venues.settings import check_names

Decode = Callable[[SolanaAccount | None], object]


@dataclass(frozen=True, slots=True)
class RecordedVenue:
    """A venue whose units are ``(record, key)``, each one account of the chain.

    ``source`` says of a unit where its account lies and how it is decoded (DecodeError: there is
    no such place); ``needs`` what a record of the venue rests on. ``every_slot`` names the records
    that price.
    """

    spec: VenueSpec
    registry: Registry
    source: Callable[[VenueSpec, str, str], tuple[str, Decode]]
    needs: Callable[[VenueRecord], Sequence[Unit]]
    static_facts: Sequence[Fact] = ()
    every_slot: frozenset[str] = frozenset({ORACLE_RECORD})

    @property
    def units(self) -> Sequence[Unit]:
        """The watched accounts."""
        accounts = accounts_at(self.registry, self.spec.id)
        return tuple((ACCOUNT_RECORD, account) for account in accounts)

    def unit_read(self, unit: Unit) -> SolanaRead:
        """The read of one account: its record, or why there is none."""
        record, key = unit
        venue = self.spec.id
        try:
            address, decode = self.source(self.spec, record, key)
        except DecodeError as error:
            fault = records.market_fault(venue, record, key, error.message)
            return SolanaRead((), lambda _: [fault])

        def told(accounts: Sequence[SolanaAccount | None]) -> list[Fact]:
            try:
                return [records.market_record(venue, record, key, decode(accounts[0]))]
            except DecodeError as error:
                return [records.market_fault(venue, record, key, error.message)]

        return SolanaRead((address,), told, every_slot=record in self.every_slot)

    def rests_on(self, fact: Fact) -> Sequence[Unit]:
        """What a record of the venue needs beside itself; nothing, if it is at fault."""
        if not isinstance(fact, VenueRecord) or fact.fault:
            return ()
        return self.needs(fact)


def check_settings(spec: VenueSpec, *known: str) -> None:
    """Refuse settings that a venue's kind does not know, or that are no whole numbers.

    Raises:
        ConfigError: naming the setting.
    """
    check_names(spec, known)
    for setting in spec.settings:
        where = f"venues.{spec.id}.settings.{setting.name}"
        if not (setting.value.isascii() and setting.value.isdigit()):
            raise ConfigError(f"{where}: {setting.value!r} is no whole number", field="venues")
