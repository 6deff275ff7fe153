"""Delta-gamma-vega once more, from ``docs/margin.md``: no eigenvalue, no smoothing.

The characteristic function is taken as ``det(I − iuΣB)^-½ exp(iu·0 − ½u² a'(I − iuΣB)⁻¹Σa)`` by
complex elimination, its root followed along ``u`` from one; inverted by the midpoint rule. Its sum
is cut, not damped: good for books of several factors, whose transform falls quickly.
"""

import cmath
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Matrix = Sequence[Sequence[float]]

_STEP = 0.05
_STEP_COUNT = 6_000
_REACH = 30.0
_SIMPSON_COUNT = 2_000


@dataclass(frozen=True, slots=True)
class Losses:
    """Mean and deviation of P&L, VaR and ES of its loss."""

    mean: float
    deviation: float
    var: float
    es: float


def diversified(
    sensitivities: Sequence[float], curvatures: Matrix, covariance: Matrix, confidence: float
) -> Losses:
    """The losses of ``a'x + ½ x'Bx`` with ``x ~ N(0, Σ)``."""
    size = range(len(sensitivities))
    product = [[sum(covariance[i][k] * curvatures[k][j] for k in size) for j in size] for i in size]
    spread = [sum(covariance[i][k] * sensitivities[k] for k in size) for i in size]
    mean = 0.5 * sum(product[i][i] for i in size)
    square = sum(product[i][k] * product[k][i] for i in size for k in size)
    linear = sum(a * s for a, s in zip(sensitivities, spread, strict=True))
    deviation = math.sqrt(linear + 0.5 * square)
    terms = _transform(sensitivities, product, spread, mean, deviation)

    def below(x: float) -> float:
        return 0.5 - sum(m * math.sin(p - u * x) for u, m, p in terms)

    tail = 1 - confidence
    x = _root(lambda at: below(at) - tail, -_REACH, _REACH)
    # E[(x − X)⁺] is the integral of the distribution function up to x.
    shortfall = _simpson(below, -_REACH, x) / tail
    return Losses(mean, deviation, -mean - deviation * x, -mean - deviation * (x - shortfall))


def _transform(
    sensitivities: Sequence[float],
    product: Matrix,
    spread: Sequence[float],
    mean: float,
    deviation: float,
) -> list[tuple[float, float, float]]:
    """Frequency, amplitude and phase of the standardised P&L's transform at each midpoint."""
    size = range(len(sensitivities))
    terms = []
    angle = 0.0  # of the determinant, followed so that its root stays on one branch
    for step in range(_STEP_COUNT):
        u = (step + 0.5) * _STEP
        scaled = u / deviation
        matrix = [[(i == j) - 1j * scaled * product[i][j] for j in size] for i in size]
        determinant, solution = _solve(matrix, spread)
        angle += math.remainder(cmath.phase(determinant) - angle, 2 * math.pi)
        exponent = (
            -0.5 * scaled**2 * sum(a * s for a, s in zip(sensitivities, solution, strict=True))
        )
        modulus = abs(determinant) ** -0.5 * math.exp(exponent.real)
        phase = -0.5 * angle + exponent.imag - u * mean / deviation
        terms.append((u, modulus / (math.pi * (step + 0.5)), phase))
        if modulus < 1e-15:
            break
    return terms


def _solve(matrix: list[list[complex]], right: Sequence[float]) -> tuple[complex, list[complex]]:
    """Determinant and solution, by elimination; the matrix is never near singular here."""
    size = len(right)
    rows = [[*row, complex(value)] for row, value in zip(matrix, right, strict=True)]
    determinant = complex(1)
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(rows[row][column]))
        if pivot != column:
            rows[column], rows[pivot] = rows[pivot], rows[column]
            determinant = -determinant
        determinant *= rows[column][column]
        for row in range(size):
            if row != column:
                factor = rows[row][column] / rows[column][column]
                rows[row] = [a - factor * b for a, b in zip(rows[row], rows[column], strict=True)]
    return determinant, [rows[i][size] / rows[i][i] for i in range(size)]


def crash(
    sensitivities: Sequence[float],
    curvatures: Matrix,
    deviations: Sequence[float],
    confidence: float,
) -> Losses:
    """The losses when one normal moves all factors against the book's deltas: by quadrature."""
    size = range(len(sensitivities))
    signed = [-d if a < 0 else d for a, d in zip(sensitivities, deviations, strict=True)]
    linear = sum(a * d for a, d in zip(sensitivities, signed, strict=True))
    curvature = sum(curvatures[i][j] * signed[i] * signed[j] for i in size for j in size)

    def loss_interval(loss: float) -> list[tuple[float, float]]:
        """Where ``−(A z + ½ G z²) ≥ loss``, as intervals of z."""
        if curvature == 0:
            return [(-math.inf, -loss / linear)]
        under = linear**2 - 2 * curvature * loss
        if under < 0:
            return [(-math.inf, math.inf)] if curvature < 0 else []
        roots = sorted((-linear + s * math.sqrt(under)) / curvature for s in (-1, 1))
        if curvature > 0:
            return [(roots[0], roots[1])]
        return [(-math.inf, roots[0]), (roots[1], math.inf)]

    def beyond(loss: float) -> float:
        return sum(_normal_mass(low, high) for low, high in loss_interval(loss))

    deviation = math.sqrt(linear**2 + 0.5 * curvature**2)
    tail = 1 - confidence
    var = _root(lambda loss: tail - beyond(loss), -60 * deviation, 60 * deviation)
    shortfall = _simpson(beyond, var, var + _REACH * deviation, 4 * _SIMPSON_COUNT) / tail
    return Losses(0.5 * curvature, deviation, var, var + shortfall)


def _normal_mass(low: float, high: float) -> float:
    if low > 0:
        low, high = -high, -low
    return 0.5 * (math.erfc(-high / math.sqrt(2)) - math.erfc(-low / math.sqrt(2)))


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(100):
        middle = 0.5 * (low + high)
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def _simpson(
    function: Callable[[float], float], low: float, high: float, count: int = _SIMPSON_COUNT
) -> float:
    step = (high - low) / count
    weights = [1 if i in {0, count} else 2 + 2 * (i % 2) for i in range(count + 1)]
    return step / 3 * sum(w * function(low + i * step) for i, w in enumerate(weights))
