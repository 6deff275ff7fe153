"""One price of all its quotes: median, range, and the worst of what stands behind it."""

from decimal import Decimal

import pytest

from tests.oracles.rounds import priced, quote
from xmargin.errors import InvalidArgumentError
from xmargin.model import Verdict

BOUND_BPS = 200


def test_one_accepted_quote_is_the_price() -> None:
    one = quote("a1", "2500.5", low=Decimal(2499), high=Decimal(2502))
    price = priced([one], BOUND_BPS)
    assert (price.verdict, price.reasons, price.quotes) == (Verdict.OK, (), (one,))
    assert (price.low, price.mark, price.high) == (
        Decimal(2499),
        Decimal("2500.5"),
        Decimal(2502),
    )


def test_the_mark_of_three_is_the_middle_one() -> None:
    quotes = [quote("a1", "2510"), quote("b2", "2500"), quote("c3", "2501")]
    assert priced(quotes, BOUND_BPS).mark == Decimal(2501)


def test_the_mark_of_two_is_their_exact_mean() -> None:
    quotes = [quote("a1", "2500"), quote("b2", "2500.00000001")]
    assert str(priced(quotes, BOUND_BPS).mark) == "2500.000000005"


def test_the_range_is_the_widest_any_accepted_quote_gives() -> None:
    wide = quote("a1", "2500", low=Decimal(2480), high=Decimal(2505))
    other = quote("b2", "2510", low=Decimal(2509), high=Decimal(2530))
    price = priced([wide, other], BOUND_BPS)
    assert (price.low, price.high) == (Decimal(2480), Decimal(2530))


def test_two_sources_exactly_at_the_bound_agree_and_any_more_is_held() -> None:
    at_bound = priced([quote("a1", "2500"), quote("b2", "2550")], BOUND_BPS)
    assert at_bound.verdict is Verdict.OK
    beyond = priced([quote("a1", "2500"), quote("b2", "2550.00000001")], BOUND_BPS)
    assert beyond.verdict is Verdict.HOLD
    assert (beyond.low, beyond.high) == (Decimal(2500), Decimal("2550.00000001"))
    (reason,) = beyond.reasons
    assert reason.endswith("201 bps apart; the bound is 200 bps")


def test_a_refused_quote_that_disagrees_neither_holds_nor_moves_the_price() -> None:
    zero = Decimal(0)
    refused = quote("b2", "0", Verdict.REFUSE, low=zero, high=zero, price_age_ms=9_000_000)
    price = priced([quote("a1", "2500"), refused], BOUND_BPS)
    assert (price.verdict, price.mark, price.low) == (Verdict.FLAG, Decimal(2500), Decimal(2500))
    assert price.reasons == (f"{refused.feed}: it was spoilt by the test",)
    assert price.price_age_ms == 10_000


def test_with_every_quote_refused_no_number_is_served() -> None:
    price = priced([quote("a1", "0", Verdict.REFUSE)], BOUND_BPS)
    assert price.verdict is Verdict.REFUSE
    assert (price.mark, price.low, price.high) == (Decimal(0),) * 3
    assert price.reasons[0] == "no quote of ETH is accepted"
    assert price.reasons[1].endswith("it was spoilt by the test")


def test_without_a_feed_there_is_no_price() -> None:
    price = priced([], BOUND_BPS)
    assert (price.verdict, price.reasons) == (Verdict.REFUSE, ("no feed quotes ETH",))


def test_a_flag_of_a_quote_is_a_flag_of_the_price() -> None:
    price = priced([quote("a1", "2500", Verdict.FLAG), quote("b2", "2500")], BOUND_BPS)
    assert price.verdict is Verdict.FLAG


def test_a_disagreement_outranks_a_flag() -> None:
    price = priced([quote("a1", "2500", Verdict.FLAG), quote("b2", "2600")], BOUND_BPS)
    assert price.verdict is Verdict.HOLD


@pytest.mark.parametrize("unit", ["ETH", "USDC", "EUR", "usd", ""])
def test_a_quote_in_another_unit_never_enters_a_dollar_price(unit: str) -> None:
    foreign = quote("b2", "2500", quote=unit)
    price = priced([quote("a1", "2600"), foreign], BOUND_BPS)
    assert (price.verdict, price.mark) == (Verdict.FLAG, Decimal(2600))
    (_, judged) = price.quotes
    assert (judged.verdict, judged.price) == (Verdict.REFUSE, Decimal(0))
    assert judged.reasons[-1].endswith("which has no price; only USD needs none")


def test_the_age_of_a_price_is_that_of_its_oldest_accepted_quote() -> None:
    quotes = [quote("a1", "2500", price_age_ms=5), quote("b2", "2500", price_age_ms=70_000)]
    assert priced(quotes, BOUND_BPS).price_age_ms == 70_000


def test_a_quote_of_another_base_is_our_own_mistake() -> None:
    with pytest.raises(InvalidArgumentError, match="quotes BTC, not ETH"):
        priced([quote("a1", "60000", base="BTC")], BOUND_BPS)
