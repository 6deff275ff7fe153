"""Properties of prices, over many quotes. Each has an id that docs/oracles.md names."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.oracles.rounds import (
    NOW_MS,
    PYTH,
    PYTH_ROUND,
    judge,
    priced,
    quote,
)
from xmargin.model import FeedRole, JudgedQuote, Verdict, worst
from xmargin.oracles.numbers import PRICE_MAX, Span, scaled

NAMES = [f"{number:02x}" for number in range(1, 8)]
FEW_BPS = st.integers(0, 1000)


@st.composite
def accepted_quotes(draw: st.DrawFn, least: int = 1) -> list[JudgedQuote]:
    """Quotes of one base as the guards give them, each from a feed of its own."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=least, max_size=5, unique=True))
    exponent = draw(st.integers(-36, 0))
    quotes = []
    for name in names:
        price = draw(st.integers(1, PRICE_MAX * 10**-exponent))
        spread = draw(st.integers(0, price))
        low, mid, high = (
            Decimal(f"{amount}e{exponent}") for amount in (price - spread, price, price + spread)
        )
        verdict = draw(st.sampled_from([Verdict.OK, Verdict.FLAG]))
        age_ms = draw(st.integers(0, 10**7))
        one = quote(name, str(mid), verdict, low=low, high=high, price_age_ms=age_ms)
        quotes.append(one)
    return quotes


def refused(name: str) -> JudgedQuote:
    zero = Decimal(0)
    return quote(name, "0", Verdict.REFUSE, low=zero, high=zero, price_age_ms=10**9)


@given(accepted_quotes(), FEW_BPS)
def test_g1_a_refused_quote_never_moves_a_price(quotes: list[JudgedQuote], bps: int) -> None:
    """G1: adding a refused quote changes no number, and makes the verdict FLAG at best."""
    without = priced(quotes, bps)
    with_it = priced([*quotes, refused("ff")], bps)
    for field in ("mark", "low", "high", "price_age_ms"):
        assert getattr(with_it, field) == getattr(without, field)
    assert with_it.verdict is worst(without.verdict, Verdict.FLAG)


@given(
    accepted_quotes().flatmap(lambda quotes: st.tuples(st.just(quotes), st.permutations(quotes)))
)
def test_g2_the_order_of_quotes_never_matters(
    both: tuple[list[JudgedQuote], list[JudgedQuote]],
) -> None:
    """G2: any order gives the same price, to the last reason."""
    quotes, shuffled = both
    assert priced(quotes, 100) == priced(shuffled, 100)


@given(accepted_quotes(), FEW_BPS)
def test_g3_a_price_lies_in_its_range_and_in_every_source_s_hull(
    quotes: list[JudgedQuote], bps: int
) -> None:
    """G3: low <= mark <= high, and the mark lies between the lowest and highest price."""
    price = priced(quotes, bps)
    assert price.low <= price.mark <= price.high
    prices = [one.price for one in quotes]
    assert min(prices) <= price.mark <= max(prices)
    assert all(price.low <= one.low and one.high <= price.high for one in quotes)


@given(accepted_quotes(least=2), FEW_BPS)
def test_g4_a_price_is_held_exactly_when_two_sources_are_too_far_apart(
    quotes: list[JudgedQuote], bps: int
) -> None:
    """G4: HOLD if and only if some pair's ratio exceeds 1 + bound, whichever is the higher."""
    prices = [Fraction(one.price) for one in quotes]
    apart = any(a * 10_000 > b * (10_000 + bps) for a in prices for b in prices)
    assert (priced(quotes, bps).verdict is Verdict.HOLD) is apart


@given(accepted_quotes())
def test_g5_the_mark_is_the_exact_median(quotes: list[JudgedQuote]) -> None:
    """G5: no digit is rounded, whatever the scale."""
    ordered = sorted(Fraction(one.price) for one in quotes)
    middle = ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]
    assert Fraction(priced(quotes, 0).mark) == middle / 2


@given(accepted_quotes(), st.integers(0, 9_999))
def test_g6_a_wider_bound_never_makes_a_verdict_worse(quotes: list[JudgedQuote], bps: int) -> None:
    """G6: the verdict is monotone in the disagreement bound."""
    tight = priced(quotes, bps).verdict
    wide = priced(quotes, bps + 1).verdict
    assert worst(tight, wide) is tight


amounts = st.integers(-(2**63), 2**63 - 1)


@given(
    answer=amounts,
    confidence=st.integers(0, 2**64 - 1),
    exponent=st.integers(-40, 5),
    published_at_s=st.one_of(st.integers(NOW_MS // 1000 - 200, NOW_MS // 1000 + 100), amounts),
    verification=st.sampled_from(["full", "partial(5)"]),
)
def test_g7_a_quote_is_judged_whatever_it_says_and_a_number_means_acceptance(
    answer: int, confidence: int, exponent: int, published_at_s: int, verification: str
) -> None:
    """G7: never an exception; a price is served exactly when nothing refuses it, and exactly so."""
    newest = replace(
        PYTH_ROUND,
        answer=answer,
        confidence=confidence,
        exponent=exponent,
        published_at_s=published_at_s,
        verification=verification,
    )
    one = judge(PYTH, newest, newest)
    sound = (
        answer > 0
        and -36 <= exponent <= 0
        and Fraction(answer) * Fraction(10) ** exponent <= PRICE_MAX
        and Fraction(confidence, answer) <= Fraction(200, 10_000)
        and published_at_s > 0
        and -15_000 <= NOW_MS - 1000 * published_at_s <= 65_000
        and verification == "full"
    )
    assert (one.verdict is Verdict.OK) is sound
    assert bool(one.reasons) is not sound
    scale = Fraction(10) ** exponent if sound else Fraction(0)
    assert Fraction(one.price) == answer * scale
    assert Fraction(one.low) == (answer - confidence) * scale
    assert Fraction(one.high) == (answer + confidence) * scale


# --- Sources, rates, jumps ------------------------------------------------------------------------


@st.composite
def sourced_quotes(draw: st.DrawFn) -> list[JudgedQuote]:
    """Quotes of several origins and roles around one price, some moved, some refused."""
    quotes = []
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True)):
        price = draw(st.integers(900, 1_100))
        spread = draw(st.integers(0, 20))
        one = quote(
            name,
            str(price),
            draw(st.sampled_from([Verdict.OK, Verdict.FLAG, Verdict.HAIRCUT])),
            low=Decimal(price - spread),
            high=Decimal(price + spread),
            origin=draw(st.sampled_from("abc")),
            role=draw(st.sampled_from(FeedRole)),
            standing=Decimal(draw(st.integers(800, 1_200))),
            moved_bps=draw(st.none() | st.integers(0, 4_000)),
        )
        refuse = draw(st.integers(0, 5)) == 0
        quotes.append(refused(name) if refuse else one)
    return quotes


BOUNDS = st.fixed_dictionaries(
    {
        "sources_min": st.integers(0, 3),
        "jump_bps_max": st.none() | st.integers(0, 4_000),
        "jump_sources_min": st.integers(2, 4),
        "basis_bps_max": st.none() | st.integers(0, 2_000),
        "peg": st.sampled_from(["", "USD", "UNIT"]),
        "haircut_bps": st.integers(0, 10_000),
        "price_min": st.none() | st.integers(900, 1_100).map(Decimal),
        "price_max": st.none() | st.integers(900, 1_100).map(Decimal),
    }
)


@given(sourced_quotes(), BOUNDS, FEW_BPS, st.randoms(use_true_random=False))
def test_g12_whatever_stands_behind_a_price_it_lies_in_its_range_and_no_order_matters(
    quotes: list[JudgedQuote], bounds: dict[str, Any], bps: int, random: Random
) -> None:
    """G12: numbers exactly when not refused; low <= mark <= high; every market lies in the range.

    Held for a jump, the range takes in where the price stood; never above the rate is the mark.
    """
    price = priced(quotes, bps, **bounds)
    shuffled = list(quotes)
    random.shuffle(shuffled)
    assert priced(shuffled, bps, **bounds) == price
    assert (price.verdict is Verdict.REFUSE) == (price.mark == 0)
    assert price.low <= price.mark <= price.high
    assert len(price.reasons) == len(price.guards)
    accepted = [one for one in price.quotes if one.verdict is not Verdict.REFUSE]
    markets = [one for one in accepted if one.role is FeedRole.MARKET]
    rates = [one for one in accepted if one.role is FeedRole.RATE]
    assert price.sources == len({one.origin for one in markets})
    if price.verdict is Verdict.REFUSE:
        return
    assert all(price.low <= one.low and one.high <= price.high for one in markets)
    assert not rates or price.mark <= min(one.price for one in rates)
    if "jump" in price.guards:
        jumped = [one for one in markets if (one.moved_bps or 0) > bounds["jump_bps_max"]]
        assert all(price.low <= one.standing <= price.high for one in jumped)
    assert price.verdict is Verdict.HOLD or price.sources >= bounds["sources_min"]


@given(sourced_quotes(), BOUNDS, FEW_BPS, st.data())
def test_g13_a_stricter_bound_never_makes_a_verdict_better(
    quotes: list[JudgedQuote], bounds: dict[str, Any], bps: int, data: st.DataObject
) -> None:
    """G13: more sources asked for, or a smaller jump believed, is the same verdict or a worse."""
    verdict = priced(quotes, bps, **bounds).verdict
    sources = bounds | {"sources_min": bounds["sources_min"] + 1}
    assert (
        worst(verdict, priced(quotes, bps, **sources).verdict)
        is priced(quotes, bps, **sources).verdict
    )
    bound = bounds["jump_bps_max"]
    jump = data.draw(st.integers(0, 4_000 if bound is None else bound))
    tighter = priced(quotes, bps, **(bounds | {"jump_bps_max": jump})).verdict
    assert worst(verdict, tighter) is tighter


@given(sourced_quotes(), FEW_BPS)
def test_g14_one_more_feed_of_an_origin_is_no_more_a_source(
    quotes: list[JudgedQuote], bps: int
) -> None:
    """G14: ten feeds of one venue count as one."""
    twins = [replace(one, feed=f"{one.feed}twin") for one in quotes]
    assert priced([*quotes, *twins], bps).sources == priced(quotes, bps).sources


@given(
    st.tuples(*[st.integers(1, 10**55)] * 2),
    st.tuples(*[st.integers(0, 10**55)] * 4),
)
def test_g15_a_product_is_never_narrower_than_the_exact_one(
    marks: tuple[int, int], spreads: tuple[int, int, int, int]
) -> None:
    """G15: low is rounded down and high up, each by less than a unit of the 36th decimal."""
    spans = []
    for mark, below, above in zip(marks, spreads[:2], spreads[2:], strict=True):
        low = max(0, mark - below)
        spans.append(Span(*(scaled(one, -36) for one in (low, mark, mark + above))))
    product = spans[0].times(spans[1])
    exact = [Fraction(a) * Fraction(b) for a, b in zip(*spans, strict=True)]
    unit = Fraction(1, 10**36)
    assert 0 <= exact[0] - Fraction(product.low) < unit
    assert 2 * abs(Fraction(product.mark) - exact[1]) <= unit
    assert 0 <= Fraction(product.high) - exact[2] < unit
    assert product.low <= product.mark <= product.high
