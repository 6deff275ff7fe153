"""The reference: venue truth, unified truth and order once more, in plain Python and exactly.

Written from ``docs/margin-model.md`` and the contracts' sources, it shares no code with the Rust
core: integers where a contract computes, ``fractions.Fraction`` elsewhere, no rounding at all in
the unified model. It is the tests' oracle and the benchmark's peer, never a fallback.
"""

from xmargin.reference.aave_v3 import AccountData
from xmargin.reference.book import (
    AavePosition,
    AaveUser,
    Account,
    Base,
    Book,
    EMode,
    Pool,
    Portfolio,
    Reserve,
    Token,
    WalletBalance,
)
from xmargin.reference.evaluate import Evaluation, evaluate
from xmargin.reference.order import Due
from xmargin.reference.positions import Counting, Position
from xmargin.reference.unified import COMPONENTS, Contribution, Margin, PortfolioMargin, Requirement
from xmargin.reference.unified_history import Returns

__all__ = [
    "COMPONENTS",
    "AavePosition",
    "AaveUser",
    "Account",
    "AccountData",
    "Base",
    "Book",
    "Contribution",
    "Counting",
    "Due",
    "EMode",
    "Evaluation",
    "Margin",
    "Pool",
    "Portfolio",
    "PortfolioMargin",
    "Position",
    "Requirement",
    "Reserve",
    "Returns",
    "Token",
    "WalletBalance",
    "evaluate",
]
