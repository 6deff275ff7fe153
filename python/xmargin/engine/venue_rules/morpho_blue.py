"""Morpho Blue: what a position is worth in its market, exact."""

from dataclasses import dataclass
from typing import Final

from xmargin.engine.venue_rules.door import MarginSum, margin_sum, venue_answer
from xmargin.errors import EngineError
from xmargin.model.morpho_blue import MorphoBlueMarket, MorphoBluePosition

_MARKET_FIELDS: Final = (
    "supply_assets",
    "supply_shares",
    "borrow_assets",
    "borrow_shares",
    "updated_at_s",
    "fee_wad",
    "borrow_rate_wad",
    "lltv_wad",
    "price",
)
_POSITION_FIELDS: Final = ("supply_shares", "borrow_shares", "collateral")


@dataclass(frozen=True, slots=True)
class MorphoBlueStanding:
    """A position with interest added, in loan token units, and its market's totals.

    ``margin.collateral`` is what the collateral can secure (``maxBorrow``), ``margin.requirement``
    what is owed; ``supplied`` is lent and secures nothing.
    """

    supply_assets: int
    supply_shares: int
    borrow_assets: int
    borrow_shares: int
    supplied: int
    margin: MarginSum
    is_healthy: bool


def morpho_blue_standing(
    market: MorphoBlueMarket, position: MorphoBluePosition, *, block_time_s: int
) -> MorphoBlueStanding:
    """A position as the contract sees it in a block of this time.

    Args:
        market: the position's, read at the block; without a fault.
        position: without a fault.
        block_time_s: the block's time.

    Raises:
        EngineError: either is at fault, or the contract would revert.
    """
    for one in (market, position):
        if one.fault:
            raise EngineError(f"the market or the position could not be read: {one.fault}")
    answer = venue_answer(
        {
            "rule": "morpho_blue",
            "block_time_s": str(block_time_s),
            "market": {name: str(getattr(market, name)) for name in _MARKET_FIELDS},
            "position": {name: str(getattr(position, name)) for name in _POSITION_FIELDS},
        }
    )
    return MorphoBlueStanding(
        supply_assets=int(answer["supply_assets"]),
        supply_shares=int(answer["supply_shares"]),
        borrow_assets=int(answer["borrow_assets"]),
        borrow_shares=int(answer["borrow_shares"]),
        supplied=int(answer["supplied"]),
        margin=margin_sum(answer["margin"]),
        is_healthy=answer["is_healthy"],
    )
