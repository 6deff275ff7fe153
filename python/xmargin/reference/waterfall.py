"""Insurance fund, auto-deleveraging, social loss: plain Python."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Position:
    """Signed size; higher priority is deleveraged first."""

    instrument: int
    account: int
    size: int
    priority: int = 0


def deleveraged(
    bankrupt: Sequence[Position], others: Sequence[Position]
) -> list[tuple[int, int, int]]:
    """Bankrupt row, counterparty row, size closed."""
    open_sizes = [abs(other.size) for other in others]
    order = sorted(
        range(len(others)), key=lambda row: (-others[row].priority, others[row].account, row)
    )
    found = []
    for row, position in enumerate(bankrupt):
        left = abs(position.size)
        for other_row in order:
            other = others[other_row]
            if other.instrument != position.instrument or (other.size > 0) == (position.size > 0):
                continue
            size = min(left, open_sizes[other_row])
            if size:
                left -= size
                open_sizes[other_row] -= size
                found.append((row, other_row, size))
    return found


def shared(loss: int, weights: Sequence[int]) -> list[int]:
    """In proportion, rounded down; one unit more for the first weights until nothing is left."""
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
    parts = [loss * weight // whole for weight in weights]
    missing = loss - sum(parts)
    for row, weight in enumerate(weights):
        if missing and weight:
            parts[row] += 1
            missing -= 1
    return parts
