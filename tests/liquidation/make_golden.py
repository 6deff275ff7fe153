"""Writes the golden vectors of leg plans: books whose least cost is known without a solver.

Run ``python -m tests.liquidation.make_golden`` and read the difference. Each book has one binding
scenario and one or two legs. With one, the least fraction is the root of a decreasing function,
found by bisection in fifty digits. With two, the second leg's cheapest fraction beside each first
one is such a root, and the cost over the first is convex: ternary search.
"""

import json
from collections.abc import Callable
from decimal import Decimal, localcontext
from pathlib import Path
from random import Random
from typing import Any

GOLDEN = Path(__file__).parent / "golden" / "leg_plans.json"


def cost(a: Decimal, b: Decimal, f: Decimal) -> Decimal:
    return a * f + b * f * f.sqrt()


def root(falls: Callable[[Decimal], Decimal]) -> Decimal | None:
    """The least f in [0, 1] where a decreasing function is not positive."""
    low, high = Decimal(0), Decimal(1)
    if falls(low) <= 0:
        return low
    if falls(high) > 0:
        return None
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if falls(middle) > 0 else (low, middle)
    return high


def least_cost(equity: Decimal, legs: list[tuple[Decimal, Decimal, Decimal]]) -> Decimal | None:
    """Legs are (spread, impact, loss), all of them cheaper to close than what they may lose."""
    *others, (a, b, loss) = legs
    if not others:
        return _beside(equity, Decimal(0), Decimal(0), (a, b, loss))
    [(a0, b0, loss0)] = others

    def total(first: Decimal) -> Decimal | None:
        return _beside(equity, (1 - first) * loss0, cost(a0, b0, first), (a, b, loss))

    def needed(first: Decimal) -> Decimal:
        left = (1 - first) * loss0 - equity + cost(a0, b0, first)
        return left + cost(a, b, Decimal(1))

    low, high = root(needed), Decimal(1)
    if low is None:
        return None
    for _ in range(160):
        third = (high - low) / 3
        left, right = total(low + third), total(high - third)
        low, high = (low, high - third) if (left or 0) <= (right or 0) else (low + third, high)
    return total((low + high) / 2)


def _beside(
    equity: Decimal, lost: Decimal, paid: Decimal, leg: tuple[Decimal, Decimal, Decimal]
) -> Decimal | None:
    a, b, loss = leg
    found = root(lambda f: lost + (1 - f) * loss - equity + paid + cost(a, b, f))
    return None if found is None else paid + cost(a, b, found)


def rows() -> list[dict[str, Any]]:
    random = Random(15)
    made = []
    with localcontext() as context:
        context.prec = 50
        for _ in range(40):
            legs = [
                (random.uniform(0, 2), random.uniform(0.1, 6), random.uniform(20, 100))
                for _ in range(random.choice([1, 2]))
            ]
            equity = random.uniform(0.1, 0.95) * sum(loss for _, _, loss in legs)
            exact = [(Decimal(a), Decimal(b), Decimal(loss)) for a, b, loss in legs]
            least = least_cost(Decimal(equity), exact)
            made.append(
                {
                    "equity": equity,
                    "spread": [a for a, _, _ in legs],
                    "impact": [b for _, b, _ in legs],
                    "loss": [loss for _, _, loss in legs],
                    "least_cost": None if least is None else f"{least:.20f}",
                }
            )
    return made


def content() -> str:
    return json.dumps(rows(), indent=1) + "\n"


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(content(), "utf-8")
