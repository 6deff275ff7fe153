"""Which part of which leg to close, at least cost, with its proof (``docs/liquidation.md``)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from xmargin.errors import EngineError


@dataclass(frozen=True, slots=True)
class Leg:
    """What closing a whole leg costs: spread, and impact growing as the part closed to the 1.5.

    ``lots`` is how many lots it has; 0 when any part of it can be closed.
    """

    id: str
    spread: float
    impact: float
    lots: int = 0


class PlanKind(StrEnum):
    """What an answer is."""

    PLAN = "plan"
    """Meets every scenario; no plan costs less than ``bound``."""
    INFEASIBLE = "infeasible"
    """No plan exists: every closing falls short by at least ``bound`` in some scenario."""
    UNDECIDED = "undecided"
    """The plans, if any, are thinner than rounding: the least shortfall is in [bound, value]."""
    OFF_LOTS = "off_lots"
    """Meets every scenario, but not in whole lots; none in whole lots was found."""


@dataclass(frozen=True, slots=True)
class LegPlan:
    """An answer. ``value`` is a cost (of plans) or a shortfall; multipliers prove ``bound``."""

    kind: PlanKind
    fractions: tuple[float, ...]
    value: float
    multipliers: tuple[float, ...]
    bound: float


def plan_legs(
    *,
    equity: float,
    loss_share_max: float,
    legs: Sequence[Leg],
    losses: Sequence[Sequence[float]],
) -> LegPlan:
    """Close legs at least cost, so that no scenario loses more than a share of what equity remains.

    Args:
        equity: before anything is closed.
        loss_share_max: κ: the worst scenario loses at most κ × (equity - cost of closing).
        legs: the account's legs.
        losses: one row a scenario, the loss of each leg (negative: gain).

    Raises:
        EngineError: an amount is no number or out of range, a cost negative, a row ragged; the
            message names table, field and row.
    """
    from xmargin import _core

    for row, leg in enumerate(legs):
        if not 0 <= leg.lots < 1 << 64:
            raise EngineError(f"legs.lots row {row}: {leg.lots} is no count; 0 is for no lots")
    kind, fractions, value, multipliers, bound = _core.plan_legs(
        equity=equity,
        loss_share_max=loss_share_max,
        spread=[leg.spread for leg in legs],
        impact=[leg.impact for leg in legs],
        lots=[leg.lots for leg in legs],
        losses=[list(row) for row in losses],
    )
    return LegPlan(PlanKind(kind), tuple(fractions), value, tuple(multipliers), bound)
