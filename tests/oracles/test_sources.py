"""What stands behind a price: independent origins, rates, jumps, pegs; and alarms."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.oracles.rounds import priced, quote
from xmargin.model import FeedRole, JudgedPrice, JudgedQuote, Verdict
from xmargin.oracles.findings import Guard

ZERO = Decimal(0)


def of(origin: str, name: str, price: str, **changes: Any) -> JudgedQuote:
    return quote(name, price, origin=origin, **changes)


def span(price: JudgedPrice) -> tuple[str, str, str]:
    return f"{price.low:f}", f"{price.mark:f}", f"{price.high:f}"


def without(guard: Guard) -> dict[str, Any]:
    return {"without": frozenset({guard})}


# --- Independent origins --------------------------------------------------------------------------


def test_ten_feeds_of_one_venue_are_one_source() -> None:
    ten = [of("binance", f"{number:02x}", "100") for number in range(10)]
    price = priced([*ten, of("kraken", "aa", "101")])
    assert (price.sources, price.mark) == (2, Decimal("100.5"))
    assert priced(ten).sources == 1


def test_an_origin_speaks_by_the_median_of_its_feeds() -> None:
    quotes = [of("a", "01", "100"), of("a", "02", "101"), of("a", "03", "101.5")]
    assert priced([*quotes, of("b", "04", "100")]).mark == Decimal("100.5")


def test_as_many_origins_as_are_needed_pass_and_one_fewer_is_held() -> None:
    two = [of("a", "01", "100"), of("b", "02", "101")]
    assert priced(two, sources_min=2).verdict is Verdict.OK
    held = priced(two, sources_min=3)
    assert (held.verdict, held.guards) == (Verdict.HOLD, ("sources",))
    assert held.reasons == ("2 independent sources stand behind it; 3 are needed",)
    assert span(held) == ("100", "100.5", "101")
    one = priced([of("a", "01", "100"), of("a", "02", "100")], sources_min=2)
    assert one.reasons == ("1 independent source stands behind it; 2 are needed",)


def test_a_refused_quote_is_no_source() -> None:
    refused = of("b", "02", "0", verdict=Verdict.REFUSE, low=ZERO, high=ZERO)
    price = priced([of("a", "01", "100"), refused], sources_min=2)
    assert (price.verdict, price.sources) == (Verdict.HOLD, 1)


def test_what_a_pool_pays_now_counts_for_nothing() -> None:
    spot = of("pool", "02", "250", role=FeedRole.SPOT)
    alone = priced([spot])
    assert (alone.verdict, alone.mark, alone.sources) == (Verdict.REFUSE, ZERO, 0)
    beside = priced([of("a", "01", "100"), spot])
    assert (beside.verdict, beside.sources, span(beside)) == (
        Verdict.FLAG,
        1,
        ("100", "100", "100"),
    )
    assert beside.guards == ("spot",)
    assert beside.reasons[0].endswith("says 250, which counts for nothing")
    assert priced([of("a", "01", "100"), replace(spot, price=Decimal(102))]).verdict is Verdict.OK


# --- Units ----------------------------------------------------------------------------------------


def eth(verdict: Verdict = Verdict.OK, **changes: Any) -> JudgedPrice:
    reasons = () if verdict is Verdict.OK else ("two feeds part",)
    guards = () if verdict is Verdict.OK else ("agreement",)
    mark = ZERO if verdict is Verdict.REFUSE else Decimal(2000)
    price = JudgedPrice(
        "UNIT", verdict, reasons, mark, mark - mark / 100, mark + mark / 100, 0, (), guards
    )
    return replace(price, **changes)


def in_unit(price: str, **changes: Any) -> JudgedQuote:
    return of("a", "01", price, quote="UNIT", **changes)


def test_a_quote_in_another_unit_is_taken_times_that_unit_s_price_range_for_range() -> None:
    low_high = in_unit("1.12", low=Decimal("1.11"), high=Decimal("1.13"))
    price = priced([low_high], units={"UNIT": eth()})
    assert (price.verdict, span(price)) == (Verdict.OK, ("2197.8", "2240", "2282.6"))
    (kept,) = price.quotes
    assert (kept.price, kept.quote) == (Decimal("1.12"), "UNIT")


@pytest.mark.parametrize("verdict", [Verdict.FLAG, Verdict.HAIRCUT, Verdict.HOLD])
def test_the_doubts_of_a_unit_are_doubts_of_what_is_priced_through_it(verdict: Verdict) -> None:
    price = priced([in_unit("1.12")], units={"UNIT": eth(verdict)})
    assert (price.verdict, price.guards) == (verdict, ("agreement",))
    assert price.reasons[0].endswith(": through UNIT: two feeds part")
    assert price.mark == Decimal(2240)


@pytest.mark.parametrize("units", [{}, {"UNIT": eth(Verdict.REFUSE)}])
def test_without_a_price_of_its_unit_a_quote_is_no_price(units: dict[str, JudgedPrice]) -> None:
    price = priced([in_unit("1.12")], units=units)
    assert (price.verdict, price.mark) == (Verdict.REFUSE, ZERO)
    assert price.quotes[0].guards == ("unit",)
    switched_off = priced([in_unit("1.12")], units=units, **without(Guard.UNIT))
    assert switched_off.mark == Decimal("1.12")


def test_a_product_is_rounded_to_36_decimals_to_the_safe_side() -> None:
    third = in_unit("0." + "3" * 36)
    one = eth(low=Decimal("0." + "3" * 36), mark=Decimal("0.5"), high=Decimal("0." + "3" * 36))
    price = priced([third], units={"UNIT": one})
    assert f"{price.low:f}" == "0." + "1" * 35
    assert f"{price.high:f}" == "0." + "1" * 36
    assert f"{price.mark:f}" == "0.1" + "6" * 35


def test_a_product_above_what_anything_is_worth_or_below_all_digits_is_refused() -> None:
    huge = priced([in_unit("1000000000000000000")], units={"UNIT": eth()})
    assert huge.quotes[0].reasons == (
        "its price is 2000000000000000000000 USD, which is not believable",
    )
    dust = eth(low=Decimal("1e-30"), mark=Decimal("1e-30"), high=Decimal("1e-30"))
    assert priced([in_unit("0.0000001")], units={"UNIT": dust}).verdict is Verdict.REFUSE


# --- Bounds ---------------------------------------------------------------------------------------


def test_outside_of_its_own_bounds_no_number_is_served() -> None:
    one = [of("a", "01", "0.107")]
    assert priced(one, price_min=Decimal("0.107"), price_max=Decimal("0.107")).mark
    beyond: list[dict[str, Any]] = [
        {"price_min": Decimal("0.1070001")},
        {"price_max": Decimal("0.1069999")},
    ]
    for bounds in beyond:
        price = priced(one, **bounds)
        assert (price.verdict, price.mark) == (Verdict.REFUSE, ZERO)
        assert price.quotes[0].guards == ("price-bounds",)


def test_a_dollar_is_worth_what_the_market_says() -> None:
    assert span(priced([of("a", "01", "0.87")])) == ("0.87", "0.87", "0.87")


# --- Rates ----------------------------------------------------------------------------------------


def rate(price: str, **changes: Any) -> JudgedQuote:
    return of("contract", "0e", price, role=FeedRole.RATE, **changes)


TWO = (of("a", "01", "100"), of("b", "02", "100"))


def test_a_base_is_worth_the_lesser_of_market_and_rate() -> None:
    assert span(priced([*TWO, rate("99")])) == ("99", "99", "100")
    assert span(priced([*TWO, rate("101")])) == ("100", "100", "101")
    assert priced([*TWO, rate("99")], **without(Guard.RATE)).mark == 100


def test_a_market_above_its_rate_is_held_beyond_the_bound() -> None:
    at_bound = priced([of("a", "01", "102"), rate("100")])
    assert at_bound.verdict is Verdict.OK
    stale_cap = priced([*TWO, rate("97.15")])
    assert (stale_cap.verdict, stale_cap.guards) == (Verdict.HOLD, ("rate",))
    assert span(stale_cap) == ("97.15", "97.15", "100")
    assert stale_cap.reasons[0].endswith("97.15, 294 bps below; the bound is 200 bps")


def test_a_market_below_its_rate_is_believed_of_two_sources_only() -> None:
    one_venue = priced([of("binance", "01", "65"), rate("100")], haircut_bps=100)
    assert (one_venue.verdict, span(one_venue)) == (Verdict.HOLD, ("65", "65", "100"))
    both = priced([of("a", "01", "65"), of("b", "02", "65"), rate("100")], haircut_bps=100)
    assert (both.verdict, span(both)) == (Verdict.HAIRCUT, ("64.35", "65", "101"))
    assert both.reasons[0].endswith("5,385 bps above; its range is widened by 100 bps")


def test_the_basis_has_a_bound_of_its_own_where_given() -> None:
    assert priced([*TWO, rate("95")], basis_bps_max=527).verdict is Verdict.OK
    assert priced([*TWO, rate("95")], basis_bps_max=526).verdict is Verdict.HOLD


def test_the_least_of_several_rates_counts() -> None:
    assert priced([*TWO, rate("99"), replace(rate("98.5"), feed="z")]).mark == Decimal("98.5")


def test_a_rate_alone_is_no_price_unless_no_source_is_asked_for() -> None:
    assert priced([rate("100")]).verdict is Verdict.REFUSE
    alone = priced([rate("100")], sources_min=0)
    assert (alone.verdict, alone.mark, alone.sources) == (Verdict.FLAG, Decimal(100), 0)
    assert alone.reasons == ("no market stands behind its rate",)


# --- Jumps ----------------------------------------------------------------------------------------


def jumped(origin: str, name: str, price: str, moved_bps: int | None) -> JudgedQuote:
    return of(origin, name, price, standing=Decimal("0.038"), moved_bps=moved_bps)


def test_a_jump_that_one_origin_says_is_held_with_the_range_of_both() -> None:
    bounds: dict[str, Any] = {"jump_bps_max": 2_000}
    assert priced([jumped("a", "01", "0.0456", 2_000)], **bounds).verdict is Verdict.OK
    price = priced([jumped("a", "01", "0.91", 229_474)], **bounds)
    assert (price.verdict, price.guards) == (Verdict.HOLD, ("jump",))
    assert span(price) == ("0.038", "0.91", "0.91")
    assert price.reasons[0].endswith(
        "says 0.91 and stood at 0.038, 229,474 bps away, within 900 s; more than "
        "2,000 bps are believed of 2 sources"
    )
    free = priced([jumped("a", "01", "0.91", 229_474)], **bounds, **without(Guard.JUMP))
    assert (free.verdict, span(free)) == (Verdict.OK, ("0.91", "0.91", "0.91"))


def test_a_fall_is_a_jump_too() -> None:
    low = of("a", "01", "5402", standing=Decimal(41_000), moved_bps=65_898)
    price = priced([low], jump_bps_max=2_000)
    assert (price.verdict, span(price)) == (Verdict.HOLD, ("5402", "5402", "41000"))


def test_a_second_origin_confirms_a_move_and_two_feeds_of_one_do_not() -> None:
    moves = [jumped("a", "01", "0.91", 229_474), jumped("b", "02", "0.91", 229_474)]
    assert priced(moves, jump_bps_max=2_000).verdict is Verdict.OK
    same = [replace(one, origin="a") for one in moves]
    assert priced(same, jump_bps_max=2_000).verdict is Verdict.HOLD


def test_what_is_thin_may_need_more_origins_to_move() -> None:
    """Mango, 2022-10-11: three venues were bought up at once, and every origin said so."""
    pumped = [jumped(origin, origin * 2, "0.91", 229_474) for origin in "abc"]
    assert priced(pumped, jump_bps_max=2_000, jump_sources_min=3).verdict is Verdict.OK
    held = priced(pumped, jump_bps_max=2_000, jump_sources_min=4)
    assert (held.verdict, span(held)) == (Verdict.HOLD, ("0.038", "0.91", "0.91"))


def test_without_a_bound_or_a_history_nothing_is_a_jump() -> None:
    assert priced([jumped("a", "01", "0.91", 229_474)]).verdict is Verdict.OK
    assert priced([jumped("a", "01", "0.91", None)], jump_bps_max=1).verdict is Verdict.OK


def test_where_it_stood_is_in_dollars_by_the_unit_s_price() -> None:
    moved = in_unit("1.5", standing=Decimal(1), moved_bps=5_000)
    held = priced([moved], units={"UNIT": eth()}, jump_bps_max=2_000)
    assert span(held) == ("1980", "3000", "3030")


# --- Pegs -----------------------------------------------------------------------------------------


def test_off_its_peg_the_range_is_widened_and_the_mark_stays_the_market_s() -> None:
    peg: dict[str, Any] = {"peg": "USD", "peg_bps_max": 100, "haircut_bps": 500}
    assert priced([of("a", "01", "1.01")], **peg).verdict is Verdict.OK
    off = priced([of("a", "01", "0.87")], **peg)
    assert (off.verdict, span(off)) == (Verdict.HAIRCUT, ("0.8265", "0.87", "0.9135"))
    assert off.reasons == (
        "it is 1,495 bps off its peg to USD; beyond 100 bps its range is widened by 500 bps",
    )
    free = priced([of("a", "01", "0.87")], **peg, **without(Guard.PEG))
    assert (free.verdict, span(free)) == (Verdict.OK, ("0.87", "0.87", "0.87"))


def test_a_peg_may_be_to_another_base_and_a_peg_without_a_price_is_told() -> None:
    units = {"UNIT": eth()}
    assert priced([of("a", "01", "1990")], units=units, peg="UNIT").verdict is Verdict.OK
    assert priced([of("a", "01", "1900")], units=units, peg="UNIT").verdict is Verdict.HAIRCUT
    lost = priced([of("a", "01", "1900")], peg="UNIT")
    assert (lost.verdict, lost.reasons) == (
        Verdict.FLAG,
        ("its peg UNIT has no accepted price",),
    )


# --- Alarms ---------------------------------------------------------------------------------------


def test_a_guard_that_binds_while_nothing_moved_is_an_alarm() -> None:
    still = {"standing": Decimal(100), "moved_bps": 50}
    quiet = [of("a", "01", "100", **still), of("b", "02", "103", **still)]
    price = priced(quiet)
    assert price.verdict is Verdict.HOLD
    assert price.alarms == (
        "agreement binds though no answer moved by more than 50 bps within 900 s",
    )
    moved = [replace(quiet[0], moved_bps=51), quiet[1]]
    assert priced(moved).alarms == ()


def test_a_cap_that_binds_in_a_quiet_market_is_an_alarm_though_only_a_flag() -> None:
    capped = rate(
        "99.5", verdict=Verdict.FLAG, guards=("rate-cap",), standing=Decimal(100), moved_bps=0
    )
    price = priced([*TWO, capped])
    assert price.verdict is Verdict.FLAG
    assert price.alarms[0].startswith("rate-cap binds though")


def test_a_move_of_the_unit_is_a_market_move_and_its_doubts_are_its_own_alarm() -> None:
    still = in_unit("1.2", standing=Decimal("1.2"), moved_bps=0)
    dollars = of("b", "02", "2300", standing=Decimal(2300), moved_bps=0)
    for moved_bps, alarms in ((50, 1), (51, 0), (None, 0)):
        price = priced([still, dollars], units={"UNIT": eth()}, units_moved_bps=(moved_bps,))
        assert price.verdict is Verdict.HOLD
        assert len(price.alarms) == alarms
    carried = priced([still], units={"UNIT": eth(Verdict.HOLD)}, units_moved_bps=(0,))
    assert (carried.verdict, carried.alarms) == (Verdict.HOLD, ())


def test_a_refused_quote_beside_others_in_a_quiet_market_is_an_alarm() -> None:
    still = {"standing": Decimal(100), "moved_bps": 0}
    refused = of("b", "02", "0", verdict=Verdict.REFUSE, low=ZERO, high=ZERO, **still)
    price = priced([of("a", "01", "100", **still), replace(refused, guards=("identity",))])
    assert price.verdict is Verdict.FLAG
    assert price.alarms[0].startswith("identity binds though")
    unread = replace(refused, guards=("chain",), moved_bps=None)
    assert priced([of("a", "01", "100", **still), unread]).alarms == ()


def test_nothing_is_an_alarm_while_no_answer_can_be_seen_or_no_guard_binds() -> None:
    apart = [of("a", "01", "100"), of("b", "02", "103")]
    assert priced(apart).alarms == ()
    still = {"standing": Decimal(100), "moved_bps": 0}
    assert priced([of("a", "01", "100", **still)]).alarms == ()
