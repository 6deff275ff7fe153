"""The World: what is known after applying observations in order; it rolls back on a reorg.

A chain's facts are staged until the head of their block arrives: the head is the commit mark, so
a cut of the World never mixes a block half read into the one before. Every commit is journalled,
and a reorg undoes the journal down to the common ancestor; one deeper than ``REORG_DEPTH_MAX``
forgets the chain until it is read anew.
"""

import hashlib
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from xmargin.errors import InvalidArgumentError, ObservationError
from xmargin.model import (
    REORG_DEPTH_MAX,
    AaveV3Account,
    AaveV3EMode,
    AaveV3Reserve,
    BlockRef,
    ChainHead,
    ChainId,
    ChainReorg,
    ChainStatus,
    ClockTick,
    FactorReturns,
    FactorReturnsError,
    FeedId,
    FeedRound,
    FeedSpec,
    LiquidationTerms,
    LiquidationTermsError,
    Observation,
    PriceSpec,
    Registry,
    RiskParameters,
    TokenBalance,
    TokenState,
    TokenSupply,
    VenueRecord,
    chain_of,
    check_factor_returns,
    check_liquidation_terms,
    is_wallet,
    venue_of,
)
from xmargin.oracles.bounds import bound_faults
from xmargin.oracles.history import FeedHistory, is_answer, stepped
from xmargin.wire import canonical_json

_JOURNAL_BLOCKS_MAX = REORG_DEPTH_MAX + 1  # the ancestor itself has to be there still

_PIN = "feed-pin"
_HISTORY = "feed-history"

Key = tuple[str, ...]
ChainFact = (
    FeedRound
    | FeedHistory
    | TokenState
    | TokenBalance
    | TokenSupply
    | AaveV3Reserve
    | AaveV3EMode
    | AaveV3Account
    | VenueRecord
)


def key_of(fact: ChainFact) -> Key:  # noqa: PLR0911 - one kind a line
    """What a fact is about: a later fact with the same key replaces it."""
    match fact:
        case FeedRound():
            return ("feed", fact.feed)
        case FeedHistory():
            return (_HISTORY, fact.feed)
        case TokenState():
            return ("token", fact.token)
        case TokenBalance():
            return ("balance", fact.account, fact.token)
        case TokenSupply():
            return ("supply", fact.token)
        case AaveV3Reserve():
            return ("aave-v3-reserve", fact.venue, f"{fact.reserve_id:05d}")
        case AaveV3EMode():
            return ("aave-v3-emode", fact.venue, f"{fact.category:03d}")
        case AaveV3Account():
            return ("aave-v3-account", fact.account)
        case VenueRecord():
            return ("venue-record", fact.venue, fact.record, fact.key)


@dataclass(frozen=True, slots=True)
class _Undo:
    """How to undo one block: each key with the fact that stood there before (``None``: none)."""

    block: BlockRef
    head: ChainHead
    before: tuple[tuple[Key, ChainFact | None], ...]


@dataclass(slots=True)
class ChainState:
    """What is known of one chain: its committed head, our reader's status, and the journal.

    ``read_as_watched`` is whether a head was committed since what is watched last changed.
    """

    block: BlockRef | None = None
    head: ChainHead | None = None
    status: ChainStatus | None = None
    read_as_watched: bool = False
    staged_block: BlockRef | None = None
    staged: dict[Key, ChainFact] = field(default_factory=dict)
    journal: deque[_Undo] = field(default_factory=lambda: deque(maxlen=_JOURNAL_BLOCKS_MAX))


class _Shelf:
    """The facts of one kind; what is made of all of them is made again only after a change."""

    def __init__(self) -> None:
        # Both by key in the same order, which is that of the keys unless ``_is_sorted`` says not:
        # a block changes few of many facts, and hardly ever which there are.
        self._facts: dict[Key, ChainFact] = {}
        self._digests: dict[Key, bytes] = {}
        self._is_sorted = True
        self._cut: Mapping[Key, ChainFact] | None = None
        self._digest = b""

    def get(self, key: Key) -> ChainFact | None:
        return self._facts.get(key)

    def put(self, key: Key, fact: ChainFact | None) -> None:
        """Set a fact, or remove it (``None``)."""
        if fact is None:
            self._facts.pop(key, None)
            self._digests.pop(key, None)
        else:
            self._is_sorted = self._is_sorted and key in self._facts
            self._facts[key] = fact
            self._digests[key] = hashlib.sha256(canonical_json([key, fact])).digest()
        self._cut, self._digest = None, b""

    def cut(self) -> Mapping[Key, ChainFact]:
        """All facts in key order; the same object until one changes."""
        self._sort()
        if self._cut is None:
            self._cut = MappingProxyType(self._facts.copy())
        return self._cut

    def digest(self) -> bytes:
        """SHA-256 over the facts' digests in key order; empty when there is no fact."""
        if not self._digest and self._facts:
            self._sort()
            self._digest = hashlib.sha256(b"".join(self._digests.values())).digest()
        return self._digest

    def _sort(self) -> None:
        if self._is_sorted:
            return
        in_order = sorted(self._facts)
        self._facts = {key: self._facts[key] for key in in_order}
        self._digests = {key: self._digests[key] for key in in_order}
        self._is_sorted = True


class World:
    """The state after the observations applied so far; only :meth:`apply` changes it."""

    def __init__(self) -> None:
        self.registry: Registry | None = None
        self.registry_sha256 = ""
        self.parameters: RiskParameters | None = None
        self.returns: FactorReturns | None = None
        self.returns_sha256 = ""
        self.terms = LiquidationTerms()
        self.now_ms = 0
        self.chains: dict[ChainId, ChainState] = {}
        self._shelves: dict[str, _Shelf] = {}
        self._chain_keys: dict[ChainId, set[Key]] = {}
        self._feeds: dict[FeedId, FeedSpec] = {}
        self._feeds_of: dict[ChainId, list[FeedId]] = {}
        self._windows_s: dict[str, int] = {}

    # --- Reading ------------------------------------------------------------------------------

    def facts(self, kind: str) -> Mapping[Key, ChainFact]:
        """All committed facts of one kind by key, in key order.

        The same object is returned until a fact of the kind changes, so callers may cache by
        identity.
        """
        return self._shelf(kind).cut()

    def _shelf(self, kind: str) -> _Shelf:
        return self._shelves.setdefault(kind, _Shelf())

    def _fact(self, key: Key) -> ChainFact | None:
        return self._shelf(key[0]).get(key)

    def pin(self, feed: FeedId) -> FeedRound | None:
        """The first faultless round since the feed was approved: what it must go on saying.

        It is approved by its row in the registry, and anew when its ``approval`` is raised.
        """
        fact = self._fact(self._pin_key(feed))
        return fact if isinstance(fact, FeedRound) else None

    def _pin_key(self, feed: FeedId) -> Key:
        spec = self._feeds.get(feed)
        return (_PIN, feed, str(0 if spec is None else spec.approval))

    def feed_round(self, feed: FeedId) -> FeedRound | None:
        """The newest committed round of a feed."""
        fact = self._fact(("feed", feed))
        return fact if isinstance(fact, FeedRound) else None

    def feed_history(self, feed: FeedId) -> FeedHistory | None:
        """Where the feed stood within its window; it rolls back with its chain."""
        fact = self._fact((_HISTORY, feed))
        return fact if isinstance(fact, FeedHistory) else None

    def facts_digest(self) -> bytes:
        """SHA-256 over all committed facts, kind by kind in order of the kinds' names."""
        digests = (self._shelves[kind].digest() for kind in sorted(self._shelves))
        return hashlib.sha256(b"".join(digests)).digest()

    def news(self, batch: Sequence[Observation]) -> list[Observation]:
        """The observations of ``batch`` that say anything not already known, in order.

        A batch that rolls a chain back is kept whole: what is known now may not be then.
        """
        if any(self._rolls_back(observation) for observation in batch):
            return list(batch)
        return [observation for observation in batch if self._is_news(observation)]

    def _rolls_back(self, observation: Observation) -> bool:
        state = self.chains.get(observation.chain)
        if state is None or state.block is None or observation.block is None:
            return False
        return observation.block.height <= state.block.height

    def _is_news(self, observation: Observation) -> bool:
        fact = observation.fact
        match fact:
            case Registry() | RiskParameters() | LiquidationTerms():
                return fact not in (self.registry, self.parameters, self.terms)
            case FactorReturns():
                return (fact if fact.days else None) != self.returns
            case ChainStatus():
                state = self.chains.get(observation.chain)
                return state is None or state.status != fact
            case ClockTick() | ChainHead() | ChainReorg():
                return True
            case _:
                return self._fact(key_of(fact)) != fact

    # --- Checking -----------------------------------------------------------------------------

    def check(self, batch: Sequence[Observation]) -> None:
        """Refuse a batch of which any observation cannot be applied; nothing is changed.

        Raises:
            ObservationError: an observation lacks its chain or block, or names an unknown chain;
                a registry, factor returns or liquidation terms contradict themselves.
        """
        registry = self.registry
        for observation in batch:
            match observation.fact:
                case Registry() as registry:
                    _check_registry(registry)
                case FactorReturns() as returns:
                    try:
                        check_factor_returns(returns)
                    except FactorReturnsError as fault:
                        raise ObservationError(f"FactorReturns: {fault}") from None
                case LiquidationTerms() as terms:
                    try:
                        check_liquidation_terms(terms)
                    except LiquidationTermsError as fault:
                        raise ObservationError(f"LiquidationTerms: {fault}") from None
                case RiskParameters() | ClockTick():
                    pass
                case _:
                    _check_chain(observation, registry)

    # --- Applying -----------------------------------------------------------------------------

    def apply(self, observation: Observation) -> bool:
        """Apply one checked observation; whether a new view is due."""
        self.now_ms = max(self.now_ms, observation.observed_at_ms)
        fact = observation.fact
        match fact:
            case Registry():
                if fact != self.registry:
                    for state in self.chains.values():
                        state.read_as_watched = False
                self.registry = fact
                self.registry_sha256 = hashlib.sha256(canonical_json(fact)).hexdigest()
                self._index_feeds(fact)
            case RiskParameters():
                self.parameters = fact
            case FactorReturns():
                self.returns = fact if fact.days else None
                content = canonical_json(fact) if fact.days else b""
                self.returns_sha256 = hashlib.sha256(content).hexdigest() if content else ""
            case LiquidationTerms():
                self.terms = fact
            case ClockTick():
                pass
            case ChainStatus():
                self._state(observation.chain).status = fact
            case ChainReorg():
                self._roll_back(observation.chain, _block(observation))
            case ChainHead():
                self._commit(observation.chain, _block(observation), fact)
            case _:
                self._stage(observation.chain, _block(observation), fact)
                return False
        return True

    def _index_feeds(self, registry: Registry) -> None:
        self._feeds = {spec.id: spec for spec in registry.feeds}
        self._feeds_of = {}
        for feed in self._feeds:
            self._feeds_of.setdefault(chain_of(feed), []).append(feed)
        self._windows_s = {spec.base: spec.jump_window_s for spec in registry.prices}

    def _state(self, chain: ChainId) -> ChainState:
        return self.chains.setdefault(chain, ChainState())

    def _stage(self, chain: ChainId, block: BlockRef, fact: ChainFact) -> None:
        state = self._state(chain)
        if state.staged_block != block:
            state.staged.clear()
            state.staged_block = block
        state.staged[key_of(fact)] = fact

    def _commit(self, chain: ChainId, block: BlockRef, head: ChainHead) -> None:
        staged = self._take_staged(chain, block)
        state = self._state(chain)
        if state.block is not None and block.height <= state.block.height and block != state.block:
            # A reader that starts again does not know what it saw before: the chain may have
            # reorganised in between. Whatever stood at or above this height is not on it.
            self._undo_above(chain, block.height - 1)
            state = self._state(chain)
        changed = {key: fact for key, fact in staged.items() if self._fact(key) != fact}
        changed.update(self._histories(changed, block))
        changed.update(self._new_pins(chain, staged))
        before = tuple((key, self._put(chain, key, fact)) for key, fact in changed.items())
        state.journal.append(_Undo(block, head, before))
        state.block, state.head, state.read_as_watched = block, head, True

    def _histories(self, changed: Mapping[Key, ChainFact], block: BlockRef) -> dict[Key, ChainFact]:
        """The histories that move on, as these rounds replace the committed ones at ``block``."""
        moved: dict[Key, ChainFact] = {}
        for fact in changed.values():
            spec = self._feeds.get(fact.feed) if isinstance(fact, FeedRound) else None
            if spec is None or not isinstance(fact, FeedRound) or not is_answer(fact):
                continue
            window_s = self._windows_s.get(spec.base, PriceSpec(spec.base).jump_window_s)
            known = self.feed_history(fact.feed)
            history = stepped(known, self.feed_round(fact.feed), fact, block.time_s, window_s)
            if history is not known:
                moved[key_of(history)] = history
        return moved

    def _new_pins(self, chain: ChainId, staged: Mapping[Key, ChainFact]) -> dict[Key, ChainFact]:
        """The rounds that feeds without a pin are approved by: known ones too, told or not."""
        pins: dict[Key, ChainFact] = {}
        for feed in self._feeds_of.get(chain, ()):
            pin = self._pin_key(feed)
            if self._fact(pin) is None:
                fact = staged.get(("feed", feed), self._fact(("feed", feed)))
                if isinstance(fact, FeedRound) and not fact.fault:
                    pins[pin] = fact
        return pins

    def _take_staged(self, chain: ChainId, block: BlockRef) -> dict[Key, ChainFact]:
        """The facts staged for ``block``; those of a block whose head never came are dropped."""
        state = self._state(chain)
        staged = state.staged if state.staged_block == block else {}
        state.staged, state.staged_block = {}, None
        return staged

    def _put(self, chain: ChainId, key: Key, fact: ChainFact | None) -> ChainFact | None:
        """Set or (``None``) remove a fact; the fact that stood there before."""
        before = self._fact(key)
        self._shelf(key[0]).put(key, fact)
        keys = self._chain_keys.setdefault(chain, set())
        keys.add(key) if fact is not None else keys.discard(key)
        return before

    # --- Rolling back -------------------------------------------------------------------------

    def _roll_back(self, chain: ChainId, ancestor: BlockRef) -> None:
        self._undo_above(chain, ancestor.height)
        block = self._state(chain).block
        if block is not None and block.height == ancestor.height and block.hash != ancestor.hash:
            self._forget(chain)

    def _undo_above(self, chain: ChainId, height: int) -> None:
        state = self._state(chain)
        state.staged, state.staged_block = {}, None
        pins = self._pins_of(chain)
        while state.journal and state.journal[-1].block.height > height:
            for key, before in reversed(state.journal.pop().before):
                self._put(chain, key, before)
        if not state.journal:
            # Deeper than the journal: what is left may hold facts of abandoned blocks.
            self._forget(chain)
            for key, pin in pins.items():
                self._put(chain, key, pin)
            return
        state.block, state.head = state.journal[-1].block, state.journal[-1].head

    def _pins_of(self, chain: ChainId) -> dict[Key, ChainFact]:
        keys = sorted(key for key in self._chain_keys.get(chain, ()) if key[0] == _PIN)
        return {key: fact for key in keys if (fact := self._fact(key)) is not None}

    def _forget(self, chain: ChainId) -> None:
        """Forget all facts of a chain; what its feeds must go on saying stays pinned."""
        for key in sorted(self._chain_keys.get(chain, ())):
            if key[0] != _PIN:
                self._put(chain, key, None)
        status = self._state(chain).status
        self.chains[chain] = ChainState(status=status)


def _check_registry(registry: Registry) -> None:
    """Refuse what no configuration makes: a registry from elsewhere must hold together too."""
    chains = {chain.id for chain in registry.chains}
    venues = {venue.id for venue in registry.venues}
    accounts = [account for portfolio in registry.portfolios for account in portfolio.accounts]
    listed = (registry.chains, registry.tokens, registry.feeds, registry.venues)
    ids = [spec.id for specs in listed for spec in specs] + accounts
    ids_and_portfolios = ids + [f"portfolio {portfolio.id}" for portfolio in registry.portfolios]
    ids_and_portfolios += [f"price {spec.base}" for spec in registry.prices]
    twice = [one for one, count in Counter(ids_and_portfolios).items() if count > 1]
    if twice:
        raise ObservationError(f"Registry: {min(twice)} stands there twice; keep one")
    for one in ids:
        try:
            known = chain_of(one) in chains
        except InvalidArgumentError as error:
            raise ObservationError(f"Registry: {error.message}") from None
        if not known:
            raise ObservationError(f"Registry: the chain of {one} is not among its chains")
    tokens = {token.id for token in registry.tokens}
    for spec in registry.supplies:
        for token in (spec.token, spec.locked):
            if token and token not in tokens:
                raise ObservationError(f"Registry: {token} of a supply is not among its tokens")
        if bool(spec.escrow) is not bool(spec.locked):
            raise ObservationError(f"Registry: {spec.token}: give escrow and locked, or neither")
    for fault in bound_faults(registry):
        raise ObservationError(f"Registry: {fault}")
    for account in accounts:
        if not is_wallet(account) and venue_of(account) not in venues:
            raise ObservationError(f"Registry: the venue of {account} is not among its venues")


def _check_chain(observation: Observation, registry: Registry | None) -> None:
    if registry is None:
        raise ObservationError("no Registry yet: the first observation must be the Registry")
    if all(chain.id != observation.chain for chain in registry.chains):
        raise ObservationError(
            f"{observation.chain or '(no chain)'} is not in the Registry; add it to [[chains]]"
        )
    if observation.block is None and not isinstance(observation.fact, ChainStatus):
        kind = type(observation.fact).__name__
        raise ObservationError(f"{kind} on {observation.chain} names no block; give its block")
    if isinstance(observation.fact, ChainFact):
        _check_subject(observation.chain, key_of(observation.fact)[1])


def _check_subject(chain: ChainId, subject: str) -> None:
    """What is told on a chain rolls back with it, so it must be of that chain."""
    try:
        is_of_chain = chain_of(subject) == chain
    except InvalidArgumentError as error:
        raise ObservationError(error.message) from None
    if not is_of_chain:
        raise ObservationError(f"{subject} is told on {chain}; tell it on its own chain")


def _block(observation: Observation) -> BlockRef:
    if observation.block is None:
        raise ObservationError(f"{type(observation.fact).__name__} names no block")
    return observation.block
