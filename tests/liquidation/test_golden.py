"""Least costs known without a solver lie between the plan's bound and its cost."""

import json

from tests.liquidation.books import planned
from tests.liquidation.make_golden import GOLDEN, content
from xmargin.engine.plan import PlanKind
from xmargin.reference.leg_plan_check import Book


def test_the_generator_reproduces_the_file() -> None:
    assert GOLDEN.read_text("utf-8") == content()


def test_the_known_least_cost_is_between_bound_and_cost() -> None:
    for row in json.loads(GOLDEN.read_text("utf-8")):
        book = Book(
            row["equity"], 1.0, row["spread"], row["impact"], [0] * len(row["loss"]), [row["loss"]]
        )
        plan = planned(book)
        assert plan.kind is PlanKind.PLAN
        least = float(row["least_cost"])
        assert plan.bound * (1 - 1e-12) <= least <= plan.value * (1 + 1e-12), row
        assert plan.value - least <= 2e-6 * least
