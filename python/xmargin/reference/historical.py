"""Filtered historical simulation once more, in decimals of 50 digits, from ``docs/margin.md``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from fractions import Fraction

_CONTEXT = Context(prec=50)
_LOG_RETURN_MAX = Decimal(10)


@dataclass(frozen=True, slots=True)
class HistoricalModel:
    """The parameters; the stressed window is the worst of ``stress_days``."""

    confidence: Fraction
    decay: Decimal
    seed_days: int
    volatility_min: Decimal
    scale_max: Decimal
    stress_weight: Decimal
    stress_days: int
    floor: Decimal


@dataclass(frozen=True, slots=True)
class Tail:
    """VaR and ES (losses positive), and the rows of the tail with their weights."""

    var: Decimal
    es: Decimal
    weights: tuple[tuple[int, Decimal], ...]


@dataclass(frozen=True, slots=True)
class HistoricalMargin:
    """The margin of linear holdings with its three parts and the contributions by factor."""

    filtered: Tail
    stressed: Tail
    whole: Tail
    requirement: Decimal
    contributions: dict[str, Decimal]


def historical_margin(
    model: HistoricalModel,
    log_returns: Mapping[str, Sequence[Decimal]],
    deltas_usd: Mapping[str, Decimal],
) -> HistoricalMargin:
    """The margin over returns of the same days, oldest first."""
    with localcontext(_CONTEXT):
        raw = {f: [grown(r) for r in log_returns[f]] for f in deltas_usd}
        filtered = {f: rescaled(model, log_returns[f]) for f in deltas_usd}
        tail = tail_of(profits_of(filtered, deltas_usd), model.confidence)
        total = profits_of(raw, deltas_usd)
        whole = tail_of(total, model.confidence)
        stressed = worst_window(model, total)
        blend = (1 - model.stress_weight) * tail.es + model.stress_weight * stressed.es
        floor = model.floor * whole.es
        requirement = max(blend, floor, Decimal(0))
        contributions = {}
        for factor, delta in deltas_usd.items():
            parts = [-delta * mean_move(tail, filtered[factor])]
            parts += [-delta * mean_move(one, raw[factor]) for one in (stressed, whole)]
            weights = (1 - model.stress_weight, model.stress_weight, Decimal(0))
            if floor > blend:
                weights = (Decimal(0), Decimal(0), model.floor)
            if not requirement:
                weights = (Decimal(0),) * 3
            contributions[factor] = sum(
                (w * part for w, part in zip(weights, parts, strict=True)), Decimal(0)
            )
        return HistoricalMargin(tail, stressed, whole, requirement, contributions)


def grown(log_return: Decimal) -> Decimal:
    """The relative move of a log return."""
    return log_return.exp() - 1


def rescaled(model: HistoricalModel, returns: Sequence[Decimal]) -> list[Decimal]:
    """Each return after the seed, at the volatility forecast for the day after the last."""
    seed = returns[: model.seed_days]
    variance = sum((r * r for r in seed), Decimal(0)) / model.seed_days
    volatility = []
    for value in returns[model.seed_days :]:
        volatility.append(max(variance.sqrt(), model.volatility_min))
        variance = model.decay * variance + (1 - model.decay) * value * value
    tomorrow = max(variance.sqrt(), model.volatility_min)
    moves = []
    for value, then in zip(returns[model.seed_days :], volatility, strict=True):
        ratio = min(max(tomorrow / then, 1 / model.scale_max), model.scale_max)
        moves.append(grown(min(max(value * ratio, -_LOG_RETURN_MAX), _LOG_RETURN_MAX)))
    return moves


def profits_of(
    moves: Mapping[str, Sequence[Decimal]], deltas_usd: Mapping[str, Decimal]
) -> list[Decimal]:
    """The P&L of each day (USD)."""
    days = range(len(next(iter(moves.values()))))
    return [sum((deltas_usd[f] * moves[f][day] for f in moves), Decimal(0)) for day in days]


def tail_of(profits: Sequence[Decimal], confidence: Fraction) -> Tail:
    """Acerbi and Tasche's estimator: the mean of the worst share, the row on the edge in part."""
    with localcontext(_CONTEXT):
        share = len(profits) * (1 - confidence)
        whole = share.numerator // share.denominator
        worst = sorted(range(len(profits)), key=lambda row: (profits[row], row))[: whole + 1]
        parts = [Fraction(1)] * whole + [share - whole]
        weights = tuple(
            (row, Decimal((part / share).numerator) / (part / share).denominator)
            for row, part in zip(worst, parts, strict=True)
            if part
        )
        es = -sum((weight * profits[row] for row, weight in weights), Decimal(0))
        return Tail(-profits[worst[-1]], es, weights)


def worst_window(model: HistoricalModel, profits: Sequence[Decimal]) -> Tail:
    """The tail of the window with the largest ES, the earliest of equal ones."""
    length = model.stress_days
    tails = [
        (first, tail_of(profits[first : first + length], model.confidence))
        for first in range(len(profits) - length + 1)
    ]
    first, worst = max(tails, key=lambda window: (window[1].es, -window[0]))
    shifted = tuple((first + row, weight) for row, weight in worst.weights)
    return Tail(worst.var, worst.es, shifted)


def mean_move(tail: Tail, moves: Sequence[Decimal]) -> Decimal:
    """The mean move over a tail, by its weights."""
    return sum((weight * moves[row] for row, weight in tail.weights), Decimal(0))
