"""The guards: every quote judged once, every price made of what was accepted.

Pure functions of their arguments. All arithmetic is exact: decimals under a context that traps
any rounding, bounds compared as integers or fractions. ``docs/oracles.md`` lists each guard with
its bound, verdict and reason.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import (
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    localcontext,
)
from fractions import Fraction
from typing import Final, TypeAlias

from xmargin.errors import InvalidArgumentError
from xmargin.model import (
    ChainAsOf,
    Condition,
    FeedRound,
    FeedSpec,
    JudgedPrice,
    JudgedQuote,
    Verdict,
    kind_of,
    worst,
)

UNIT: Final = "USD"
"""The one unit prices are served in; a quote in another unit cannot enter a price."""

EXPONENT_MIN: Final = -36
PRICE_MAX: Final = 10**18
"""With at most 36 decimals a price below this has 55 digits: its sums stay exact in 60."""

EXACT: Final = Context(prec=60, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])

_BPS: Final = 10_000
_ZERO: Final = Decimal(0)
_VERIFIED_KINDS: Final = frozenset({"pyth"})
_FULL: Final = "full"

Finding: TypeAlias = tuple[Verdict, str]


def judge_quote(  # noqa: PLR0917 - the terms of one judgement
    spec: FeedSpec,
    newest: FeedRound | None,
    pinned: FeedRound | None,
    chain: ChainAsOf,
    now_ms: int,
    future_s_max: int,
) -> JudgedQuote:
    """One feed's newest round against its spec and the first round ever read of it.

    A refused quote has price, low and high of zero: no number of it can be used by mistake.
    ``low`` and ``high`` are price minus and plus the confidence, in quote units per base unit.
    """
    if newest is None:
        return _quote(spec, None, ((Verdict.REFUSE, "it has not been read yet"),), 0)
    age_ms = now_ms - newest.published_at_s * 1000
    findings = (
        *_chain_findings(chain),
        *_round_findings(spec, newest, pinned, age_ms, future_s_max),
    )
    return _quote(spec, newest, findings, age_ms)


def _quote(
    spec: FeedSpec, newest: FeedRound | None, findings: Sequence[Finding], age_ms: int
) -> JudgedQuote:
    verdict = worst(*(finding for finding, _ in findings))
    price, low, high = _ZERO, _ZERO, _ZERO
    if newest is not None and verdict is not Verdict.REFUSE:
        price = _scaled(newest.answer, newest.exponent)
        low = _scaled(newest.answer - newest.confidence, newest.exponent)
        high = _scaled(newest.answer + newest.confidence, newest.exponent)
    dated = newest is not None and newest.published_at_s > 0
    return JudgedQuote(
        feed=spec.id,
        base=spec.base,
        quote=spec.quote,
        verdict=verdict,
        reasons=tuple(reason for _, reason in findings),
        price=price,
        low=low,
        high=high,
        published_at_s=0 if newest is None else newest.published_at_s,
        price_age_ms=max(0, age_ms) if dated else 0,
        round_id=0 if newest is None else newest.round_id,
    )


# --- One quote's guards ---------------------------------------------------------------------------


def _chain_findings(chain: ChainAsOf) -> Iterator[Finding]:
    if chain.cut_off:
        reason = f": {chain.reason}" if chain.reason else ""
        state = {
            Condition.UNREAD: "has not been read yet",
            Condition.LAGGING: "lags",
            Condition.UNREACHABLE: "cannot be reached",
            Condition.INVALID: "answers wrongly",
            Condition.SUSPENDED: "is suspended",
        }.get(chain.condition, chain.condition)
        yield Verdict.REFUSE, f"it cannot be read again, as its chain {state}{reason}"


def _round_findings(
    spec: FeedSpec,
    newest: FeedRound,
    pinned: FeedRound | None,
    age_ms: int,
    future_s_max: int,
) -> Iterator[Finding]:
    if newest.fault:
        yield Verdict.REFUSE, f"it could not be read: {newest.fault}"
        return
    yield from _number_findings(spec, newest)
    yield from _time_findings(spec, newest, age_ms, future_s_max)
    yield from _identity_findings(spec, newest, pinned)


def _number_findings(spec: FeedSpec, newest: FeedRound) -> Iterator[Finding]:
    if newest.answer <= 0:
        yield Verdict.REFUSE, f"its answer is {newest.answer}; a price is above zero"
    elif not EXPONENT_MIN <= newest.exponent <= 0:
        yield (
            Verdict.REFUSE,
            f"its exponent is {newest.exponent}; {EXPONENT_MIN} to 0 are believed",
        )
    elif newest.answer > PRICE_MAX * 10**-newest.exponent:
        yield Verdict.REFUSE, f"its price is above {PRICE_MAX:,}; nothing is worth so much"
    elif newest.confidence < 0:
        yield Verdict.REFUSE, f"its confidence is {newest.confidence}; it is never below zero"
    elif newest.confidence * _BPS > spec.confidence_bps_max * newest.answer:
        share_bps = -(-newest.confidence * _BPS // newest.answer)
        yield (
            Verdict.REFUSE,
            f"its confidence is {share_bps:,} bps of its price; "
            f"the bound is {spec.confidence_bps_max:,} bps",
        )


def _time_findings(
    spec: FeedSpec, newest: FeedRound, age_ms: int, future_s_max: int
) -> Iterator[Finding]:
    if newest.published_at_s <= 0:
        yield Verdict.REFUSE, "it has no date"
    elif -age_ms > future_s_max * 1000:
        yield (
            Verdict.REFUSE,
            f"it is dated {_seconds(-age_ms)} s in the future; the bound is {future_s_max:,} s",
        )
    elif age_ms > (spec.heartbeat_s + spec.tolerance_s) * 1000:
        yield (
            Verdict.REFUSE,
            f"price is {_seconds(age_ms)} s old; "
            f"the feed's heartbeat is {spec.heartbeat_s:,} s + {spec.tolerance_s:,} s",
        )


def _identity_findings(
    spec: FeedSpec, newest: FeedRound, pinned: FeedRound | None
) -> Iterator[Finding]:
    expected = -spec.decimals if spec.decimals is not None else None
    if expected is None and pinned is not None:
        expected = pinned.exponent
    if expected is not None and newest.exponent != expected:
        yield (
            Verdict.REFUSE,
            f"its exponent is {newest.exponent}; it was {expected} when the feed was approved",
        )
    description = spec.description or ("" if pinned is None else pinned.description)
    if description and newest.description != description:
        yield (
            Verdict.REFUSE,
            f"its description is {newest.description!r}; "
            f"it was {description!r} when the feed was approved",
        )
    if kind_of(spec.id) in _VERIFIED_KINDS and newest.verification != _FULL:
        level = newest.verification or "absent"
        yield Verdict.REFUSE, f"its verification is {level}; full is needed"
    if pinned is not None and pinned.source != newest.source:
        yield (
            Verdict.FLAG,
            f"its answers come from {newest.source or 'nowhere named'}; "
            f"they came from {pinned.source or 'nowhere named'} when it was first read",
        )


# --- One price ------------------------------------------------------------------------------------


def judge_price(base: str, quotes: Sequence[JudgedQuote], disagreement_bps_max: int) -> JudgedPrice:
    """The price of ``base`` in USD from all quotes of it, whatever their order.

    ``mark`` is the median of the accepted prices (the mean of the middle two), ``low`` and
    ``high`` the widest range any accepted quote gives. The verdict is the worst of what stands
    behind the price; HOLD when accepted prices are further apart than ``disagreement_bps_max``.

    Raises:
        InvalidArgumentError: a quote is of another base.
    """
    judged = tuple(_in_unit(quote) for quote in sorted(quotes, key=lambda quote: quote.feed))
    for quote in judged:
        if quote.base != base:
            raise InvalidArgumentError(
                f"{quote.feed} quotes {quote.base}, not {base}; judge each base by its own quotes"
            )
    accepted = [quote for quote in judged if quote.verdict is not Verdict.REFUSE]
    findings = [*_quote_findings(base, judged), *_spread_findings(accepted, disagreement_bps_max)]
    verdict = worst(*(finding for finding, _ in findings))
    mark, low, high = _ZERO, _ZERO, _ZERO
    if accepted:
        mark = _median([quote.price for quote in accepted])
        low = min(quote.low for quote in accepted)
        high = max(quote.high for quote in accepted)
    return JudgedPrice(
        base=base,
        verdict=verdict,
        reasons=tuple(reason for _, reason in findings),
        mark=mark,
        low=low,
        high=high,
        price_age_ms=max((quote.price_age_ms for quote in accepted or judged), default=0),
        quotes=judged,
    )


def _in_unit(quote: JudgedQuote) -> JudgedQuote:
    """A quote in another unit is no USD price, whatever its number."""
    if quote.quote == UNIT:
        return quote
    reason = f"it is quoted in {quote.quote or 'nothing named'}; only {UNIT} makes a {UNIT} price"
    return replace(
        quote,
        verdict=Verdict.REFUSE,
        reasons=(*quote.reasons, reason),
        price=_ZERO,
        low=_ZERO,
        high=_ZERO,
    )


def _quote_findings(base: str, quotes: Sequence[JudgedQuote]) -> Iterator[Finding]:
    """A refused quote beside accepted ones is worth a FLAG; with none accepted, REFUSE."""
    refused = [quote for quote in quotes if quote.verdict is Verdict.REFUSE]
    if len(refused) == len(quotes):
        yield (
            Verdict.REFUSE,
            f"no quote of {base} is accepted" if quotes else f"no feed quotes {base}",
        )
    for quote in quotes:
        flagged = Verdict.FLAG if quote.verdict is Verdict.REFUSE else quote.verdict
        for reason in quote.reasons:
            yield flagged, f"{quote.feed}: {reason}"


def _spread_findings(
    accepted: Sequence[JudgedQuote], disagreement_bps_max: int
) -> Iterator[Finding]:
    if len(accepted) < 2:
        return
    lowest = min(accepted, key=lambda quote: (quote.price, quote.feed))
    highest = max(accepted, key=lambda quote: (quote.price, quote.feed))
    spread_bps = (Fraction(highest.price) / Fraction(lowest.price) - 1) * _BPS
    if spread_bps > disagreement_bps_max:
        yield (
            Verdict.HOLD,
            f"{highest.feed} says {highest.price:f} and {lowest.feed} says {lowest.price:f}, "
            f"{-(-spread_bps // 1):,} bps apart; the bound is {disagreement_bps_max:,} bps",
        )


# --- Numbers --------------------------------------------------------------------------------------


def _median(prices: Sequence[Decimal]) -> Decimal:
    ordered = sorted(prices)
    middle, odd = divmod(len(ordered), 2)
    if odd:
        return ordered[middle]
    with localcontext(EXACT):
        return _canonical((ordered[middle - 1] + ordered[middle]) / 2)


def _scaled(amount: int, exponent: int) -> Decimal:
    with localcontext(EXACT):
        return _canonical(Decimal(amount).scaleb(exponent))


def _canonical(value: Decimal) -> Decimal:
    """The one form of a number, so that equal numbers are written alike: no trailing zeros."""
    return Decimal(f"{value.normalize(EXACT):f}")


def _seconds(span_ms: int) -> str:
    """A span in whole seconds, milliseconds only where they matter."""
    seconds, rest_ms = divmod(span_ms, 1000)
    return f"{seconds:,}.{rest_ms:03d}".rstrip("0").rstrip(".") if rest_ms else f"{seconds:,}"
