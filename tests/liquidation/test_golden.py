"""Plans against least costs known without a solver; venue rules against the reference's vectors."""

import json

from tests.liquidation import make_golden_rules
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


def test_the_generator_reproduces_the_venue_rules() -> None:
    assert make_golden_rules.GOLDEN.read_text("utf-8") == make_golden_rules.content()


def test_every_venue_rule_moves_what_its_vectors_say() -> None:
    from xmargin import _core

    vectors = json.loads(make_golden_rules.GOLDEN.read_text("utf-8"))
    assert sum(vector["legs"] is not None for vector in vectors) > 100
    for vector in vectors:
        answer = json.loads(_core.propose_liquidation(json.dumps(vector["account"])))
        legs, expected = answer["legs"], vector["legs"]
        if expected is None:
            assert legs is None, vector
            continue
        found = {name: legs[name] for name in ("repaid", "seized", "fee")}
        found["deficit"] = str(sum(int(amount) for _, amount in legs["deficits"]))
        found["health_after_wad"] = str(answer["health_after_wad"])
        assert {name: found[name] for name in expected} == expected, vector
