"""What a guard finds: which guard, how bad, and why in words."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from xmargin.model import Verdict, worst


class Guard(StrEnum):
    """The guards by name, as ``JudgedQuote.guards`` and ``JudgedPrice.guards`` carry them."""

    READ = "read"  # a round was read
    CHAIN = "chain"  # its chain can be read again
    FAULT = "fault"  # it could be decoded
    NUMBER = "number"  # positive, believable scale
    CONFIDENCE = "confidence"
    DATE = "date"  # dated, and not from the future
    FRESHNESS = "freshness"
    IDENTITY = "identity"  # same decimals, description and source as approved: quarantine
    VERIFICATION = "verification"
    FEED_BOUNDS = "feed-bounds"
    LIQUIDITY = "liquidity"
    RATE_CAP = "rate-cap"
    UNIT = "unit"  # converted by an accepted price of its unit
    PRICE_BOUNDS = "price-bounds"
    SOURCES = "sources"  # enough independent origins
    ORIGIN = "origin"  # feeds of one origin are one source
    SPOT = "spot"  # what one pool pays now is no source
    AGREEMENT = "agreement"
    RATE = "rate"  # min of market and rate × base; they may not part
    JUMP = "jump"
    PEG = "peg"
    SUPPLY = "supply"  # no more of it than was approved, nor than what stands behind it


class Finding(NamedTuple):
    """One guard's word; the worst verdict of all findings stands."""

    guard: Guard
    verdict: Verdict
    reason: str


Guards: TypeAlias = frozenset[Guard]
NONE: Final[Guards] = frozenset()


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """The worst of them; OK when there is none."""
    return worst(*(finding.verdict for finding in findings))
