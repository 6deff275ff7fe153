"""The engine: the only caller of the Rust core. Snapshots in, result tables out."""

from xmargin.engine.book import AccountBook, AccountMargin, OptionGrid, Screened, scenario_matrix
from xmargin.engine.evaluate import Engine, Evaluation, PortfolioHead
from xmargin.engine.health_index import Difference, Factor, HealthIndex, Threshold, Ticked
from xmargin.engine.history import HistoryUse, check_returns, history_use
from xmargin.engine.lending_order import (
    Change,
    LendingAccount,
    LendingOrder,
    LendingPosition,
    VenueCrossing,
    VenueHealth,
    VenueStatus,
)
from xmargin.engine.pricing import SviFit, fit_svi, implied_vols, option_greeks, option_values
from xmargin.engine.venue_watch import (
    LiquidationPrice,
    Moved,
    PriceRange,
    StatusChange,
    VenueWatch,
)
from xmargin.model import RiskParameters

__all__ = [
    "AccountBook",
    "AccountMargin",
    "Change",
    "Difference",
    "Engine",
    "Evaluation",
    "Factor",
    "HealthIndex",
    "HistoryUse",
    "LendingAccount",
    "LendingOrder",
    "LendingPosition",
    "LiquidationPrice",
    "Moved",
    "OptionGrid",
    "PortfolioHead",
    "PriceRange",
    "Screened",
    "StatusChange",
    "SviFit",
    "Threshold",
    "Ticked",
    "VenueCrossing",
    "VenueHealth",
    "VenueStatus",
    "VenueWatch",
    "check_parameters",
    "check_returns",
    "fit_svi",
    "history_use",
    "implied_vols",
    "option_greeks",
    "option_values",
    "scenario_matrix",
]


def check_parameters(parameters: RiskParameters) -> None:
    """Refuse parameters that no snapshot could be evaluated with.

    Raises:
        ParameterError: naming the key, the value and the range.
    """
    from xmargin import _core

    _core.check_parameters(parameters.content)
