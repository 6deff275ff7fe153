"""What to read of a Solana chain at the next slot: what prices, what changed, what is stalest."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from xmargin.chains.solana.accounts import ADDRESSES_PER_CALL_MAX, Accounts
from xmargin.errors import ConfigError
from xmargin.model import (
    ChainId,
    Fact,
    Registry,
    VenueId,
    VenueRecord,
    VenueSpec,
    chain_of,
)
from xmargin.reading.feeds import solana_feed_read
from xmargin.reads import SolanaRead
from xmargin.venues import solana_wallet
from xmargin.venues.base import SolanaVenue, Unit
from xmargin.venues.solana import venue_kind, venue_kinds

SWEEP_CALLS: Final = 2
"""Account batches a slot while changes are announced: with what is due, the stalest fill them."""

CALLS_MAX: Final = 8
"""Account batches a slot at most: at the start, or while no changes are announced."""

UNITS_MAX: Final = 100_000
"""Units of venues at most: an account that rests on more than these stays unread."""

Batch = tuple[int, ...]
"""Units that are read in one call."""


class SolanaPlan:
    """All reads of a chain as units, and which of them are due.

    What an account turns out to rest on joins as it is found. What prices is due at every slot.
    Every other unit is due when it was never read, when its account
    may have changed, and in its turn: the stalest fill up the calls that are made anyway, so that
    everything is read again every ``units / (SWEEP_CALLS × 99)`` slots whatever was announced.
    Times are of a monotonic clock.
    """

    def __init__(self, chain: ChainId, registry: Registry) -> None:
        """Plan what ``registry`` names on the chain.

        Raises:
            ConfigError: a feed or venue is of a kind that there is not on Solana.
        """
        self._venues = _venues(chain, registry)
        self._known: set[tuple[VenueId, Unit]] = set()
        self._reads: list[SolanaRead] = []
        self._every_slot: list[int] = []
        self._units_by_address: dict[str, list[int]] = {}
        self._told_at_s: dict[int, float] = {}
        self._unread: set[int] = set()
        self._due: set[int] = set()
        self.static_facts: tuple[Fact, ...] = tuple(
            fact for venue in self._venues.values() for fact in venue.static_facts
        )
        for feed in registry.feeds:
            if chain_of(feed.id) == chain:
                self._add(replace(solana_feed_read(feed), every_slot=True))
        for name, venue in self._venues.items():
            for unit in venue.units:
                self._add_of(name, unit)
        self._unread = set(self._told_at_s)

    def _add(self, read: SolanaRead) -> None:
        """One more unit; what cannot be asked for is told as it is."""
        read = _askable(read)
        if not read.addresses:
            self.static_facts += tuple(read.decode(()))
            return
        unit = len(self._reads)
        self._reads.append(read)
        if read.every_slot:
            self._every_slot.append(unit)
        elif read.announced:
            for address in read.addresses:
                self._units_by_address.setdefault(address, []).append(unit)
        # It is no older than the freshest, so that nobody is called late for it.
        self._told_at_s[unit] = next(reversed(self._told_at_s.values()), 0.0)
        self._due.add(unit)
        if self._unread:
            self._unread.add(unit)

    def _add_of(self, venue: VenueId, unit: Unit) -> None:
        if (venue, unit) not in self._known and len(self._known) < UNITS_MAX:
            self._known.add((venue, unit))
            self._add(self._venues[venue].unit_read(unit))

    def _add_what_rests_below(self, facts: Iterable[Fact]) -> None:
        """What was read may rest on more, which joins at the next slot."""
        for fact in facts:
            if isinstance(fact, VenueRecord) and fact.venue in self._venues:
                for unit in self._venues[fact.venue].rests_on(fact):
                    self._add_of(fact.venue, unit)

    @property
    def addresses_to_watch(self) -> Sequence[str]:
        """Accounts whose changes must be announced: none if all are read at every slot anyway."""
        if self.units <= SWEEP_CALLS * ADDRESSES_PER_CALL_MAX:
            return ()
        return tuple(self._units_by_address)

    @property
    def units(self) -> int:
        """How many there are."""
        return len(self._reads)

    def forget(self) -> None:
        """Everything is to be read anew."""
        self._unread, self._due = set(self._told_at_s), set(self._told_at_s)

    def touch(self, addresses: Iterable[str]) -> None:
        """These accounts may have changed."""
        for address in addresses:
            self._due.update(self._units_by_address.get(address, ()))

    # --- One slot ---------------------------------------------------------------------------

    def take_batches(self, *, announced: bool) -> list[Batch]:
        """What to read now: at least one batch, which may be empty. :meth:`settle` must follow.

        ``announced`` says that changes are announced, so that a sweep may take its time.
        """
        calls = SWEEP_CALLS if announced else CALLS_MAX
        first = self._every_slot
        due = sorted(self._due.difference(first))
        chosen = (first + due)[: CALLS_MAX * ADDRESSES_PER_CALL_MAX]
        room = calls * ADDRESSES_PER_CALL_MAX - len(chosen)
        chosen += self._stalest(room, frozenset(chosen))
        self._due.difference_update(chosen)
        return list(self._packed(chosen)) or [()]

    def _stalest(self, count: int, but: frozenset[int]) -> list[int]:
        rest = (unit for unit in self._told_at_s if unit not in but)
        return [unit for unit, _ in zip(rest, range(count), strict=False)]

    def _packed(self, units: Iterable[int]) -> Iterator[Batch]:
        """Units in batches, none of them split."""
        batch: list[int] = []
        size = 0
        for unit in units:
            addresses = len(self._reads[unit].addresses)
            if batch and size + addresses > ADDRESSES_PER_CALL_MAX:
                yield tuple(batch)
                batch, size = [], 0
            batch.append(unit)
            size += addresses
        if batch:
            yield tuple(batch)

    def addresses(self, batch: Batch) -> list[str]:
        """The accounts of a batch, in order."""
        return [address for unit in batch for address in self._reads[unit].addresses]

    def decode(self, batch: Batch, answer: Accounts) -> list[Fact]:
        """The facts of a batch."""
        accounts = iter(answer.accounts)
        facts: list[Fact] = []
        for unit in batch:
            read = self._reads[unit]
            facts += read.decode([next(accounts) for _ in read.addresses])
        self._add_what_rests_below(facts)
        return facts

    def settle(self, asked: Iterable[Batch], told: Iterable[Batch], now_s: float) -> None:
        """Of the batches asked these were told: they are the freshest now, the rest is due."""
        for batch in asked:
            self._due.update(batch)
        for batch in told:
            for unit in batch:
                del self._told_at_s[unit]
                self._told_at_s[unit] = now_s
            self._due.difference_update(batch)
            self._unread.difference_update(batch)

    def unread_after(self, told: Iterable[Batch]) -> int:
        """How many units will not have been read since :meth:`forget` once these are told."""
        return len(self._unread.difference(*told))

    def stalest_after(self, told: Iterable[Batch], now_s: float) -> float:
        """How long ago, in seconds, the stalest unit was told once these are."""
        fresh = {unit for batch in told for unit in batch}
        times_s = (time_s for unit, time_s in self._told_at_s.items() if unit not in fresh)
        return now_s - next(times_s, now_s)


def _venues(chain: ChainId, registry: Registry) -> dict[VenueId, SolanaVenue]:
    """The chain's wallets, which need no configuration, and its configured venues."""
    specs = {spec.id: spec for spec in registry.venues if chain_of(spec.id) == chain}
    wallets = f"{solana_wallet.KIND}@{chain}"
    specs.setdefault(wallets, VenueSpec(wallets, solana_wallet.KIND))
    return {spec.id: _venue(spec, registry) for _, spec in sorted(specs.items())}


def _venue(spec: VenueSpec, registry: Registry) -> SolanaVenue:
    kind = venue_kind(spec.kind)
    if kind is None:
        raise ConfigError(
            f"venues.{spec.id}.kind: no venue kind {spec.kind!r} on a Solana chain; "
            f"use one of {', '.join(venue_kinds())}",
            field="venues",
        )
    return kind.watch(spec, registry)


def _askable(read: SolanaRead) -> SolanaRead:
    """``read``, without its addresses if one is no key: a node would refuse the whole batch."""
    from solders.pubkey import Pubkey

    try:
        for address in read.addresses:
            Pubkey.from_string(address)
    except ValueError:
        absent = [None] * len(read.addresses)
        return SolanaRead((), lambda _: read.decode(absent))
    return read
