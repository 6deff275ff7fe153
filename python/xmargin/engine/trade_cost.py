"""What trading a leg costs, from above, in the form that leg plans take: a f + b f^1.5."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from xmargin.engine.cascade import DepthCurve
from xmargin.errors import EngineError

_ROUNDING = 1 + 1e-9
"""Raises what is fitted by more than what its sums can have rounded away."""


_GRAIN = 1e-12
"""A knot before this part of what is traded counts as at its beginning, where it costs more."""


@dataclass(frozen=True, slots=True)
class TradeCost:
    """Trading the fraction f of a leg costs at most ``spread`` f + ``impact`` f^1.5 (USD)."""

    spread: float
    impact: float

    def of(self, fraction: float) -> float:
        """The cost of a fraction (USD)."""
        return self.spread * fraction + self.impact * fraction * math.sqrt(fraction)


@dataclass(frozen=True, slots=True)
class Markdowns:
    """What the last unit traded loses, as a share of the price, by how much was traded.

    Knots (amount, share), neither descending, straight between and flat beyond the last; two of
    one amount are a jump. ``amount_max`` is what the market takes at all.
    """

    knots: tuple[tuple[float, float], ...]
    amount_max: float = math.inf

    def cost(self, amount: float) -> float:
        """∫ of the markdown from 0 to ``amount``: the cost in units of the asset."""
        return sum(piece.area(min(amount, piece.end)) for piece in self._pieces(amount))

    def _pieces(self, amount: float) -> Iterator["_Piece"]:
        """The straight pieces that begin below ``amount``; the last ends there at the latest."""
        for (start, low), (end, high) in pairwise((*self.knots, (amount, self.knots[-1][1]))):
            if start < min(end, amount):
                yield _Piece(start, end, low, (high - low) / (end - start))

    def fit(self, amount: float, price: float) -> TradeCost:
        """The cost of ``amount`` units at ``price``, never below the curve's.

        Of two fits it takes the one that is lower on average: the first marginal cost and as much
        impact as is needed, or the average cost throughout (the cost is convex).
        """
        if amount <= 0:
            return TradeCost(0.0, 0.0)
        knots = tuple((at if at > _GRAIN * amount else 0.0, share) for at, share in self.knots)
        return Markdowns(knots)._fit(amount, price)

    def _fit(self, amount: float, price: float) -> TradeCost:
        first = max(share for at, share in self.knots if at == 0)
        impact = self._impact_above(first, amount)
        whole = self.cost(amount) * price * _ROUNDING
        curved = TradeCost(
            first * amount * price * _ROUNDING, impact * amount**1.5 * price * _ROUNDING
        )
        is_curved_lower = curved.spread / 2 + curved.impact * 2 / 5 <= whole / 2
        return curved if is_curved_lower else TradeCost(whole, 0.0)

    def _impact_above(self, first: float, amount: float) -> float:
        """The least b with cost(x) ≤ first x + b x^1.5 on (0, amount]."""
        impact, before = 0.0, 0.0
        for piece in self._pieces(amount):
            for x in piece.peaks(before, first, amount):
                impact = max(impact, (before + piece.area(x) - first * x) / x**1.5)
            before += piece.area(min(amount, piece.end))
        return impact


@dataclass(frozen=True, slots=True)
class _Piece:
    """A markdown of ``share`` at ``start``, growing by ``slope`` a unit until ``end``."""

    start: float
    end: float
    share: float
    slope: float

    def area(self, x: float) -> float:
        """∫ of the markdown from ``start`` to ``x``."""
        return (x - self.start) * (self.share + self.slope * (x - self.start) / 2)

    def peaks(self, before: float, first: float, amount: float) -> Iterator[float]:
        """Where (cost(x) - first x) ÷ x^1.5 can be largest: the ends, and where it is level.

        On the piece the numerator is α + βx + γx², level where γx² - βx - 3α = 0.
        """
        end = min(amount, self.end)
        gamma = self.slope / 2
        beta = self.share - self.slope * self.start - first
        alpha = before - self.start * (self.share - gamma * self.start)
        levels = (x for x in _roots(gamma, -beta, -3 * alpha) if self.start < x < end)
        yield from (x for x in (self.start, *levels, end) if x > 0)


def _roots(a: float, b: float, c: float) -> Iterator[float]:
    """The real roots of ax² + bx + c, without cancellation; where a is zero, that of bx + c."""
    discriminant = b * b - 4 * a * c
    if discriminant < 0:
        return
    half = -(b + math.copysign(math.sqrt(discriminant), b)) / 2
    if a:
        yield half / a
    if half:
        yield c / half


def check_curve(curve: DepthCurve, asset: str) -> None:
    """Refuse what is no depth curve.

    Raises:
        EngineError: amounts descend, multiples ascend, or something is no number.
    """
    values = [value for knot in curve.knots for value in knot]
    at_zero = [multiple for at, multiple in curve.knots if at == 0]
    is_monotone = all(
        at <= next_at and multiple >= next_multiple >= 0
        for (at, multiple), (next_at, next_multiple) in pairwise(curve.knots)
    )
    if not (all(map(math.isfinite, values)) and at_zero[:1] == [1] and is_monotone):
        raise EngineError(
            f"depth of {asset}: {list(curve.knots)[:8]} is no curve; amounts must not descend, "
            "multiples not ascend nor be negative, and amount 0 has the multiple 1"
        )


def sale(curve: DepthCurve) -> Markdowns:
    """What selling loses; the market takes nothing more where the price comes to zero."""
    knots = tuple((at, 1 - multiple) for at, multiple in curve.knots if at >= 0)
    taken = (at for at, share in knots if share >= 1)
    return Markdowns(knots, min(taken, default=math.inf))


def purchase(curve: DepthCurve) -> Markdowns:
    """What buying loses: by the curve's knots of amounts bought, else as selling does."""
    bought = tuple((-at, multiple - 1) for at, multiple in reversed(curve.knots) if at < 0)
    return Markdowns(((0.0, 0.0), *bought)) if bought else sale(curve)


@dataclass(frozen=True, slots=True)
class ImpactLaws:
    """The parameter file's own square-root law (``docs/margin-model.md``, Liquidity)."""

    rate: float
    days_max: float
    markets: dict[str, tuple[float, float]]
    default: tuple[float, float]

    @classmethod
    def of(cls, parameters: str) -> "ImpactLaws | None":
        """The law at the rate of initial margin; none where the file charges no liquidity."""
        section: dict[str, Any] | None = json.loads(parameters).get("liquidity")
        if section is None:
            return None
        return cls(
            rate=float(Fraction(section["initial"])),
            days_max=float(Fraction(section["days_max"])),
            markets={asset: _market(entry) for asset, entry in section["assets"].items()},
            default=_market(section["default_asset"]),
        )

    def fit(self, asset: str, value: float) -> TradeCost:
        """The cost of trading ``value`` USD, never below the law: its root, or its last slope."""
        if value <= 0:
            return TradeCost(0.0, 0.0)
        volume, volatility = self.markets.get(asset, self.default)
        root = self.rate * volatility * math.sqrt(value / volume) * value
        slope = 1.5 * self.rate * volatility * math.sqrt(self.days_max) * value
        return TradeCost(0.0, root) if root * 2 / 5 <= slope / 2 else TradeCost(slope, 0.0)


def _market(entry: dict[str, str]) -> tuple[float, float]:
    return (
        float(Fraction(entry["daily_volume_usd"])),
        float(Fraction(entry["daily_volatility"])),
    )
