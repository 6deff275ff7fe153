"""Each guard at its exact edge: what just passes, and what just does not."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.oracles.rounds import (
    CHAINLINK,
    CHAINLINK_ROUND,
    FUTURE_S_MAX,
    PUBLISHED_AT_S,
    PYTH,
    PYTH_FEED_ID,
    PYTH_ROUND,
    chain,
    judge,
    judged_chainlink,
    judged_pyth,
)
from xmargin.model import Condition, JudgedQuote, Verdict


def refused_for(judged: JudgedQuote, reason: str) -> bool:
    """Whether that is its one reason, and no number is left in it."""
    assert judged.reasons == (reason,)
    return judged.verdict is Verdict.REFUSE and not (judged.price or judged.low or judged.high)


def test_a_sound_quote_is_accepted_with_its_exact_price() -> None:
    judged = judged_chainlink()
    assert (judged.verdict, judged.reasons) == (Verdict.OK, ())
    assert str(judged.price) == str(judged.low) == str(judged.high) == "2500.12345678"
    assert (judged.price_age_ms, judged.round_id) == (10_000, 7)


@pytest.mark.parametrize(
    ("answer", "price"), [(2500_00000000, "2500"), (1, "0.00000001"), (10**9, "10")]
)
def test_a_price_has_one_written_form(answer: int, price: str) -> None:
    price_of_answer = judged_chainlink(answer=answer).price
    assert (f"{price_of_answer:f}", price_of_answer.as_tuple()) == (
        price,
        Decimal(price).as_tuple(),
    )


def test_a_quote_never_read_is_refused() -> None:
    judged = judge(CHAINLINK, None, None)
    assert refused_for(judged, "it has not been read yet")
    assert (judged.published_at_s, judged.round_id, judged.price_age_ms) == (0, 0, 0)


def test_a_round_at_fault_is_refused_for_its_fault_alone() -> None:
    judged = judged_chainlink(answer=0, published_at_s=0, fault="latestRoundData() reverts")
    assert refused_for(judged, "it could not be read: latestRoundData() reverts")


# --- Positive and believable --------------------------------------------------------------------


@pytest.mark.parametrize("answer", [0, -1, -2500_00000000])
def test_a_price_that_is_not_above_zero_is_refused(answer: int) -> None:
    assert refused_for(
        judged_chainlink(answer=answer), f"its answer is {answer}; a price is above zero"
    )


def test_a_price_of_one_billion_billion_is_the_last_believed() -> None:
    top = 10**18 * 10**8
    assert str(judged_chainlink(answer=top).price) == "1000000000000000000"
    assert refused_for(
        judged_chainlink(answer=top + 1),
        "its price is above 1,000,000,000,000,000,000; nothing is worth so much",
    )


@pytest.mark.parametrize(
    ("exponent", "accepted"), [(-37, False), (-36, True), (0, True), (1, False)]
)
def test_exponents_from_minus_36_to_0_are_believed(exponent: int, accepted: bool) -> None:
    spec = replace(CHAINLINK, decimals=None)
    newest = replace(CHAINLINK_ROUND, exponent=exponent)
    judged = judge(spec, newest, newest)
    assert judged.verdict is (Verdict.OK if accepted else Verdict.REFUSE)


# --- Dated --------------------------------------------------------------------------------------


@pytest.mark.parametrize("published_at_s", [0, -5])
def test_a_quote_without_a_date_is_refused(published_at_s: int) -> None:
    judged = judged_chainlink(published_at_s=published_at_s)
    assert refused_for(judged, "it has no date")
    assert judged.price_age_ms == 0


def at(now_ms: int, **changes: Any) -> JudgedQuote:
    newest = replace(CHAINLINK_ROUND, **changes)
    return judge(CHAINLINK, newest, CHAINLINK_ROUND, chain(), now_ms)


def test_an_age_of_heartbeat_plus_tolerance_passes_and_one_millisecond_more_does_not() -> None:
    edge_ms = (PUBLISHED_AT_S + CHAINLINK.heartbeat_s + CHAINLINK.tolerance_s) * 1000
    assert at(edge_ms).verdict is Verdict.OK
    assert at(edge_ms).price_age_ms == 3_660_000
    assert refused_for(
        at(edge_ms + 1), "price is 3,660.001 s old; the feed's heartbeat is 3,600 s + 60 s"
    )


def test_each_feed_has_its_own_heartbeat() -> None:
    edge_ms = (PUBLISHED_AT_S + PYTH.heartbeat_s + PYTH.tolerance_s) * 1000
    late = judge(PYTH, PYTH_ROUND, PYTH_ROUND, chain(), edge_ms + 1000)
    assert refused_for(late, "price is 66 s old; the feed's heartbeat is 60 s + 5 s")


def test_a_date_just_within_the_future_bound_passes_with_age_zero() -> None:
    edge_ms = (PUBLISHED_AT_S - FUTURE_S_MAX) * 1000
    assert (at(edge_ms).verdict, at(edge_ms).price_age_ms) == (Verdict.OK, 0)
    assert refused_for(at(edge_ms - 1), "it is dated 15.001 s in the future; the bound is 15 s")


# --- The same feed as approved ------------------------------------------------------------------


@pytest.mark.parametrize("exponent", [-7, -9, -18])
def test_decimals_other_than_the_spec_pins_are_refused(exponent: int) -> None:
    assert refused_for(
        judged_chainlink(exponent=exponent),
        f"its exponent is {exponent}; it was -8 when the feed was approved",
    )


def test_without_a_pin_in_the_spec_the_first_round_is_the_pin() -> None:
    spec = replace(CHAINLINK, decimals=None, description="")
    changed = replace(CHAINLINK_ROUND, exponent=-18, description="ETH / EUR")
    judged = judge(spec, changed, CHAINLINK_ROUND)
    assert judged.verdict is Verdict.REFUSE
    assert judged.reasons == (
        "its exponent is -18; it was -8 when the feed was approved",
        "its description is 'ETH / EUR'; it was 'ETH / USD' when the feed was approved",
    )
    first = judge(spec, changed, None)
    assert first.verdict is Verdict.OK


def test_the_spec_pins_even_the_first_round() -> None:
    changed = replace(CHAINLINK_ROUND, exponent=-18)
    judged = judge(CHAINLINK, changed, changed)
    assert refused_for(judged, "its exponent is -18; it was -8 when the feed was approved")


def test_another_description_is_refused() -> None:
    assert refused_for(
        judged_chainlink(description="BTC / USD"),
        "its description is 'BTC / USD'; it was 'ETH / USD' when the feed was approved",
    )


def test_another_pyth_feed_in_the_account_is_refused() -> None:
    other = "00" * 32
    assert refused_for(
        judged_pyth(description=other),
        f"its description is {other!r}; it was {PYTH_FEED_ID!r} when the feed was approved",
    )


def test_a_new_aggregator_is_quarantined_until_it_is_approved() -> None:
    other = f"0x{'c3' * 20}"
    changed = replace(CHAINLINK_ROUND, source=other)
    assert refused_for(
        judge(CHAINLINK, changed, CHAINLINK_ROUND),
        f"its answers come from {other}; they came from 0x{'b2' * 20} when the feed was approved",
    )
    approved = replace(CHAINLINK, source=other)
    assert judge(approved, changed, CHAINLINK_ROUND).verdict is Verdict.OK
    assert refused_for(
        judge(approved, CHAINLINK_ROUND, CHAINLINK_ROUND),
        f"its answers come from 0x{'b2' * 20}; they came from {other} when the feed was approved",
    )
    assert judge(CHAINLINK, changed, changed).verdict is Verdict.OK


# --- Pyth ---------------------------------------------------------------------------------------


def test_collateral_is_at_price_minus_and_debt_at_price_plus_confidence() -> None:
    judged = judged_pyth()
    assert (str(judged.low), str(judged.price), str(judged.high)) == ("148.5", "150", "151.5")


def test_confidence_of_exactly_the_bound_passes_and_the_next_unit_does_not() -> None:
    edge = PYTH_ROUND.answer * PYTH.confidence_bps_max // 10_000
    assert judged_pyth(confidence=edge).verdict is Verdict.OK
    assert refused_for(
        judged_pyth(confidence=edge + 1),
        "its confidence is 201 bps of its price; the bound is 200 bps",
    )


def test_a_confidence_below_zero_is_refused() -> None:
    assert refused_for(judged_pyth(confidence=-1), "its confidence is -1; it is never below zero")


@pytest.mark.parametrize("level", ["partial(5)", "partial(19)", ""])
def test_less_than_full_verification_is_refused(level: str) -> None:
    assert refused_for(
        judged_pyth(verification=level), f"its verification is {level or 'absent'}; full is needed"
    )


def test_a_chainlink_round_needs_no_verification_level() -> None:
    assert judged_chainlink(verification="").verdict is Verdict.OK


# --- The chain it was read on -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (Condition.UNREAD, "has not been read yet"),
        (Condition.LAGGING, "lags"),
        (Condition.UNREACHABLE, "cannot be reached"),
        (Condition.INVALID, "answers wrongly"),
    ],
)
def test_what_cannot_be_read_again_is_not_believed(condition: Condition, said: str) -> None:
    cut_off = chain(condition, "main (http://127.0.0.1): HTTP 500")
    judged = judge(CHAINLINK, CHAINLINK_ROUND, CHAINLINK_ROUND, cut_off)
    assert refused_for(
        judged,
        f"it cannot be read again, as its chain {said}: main (http://127.0.0.1): HTTP 500",
    )


def test_every_reason_is_given_not_only_the_first() -> None:
    judged = judged_pyth(published_at_s=0, verification="partial(1)", confidence=15_00000000)
    assert judged.reasons == (
        "its confidence is 1,000 bps of its price; the bound is 200 bps",
        "it has no date",
        "its verification is partial(1); full is needed",
    )
