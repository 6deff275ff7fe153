"""Leg plans under the independent checker, brute force and every kind of bad input."""

import dataclasses
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.liquidation.books import distressed, planned
from xmargin.engine.plan import LegPlan, PlanKind
from xmargin.errors import EngineError
from xmargin.reference.leg_plan_check import (
    Book,
    dual_value,
    faults_of_plan,
    is_proof_of_no_plan,
    shortfall_at_most,
)

EXAMPLE = Book(
    equity=60.0,
    loss_share_max=1.0,
    spread=(2.0, 1.0),
    impact=(3.0, 8.0),
    lots=(0, 0),
    losses=((60.0, 40.0), (-20.0, 50.0), (0.0, 0.0)),
)


def faults(book: Book, plan: LegPlan) -> list[str]:
    """What the checker finds wrong with an answer of any kind."""
    if plan.kind in (PlanKind.PLAN, PlanKind.OFF_LOTS):
        free = (
            book if plan.kind is PlanKind.PLAN else dataclasses.replace(book, lots=_no_lots(book))
        )
        return faults_of_plan(free, plan.fractions, plan.value, plan.multipliers, plan.bound)
    if plan.kind is PlanKind.INFEASIBLE:
        return [] if is_proof_of_no_plan(book, plan.multipliers) else ["no proof"]
    return ["undecided"]


def _no_lots(book: Book) -> tuple[int, ...]:
    return tuple(0 for _ in book.lots)


# leg-plan-1
@given(distressed())
@settings(max_examples=200, deadline=None)
def test_every_answer_passes_the_independent_checker(book: Book) -> None:
    assert faults(book, planned(book)) == []


# leg-plan-2
@given(distressed(thin=True))
@settings(max_examples=200, deadline=None)
def test_where_closing_all_is_dear_there_is_a_plan_or_a_proof_of_none(book: Book) -> None:
    assert faults(book, planned(book)) == []


# leg-plan-3
@given(distressed(lots=(0, 1, 7, 100, 10**6)))
@settings(max_examples=200, deadline=None)
def test_whole_lots_are_kept_and_still_bounded(book: Book) -> None:
    assert faults(book, planned(book)) == []


# leg-plan-4
@given(distressed())
@settings(max_examples=200, deadline=None)
def test_a_plan_in_fractions_is_within_a_thousandth_of_its_bound(book: Book) -> None:
    plan = planned(book)
    if plan.kind is PlanKind.PLAN:
        assert plan.value - plan.bound <= 1e-3 * plan.value


# leg-plan-5
@given(distressed(legs_max=2), st.booleans())
@settings(max_examples=60, deadline=None)
def test_no_point_of_a_grid_beats_the_bound_or_refutes_a_proof(book: Book, thin: bool) -> None:
    if thin:
        book = dataclasses.replace(book, equity=book.equity / 20)
    plan = planned(book)
    steps = 24
    axis = [step / steps for step in range(steps + 1)]
    grid = [(f,) for f in axis] if len(book.lots) == 1 else [(f, g) for f in axis for g in axis]
    met = [point for point in grid if shortfall_at_most(book, point) <= 0]
    if plan.kind is PlanKind.INFEASIBLE:
        assert met == []
    for point in met:
        terms = zip(book.spread, book.impact, point, strict=True)
        assert sum(a * f + b * f**1.5 for a, b, f in terms) >= plan.bound * (1 - 1e-12)


# leg-plan-6
@given(distressed(), st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_amounts_in_another_unit_change_no_fraction(book: Book, power: int) -> None:
    unit = 4.0**power  # exact, and so is its root, which the solver's factors are scaled by

    def scaled(values: list[float]) -> list[float]:
        return [value * unit for value in values]

    other = Book(
        equity=book.equity * unit,
        loss_share_max=book.loss_share_max,
        spread=scaled(list(book.spread)),
        impact=scaled(list(book.impact)),
        lots=book.lots,
        losses=[scaled(list(row)) for row in book.losses],
    )
    one, two = planned(book), planned(other)
    assert (one.kind, one.fractions) == (two.kind, two.fractions)


# leg-plan-7
@given(distressed())
@settings(max_examples=100, deadline=None)
def test_less_equity_never_makes_a_plan_cheaper(book: Book) -> None:
    plan = planned(book)
    poorer = planned(dataclasses.replace(book, equity=book.equity * 0.95 - 1.0))
    if plan.kind is PlanKind.PLAN and poorer.kind is PlanKind.PLAN:
        assert poorer.value >= plan.bound * (1 - 1e-12)
    assert not (plan.kind is PlanKind.INFEASIBLE and poorer.kind is PlanKind.PLAN)


def test_the_checker_refuses_what_is_not_so() -> None:
    plan = planned(EXAMPLE)
    assert faults(EXAMPLE, plan) == []
    fractions, value = plan.fractions, plan.value
    less = tuple(0.999 * f for f in fractions)
    wrong = {
        "a scenario is not met": (less, value, plan.multipliers, 0.0),
        "the cost is another": (fractions, value * 1.001, plan.multipliers, plan.bound),
        "the bound is not proven": (fractions, value, plan.multipliers, value * 1.001),
        "a fraction is outside [0, 1]": ((1.1, 0.0), value, plan.multipliers, plan.bound),
    }
    for fault, said in wrong.items():
        assert fault in faults_of_plan(EXAMPLE, *said)
    in_halves = dataclasses.replace(EXAMPLE, lots=(2, 2))
    assert faults_of_plan(in_halves, fractions, value, plan.multipliers, plan.bound) == [
        "a leg is closed in part of a lot"
    ]
    assert not is_proof_of_no_plan(EXAMPLE, plan.multipliers)


def test_a_bound_in_the_checker_is_the_inner_minimum_of_the_lagrangian() -> None:
    """D(λ) by its definition on a fine grid is never below the closed form, and comes near it."""
    multipliers = (0.07, 0.03, 0.0)
    price = 1 + sum(multipliers)
    constant = sum(
        w * (sum(row) - EXAMPLE.equity) for w, row in zip(multipliers, EXAMPLE.losses, strict=True)
    )
    value = constant
    for leg in range(2):
        relief = sum(w * row[leg] for w, row in zip(multipliers, EXAMPLE.losses, strict=True))
        a, b = EXAMPLE.spread[leg], EXAMPLE.impact[leg]
        points = [step / 4000 for step in range(4001)]
        value += min(price * (a * f + b * f**1.5) - relief * f for f in points)
    exact = dual_value(EXAMPLE, multipliers, 1)
    assert -1e-9 <= value - float(exact) <= 1e-5
    assert isinstance(exact, Fraction)


def test_hopeless_books_come_with_a_proof() -> None:
    book = dataclasses.replace(EXAMPLE, equity=-1.0)
    plan = planned(book)
    assert plan.kind is PlanKind.INFEASIBLE
    assert plan.bound > 0
    assert is_proof_of_no_plan(book, plan.multipliers)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"equity": float("nan")}, "book.equity"),
        ({"loss_share_max": -1.0}, "book.loss_share_max"),
        ({"spread": (1.0, -2.0)}, "legs.spread row 1"),
        ({"impact": (float("inf"), 0.0)}, "legs.impact row 0"),
        ({"lots": (0, -1)}, "legs.lots row 1: -1 is no count"),
        ({"lots": (1 << 70, 0)}, "legs.lots row 0: 1180591620717411303424 is no count"),
        ({"losses": ((1.0, 2.0), (1.0,))}, "scenarios.losses row 1: 1 losses for 2 legs"),
        ({"losses": ((1.0, float("nan")),)}, "scenarios.losses row 0: leg 1"),
    ],
)
def test_bad_input_is_refused_by_row_and_field(change: dict[str, object], named: str) -> None:
    with pytest.raises(EngineError, match=named):
        planned(dataclasses.replace(EXAMPLE, **change))  # type: ignore[arg-type]
