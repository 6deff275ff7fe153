"""One price of all quotes of its base, in one unit, from independent sources.

Pure and exact. The order of quotes never matters. ``docs/oracles.md`` lists the guards.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby
from typing import Final

from xmargin.errors import InvalidArgumentError
from xmargin.model import FeedRole, JudgedPrice, JudgedQuote, PriceSpec, Verdict
from xmargin.model.units import UNIT
from xmargin.oracles.findings import NONE, Finding, Guard, Guards, verdict_of
from xmargin.oracles.guards import bound_findings
from xmargin.oracles.numbers import PRICE_MAX, ZERO, Span, apart_bps, median

_ONE: Final = Span(Decimal(1), Decimal(1), Decimal(1))
_CONFIRMING: Final = 2
_NOTHING: Final = Span(ZERO, ZERO, ZERO)


@dataclass(frozen=True, slots=True)
class PriceTerms:
    """By what one price is judged.

    ``units`` are the prices of the units that quotes come in, ``units_moved_bps`` how far each of
    them was seen to move, with all that it is made of itself.
    """

    spec: PriceSpec
    disagreement_bps_max: int
    units: Mapping[str, JudgedPrice]
    without: Guards = NONE
    units_moved_bps: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True)
class _Source:
    """A quote and what it says in USD; ``stood`` is where it stood in the window."""

    quote: JudgedQuote
    span: Span = _NOTHING
    stood: Span = _NOTHING
    findings: tuple[Finding, ...] = ()

    @property
    def price(self) -> Decimal:
        return self.span.mark

    @property
    def accepted(self) -> bool:
        return self.quote.verdict is not Verdict.REFUSE


def judge_price(quotes: Sequence[JudgedQuote], terms: PriceTerms) -> JudgedPrice:
    """The price of ``terms.spec.base`` in USD from all quotes of it, whatever their order.

    ``mark`` is the median of the independent origins' medians, and never above what the base is
    redeemed for; ``low`` and ``high`` are the widest range that anything accepted gives. The
    verdict is the worst of what stands behind the price.

    Raises:
        InvalidArgumentError: a quote is of another base.
    """
    base = terms.spec.base
    ordered = sorted(quotes, key=lambda quote: quote.feed)
    for quote in ordered:
        if quote.base != base:
            raise InvalidArgumentError(
                f"{quote.feed} quotes {quote.base}, not {base}; judge each base by its own quotes"
            )
    sources = [_in_usd(quote, terms) for quote in ordered]
    span, findings, count = _combined(sources, terms)
    findings = [one for one in findings if one.guard not in terms.without]
    if not span.mark and verdict_of(findings) is not Verdict.REFUSE:  # guards are switched off
        findings.append(Finding(Guard.SOURCES, Verdict.REFUSE, f"no quote of {base} is accepted"))
    verdict = verdict_of(findings)
    if verdict is Verdict.REFUSE:
        span = _NOTHING
    behind = [source.quote for source in sources if source.accepted] or ordered
    return JudgedPrice(
        base=base,
        verdict=verdict,
        reasons=tuple(finding.reason for finding in findings),
        mark=span.mark,
        low=span.low,
        high=span.high,
        price_age_ms=max((quote.price_age_ms for quote in behind), default=0),
        quotes=tuple(source.quote for source in sources),
        guards=tuple(finding.guard.value for finding in findings),
        sources=count,
        alarms=tuple(_alarms(terms, findings, sources)),
    )


# --- Units ----------------------------------------------------------------------------------------


def _in_usd(quote: JudgedQuote, terms: PriceTerms) -> _Source:
    """A quote in USD, refused where its unit has no accepted price or its price is unbelievable."""
    if quote.verdict is Verdict.REFUSE:
        return _Source(quote)
    span, stood = Span(quote.low, quote.price, quote.high), _still(quote.standing)
    carried: tuple[Finding, ...] = ()
    if quote.quote != UNIT and Guard.UNIT not in terms.without:
        unit = terms.units.get(quote.quote)
        if unit is None or unit.verdict is Verdict.REFUSE:
            return _Source(refuse(quote, Guard.UNIT, _no_unit(quote.quote, unit)))
        rate = Span(unit.low, unit.mark, unit.high)
        span, stood = span.times(rate), stood.times(rate)
        carried = tuple(_carried(quote, unit))
        if not ZERO < span.mark <= PRICE_MAX:
            reason = f"its price is {span.mark:f} {UNIT}, which is not believable"
            return _Source(refuse(quote, Guard.NUMBER, reason))
    bounds = (terms.spec.price_min, terms.spec.price_max)
    for finding in bound_findings(Guard.PRICE_BOUNDS, span.mark, UNIT, bounds):
        if finding.guard not in terms.without:
            return _Source(refuse(quote, finding.guard, finding.reason))
    return _Source(quote, span, stood, carried)


def _still(price: Decimal) -> Span:
    return Span(price, price, price)


def _no_unit(unit: str, price: JudgedPrice | None) -> str:
    why = "has no price" if price is None else "has no accepted price"
    return f"it is quoted in {unit or 'nothing named'}, which {why}; only {UNIT} needs none"


def _carried(quote: JudgedQuote, unit: JudgedPrice) -> Iterator[Finding]:
    """The doubts of a unit are doubts of what is priced through it."""
    for guard, reason in zip(unit.guards, unit.reasons, strict=True):
        yield Finding(Guard(guard), unit.verdict, f"{quote.feed}: through {unit.base}: {reason}")


def refuse(quote: JudgedQuote, guard: Guard, reason: str) -> JudgedQuote:
    """The quote refused for one more reason; no number of it is left."""
    return replace(
        quote,
        verdict=Verdict.REFUSE,
        reasons=(*quote.reasons, reason),
        guards=(*quote.guards, guard.value),
        price=ZERO,
        low=ZERO,
        high=ZERO,
    )


# --- Sources --------------------------------------------------------------------------------------


def _combined(sources: Sequence[_Source], terms: PriceTerms) -> tuple[Span, list[Finding], int]:
    """The price in USD, what is found of it, and of how many independent origins it is."""
    spec = terms.spec
    accepted = [source for source in sources if source.accepted]
    markets = [source for source in accepted if source.quote.role is FeedRole.MARKET]
    rates = [source for source in accepted if source.quote.role is FeedRole.RATE]
    marks = _origin_medians(markets)
    findings = [*_quote_findings(spec.base, sources, markets or _if_enough(rates, spec))]
    if not markets and not _if_enough(rates, spec):
        return _NOTHING, findings, 0
    if not markets:
        lowest = min(rates, key=lambda source: (source.price, source.quote.feed))
        findings.append(Finding(Guard.SOURCES, Verdict.FLAG, "no market stands behind its rate"))
        return lowest.span, findings, 0
    span = Span(
        min(source.span.low for source in markets),
        median(marks),
        max(source.span.high for source in markets),
    )
    count = len(marks)
    if count < spec.sources_min and Guard.SOURCES not in terms.without:
        # What too few say may be any move of theirs: nothing is lent on it.
        for source in markets:
            span = span.over(source.stood) if source.stood.mark else span
    findings += _count_findings(count, spec)
    findings += _spread_findings(markets, terms.disagreement_bps_max)
    findings += _spot_findings(accepted, span.mark, terms.disagreement_bps_max)
    jumps = list(_jumps(markets, count, spec))
    if Guard.JUMP not in terms.without:
        findings += [finding for _, finding in jumps]
        for stood, _ in jumps:
            span = span.over(stood)
    if rates and Guard.RATE not in terms.without:
        rate = min(rates, key=lambda source: (source.price, source.quote.feed))
        findings += _basis_findings(span.mark, rate, count, terms)
        span = Span(
            min(span.low, rate.span.low),
            min(span.mark, rate.span.mark),
            max(span.high, rate.span.high),
        )
    findings += _peg_findings(span.mark, terms)
    if any(
        one.guard in (Guard.PEG, Guard.RATE)
        and one.verdict is Verdict.HAIRCUT
        and one.guard not in terms.without
        for one in findings
    ):
        span = span.widened(spec.haircut_bps)
    return span, findings, count


def _if_enough(rates: list[_Source], spec: PriceSpec) -> list[_Source]:
    """A rate alone is a price only where no source was asked for."""
    return rates if spec.sources_min == 0 else []


def _origin_medians(markets: Sequence[_Source]) -> list[Decimal]:
    """One price for each independent origin."""
    by_origin = sorted(markets, key=lambda source: (source.quote.origin, source.quote.feed))
    return [
        median([source.price for source in group])
        for _, group in groupby(by_origin, key=lambda source: source.quote.origin)
    ]


def _quote_findings(
    base: str, sources: Sequence[_Source], behind: Sequence[_Source]
) -> Iterator[Finding]:
    """A refused quote beside accepted ones is worth a FLAG; with none accepted, REFUSE."""
    if not behind:
        reason = f"no quote of {base} is accepted" if sources else f"no feed quotes {base}"
        yield Finding(Guard.SOURCES, Verdict.REFUSE, reason)
    for source in sources:
        quote = source.quote
        verdict = Verdict.FLAG if quote.verdict is Verdict.REFUSE else quote.verdict
        for guard, reason in zip(quote.guards, quote.reasons, strict=True):
            yield Finding(Guard(guard), verdict, f"{quote.feed}: {reason}")
        yield from source.findings


def _count_findings(count: int, spec: PriceSpec) -> Iterator[Finding]:
    if count < spec.sources_min:
        yield Finding(
            Guard.SOURCES,
            Verdict.HOLD,
            f"{count} independent source{'s' if count > 1 else ''} stand{'' if count > 1 else 's'} "
            f"behind it; {spec.sources_min} are needed",
        )


def _spread_findings(markets: Sequence[_Source], bps_max: int) -> Iterator[Finding]:
    lowest = min(markets, key=lambda source: (source.price, source.quote.feed))
    highest = max(markets, key=lambda source: (source.price, source.quote.feed))
    spread_bps = apart_bps(lowest.price, highest.price)
    if spread_bps > bps_max:
        yield Finding(
            Guard.AGREEMENT,
            Verdict.HOLD,
            f"{highest.quote.feed} says {highest.price:f} and {lowest.quote.feed} says "
            f"{lowest.price:f}, {spread_bps:,} bps apart; the bound is {bps_max:,} bps",
        )


def _spot_findings(accepted: Sequence[_Source], mark: Decimal, bps_max: int) -> Iterator[Finding]:
    for source in accepted:
        if source.quote.role is FeedRole.SPOT and apart_bps(source.price, mark) > bps_max:
            yield Finding(
                Guard.SPOT,
                Verdict.FLAG,
                f"{source.quote.feed} says {source.price:f}, which counts for nothing",
            )


def _jumps(
    markets: Sequence[_Source], count: int, spec: PriceSpec
) -> Iterator[tuple[Span, Finding]]:
    """A move that too few origins confirm, with where the price stood before."""
    if spec.jump_bps_max is None or count >= spec.jump_sources_min:
        return
    for source in markets:
        quote = source.quote
        if quote.moved_bps is not None and quote.moved_bps > spec.jump_bps_max:
            yield (
                source.stood,
                Finding(
                    Guard.JUMP,
                    Verdict.HOLD,
                    f"{quote.feed} says {quote.price:f} and stood at {quote.standing:f}, "
                    f"{quote.moved_bps:,} bps away, within {spec.jump_window_s:,} s; more than "
                    f"{spec.jump_bps_max:,} bps are believed of {spec.jump_sources_min} sources",
                ),
            )


def _basis_findings(
    market: Decimal, rate: _Source, count: int, terms: PriceTerms
) -> Iterator[Finding]:
    """Above its rate a market is pumped or the rate stale; below it the market must be sure."""
    spec = terms.spec
    bps_max = terms.disagreement_bps_max if spec.basis_bps_max is None else spec.basis_bps_max
    basis_bps = apart_bps(market, rate.price)
    if basis_bps <= bps_max:
        return
    said = f"the market says {market:f} and {rate.quote.feed} {rate.price:f}, {basis_bps:,} bps"
    if market > rate.price:
        reason = f"{said} below; the bound is {bps_max:,} bps"
        yield Finding(Guard.RATE, Verdict.HOLD, reason)
    elif count < _CONFIRMING:
        reason = f"{said} above; beyond {bps_max:,} bps two sources must agree on the market"
        yield Finding(Guard.RATE, Verdict.HOLD, reason)
    else:
        reason = f"{said} above; its range is widened by {spec.haircut_bps:,} bps"
        yield Finding(Guard.RATE, Verdict.HAIRCUT, reason)


def _peg_findings(mark: Decimal, terms: PriceTerms) -> Iterator[Finding]:
    spec = terms.spec
    if not spec.peg:
        return
    peg = _ONE.mark if spec.peg == UNIT else _mark(terms.units.get(spec.peg))
    if not peg:
        yield Finding(Guard.PEG, Verdict.FLAG, f"its peg {spec.peg} has no accepted price")
        return
    off_bps = apart_bps(mark, peg)
    if off_bps > spec.peg_bps_max:
        yield Finding(
            Guard.PEG,
            Verdict.HAIRCUT,
            f"it is {off_bps:,} bps off its peg to {spec.peg}; beyond {spec.peg_bps_max:,} bps its "
            f"range is widened by {spec.haircut_bps:,} bps",
        )


def _mark(price: JudgedPrice | None) -> Decimal:
    return ZERO if price is None else price.mark


# --- Alarms ---------------------------------------------------------------------------------------

_UNSEEN: Final = frozenset({Guard.READ, Guard.CHAIN, Guard.SPOT})
"""They say that the market cannot be seen, or nothing of the price."""


def _alarms(
    terms: PriceTerms, findings: Sequence[Finding], sources: Sequence[_Source]
) -> Iterator[str]:
    """A guard binds, though no answer that can be seen has moved within the window.

    What only a unit is doubted for is an alarm of the unit.
    """
    of_units = {finding for source in sources for finding in source.findings}
    binding = {
        finding.guard.value
        for finding in findings
        if finding not in of_units
        and finding.guard not in _UNSEEN
        and (finding.guard, finding.verdict) != (Guard.SOURCES, Verdict.REFUSE)
    }
    moved_bps = moved(source.quote.moved_bps for source in sources)
    together_bps = moved((moved_bps, *terms.units_moved_bps), blind=False)
    if binding and together_bps is not None and together_bps <= terms.spec.quiet_bps_max:
        yield (
            f"{', '.join(sorted(binding))} bind{'s' if len(binding) == 1 else ''} though "
            f"no answer moved by more than {terms.spec.quiet_bps_max:,} bps within "
            f"{terms.spec.jump_window_s:,} s"
        )


def moved(moves_bps: Iterable[int | None], *, blind: bool = True) -> int | None:
    """The widest move that can be seen; ``None`` if none can, or any cannot without ``blind``."""
    known = list(moves_bps)
    seen = [move_bps for move_bps in known if move_bps is not None]
    if not seen or (not blind and len(seen) < len(known)):
        return None
    return max(seen)
