"""The liquidation order, written from ``docs/margin-model.md``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xmargin.reference.aave_v3 import AccountData
from xmargin.reference.unified import PortfolioMargin


@dataclass(frozen=True, slots=True)
class Due:
    """One rank: a venue account, or (with ``is_portfolio``) a portfolio, by its id."""

    is_portfolio: bool
    id: str


def liquidation_order(
    venue_accounts: Mapping[str, AccountData],
    held_accounts: frozenset[str],
    portfolios: Iterable[PortfolioMargin],
) -> list[Due]:
    """All that is due, worst first."""
    due_accounts = [
        (data.health_factor_wad, -data.debt_base, account)
        for account, data in venue_accounts.items()
        if data.is_liquidatable and account not in held_accounts
    ]
    due_portfolios = [
        (m.maintenance_excess / m.gross_debt, m.maintenance_excess, portfolio.portfolio)
        for portfolio in portfolios
        if (m := portfolio.margin) is not None
        if portfolio.owes and not portfolio.held and m.maintenance_excess < 0
    ]
    return [
        *(Due(False, account) for _, _, account in sorted(due_accounts)),
        *(Due(True, portfolio) for _, _, portfolio in sorted(due_portfolios)),
    ]
