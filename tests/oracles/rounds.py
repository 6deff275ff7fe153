"""A sound feed of each kind, to be spoilt one way at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from xmargin.model import (
    BlockRef,
    ChainAsOf,
    Condition,
    FeedRound,
    FeedSpec,
    Finality,
    JudgedPrice,
    JudgedQuote,
    PriceSpec,
    Verdict,
)
from xmargin.oracles.findings import NONE, Guards
from xmargin.oracles.guards import FeedCase, QuoteTerms, judge_quote
from xmargin.oracles.history import FeedHistory
from xmargin.oracles.prices import PriceTerms, judge_price

NOW_MS = 1_800_000_000_000
PUBLISHED_AT_S = NOW_MS // 1000 - 10
FUTURE_S_MAX = 15
EVM, SOLANA = "eip155:1", "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"
PYTH_FEED_ID = "ef0d8b6fda2ceba41da15d4095d1da392a0d2f8ed0c6c7bc0f4cfac8c280b56d"

CHAINLINK = FeedSpec(
    id=f"chainlink@{EVM}/0x{'a1' * 20}",
    base="ETH",
    quote="USD",
    heartbeat_s=3600,
    tolerance_s=60,
    decimals=8,
    description="ETH / USD",
)
CHAINLINK_ROUND = FeedRound(
    feed=CHAINLINK.id,
    answer=2500_12345678,
    confidence=0,
    exponent=-8,
    published_at_s=PUBLISHED_AT_S,
    round_id=7,
    description="ETH / USD",
    verification="",
    source="0x" + "b2" * 20,
    fault="",
)
PYTH = FeedSpec(
    id=f"pyth@{SOLANA}/7UVimffxr9ow1uXYxsr4LHAcV58mLzhmwaeKvJ1pjLiE",
    base="SOL",
    quote="USD",
    heartbeat_s=60,
    tolerance_s=5,
    confidence_bps_max=200,
    pyth_feed_id=PYTH_FEED_ID,
)
PYTH_ROUND = FeedRound(
    feed=PYTH.id,
    answer=150_00000000,
    confidence=1_50000000,
    exponent=-8,
    published_at_s=PUBLISHED_AT_S,
    round_id=300,
    description=PYTH_FEED_ID,
    verification="full",
    source="rec5EKMGg6MxZYaMdyBfgwp4d5rB9T1VQH5pJv5LtFJ",
    fault="",
)


def chain(condition: Condition = Condition.OK, reason: str = "") -> ChainAsOf:
    block = BlockRef(100, "0x1", "0x0", PUBLISHED_AT_S)
    return ChainAsOf(EVM, "main", block, Finality.SAFE, 100, 99, condition, reason, 10_000)


def judge(  # noqa: PLR0917 - what a case is made of
    spec: FeedSpec,
    newest: FeedRound | None,
    pinned: FeedRound | None,
    on: ChainAsOf | None = None,
    now_ms: int = NOW_MS,
    history: FeedHistory | None = None,
    without: Guards = NONE,
) -> JudgedQuote:
    """One feed's round, judged."""
    case = FeedCase(spec, newest, pinned, history, on or chain())
    return judge_quote(case, QuoteTerms(now_ms, FUTURE_S_MAX, without=without))


def priced(
    quotes: Sequence[JudgedQuote],
    bound_bps: int = 200,
    units: Mapping[str, JudgedPrice] | None = None,
    without: Guards = NONE,
    units_moved_bps: tuple[int | None, ...] = (),
    **bounds: Any,
) -> JudgedPrice:
    """The price of ETH of these quotes, with these bounds of its own."""
    spec = PriceSpec("ETH", **bounds)
    return judge_price(quotes, PriceTerms(spec, bound_bps, units or {}, without, units_moved_bps))


def judged_chainlink(**changes: Any) -> JudgedQuote:
    """The Chainlink round with changes, judged now against the sound round as its pin."""
    newest = replace(CHAINLINK_ROUND, **changes)
    return judge(CHAINLINK, newest, CHAINLINK_ROUND)


def judged_pyth(**changes: Any) -> JudgedQuote:
    """The Pyth round with changes, judged now against the sound round as its pin."""
    newest = replace(PYTH_ROUND, **changes)
    return judge(PYTH, newest, PYTH_ROUND)


def quote(name: str, price: str, verdict: Verdict = Verdict.OK, **changes: Any) -> JudgedQuote:
    """A quote of ETH as :func:`judge_quote` would give it."""
    sound = JudgedQuote(
        feed=f"chainlink@{EVM}/0x{name * 20}",
        base="ETH",
        quote="USD",
        verdict=verdict,
        reasons=() if verdict is Verdict.OK else ("it was spoilt by the test",),
        guards=() if verdict is Verdict.OK else ("fault",),
        origin=name,
        price=Decimal(price),
        low=Decimal(price),
        high=Decimal(price),
        published_at_s=PUBLISHED_AT_S,
        price_age_ms=10_000,
        round_id=1,
    )
    return replace(sound, **changes)
