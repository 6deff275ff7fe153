"""Statuses, and boxes in which they cannot change, in exact rationals (``docs/health-index.md``).

Slopes of factors are exact; of options the bounds that hold at any state: delta at most one, vega
at most 0.39895 of forward and root of time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from xmargin.reference.account_book import Account, Listed, MatrixRow, margin_of

_DENSITY_MAX = Fraction(39_895, 100_000)
"""Above 1/√(2π)."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """Breached while the excess at ``loss_factor`` is below ``excess``."""

    loss_factor: Fraction
    excess: Fraction


@dataclass(frozen=True, slots=True)
class Scenario:
    """A relative move of one factor, and a factor on the vols of its options."""

    move: Fraction
    vol_factor: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class OptionTerms:
    """What bounds an option's slopes; ``coordinate`` is that of its chain's scale."""

    is_call: bool
    forward_ratio: Fraction
    discount: Fraction
    vol: Fraction
    coordinate: int


@dataclass(frozen=True, slots=True)
class Row:
    """A row: the coordinate of its factor, what its scenarios are, its option if it is one."""

    factor: int
    scenarios: tuple[Scenario, ...]
    option: OptionTerms | None = None


Interval = tuple[Fraction, Fraction]
Box = Mapping[int, tuple[Fraction | None, Fraction | None]]
"""Least and largest value of each coordinate that is held; ``None`` where there is no end."""


def status_of(
    account: Account,
    listing: Sequence[Listed],
    matrix: Sequence[MatrixRow],
    thresholds: Sequence[Threshold],
) -> int:
    """The thresholds that are breached, a bit each, the first the lowest."""
    return sum(
        (distance < 0) << number
        for number, distance in enumerate(distances_of(account, listing, matrix, thresholds))
    )


def distances_of(
    account: Account,
    listing: Sequence[Listed],
    matrix: Sequence[MatrixRow],
    thresholds: Sequence[Threshold],
) -> list[Fraction]:
    """Excess less level of each threshold."""
    return [
        margin_of(account, listing, matrix, one.loss_factor).excess - one.excess
        for one in thresholds
    ]


def box_of(
    account: Account,
    listing: Sequence[Listed],
    rows: Sequence[Row],
    coordinates: Sequence[Fraction],
    *,
    distances: Sequence[Fraction],
    thresholds: Sequence[Threshold],
) -> Box:
    """Where no status changes, the slack shared out by risk: slope times coordinate."""
    loss_factors = [Fraction(0), *(one.loss_factor for one in thresholds)]
    slopes = _slopes(account, listing, rows, coordinates, loss_factors)
    risk = {number: max(-low, high) * abs(coordinates[number]) for number, (low, high) in slopes}
    total = sum(risk.values())
    to_fall = min((d for d in distances if d >= 0), default=None)
    to_rise = min((-d for d in distances if d < 0), default=None)
    box: dict[int, tuple[Fraction | None, Fraction | None]] = {}
    for number, (low, high) in slopes:
        share = risk[number] / total if total else Fraction(0)
        falls, rises = max(Fraction(0), -low), max(Fraction(0), high)
        up = _reach(share, (to_fall, falls), (to_rise, rises))
        down = _reach(share, (to_fall, rises), (to_rise, falls))
        here = coordinates[number]
        box[number] = (None if down is None else here - down, None if up is None else here + up)
    return box


def _reach(share: Fraction, *limits: tuple[Fraction | None, Fraction]) -> Fraction | None:
    """The least of slack over rate; ``None`` if nothing limits."""
    return min(
        (share * slack / rate for slack, rate in limits if slack is not None and rate), default=None
    )


def _slopes(
    account: Account,
    listing: Sequence[Listed],
    rows: Sequence[Row],
    coordinates: Sequence[Fraction],
    loss_factors: Sequence[Fraction],
) -> list[tuple[int, Interval]]:
    """By coordinate: an interval that contains the slope of every excess in it."""
    sums: dict[int, Interval] = {}
    for instrument, quantity in account.positions:
        listed = listing[instrument]
        row, amount = rows[listed.row], quantity * listed.multiple
        for number, interval in _row_slopes(row, coordinates[row.factor], loss_factors):
            low, high = sorted((amount * interval[0], amount * interval[1]))
            before = sums.get(number, (Fraction(0), Fraction(0)))
            sums[number] = (before[0] + low, before[1] + high)
    return sorted(sums.items())


def _row_slopes(
    row: Row, price: Fraction, loss_factors: Sequence[Fraction]
) -> list[tuple[int, Interval]]:
    if row.option is None:
        ends = [1 + f * scenario.move for f in loss_factors for scenario in row.scenarios]
        return [(row.factor, (min(ends), max(ends)))]
    option = row.option
    unit = option.forward_ratio * option.discount
    vega = _DENSITY_MAX * unit * price * option.vol
    most = 1 + max(Fraction(0), *(scenario.move for scenario in row.scenarios))
    stretch = max((1 + one.move) * one.vol_factor for one in row.scenarios)
    low, high = _mixed(unit, unit * most, loss_factors)
    delta = (low, high) if option.is_call else (-high, -low)
    return [(row.factor, delta), (option.coordinate, _mixed(vega, vega * stretch, loss_factors))]


def _mixed(mark: Fraction, scenario: Fraction, loss_factors: Sequence[Fraction]) -> Interval:
    """(1 - f) of a slope in [0, mark] and f of one in [0, scenario], for every f."""
    lows = [min(Fraction(0), (1 - f) * mark) for f in loss_factors]
    highs = [max(Fraction(0), (1 - f) * mark) + f * scenario for f in loss_factors]
    return min(lows), max(highs)
