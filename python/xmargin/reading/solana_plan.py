"""What to read of a Solana chain at the next slot: what prices, what changed, what is stalest."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from xmargin.chains.solana.accounts import ADDRESSES_PER_CALL_MAX, Accounts
from xmargin.errors import ConfigError
from xmargin.model import ChainId, Fact, Registry, chain_of
from xmargin.reading.feeds import solana_feed_read
from xmargin.reads import SolanaRead
from xmargin.venues import solana_wallet

SWEEP_CALLS: Final = 2
"""Account batches a slot while changes are announced: with what is due, the stalest fill them."""

CALLS_MAX: Final = 8
"""Account batches a slot at most: at the start, or while no changes are announced."""

Batch = tuple[int, ...]
"""Units that are read in one call."""


class SolanaPlan:
    """All reads of a chain as units, and which of them are due.

    Feeds are due at every slot. Every other unit is due when it was never read, when its account
    may have changed, and in its turn: the stalest fill up the calls that are made anyway, so that
    everything is read again every ``units / (SWEEP_CALLS × 99)`` slots whatever was announced.
    Times are of a monotonic clock.
    """

    def __init__(self, chain: ChainId, registry: Registry) -> None:
        """Plan what ``registry`` names on the chain.

        Raises:
            ConfigError: a feed or venue is of a kind that there is not on Solana.
        """
        _require_known_venues(chain, registry)
        feeds = [solana_feed_read(feed) for feed in registry.feeds if chain_of(feed.id) == chain]
        mints = solana_wallet.token_reads(registry, chain)
        balances = solana_wallet.balance_reads(registry, chain)
        self._reads = [*(_askable(read) for read in (*feeds, *mints)), *balances]
        self._feeds = range(len(feeds))
        asked = [unit for unit, read in enumerate(self._reads) if read.addresses]
        unasked = [read for read in self._reads if not read.addresses]
        self.static_facts: tuple[Fact, ...] = (
            *solana_wallet.native_facts(registry, chain),
            *(fact for read in unasked for fact in read.decode(())),
        )
        self._units = frozenset(asked)
        self._units_by_address = self._by_address(range(len(feeds) + len(mints), len(self._reads)))
        self._told_at_s = dict.fromkeys(asked, 0.0)
        self._unread = set(asked)
        self._due = set(asked)

    def _by_address(self, units: Iterable[int]) -> dict[str, list[int]]:
        by_address: dict[str, list[int]] = {}
        for unit in units:
            for address in self._reads[unit].addresses:
                by_address.setdefault(address, []).append(unit)
        return by_address

    @property
    def addresses_to_watch(self) -> Sequence[str]:
        """Accounts whose changes must be announced: none if all are read at every slot anyway.

        A mint's decimals never change, though its supply does all the time.
        """
        if len(self._units) <= SWEEP_CALLS * ADDRESSES_PER_CALL_MAX:
            return ()
        return tuple(self._units_by_address)

    @property
    def units(self) -> int:
        """How many there are."""
        return len(self._units)

    def forget(self) -> None:
        """Everything is to be read anew."""
        self._unread, self._due = set(self._units), set(self._units)

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
        first = [unit for unit in self._feeds if unit in self._units]
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


def _require_known_venues(chain: ChainId, registry: Registry) -> None:
    for venue in registry.venues:
        if chain_of(venue.id) == chain and venue.kind != solana_wallet.KIND:
            raise ConfigError(
                f"venues.{venue.id}.kind: no venue kind {venue.kind!r} on a Solana chain; "
                f"use {solana_wallet.KIND}",
                field="venues",
            )


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
