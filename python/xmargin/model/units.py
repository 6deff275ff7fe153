"""In what prices are quoted, and which of that goes round in a circle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xmargin.model.registry import FeedSpec, PriceSpec

UNIT: Final = "USD"
"""The one unit prices are served in; a quote in another unit is converted by its own price."""


@dataclass(frozen=True, slots=True)
class Units:
    """The bases that the price of one is made of, and those made of itself in turn."""

    straight: frozenset[str] = frozenset()
    circular: frozenset[str] = frozenset()


def units_of(feeds: Sequence[FeedSpec], prices: Sequence[PriceSpec]) -> dict[str, Units]:
    """By base, in what it is quoted or pegged, but for the unit of all prices."""
    named: dict[str, set[str]] = {feed.base: set() for feed in feeds}
    for feed in feeds:
        named[feed.base].add(feed.quote)
    for spec in prices:
        if spec.base in named and spec.peg:
            named[spec.base].add(spec.peg)
    return {base: _split(base, units - {UNIT}, named) for base, units in named.items()}


def _split(base: str, units: set[str], named: Mapping[str, set[str]]) -> Units:
    if not units:
        return Units()
    circular = frozenset(unit for unit in units if base in _reachable(named, unit))
    return Units(frozenset(units) - circular, circular)


def _reachable(named: Mapping[str, set[str]], start: str) -> set[str]:
    """``start`` and all that its price is made of."""
    found, ahead = {start}, [start]
    while ahead:
        fresh = named.get(ahead.pop(), set()) - found
        found |= fresh
        ahead += sorted(fresh)
    return found
