"""Where accounts stand at venues with a rule of their own, kept while nothing it rests on moves."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Final

from xmargin import records
from xmargin.engine.faults import NOT_READ
from xmargin.engine.venue_rules import rule_of
from xmargin.errors import DecodeError, InvalidArgumentError, XmarginError
from xmargin.model import (
    AccountId,
    BlockRef,
    JudgedPrice,
    Registry,
    TokenId,
    TokenSpec,
    VenueId,
    VenueRecord,
    VenueSpec,
    chain_of,
    parse_token_id,
    venue_of,
)
from xmargin.model.standings import HELD_RECORD, HeldLegs, VenueCase, VenueLeg, VenueStanding
from xmargin.snapshot import Snapshot
from xmargin.world import ChainFact, Key

log = logging.getLogger(__name__)

INDEXED_KINDS: Final = frozenset({"aave-v3"})
"""Venue kinds whose accounts the core takes as tables."""

DECIMALS_MAX: Final = 36
"""More decimals than this no venue's unit has."""

_AMOUNT_BITS_MAX: Final = 256
_AMOUNTS: Final = ("collateral", "debt", "counted", "requirement", "available")

Standings = Mapping[AccountId, VenueStanding]


@dataclass(frozen=True, slots=True)
class _Judged:
    """A venue's standings, and all that they rest on."""

    case: VenueCase
    worth: tuple[object, ...]
    standings: Standings


class StandingBook:
    """The standings of a snapshot's venue accounts; the same object until one is other."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._registry: Registry | None = None
        self._venues: dict[VenueId, tuple[AccountId, ...]] = {}
        self._tokens: Mapping[TokenId, TokenSpec] = {}
        self._facts: Mapping[Key, ChainFact] = {}
        self._records: dict[VenueId, dict[tuple[str, str], VenueRecord]] = {}
        self._judged: dict[VenueId, _Judged] = {}
        self._all: Standings = MappingProxyType({})

    def of(self, snapshot: Snapshot) -> Standings:
        """Every watched account at a venue with a rule of its own, by id."""
        self._watch(snapshot.registry)
        self._group(snapshot.facts["venue-record"])
        blocks = {chain.chain: chain.block for chain in snapshot.chains}
        specs = {spec.id: spec for spec in snapshot.registry.venues}
        judged = {
            venue: self._judge(specs[venue], blocks[chain_of(venue)], snapshot.prices)
            for venue in self._venues
        }
        if judged.keys() != self._judged.keys() or any(
            judged[venue].standings is not self._judged[venue].standings for venue in judged
        ):
            every = {id_: one for each in judged.values() for id_, one in each.standings.items()}
            self._all = MappingProxyType(every)
        self._judged = judged
        return self._all

    def _watch(self, registry: Registry) -> None:
        if registry is self._registry:
            return
        self._registry = registry
        self._tokens = MappingProxyType({token.id: token for token in registry.tokens})
        ruled = {spec.id for spec in registry.venues if spec.kind not in INDEXED_KINDS | {"wallet"}}
        accounts = (account for spec in registry.portfolios for account in spec.accounts)
        watched: dict[VenueId, list[AccountId]] = {}
        for account in sorted(accounts):
            if venue_of(account) in ruled:
                watched.setdefault(venue_of(account), []).append(account)
        self._venues = {venue: tuple(held) for venue, held in sorted(watched.items())}

    def _group(self, facts: Mapping[Key, ChainFact]) -> None:
        if facts is self._facts:
            return
        self._facts = facts
        grouped: dict[VenueId, dict[tuple[str, str], VenueRecord]] = {}
        for fact in facts.values():
            if isinstance(fact, VenueRecord):
                grouped.setdefault(fact.venue, {})[fact.record, fact.key] = fact
        # The very same records are kept, so that a venue at rest is seen to be.
        self._records = {
            venue: before if (before := self._records.get(venue)) == records else records
            for venue, records in grouped.items()
        }

    def _judge(
        self, spec: VenueSpec, block: BlockRef | None, prices: Mapping[str, JudgedPrice]
    ) -> _Judged:
        case = VenueCase(
            venue=spec,
            accounts=self._venues[spec.id],
            records=self._records.get(spec.id, {}),
            prices=prices,
            tokens=self._tokens,
            block=BlockRef(0, "", "", 0) if block is None else block,
        )
        worth = tuple((p.base, p.verdict, p.mark, p.low, p.high) for p in prices.values())
        known = self._judged.get(spec.id)
        if known is not None and worth == known.worth and _rest_on_the_same(case, known.case):
            return known
        standings = _standings(case)
        if known is not None and standings == known.standings:
            standings = known.standings
        return _Judged(case, worth, standings)


def _rest_on_the_same(one: VenueCase, other: VenueCase) -> bool:
    """But for the block's name: interest grows by its time."""
    return (
        one.records is other.records
        and one.accounts is other.accounts
        and one.tokens is other.tokens
        and one.venue == other.venue
        and one.block.time_s == other.block.time_s
    )


def _standings(case: VenueCase) -> Standings:
    """By the venue's rule; a rule that fails costs its venue its figures, and no other."""
    held = {a: record for a in case.accounts if (record := case.records.get((HELD_RECORD, a)))}
    ruled = replace(case, accounts=tuple(a for a in case.accounts if a not in held))
    found = {account: _held(record) for account, record in held.items()}
    if ruled.accounts:
        found |= _by_rule(ruled)
    return MappingProxyType({account: found[account] for account in case.accounts})


def _held(record: VenueRecord) -> VenueStanding:
    try:
        return _checked(VenueStanding.held(records.read(record, HeldLegs).legs), NOT_READ)
    except DecodeError as error:
        return VenueStanding.at_fault(error.message)


def _by_rule(case: VenueCase) -> Standings:
    try:
        rule = rule_of(case.venue.kind)
        found = {} if rule is None else dict(rule(case))
        absent = NOT_READ if rule is not None else f"no rule for venues of kind {case.venue.kind!r}"
        return {account: _checked(found.get(account), absent) for account in case.accounts}
    except XmarginError as error:
        fault = error.message
    except Exception as error:  # the rule may be another's: it must not end the service
        log.exception("the rule of %s failed", case.venue.id)
        fault = f"its rule failed: {type(error).__name__}: {error}"
    return dict.fromkeys(case.accounts, VenueStanding.at_fault(fault))


def _checked(standing: object, absent: str) -> VenueStanding:
    """A standing that says what its type says, in amounts that the core can hold."""
    if standing is None:
        return VenueStanding.at_fault(absent)
    if not isinstance(standing, VenueStanding):
        return VenueStanding.at_fault(f"its rule gave a {type(standing).__name__} for a standing")
    if standing.fault:
        return VenueStanding.at_fault(str(standing.fault))
    wrong = tuple(_wrong(standing))
    return VenueStanding.at_fault(f"its rule gave {'; '.join(wrong)}") if wrong else standing


def _wrong(standing: VenueStanding) -> Iterator[str]:
    """What of a standing cannot be: the rule may be another's, whose types are only promised."""
    given: dict[str, Any] = {f.name: getattr(standing, f.name) for f in fields(standing)}
    wad, legs = given["health_factor_wad"], given["legs"]
    for name in _AMOUNTS:
        if not _is_amount(given[name]):
            yield f"no {name}"
    if not (type(given["decimals"]) is int and 0 <= given["decimals"] <= DECIMALS_MAX):
        yield "no decimals"
    if not (wad is None or (_is_amount(wad) and wad >= 0)):
        yield "no health factor"
    if type(given["is_liquidatable"]) is not bool or type(given["unit"]) is not str:
        yield "no status or unit"
    if type(legs) is not tuple or not all(map(_is_leg, legs)):
        yield "legs that are none"


def _is_amount(value: object) -> bool:
    return type(value) is int and abs(value).bit_length() <= _AMOUNT_BITS_MAX


def _is_leg(leg: Any) -> bool:
    if type(leg) is not VenueLeg or not _is_amount(leg.amount):
        return False
    try:
        return parse_token_id(str(leg.token)) == leg.token
    except InvalidArgumentError:
        return False
