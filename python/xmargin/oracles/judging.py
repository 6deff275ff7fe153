"""All prices of a registry: each base once, after those that its quotes come in."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from xmargin.model import FeedSpec, JudgedPrice, JudgedQuote, PriceSpec, Registry
from xmargin.model.units import Units, units_of
from xmargin.oracles.findings import NONE, Guard, Guards
from xmargin.oracles.guards import FeedCase, QuoteTerms, judge_quote
from xmargin.oracles.prices import PriceTerms, judge_price, moved, refuse
from xmargin.oracles.supply import held


def judge_prices(
    registry: Registry,
    case_of: Callable[[FeedSpec], FeedCase],
    now_ms: int,
    without: Guards = NONE,
    supply_doubts: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> dict[str, JudgedPrice]:
    """The price of every base that a feed quotes, by base in order.

    ``supply_doubts`` say by base of what there is too much.
    """
    specs = {spec.base: spec for spec in registry.prices}
    quotes: dict[str, list[JudgedQuote]] = {}
    for feed in registry.feeds:
        window_s = specs.get(feed.base, PriceSpec(feed.base)).jump_window_s
        quote_terms = QuoteTerms(now_ms, registry.future_s_max, window_s, without)
        quotes.setdefault(feed.base, []).append(judge_quote(case_of(feed), quote_terms))
    units = units_of(registry.feeds, registry.prices)
    prices: dict[str, JudgedPrice] = {}
    moves_bps: dict[str, int | None] = {}
    for base in _in_order(units):
        of_units = sorted(units[base].straight & moves_bps.keys())
        units_moved_bps = tuple(moves_bps[unit] for unit in of_units)
        terms = PriceTerms(
            specs.get(base, PriceSpec(base)),
            registry.disagreement_bps_max,
            {unit: prices[unit] for unit in units[base].straight if unit in prices},
            without,
            units_moved_bps,
        )
        judged = [_uncircled(quote, units[base].circular, without) for quote in quotes[base]]
        doubts = () if Guard.SUPPLY in without else supply_doubts.get(base, ())
        prices[base] = held(judge_price(judged, terms), doubts)
        own_bps = moved(quote.moved_bps for quote in judged)
        moves_bps[base] = moved((own_bps, *units_moved_bps), blind=False)
    return dict(sorted(prices.items()))


def _in_order(units: Mapping[str, Units]) -> Iterator[str]:
    """All bases, each after those its price is made of; without the circular ones that is so."""
    settled: set[str] = set()
    waiting = sorted(units)
    while waiting:
        ready = [base for base in waiting if not (units[base].straight & units.keys()) - settled]
        yield from ready
        settled.update(ready)
        waiting = [base for base in waiting if base not in settled]


def _uncircled(quote: JudgedQuote, circular: frozenset[str], without: Guards) -> JudgedQuote:
    """Refuse a quote in a unit that is itself priced by what is quoted."""
    if quote.quote not in circular or Guard.UNIT in without:
        return quote
    reason = f"it is quoted in {quote.quote}, which is itself priced through {quote.base}"
    return refuse(quote, Guard.UNIT, reason)
