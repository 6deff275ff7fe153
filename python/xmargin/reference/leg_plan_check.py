"""Checks a leg plan, its bound, or a proof that there is none, in exact rational arithmetic.

Nothing of the solver is trusted, and nothing is rounded: every ``float`` is a rational number, the
bound is one too, and of the square roots in a cost only an upper (or lower) rational one is used.
Formulas and proofs: ``docs/liquidation.md``, "Leg plan".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

_ROOT_SCALE = 1 << 160


@dataclass(frozen=True, slots=True)
class Book:
    """Equity E, share κ, spread a, impact b and lots by leg, losses ℓ by scenario and leg."""

    equity: float
    loss_share_max: float
    spread: Sequence[float]
    impact: Sequence[float]
    lots: Sequence[int]
    losses: Sequence[Sequence[float]]


def cost_bounds(book: Book, fractions: Sequence[float]) -> tuple[Fraction, Fraction]:
    """C(f) = Σ a f + b f√f, from below and from above (they differ by 2⁻¹⁶⁰ of the impact)."""
    low = high = Fraction(0)
    for a, b, fraction in zip(book.spread, book.impact, fractions, strict=True):
        f = Fraction(fraction)
        root = isqrt(f.numerator * _ROOT_SCALE**2 // f.denominator)
        low += (Fraction(a) + Fraction(b) * Fraction(root, _ROOT_SCALE)) * f
        high += (Fraction(a) + Fraction(b) * Fraction(root + 1, _ROOT_SCALE)) * f
    return low, high


def shortfall_at_most(book: Book, fractions: Sequence[float]) -> Fraction:
    """The worst scenario's Σ (1 - f) ℓ - κ (E - C(f)), from above; not positive: a plan."""
    all_closed = all(fraction == 1 for fraction in fractions)
    exact = Fraction(0) + sum(map(Fraction, [*book.spread, *book.impact]))
    cost = exact if all_closed else cost_bounds(book, fractions)[1]
    cost = cost if any(fractions) else Fraction(0)
    allowed = Fraction(book.loss_share_max) * (Fraction(book.equity) - cost)
    left = [1 - Fraction(fraction) for fraction in fractions]
    return max(
        sum((f * Fraction(loss) for f, loss in zip(left, row, strict=True)), -allowed)
        for row in book.losses
    )


def dual_value(book: Book, multipliers: Sequence[float], cost_weight: int) -> Fraction:
    """D(λ), exactly: below the cost of every plan (weight 1), or every λ-mean shortfall (0)."""
    if any(one < 0 for one in multipliers):
        raise ValueError("a multiplier is negative")
    weights = [Fraction(one) for one in multipliers]
    kappa = Fraction(book.loss_share_max)
    price = cost_weight + kappa * sum(weights)
    value = -kappa * sum(weights) * Fraction(book.equity)
    for leg, (a, b) in enumerate(zip(book.spread, book.impact, strict=True)):
        relief = sum(
            (w * Fraction(row[leg]) for w, row in zip(weights, book.losses, strict=True)),
            Fraction(0),
        )
        gain, slope = relief - price * Fraction(a), Fraction(3, 2) * price * Fraction(b)
        root = Fraction(0) if gain <= 0 else Fraction(1) if gain >= slope else gain / slope
        value += relief + price * Fraction(b) * root**3 - gain * root**2
    return value


def faults_of_plan(
    book: Book, fractions: Sequence[float], cost: float, multipliers: Sequence[float], bound: float
) -> list[str]:
    """What is wrong with a plan: empty when all it says is so (the cost to 1e-12 of itself)."""
    if any(not 0 <= fraction <= 1 for fraction in fractions):
        return ["a fraction is outside [0, 1]"]
    low, high = cost_bounds(book, fractions)
    checks = {
        "a scenario is not met": book.losses and shortfall_at_most(book, fractions) > 0,
        "the cost is another": not low * (1 - Fraction(1, 10**12))
        <= Fraction(cost)
        <= high * (1 + Fraction(1, 10**12)),
        "the bound is not proven": Fraction(bound) > dual_value(book, multipliers, 1),
        "a leg is closed in part of a lot": any(
            lots and round(f * lots) / lots != f
            for f, lots in zip(fractions, book.lots, strict=True)
        ),
    }
    return [fault for fault, found in checks.items() if found]


def is_proof_of_no_plan(book: Book, multipliers: Sequence[float]) -> bool:
    """Whether the λ-mean of all shortfalls is positive whatever is closed: then no plan exists."""
    return dual_value(book, multipliers, 0) > 0
