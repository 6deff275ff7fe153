"""Margins of accounts over a scenario matrix, in exact rationals, as ``docs/margin.md`` has them.

An instrument is a multiple of a row; a row has a mark and a P&L in each scenario (USD a unit).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Listed:
    """An instrument: ``multiple`` units of row ``row``."""

    row: int
    multiple: Fraction


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """What a unit of a row is worth, and wins in each scenario."""

    mark: Fraction
    pnl: tuple[Fraction, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """Cash and positions (instrument, quantity)."""

    id: int
    cash: Fraction
    positions: tuple[tuple[int, Fraction], ...]


@dataclass(frozen=True, slots=True)
class Margin:
    """An account in its worst scenario, the lowest one on a tie."""

    worst_scenario: int
    worst_pnl: Fraction
    margin: Fraction
    excess: Fraction


def margin_of(
    account: Account, listing: Sequence[Listed], matrix: Sequence[MatrixRow], loss_factor: Fraction
) -> Margin:
    """PnL by scenario, its least, and what is left of the value after the requirement."""
    held = [
        (quantity * listing[instrument].multiple, matrix[listing[instrument].row])
        for instrument, quantity in account.positions
    ]
    pnl = [
        sum((amount * row.pnl[scenario] for amount, row in held), Fraction(0))
        for scenario in range(len(matrix[0].pnl))
    ]
    worst = min(range(len(pnl)), key=pnl.__getitem__)
    margin = loss_factor * max(Fraction(0), -pnl[worst])
    value = account.cash + sum((amount * row.mark for amount, row in held), Fraction(0))
    return Margin(worst, pnl[worst], margin, value - margin)


def breaches(accounts: Sequence[Account], margins: Sequence[Margin]) -> list[int]:
    """Ids of the accounts of negative excess, by (excess, id)."""
    short = [
        (margin.excess, account.id)
        for account, margin in zip(accounts, margins, strict=True)
        if margin.excess < 0
    ]
    return [account for _, account in sorted(short)]
