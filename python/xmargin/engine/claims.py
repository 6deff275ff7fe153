"""What holdings come to when every claim is followed to what it stands for, each leaf once.

A claim is an edge from a token to its underlying at a rate; leaves are tokens without one. A claim
that leads back to itself stands for nothing: it is at fault, and so are claims on it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Final, Protocol

from xmargin import records
from xmargin.errors import DecodeError
from xmargin.model import AccountId, TokenId, TokenState, VenueRecord
from xmargin.model.claims import CLAIM_RECORD, TokenClaim


@dataclass(frozen=True, slots=True)
class Leaf:
    """Where a claim leads: the rate of each step, and who holds what stands behind it there."""

    token: TokenId
    rates: tuple[Fraction, ...]
    custodians: tuple[str, ...]

    def units(self, amount: int) -> int:
        """Of an amount owned (each step rounded down) or, negative, owed (up in size).

        No contract converts to more than 256 bits: beyond, what is owned is nothing, and what is
        owed is the most that can be.
        """
        for rate in self.rates:
            amount = amount * rate.numerator // rate.denominator
            if amount.bit_length() > UNITS_BITS_MAX:
                amount = 0 if amount > 0 else 1 - 2**UNITS_BITS_MAX
        return amount


@dataclass(frozen=True, slots=True)
class ClaimGraph:
    """Every claim by its token: its leaf, or why it has none."""

    leaves: Mapping[TokenId, Leaf]
    faults: Mapping[TokenId, str]

    @property
    def tokens(self) -> frozenset[TokenId]:
        """All leaves."""
        return frozenset(leaf.token for leaf in self.leaves.values())

    def followed(
        self,
        tokens: Sequence[TokenId],
        amounts: Sequence[int],
        owners: Sequence[AccountId],
        rows: "Beside",
        looked_through: list[bool],
    ) -> list[tuple[int, TokenId, int]]:
        """The leaves that count for holdings that are claims: place of the holding, token, amount.

        Marks in ``looked_through`` what is counted so, or by a watched custodian of the same
        portfolio; amounts below zero are owed.
        """
        found = []
        for place, token in enumerate(tokens if self.leaves else ()):
            leaf = self.leaves.get(token)
            if leaf is None or looked_through[place]:
                continue
            beside = rows.watched_beside[owners[place]]
            is_elsewhere = any(custodian in beside for custodian in leaf.custodians)
            looked_through[place] = is_elsewhere or leaf.token != token
            units = leaf.units(amounts[place])
            if units and looked_through[place] and not is_elsewhere:
                found.append((place, leaf.token, units))
        return found

    def stated(self, states: Iterable[TokenState]) -> list[TokenState]:
        """What tokens say of themselves, those at fault whose claim is."""
        faults = self.faults
        if not faults:
            return list(states)
        return [replace(s, fault=s.fault or faults.get(s.token, "")) for s in states]


class Beside(Protocol):
    """Who is watched together."""

    @property
    def watched_beside(self) -> Mapping[AccountId, frozenset[str]]:
        """Of every account, whose accounts its portfolio has, as custodians are written."""
        ...


_SHOWN_MAX: Final = 240
UNITS_BITS_MAX: Final = 256
STEPS_MAX: Final = 16
"""Real claims lead two or three steps; more are not followed, so that none costs much to follow."""

RATE_BITS_MAX: Final = 128
"""No unit stands for more than this many bits of units."""

NO_CLAIMS: Final = ClaimGraph(MappingProxyType({}), MappingProxyType({}))


def claim_graph(facts: Iterable[VenueRecord]) -> ClaimGraph:
    """The graph of all claims that were read."""
    claims: dict[TokenId, TokenClaim] = {}
    faults: dict[TokenId, str] = {}
    for fact in facts:
        if fact.record != CLAIM_RECORD:
            continue
        try:
            claims[fact.key] = records.read(fact, TokenClaim)
        except DecodeError as error:
            faults[fact.key] = f"what it stands for: {error.message}"
    if not claims and not faults:
        return NO_CLAIMS
    leaves: dict[TokenId, Leaf] = {}
    for token in claims:
        found = _leaf(token, claims, faults)
        if isinstance(found, Leaf):
            leaves[token] = found
        else:
            faults[token] = found
    return ClaimGraph(MappingProxyType(leaves), MappingProxyType(faults))


def _is_rate(claim: TokenClaim) -> bool:
    bits = (claim.assets.bit_length(), claim.shares.bit_length())
    if claim.shares <= 0 or claim.assets < 0 or max(bits) > UNITS_BITS_MAX:
        return False
    return claim.assets // claim.shares < (1 << RATE_BITS_MAX)


def _leaf(
    token: TokenId, claims: Mapping[TokenId, TokenClaim], faults: Mapping[TokenId, str]
) -> Leaf | str:
    """Where a claim leads, or why it leads nowhere."""
    at = token
    path: list[TokenId] = []
    rates: list[Fraction] = []
    custodians: list[str] = []
    while (claim := claims.get(at)) is not None:
        if at in path:
            return f"its claim leads back to itself: {' -> '.join([*path, at])}"
        if len(path) == STEPS_MAX:
            return f"its claim leads more than {STEPS_MAX} steps, by way of {at}"
        if not _is_rate(claim):
            return f"{at} says that {claim.shares} units stand for {claim.assets}"[:_SHOWN_MAX]
        path.append(at)
        custodians.append(claim.custodian)
        if claim.kept:
            return Leaf(at, tuple(rates), tuple(custodians))
        rates.append(Fraction(claim.assets, claim.shares))
        at = claim.underlying
    if at in faults:
        return f"it stands for {at}: {faults[at]}"
    return Leaf(at, tuple(rates), tuple(custodians))
