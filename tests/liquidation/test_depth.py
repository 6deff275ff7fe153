"""Costs of sales along depth curves, against exact integrals; how much can be sold."""

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmargin.engine.cascade import NO_DEPTH, DepthCurve
from xmargin.engine.depth import sale_cost, sellable_units
from xmargin.errors import EngineError, ParameterError
from xmargin.reference import cascade as reference

properties = settings(max_examples=300, deadline=None)
_ERROR = 16 * 2.0**-52
"""Of the price times the units and the largest multiple, which here is below 4."""

LENGTHS = st.one_of(st.just(0.0), st.integers(1, 10**6).map(lambda n: n / 64))
"""Between knots; none is a jump."""


@st.composite
def curves(draw: st.DrawFn) -> DepthCurve:
    """Up to five knots on either side, jumps and flat pieces among them."""
    knots = [(0.0, 1.0)]
    for length, fall in draw(st.lists(st.tuples(LENGTHS, st.integers(0, 300)), max_size=5)):
        amount, multiple = knots[-1]
        knots.append((amount + length, max(0.0, multiple - fall / 1024)))
    for length, rise in draw(st.lists(st.tuples(LENGTHS, st.integers(0, 300)), max_size=5)):
        amount, multiple = knots[0]
        # What stands at 0 before the knot at rest would be the value there.
        knots.insert(0, (amount - max(length, 1 / 64), multiple + rise / 1024))
    return DepthCurve(tuple(knots))


UNITS = st.integers(-(2**26), 2**26).map(lambda n: n / 32)
PRICE = st.integers(1, 10**9).map(lambda n: n / 1000)


# depth-1
@given(curves(), PRICE, UNITS)
@properties
def test_a_sale_costs_its_exact_integral(curve: DepthCurve, price: float, units: float) -> None:
    wanted = float(reference.sale_cost(curve.knots, price, units))
    found = sale_cost(curve, price, units)
    assert abs(found - wanted) <= 4 * _ERROR * price * abs(units)


# depth-2
@given(curves(), PRICE, UNITS, st.floats(0.0, 1.0))
@properties
def test_a_part_costs_at_most_its_part_of_the_whole(
    curve: DepthCurve, price: float, units: float, part: float
) -> None:
    whole, some = sale_cost(curve, price, units), sale_cost(curve, price, part * units)
    assert 0.0 <= some <= part * whole + 8 * _ERROR * price * abs(units)


# depth-3
@given(curves(), st.integers(0, 1024).map(lambda n: n / 1024))
@properties
def test_what_is_sellable_keeps_the_price_and_more_does_not(
    curve: DepthCurve, impact_max: float
) -> None:
    most = sellable_units(curve, impact_max)
    rounded = 1e-12 * (1.0 + most)
    multiple = reference.multiple_after
    last, _ = curve.knots[-1]
    assert 0.0 <= most <= last
    # A jump is met just before it.
    assert float(multiple(curve.knots, max(Fraction(0), Fraction(most) - Fraction(rounded)))) >= (
        1.0 - impact_max - 1e-9
    )
    if most < last:
        assert float(multiple(curve.knots, Fraction(most) + Fraction(rounded))) <= (
            1.0 - impact_max + 1e-9
        )


def test_by_hand() -> None:
    curve = DepthCurve(((0.0, 1.0), (100.0, 0.9), (200.0, 0.5)))
    # 100 units lose 5 % on average; the next 50 lose from 10 % to 30 %.
    assert sale_cost(curve, 2000.0, 100.0) == pytest.approx(10_000.0)
    assert sale_cost(curve, 2000.0, 150.0) == pytest.approx(10_000.0 + 2000.0 * 50 * 0.2)
    # Beyond the last knot all are sold at half.
    assert sale_cost(curve, 2000.0, 300.0) == pytest.approx(10_000.0 + 60_000.0 + 100_000.0)
    assert sale_cost(curve, 2000.0, -50.0) == 0.0
    assert [sellable_units(curve, share) for share in (0.0, 0.05, 0.3, 0.6)] == [
        0.0,
        pytest.approx(50.0),
        pytest.approx(150.0),
        200.0,
    ]


def test_no_depth_costs_all_and_sells_nothing() -> None:
    assert sale_cost(NO_DEPTH, 7.0, 3.0) == 21.0
    assert sale_cost(NO_DEPTH, 7.0, 0.0) == sale_cost(NO_DEPTH, 7.0, -3.0) == 0.0
    assert sellable_units(NO_DEPTH, 0.99) == 0.0
    assert sellable_units(NO_DEPTH, 1.0) == 0.0


@pytest.mark.parametrize(
    ("knots", "price", "units", "message"),
    [
        ((), 1.0, 1.0, r"knots\.knots_end row 0: 0 leaves market 0 without knots"),
        (((0.0, 1.0), (1.0, 1.1)), 1.0, 1.0, r"knots\.multiple row 1: 1\.1 .* or ascends"),
        (((0.0, 0.9),), 1.0, 1.0, "is 0.9 where nothing is sold"),
        (((0.0, 1.0),), math.nan, 1.0, r"sales\.price row 0: NaN is not in \[0, 1e30\]"),
        (((0.0, 1.0),), 1.0, math.inf, r"sales\.sold row 0: inf is not in"),
    ],
)
def test_what_is_no_sale_is_refused_by_name(
    knots: tuple[tuple[float, float], ...], price: float, units: float, message: str
) -> None:
    with pytest.raises(EngineError, match=message):
        sale_cost(DepthCurve(knots), price, units)


@pytest.mark.parametrize("impact_max", [-0.1, 1.1, math.nan])
def test_an_impact_beyond_all_or_nothing_is_refused(impact_max: float) -> None:
    with pytest.raises(ParameterError, match=r"impact_max: .* is not in \[0, 1\]"):
        sellable_units(NO_DEPTH, impact_max)
