"""The guards of one quote: every round judged once, before any price is made of it.

Pure functions of their arguments, in exact arithmetic: bounds are compared as integers or exact
decimals. ``docs/oracles.md`` lists each guard with its bound, verdict and reason; what a price is
made of stands in ``prices``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from xmargin.model import (
    ChainAsOf,
    Condition,
    FeedRole,
    FeedRound,
    FeedSpec,
    JudgedQuote,
    Verdict,
    kind_of,
)
from xmargin.oracles.findings import NONE, Finding, Guard, Guards, verdict_of
from xmargin.oracles.history import EXPONENT_MIN, FeedHistory, is_answer, standing
from xmargin.oracles.kinds import STATE_KINDS, VERIFIED_KINDS, origin_of, role_of
from xmargin.oracles.numbers import BPS, PRICE_MAX, ZERO, Span, ratio_bps, rounded, scaled

_FULL: Final = "full"
_MOVED_BPS_MAX: Final = 10**12
_YEAR_S: Final = 365 * 86_400


@dataclass(frozen=True, slots=True)
class FeedCase:
    """What is known of one feed: its newest round, the round it was approved by, where it stood."""

    spec: FeedSpec
    newest: FeedRound | None
    pinned: FeedRound | None
    history: FeedHistory | None
    chain: ChainAsOf


@dataclass(frozen=True, slots=True)
class QuoteTerms:
    """By what a quote is judged. ``without`` switches guards off, to show what each is for."""

    now_ms: int
    future_s_max: int
    jump_window_s: int = 900
    without: Guards = NONE


def judge_quote(case: FeedCase, terms: QuoteTerms) -> JudgedQuote:
    """One feed's newest round against its spec and what it was approved by.

    A refused quote has price, low and high of zero: no number of it can be used by mistake.
    ``low`` and ``high`` are price minus and plus the confidence, in quote units per base unit.
    """
    spec, newest = case.spec, case.newest
    dated_s = _dated_s(case)
    age_ms = terms.now_ms - dated_s * 1000
    findings = [one for one in _findings(case, terms, age_ms) if one.guard not in terms.without]
    verdict = verdict_of(findings)
    span = Span(ZERO, ZERO, ZERO)
    if newest is not None and verdict is not Verdict.REFUSE and is_answer(newest):
        span = _span(spec, newest, findings, dated_s)
    stood, moved_bps = _movement(case, terms.jump_window_s)
    return JudgedQuote(
        feed=spec.id,
        base=spec.base,
        quote=spec.quote,
        verdict=verdict,
        reasons=tuple(finding.reason for finding in findings),
        price=span.mark,
        low=span.low,
        high=span.high,
        published_at_s=max(0, dated_s),
        price_age_ms=max(0, age_ms) if dated_s > 0 else 0,
        round_id=0 if newest is None else newest.round_id,
        guards=tuple(finding.guard.value for finding in findings),
        origin=spec.id if Guard.ORIGIN in terms.without else origin_of(spec),
        role=_role(spec, terms.without),
        standing=stood,
        moved_bps=moved_bps,
    )


def _role(spec: FeedSpec, without: Guards) -> FeedRole:
    role = role_of(spec)
    return FeedRole.MARKET if role is FeedRole.SPOT and Guard.SPOT in without else role


def _dated_s(case: FeedCase) -> int:
    """When a quote was true, Unix seconds: what is computed from state, at the chain's head."""
    if case.newest is None:
        return 0
    if kind_of(case.spec.id) in STATE_KINDS and case.chain.block is not None:
        return case.chain.block.time_s
    return case.newest.published_at_s


def _span(spec: FeedSpec, newest: FeedRound, findings: Sequence[Finding], dated_s: int) -> Span:
    span = Span(
        scaled(newest.answer - newest.confidence, newest.exponent),
        scaled(newest.answer, newest.exponent),
        scaled(newest.answer + newest.confidence, newest.exponent),
    )
    spoke = {finding.guard for finding in findings}
    if Guard.LIQUIDITY in spoke:
        span = span.widened(spec.haircut_bps)
    if Guard.RATE_CAP in spoke:
        cap = rate_cap(spec, dated_s)
        span = Span(min(span.low, cap), cap, cap)
    return span


def _movement(case: FeedCase, window_s: int) -> tuple[Decimal, int | None]:
    """Where the feed stood, and how far its raw answer is from there, if that can be seen."""
    if case.history is None or case.chain.block is None:
        return ZERO, None
    newest, now_s = case.newest, case.chain.block.time_s
    answer, exponent = standing(case.history, newest, now_s, window_s)
    price = scaled(answer, exponent) if answer <= PRICE_MAX * 10**-exponent else ZERO
    if newest is None or not is_answer(newest) or case.chain.cut_off:
        return price, None
    moved_bps = ratio_bps(newest.answer * 10**-exponent, answer * 10**-newest.exponent)
    return price, min(moved_bps, _MOVED_BPS_MAX)


def _findings(case: FeedCase, terms: QuoteTerms, age_ms: int) -> Iterator[Finding]:
    if case.newest is None:
        yield Finding(Guard.READ, Verdict.REFUSE, "it has not been read yet")
        return
    yield from _chain_findings(case.chain)
    if case.newest.fault:
        reason = f"it could not be read: {case.newest.fault}"
        yield Finding(Guard.FAULT, Verdict.REFUSE, reason)
        return
    yield from _number_findings(case.spec, case.newest)
    yield from _time_findings(case.spec, _dated_s(case), age_ms, terms.future_s_max)
    yield from _identity_findings(case.spec, case.newest, case.pinned)
    yield from _bound_findings(case.spec, case.newest)
    yield from _liquidity_findings(case.spec, case.newest)
    if role_of(case.spec) is FeedRole.RATE:
        yield from _rate_findings(case.spec, case.newest, _dated_s(case))


# --- One quote's guards ---------------------------------------------------------------------------


def _refusal(guard: Guard, reason: str) -> Finding:
    return Finding(guard, Verdict.REFUSE, reason)


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
        yield _refusal(Guard.CHAIN, f"it cannot be read again, as its chain {state}{reason}")


def _number_findings(spec: FeedSpec, newest: FeedRound) -> Iterator[Finding]:
    reason = ""
    if newest.answer <= 0:
        reason = f"its answer is {newest.answer}; a price is above zero"
    elif not EXPONENT_MIN <= newest.exponent <= 0:
        reason = f"its exponent is {newest.exponent}; {EXPONENT_MIN} to 0 are believed"
    elif newest.answer > PRICE_MAX * 10**-newest.exponent:
        reason = f"its price is above {PRICE_MAX:,}; nothing is worth so much"
    elif newest.confidence < 0:
        reason = f"its confidence is {newest.confidence}; it is never below zero"
    if reason:
        yield _refusal(Guard.NUMBER, reason)
    elif newest.confidence * BPS > spec.confidence_bps_max * newest.answer:
        share_bps = -(-newest.confidence * BPS // newest.answer)
        yield _refusal(
            Guard.CONFIDENCE,
            f"its confidence is {share_bps:,} bps of its price; "
            f"the bound is {spec.confidence_bps_max:,} bps",
        )


def _time_findings(
    spec: FeedSpec, dated_s: int, age_ms: int, future_s_max: int
) -> Iterator[Finding]:
    if dated_s <= 0:
        yield _refusal(Guard.DATE, "it has no date")
    elif -age_ms > future_s_max * 1000:
        yield _refusal(
            Guard.DATE,
            f"it is dated {_seconds(-age_ms)} s in the future; the bound is {future_s_max:,} s",
        )
    elif age_ms > (spec.heartbeat_s + spec.tolerance_s) * 1000:
        yield _refusal(
            Guard.FRESHNESS,
            f"price is {_seconds(age_ms)} s old; "
            f"the feed's heartbeat is {spec.heartbeat_s:,} s + {spec.tolerance_s:,} s",
        )


def _identity_findings(
    spec: FeedSpec, newest: FeedRound, pinned: FeedRound | None
) -> Iterator[Finding]:
    """Whatever a feed was approved by it must go on saying: any change is quarantined."""
    expected = -spec.decimals if spec.decimals is not None else None
    if expected is None and pinned is not None:
        expected = pinned.exponent
    if expected is not None and newest.exponent != expected:
        yield _refusal(
            Guard.IDENTITY,
            f"its exponent is {newest.exponent}; it was {expected} when the feed was approved",
        )
    description = spec.description or ("" if pinned is None else pinned.description)
    if description and newest.description != description:
        yield _refusal(
            Guard.IDENTITY,
            f"its description is {newest.description!r}; "
            f"it was {description!r} when the feed was approved",
        )
    source = spec.source or (newest.source if pinned is None else pinned.source)
    if newest.source != source:
        yield _refusal(
            Guard.IDENTITY,
            f"its answers come from {newest.source or 'nowhere named'}; "
            f"they came from {source or 'nowhere named'} when the feed was approved",
        )
    if kind_of(spec.id) in VERIFIED_KINDS and newest.verification != _FULL:
        level = newest.verification or "absent"
        yield _refusal(Guard.VERIFICATION, f"its verification is {level}; full is needed")


def _bound_findings(spec: FeedSpec, newest: FeedRound) -> Iterator[Finding]:
    if not is_answer(newest) or newest.answer > PRICE_MAX * 10**-newest.exponent:
        return
    price = scaled(newest.answer, newest.exponent)
    yield from bound_findings(
        Guard.FEED_BOUNDS, price, spec.quote, (spec.price_min, spec.price_max)
    )


def bound_findings(
    guard: Guard, price: Decimal, unit: str, bounds: tuple[Decimal | None, Decimal | None]
) -> Iterator[Finding]:
    """Refuse a price outside of ``bounds``, which themselves are believed."""
    lowest, highest = bounds
    if lowest is not None and price < lowest:
        yield _refusal(guard, f"its price is {price:f} {unit}; {lowest:f} is the least believed")
    if highest is not None and price > highest:
        yield _refusal(guard, f"its price is {price:f} {unit}; {highest:f} is the most believed")


def _liquidity_findings(spec: FeedSpec, newest: FeedRound) -> Iterator[Finding]:
    if spec.liquidity_min is None and spec.liquidity_ample is None:
        return
    if newest.liquidity is None:
        yield _refusal(Guard.LIQUIDITY, "it does not say what liquidity is behind it")
    elif newest.liquidity < (spec.liquidity_min or 0):
        yield _refusal(
            Guard.LIQUIDITY,
            f"the liquidity behind it is {newest.liquidity:,}; the floor is "
            f"{spec.liquidity_min or 0:,}",
        )
    elif newest.liquidity < (spec.liquidity_ample or 0):
        yield Finding(
            Guard.LIQUIDITY,
            Verdict.HAIRCUT,
            f"the liquidity behind it is {newest.liquidity:,}, ample is "
            f"{spec.liquidity_ample or 0:,}; its range is widened by {spec.haircut_bps:,} bps",
        )


# --- Exchange rates -------------------------------------------------------------------------------


def rate_cap(spec: FeedSpec, at_s: int) -> Decimal:
    """The most a rate may be at a time: the snapshot, grown linearly, rounded down.

    snapshot × (1 + growth ÷ 10,000 × (time − snapshot's time) ÷ 365 days), as Aave's CAPO.
    """
    snapshot = spec.rate_snapshot or ZERO
    elapsed_s = max(0, at_s - spec.rate_snapshot_at_s)
    numerator, denominator = snapshot.as_integer_ratio()
    year = BPS * _YEAR_S
    grown = numerator * (year + (spec.rate_growth_bps_max or 0) * elapsed_s)
    return rounded(scaled(grown * 10**36 // (denominator * year), -36), ROUND_FLOOR)


def _rate_findings(spec: FeedSpec, newest: FeedRound, dated_s: int) -> Iterator[Finding]:
    if spec.rate_snapshot is None or spec.rate_growth_bps_max is None:
        yield _refusal(Guard.RATE_CAP, "it is a rate, and nothing caps its growth")
        return
    if not is_answer(newest) or newest.answer > PRICE_MAX * 10**-newest.exponent:
        return
    rate, cap = scaled(newest.answer, newest.exponent), rate_cap(spec, dated_s)
    if rate > cap:
        yield Finding(
            Guard.RATE_CAP,
            Verdict.FLAG,
            f"its rate is {rate:f}; it is capped at {cap:f}, which is {spec.rate_snapshot:f} "
            f"grown by {spec.rate_growth_bps_max:,} bps a year",
        )


def _seconds(span_ms: int) -> str:
    """A span in whole seconds, milliseconds only where they matter."""
    seconds, rest_ms = divmod(span_ms, 1000)
    return f"{seconds:,}.{rest_ms:03d}".rstrip("0").rstrip(".") if rest_ms else f"{seconds:,}"
