"""A change of status."""

from dataclasses import dataclass
from decimal import Decimal

from xmargin.model.identifiers import AccountId, PortfolioId
from xmargin.model.plans import LiquidationPlan
from xmargin.model.ranks import LiquidationKind
from xmargin.model.reports import HealthStatus


@dataclass(frozen=True, slots=True)
class Crossing:
    """One portfolio's, or one venue account's, status from one view to the next.

    ``number`` counts all changes from 1; it is 0, and ``before`` is absent, of those who are told
    as being at risk from the start. ``account`` is empty for a portfolio; ``cause`` is what moved,
    ``plan`` how to liquidate an account that is due, where it was asked for.
    """

    number: int
    kind: LiquidationKind
    portfolio: PortfolioId
    account: AccountId
    before: HealthStatus | None
    after: HealthStatus
    health_factor: Decimal | None
    cause: str
    tape_sequence: int
    now_ms: int
    plan: LiquidationPlan | None = None
