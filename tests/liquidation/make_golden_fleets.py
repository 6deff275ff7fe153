"""Writes the golden vectors of fleet orders: the most that can be avoided, known without a solver.

Run ``python -m tests.liquidation.make_golden_fleets`` and read the difference. The dual of a
fleet on two assets is convex and piecewise linear over the prices; its least value is at a corner,
where two of the lines meet at which an account's surplus or a price is zero. All corners are tried
in rational arithmetic.
"""

import json
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

GOLDEN = Path(__file__).parent / "golden" / "fleet_orders.json"

Line = tuple[Fraction, Fraction, Fraction]


def most_avoided(
    benefit: Sequence[int], used: Sequence[Sequence[int]], depth: Sequence[int]
) -> Fraction:
    """The optimum of max Σ benefit x, Σ used x <= depth, 0 <= x <= 1, by its dual's corners."""
    lines: list[Line] = [
        (Fraction(u), Fraction(v), Fraction(w)) for (u, v), w in zip(used, benefit, strict=True)
    ]
    lines += [(Fraction(1), Fraction(0), Fraction(0)), (Fraction(0), Fraction(1), Fraction(0))]
    corners = [corner for pair in combinations(lines, 2) if (corner := _meeting(*pair))]
    return min(_dual(benefit, used, depth, corner) for corner in corners if min(corner) >= 0)


def _meeting(one: Line, other: Line) -> tuple[Fraction, Fraction] | None:
    (a, b, p), (c, d, q) = one, other
    determinant = a * d - b * c
    if determinant == 0:
        return None
    return (p * d - b * q) / determinant, (a * q - c * p) / determinant


def _dual(
    benefit: Sequence[int],
    used: Sequence[Sequence[int]],
    depth: Sequence[int],
    prices: tuple[Fraction, Fraction],
) -> Fraction:
    value = prices[0] * depth[0] + prices[1] * depth[1]
    for w, (u, v) in zip(benefit, used, strict=True):
        value += max(Fraction(0), w - prices[0] * u - prices[1] * v)
    return value


def rows() -> list[dict[str, Any]]:
    random = Random(4)
    made = []
    for accounts in (1, 2, 3, 5, 8, 13, 21, 34):
        for scarcity in (10, 3, 1):
            used = [[random.randint(0, 50), random.randint(1, 50)] for _ in range(accounts)]
            benefit = [random.randint(1, 100) for _ in range(accounts)]
            # Nobody alone uses more than there is: shares are bounded by one only.
            depth = [max(50, sum(row[asset] for row in used) // scarcity) for asset in (0, 1)]
            most = most_avoided(benefit, used, depth)
            made.append(
                {"benefit": benefit, "used": used, "depth": depth, "most_avoided": str(most)}
            )
    return made


def content() -> str:
    return json.dumps(rows(), indent=1) + "\n"


if __name__ == "__main__":
    GOLDEN.write_text(content(), "utf-8")
