"""The liquidation order: its entries, why each has its rank, and how far all are from the best."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from xmargin.model.identifiers import AccountId, PortfolioId
from xmargin.model.plans import LiquidationPlan, PlanVerdict, PortfolioPlan


class LiquidationKind(StrEnum):
    """Which truth puts an entry on the liquidation list."""

    VENUE_ACCOUNT = "VENUE_ACCOUNT"
    PORTFOLIO = "PORTFOLIO"


@dataclass(frozen=True, slots=True)
class RankReason:
    """By key descending, then what is avoided, then the lowest health. Money is USD.

    ``key`` = ``bad_debt_avoided`` ÷ ``priced_depth``, absent when depth is free; depth is in units
    of the asset. ``share`` of the liquidation is what depth allows, ``batch`` counts blocks from 1
    and is absent when it is not planned.
    """

    bad_debt_expected: Decimal
    cost: Decimal
    bad_debt_avoided: Decimal
    depth_used: Mapping[str, Decimal]
    priced_depth: Decimal
    key: Decimal | None
    share: Decimal
    batch: int | None


@dataclass(frozen=True, slots=True)
class LiquidationEntry:
    """One rank of the total order; money in USD (an account's in its venue's base currency).

    ``rank_reason`` is absent when figures do not say what liquidating it would bring; plans are
    there where they were asked for.
    """

    rank: int
    kind: LiquidationKind
    portfolio: PortfolioId
    account: AccountId
    health_factor: Decimal | None
    shortfall: Decimal
    debt: Decimal
    reason: str
    verdict: PlanVerdict | None = None
    rank_reason: RankReason | None = None
    plan: LiquidationPlan | None = None
    portfolio_plan: PortfolioPlan | None = None


@dataclass(frozen=True, slots=True)
class FleetCertificate:
    """Of one kind of entries: the order avoids ``avoided`` (USD), and no plan more than ``bound``.

    ``price_of_depth`` is what one more unit of depth would save, ``depth`` the units there are.
    """

    kind: LiquidationKind
    avoided: Decimal
    bound: Decimal
    price_of_depth: Mapping[str, Decimal]
    depth: Mapping[str, Decimal]
