"""Historical shortfall beside the grid, from ``docs/margin-model.md``, in decimals of 50 digits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import Any

from xmargin.reference.historical import (
    HistoricalModel,
    Tail,
    grown,
    mean_move,
    profits_of,
    rescaled,
    tail_of,
    worst_window,
)
from xmargin.reference.scenarios import Model, Scenario

_CONTEXT = Context(prec=50)
_NEVER = Decimal("Infinity")

Columns = Mapping[str, Sequence[Decimal]]


@dataclass(frozen=True, slots=True)
class Returns:
    """Daily log returns by asset, all over the same days (from 1970-01-01, ascending)."""

    days: tuple[int, ...]
    log_returns: Mapping[str, tuple[Decimal, ...]]


@dataclass(frozen=True, slots=True)
class GroupTail:
    """A group's tail as one scenario of mean moves.

    ``decided_by`` is how far (USD) its choice of days is from another one: within rounding of it,
    another tail is as good.
    """

    scenario: Scenario
    worst_day: int | None
    decided_by: Fraction | None


class History:
    """The moves of every asset that has returns, bounded as the parameters bound falls."""

    def __init__(self, tree: Mapping[str, Any], returns: Returns, model: Model) -> None:
        section = tree["historical_es"]
        self._model = HistoricalModel(
            confidence=Fraction(section["confidence"]),
            decay=Decimal(section["filter"]["decay"]),
            seed_days=int(section["filter"]["seed_days"]),
            volatility_min=Decimal(section["filter"]["volatility_min"]),
            scale_max=Decimal(section["filter"]["scale_max"]),
            stress_weight=Decimal(section["stress"]["weight"]),
            stress_days=int(section["stress"]["days"]),
            floor=Decimal(section["floor"]),
        )
        self._days = returns.days
        self._bounds = _Bounds(model, Fraction(section["floor"]))
        self._scenarios = model.scenarios
        with localcontext(_CONTEXT):
            self._raw = {
                asset: self._bounded(asset, [grown(r) for r in column])
                for asset, column in returns.log_returns.items()
            }
            self._filtered = {
                asset: self._bounded(asset, rescaled(self._model, column))
                for asset, column in returns.log_returns.items()
            }

    def _bounded(self, asset: str, moves: Iterable[Decimal]) -> list[Decimal]:
        least = _decimal(self._bounds.least(asset))
        return [max(move, least) for move in moves]

    def tail(self, net: Mapping[str, Fraction]) -> GroupTail:
        """The tail of net positions by asset (USD)."""
        unknown = {asset: self._deepest(asset, net[asset]) for asset in net.keys() - self._raw}
        held = {asset: value for asset, value in net.items() if value and asset in self._raw}
        if not held:
            return GroupTail(Scenario("historical", unknown), None, None)
        with localcontext(_CONTEXT):
            moves, row, decided_by = self._known({a: _decimal(v) for a, v in held.items()})
            known = {asset: Fraction(move) for asset, move in moves.items()}
        day = None if row is None else self._days[row]
        return GroupTail(Scenario("historical", {**unknown, **known}), day, Fraction(decided_by))

    def _deepest(self, asset: str, net: Fraction) -> Fraction:
        """The grid's worst move against a position; the fall as far as it may count."""
        moves = [scenario.relative_move(asset) for scenario in self._scenarios]
        return max(min(moves), self._bounds.least(asset)) if net > 0 else max(moves)

    def _known(
        self, deltas: Mapping[str, Decimal]
    ) -> tuple[dict[str, Decimal], int | None, Decimal]:
        model = self._model
        raw = {asset: self._raw[asset] for asset in deltas}
        filtered = {asset: self._filtered[asset] for asset in deltas}
        today, past = profits_of(filtered, deltas), profits_of(raw, deltas)
        tail, whole = tail_of(today, model.confidence), tail_of(past, model.confidence)
        stressed = worst_window(model, past)
        blend = (1 - model.stress_weight) * tail.es + model.stress_weight * stressed.es
        floor = model.floor * whole.es
        decided_by = min(
            abs(blend - floor),
            abs(max(blend, floor)),
            *(_edge_gap(one, profits) for one, profits in ((tail, today), (whole, past))),
            _window_gap(model, past, stressed),
        )
        if max(blend, floor) <= 0:
            return dict.fromkeys(deltas, Decimal(0)), None, decided_by
        if floor > blend:
            moves = {a: model.floor * mean_move(whole, raw[a]) for a in deltas}
            return moves, whole.weights[0][0], decided_by
        moves = {
            a: (1 - model.stress_weight) * mean_move(tail, filtered[a])
            + model.stress_weight * mean_move(stressed, raw[a])
            for a in deltas
        }
        return moves, model.seed_days + tail.weights[0][0], decided_by


class _Bounds:
    """One more USD of an asset is charged at most what it is worth, whatever its returns say."""

    def __init__(self, model: Model, floor: Fraction) -> None:
        self._model = model
        self._factor = model.initial.shortfall * max(floor, Fraction(1))

    def least(self, asset: str) -> Fraction:
        rules, rates = self._model.contingencies, self._model.initial
        slope = rates.wrapped_depeg
        slope += rates.venue_risk * max(rules.venue_kinds.values(), default=Fraction(0))
        slope += rates.mobility * max(rules.chains.values(), default=Fraction(0))
        depth = rules.depth(asset)
        if depth is not None:
            slope += rates.liquidity * rules.impact_slope_max(depth)
            slope += rates.concentration * depth.daily_volatility
        return (slope - 1) / self._factor


def _decimal(value: Fraction) -> Decimal:
    return _CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))


def _edge_gap(tail: Tail, profits: Sequence[Decimal]) -> Decimal:
    """The least difference that decides which rows the tail has, and which is on its edge."""
    ordered = sorted(profits)
    last = len(tail.weights)
    steps = [ordered[at + 1] - ordered[at] for at in (last - 2, last - 1) if at >= 0]
    return min((step for step in steps), default=_NEVER)


def _window_gap(model: HistoricalModel, past: Sequence[Decimal], worst: Tail) -> Decimal:
    """How much less the next window of another tail loses."""
    if not model.stress_weight:
        return _NEVER
    rows = {row for row, _ in worst.weights}
    gaps = []
    for first in range(len(past) - model.stress_days + 1):
        window = tail_of(past[first : first + model.stress_days], model.confidence)
        if {first + row for row, _ in window.weights} != rows:
            gaps.append(worst.es - window.es)
    return min(gaps, default=_NEVER)
