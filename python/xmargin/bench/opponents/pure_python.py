"""Dataclasses and loops; ``math.erfc`` for the normal distribution."""

import math
from dataclasses import dataclass

from xmargin.bench.workload import Workload


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the matrix."""

    mark: float
    pnl: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """Positions as (row, quantity)."""

    cash: float
    positions: tuple[tuple[int, float], ...]


class Engine:
    """Objects, one at a time."""

    def __init__(self, workload: Workload) -> None:
        self._w = workload
        factors = len(workload.prices)
        self._accounts = [
            Account(
                cash,
                (
                    *enumerate(deltas),
                    *((factors + o, q) for o, q in zip(options, quantities, strict=True)),
                ),
            )
            for cash, deltas, options, quantities in zip(
                workload.cash.tolist(),
                workload.deltas.tolist(),
                workload.option.tolist(),
                workload.quantity.tolist(),
                strict=True,
            )
        ]

    def reprice(self) -> list[Row]:
        """Factors, then options."""
        w = self._w
        moves, vols = w.moves.tolist(), w.vol_factors.tolist()
        rows = [
            Row(price, tuple(price * move for move in of_factor))
            for price, of_factor in zip(w.prices, moves, strict=True)
        ]
        for factor, put, strike, stdev in zip(
            w.factor_of_option.tolist(), w.put, w.strike.tolist(), w.stdev.tolist(), strict=True
        ):
            price = w.prices[factor]
            sign = -1.0 if put else 1.0
            now = _value(sign, price, strike, stdev, w.discount)
            shocked = (
                _value(sign, price * (1 + move), strike, stdev * vol, w.discount) - now
                for move, vol in zip(moves[factor], vols, strict=True)
            )
            rows.append(Row(now, tuple(shocked)))
        return rows

    def step(self, matrix: list[Row]) -> tuple[list[int], list[float]]:
        """Account by account."""
        scenarios, excess = [], []
        for account in self._accounts:
            held = [(quantity, matrix[row]) for row, quantity in account.positions]
            pnl = [0.0] * len(matrix[0].pnl)
            for quantity, row in held:
                for scenario, unit in enumerate(row.pnl):
                    pnl[scenario] += quantity * unit
            worst = min(pnl)
            scenarios.append(pnl.index(worst))
            value = account.cash + sum(quantity * row.mark for quantity, row in held)
            excess.append(value - max(0.0, -worst))
        return scenarios, excess


def _value(sign: float, forward: float, strike: float, stdev: float, discount: float) -> float:
    d1 = math.log(forward / strike) / stdev + stdev / 2
    d2 = d1 - stdev
    return discount * sign * (forward * _cdf(sign * d1) - strike * _cdf(sign * d2))


def _cdf(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))
