"""Costs fitted to depth curves are never below the curve's, and say where a market ends."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmargin.engine.cascade import NO_DEPTH, DepthCurve
from xmargin.engine.trade_cost import ImpactLaws, TradeCost, check_curve, purchase, sale
from xmargin.errors import EngineError
from xmargin.params import load_parameters

PRICE = 2500.0
SLOPING = DepthCurve(((0, 1), (50, 0.998), (500, 0.97), (500, 0)))
JUMPING = DepthCurve(((0, 1), (0, 0.999), (10, 0.999), (10, 0.9), (40, 0.5)))
BOTH_SIDES = DepthCurve(((-20, 1.2), (-5, 1.01), (0, 1), (10, 0.99)))

# So small a part of a leg that its root is lost to rounding is of no market.
_AMOUNTS = st.one_of(st.just(0.0), st.floats(1e-6, 1e4))


@st.composite
def curves(draw: st.DrawFn) -> DepthCurve:
    """From amount 0 on: slopes, steps and jumps, some of them to nothing."""
    amounts = sorted(draw(st.lists(_AMOUNTS, min_size=1, max_size=6)))
    shares = sorted(draw(st.lists(st.floats(0, 1), min_size=len(amounts), max_size=len(amounts))))
    knots = zip(amounts, shares, strict=True)
    return DepthCurve(((0.0, 1.0), *((at, 1 - share) for at, share in knots)))


def exact_cost(curve: DepthCurve, amount: float) -> Fraction:
    """∫ (1 - multiple) from 0 to ``amount``, straight from what a depth curve is."""
    knots = [(Fraction(at), Fraction(multiple)) for at, multiple in curve.knots if at >= 0]
    knots.append((max(Fraction(amount), knots[-1][0]), knots[-1][1]))
    total = Fraction(0)
    for (start, high), (end, low) in pairwise(knots):
        stop = min(end, Fraction(amount))
        if start < stop:
            at_stop = high + (low - high) * (stop - start) / (end - start)
            total += (stop - start) * (1 - (high + at_stop) / 2)
    return total


# portfolio-plan-1
@given(curves(), st.floats(1e-3, 2e4), st.lists(st.floats(1e-90, 1), max_size=20))
@settings(max_examples=300, deadline=None)
def test_a_fit_is_never_below_the_curve(
    curve: DepthCurve, amount: float, inner: list[float]
) -> None:
    fit = sale(curve).fit(amount, PRICE)
    at_knots = [at / amount for at, _ in curve.knots if 0 < at <= amount]
    for fraction in (*at_knots, *inner, 0.5, 1.0):
        curve_cost = exact_cost(curve, fraction * amount) * Fraction(PRICE)
        assert Fraction(fit.of(fraction)) >= curve_cost * (1 - Fraction(1, 10**12))


# portfolio-plan-2
@given(curves(), st.floats(1e-3, 2e4))
@settings(max_examples=200, deadline=None)
def test_a_fit_is_on_average_at_most_that_of_a_single_price(
    curve: DepthCurve, amount: float
) -> None:
    fit = sale(curve).fit(amount, PRICE)
    whole = float(exact_cost(curve, amount)) * PRICE
    assert fit.spread / 2 + fit.impact * 2 / 5 <= whole / 2 * (1 + 1e-6) + 1e-9 * PRICE * amount


@pytest.mark.parametrize(
    ("curve", "taken"), [(SLOPING, 500.0), (NO_DEPTH, 0.0), (JUMPING, float("inf"))]
)
def test_a_market_takes_nothing_where_the_price_comes_to_zero(
    curve: DepthCurve, taken: float
) -> None:
    assert sale(curve).amount_max == taken
    assert purchase(curve).amount_max == taken


def test_purchases_cost_what_the_curve_says_of_them_else_what_sales_do() -> None:
    assert purchase(BOTH_SIDES).cost(5) == pytest.approx(5 * 0.01 / 2)
    assert purchase(BOTH_SIDES).cost(30) == pytest.approx(0.025 + 15 * 0.105 + 10 * 0.2)
    assert purchase(SLOPING).cost(50) == sale(SLOPING).cost(50) == pytest.approx(0.05)


def test_the_cost_of_nothing_is_nothing() -> None:
    assert sale(SLOPING).fit(0.0, PRICE) == TradeCost(0.0, 0.0)
    assert TradeCost(1.0, 2.0).of(0.0) == 0.0


@pytest.mark.parametrize(
    "knots",
    [
        (),
        ((1.0, 1.0),),
        ((0.0, 0.9),),
        ((0.0, 1.0), (5.0, 1.1)),
        ((0.0, 1.0), (5.0, -0.1)),
        ((0.0, 1.0), (5.0, 0.9), (4.0, 0.8)),
        ((0.0, 1.0), (float("nan"), 0.9)),
        ((0.0, 1.0), (float("inf"), 0.9)),
    ],
)
def test_what_is_no_curve_is_refused_by_name(knots: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(EngineError, match="depth of ODD"):
        check_curve(DepthCurve(knots), "ODD")


@pytest.mark.parametrize("value", [1e3, 1e6, 1e9, 1e12])
def test_the_impact_law_is_the_margin_models_and_linear_beyond_its_days(value: float) -> None:
    """``unified-v1``: ETH trades 5e9 USD a day at 4 %, impact is convex up to one day of it."""
    laws = ImpactLaws.of(load_parameters("unified-v1").content)
    assert laws is not None
    fit = laws.fit("ETH", value)
    for part in (0.1, 0.5, 1.0):
        x, volume, volatility = part * value, 5e9, 0.04
        within = min(x, volume)
        law = volatility * (within / volume) ** 0.5 * within + 1.5 * volatility * (x - within)
        assert fit.of(part) >= law * (1 - 1e-12)
    if value <= 5e9:
        assert fit.of(1.0) == pytest.approx(0.04 * (value / 5e9) ** 0.5 * value)


def test_parameters_without_liquidity_have_no_law() -> None:
    assert ImpactLaws.of("{}") is None
