"""All prices of a registry: units first, circles refused, whatever the order of feeds."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.oracles.rounds import CHAINLINK, CHAINLINK_ROUND, NOW_MS, chain
from xmargin.model import (
    FeedRole,
    FeedRound,
    FeedSpec,
    JudgedPrice,
    PriceSpec,
    Registry,
    Verdict,
)
from xmargin.oracles.findings import Guard
from xmargin.oracles.guards import FeedCase
from xmargin.oracles.history import is_answer, stepped
from xmargin.oracles.judging import judge_prices


def feed(base: str, quote: str, number: int = 0) -> FeedSpec:
    name = f"chainlink@eip155:1/{base}-{quote}-{number}"
    return replace(CHAINLINK, id=name, base=base, quote=quote, description="")


def prices_of(
    feeds: dict[FeedSpec, str],
    prices: tuple[PriceSpec, ...] = (),
    without: frozenset[Guard] = frozenset(),
) -> dict[str, JudgedPrice]:
    def case_of(spec: FeedSpec) -> FeedCase:
        newest = replace(CHAINLINK_ROUND, feed=spec.id, answer=int(Decimal(feeds[spec]) * 10**8))
        return FeedCase(spec, newest, None, None, chain())

    registry = Registry((), (), tuple(feeds), (), (), prices=prices)
    return judge_prices(registry, case_of, NOW_MS, without)


def test_a_ratio_is_never_read_as_dollars() -> None:
    """Moonwell, 2026-02-15: cbETH at 1.12, as × ETH/USD was missing."""
    feeds = {feed("CBETH", "ETH"): "1.12", feed("ETH", "USD"): "1960"}
    prices = prices_of(feeds)
    assert list(prices) == ["CBETH", "ETH"]
    assert (prices["CBETH"].verdict, prices["CBETH"].mark) == (Verdict.OK, Decimal("2195.2"))
    assert prices_of(feeds, without=frozenset({Guard.UNIT}))["CBETH"].mark == Decimal("1.12")
    alone = prices_of({feed("CBETH", "ETH"): "1.12"})["CBETH"]
    assert (alone.verdict, alone.mark) == (Verdict.REFUSE, Decimal(0))


def test_a_chain_of_units_is_followed_to_its_end() -> None:
    feeds = {feed("A", "B"): "2", feed("B", "C"): "3", feed("C", "USD"): "5"}
    assert prices_of(feeds)["A"].mark == Decimal(30)


def test_what_is_priced_in_a_circle_is_refused_and_what_is_beside_it_stands() -> None:
    feeds = {
        feed("A", "B"): "2",
        feed("B", "A"): "0.5",
        feed("B", "USD", 1): "7",
        feed("C", "A"): "1",
        feed("D", "D"): "1",
    }
    prices = prices_of(feeds)
    assert prices["A"].verdict is Verdict.REFUSE
    assert (prices["B"].verdict, prices["B"].mark) == (Verdict.FLAG, Decimal(7))
    assert prices["C"].verdict is Verdict.REFUSE
    assert prices["D"].quotes[0].reasons == ("it is quoted in D, which is itself priced through D",)


def test_a_peg_to_a_base_waits_for_its_price() -> None:
    feeds = {feed("A", "USD"): "95", feed("Z", "USD"): "100"}
    prices = prices_of(feeds, (PriceSpec("A", peg="Z", haircut_bps=100),))
    assert prices["A"].verdict is Verdict.HAIRCUT


BASES = ("A", "B", "C", "D")


@given(
    st.lists(
        st.tuples(st.sampled_from(BASES), st.sampled_from([*BASES, "USD"]), st.integers(1, 10**12)),
        min_size=1,
        max_size=8,
    ),
    st.randoms(use_true_random=False),
)
def test_g10_feeds_in_any_order_and_in_any_circle_give_the_same_prices(
    drawn: list[tuple[str, str, int]], random: st.DataObject
) -> None:
    """G10: no order of feeds matters, no circle hangs or serves a number made of itself."""
    feeds = {
        feed(base, unit, number): f"{answer}e-8"
        for number, (base, unit, answer) in enumerate(drawn)
    }
    straight = prices_of(feeds)
    shuffled = list(feeds)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert prices_of({spec: feeds[spec] for spec in shuffled}) == straight
    rooted = {base for base, unit, _ in drawn if unit == "USD"}
    for _ in BASES:
        rooted |= {base for base, unit, _ in drawn if unit in rooted}
    for base, price in straight.items():
        assert price.verdict is Verdict.REFUSE or base in rooted
        assert price.low <= price.mark <= price.high


BELIEVABLE = st.none() | st.integers(1, 10**54).map(lambda amount: Decimal(f"{amount}e-36"))
ANY_INT = st.integers(-(2**255), 2**255) | st.integers(-100, 100)


@st.composite
def any_feed(draw: st.DrawFn) -> FeedCase:
    """A feed of whatever bounds a registry may hold, with whatever rounds a tape may."""
    kind = draw(st.sampled_from(["chainlink", "pyth", "erc4626", "uniswap-v3-twap"]))
    spec = replace(
        CHAINLINK,
        id=f"{kind}@eip155:1/{draw(st.integers(0, 10**9))}",
        base=draw(st.sampled_from(BASES)),
        quote=draw(st.sampled_from([*BASES, "USD"])),
        role=draw(st.none() | st.sampled_from(FeedRole)),
        price_min=draw(BELIEVABLE),
        price_max=draw(BELIEVABLE),
        liquidity_min=draw(st.none() | st.integers(0, 2**128)),
        liquidity_ample=draw(st.none() | st.integers(0, 2**128)),
        haircut_bps=draw(st.integers(0, 10_000)),
        rate_snapshot=draw(BELIEVABLE),
        rate_snapshot_at_s=draw(st.integers(0, 2**32)),
        rate_growth_bps_max=draw(st.none() | st.integers(0, 10**7)),
    )

    def any_round() -> FeedRound:
        return replace(
            CHAINLINK_ROUND,
            feed=spec.id,
            answer=draw(ANY_INT),
            confidence=draw(ANY_INT),
            exponent=draw(st.integers(-40, 5)),
            published_at_s=draw(ANY_INT | st.just(NOW_MS // 1000)),
            fault=draw(st.sampled_from(["", "", "it reverts"])),
            liquidity=draw(st.none() | ANY_INT),
        )

    history = None
    before = None
    for at_s in sorted(draw(st.lists(st.integers(0, NOW_MS // 1000), max_size=4))):
        newest = any_round()
        if is_answer(newest):
            history = stepped(history, before, newest, at_s, 900)
        before = newest
    return FeedCase(spec, before, draw(st.none() | st.just(before)), history, chain())


@given(st.lists(any_feed(), max_size=5, unique_by=lambda case: case.spec.id), BELIEVABLE)
def test_g16_whatever_feeds_say_all_is_judged_and_what_is_served_is_believable(
    cases: list[FeedCase], price_max: Decimal | None
) -> None:
    """G16: never an exception; a number served lies in its range, above zero and up to 10^18."""
    by_spec = {case.spec: case for case in cases}
    specs = tuple(
        PriceSpec(base, price_max=price_max, jump_bps_max=0, peg="D", haircut_bps=500)
        for base in BASES
    )
    registry = Registry((), (), tuple(by_spec), (), (), prices=specs)
    for price in judge_prices(registry, by_spec.__getitem__, NOW_MS).values():
        if price.verdict is Verdict.REFUSE:
            assert {price.low, price.mark, price.high} == {Decimal(0)}
        else:
            assert 0 <= price.low <= price.mark <= price.high
            assert 0 < price.mark <= 10**18
