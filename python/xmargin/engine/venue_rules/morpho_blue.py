"""Morpho Blue: what a position is worth in its market, exact.

The unit of a standing is the loan token, in its own decimals.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from xmargin import records
from xmargin.engine.venue_rules.door import MarginSum, margin_sum, venue_answer
from xmargin.errors import XmarginError
from xmargin.model import AccountId
from xmargin.model.morpho_blue import (
    MARKET_RECORD,
    MorphoBlueMarket,
    MorphoBluePosition,
    market_of,
)
from xmargin.model.standings import VenueCase, VenueLeg, VenueStanding

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
    collateral_value: int
    margin: MarginSum
    is_healthy: bool


def morpho_blue_standing(
    market: MorphoBlueMarket, position: MorphoBluePosition, *, block_time_s: int
) -> MorphoBlueStanding:
    """A position as the contract sees it in a block of this time.

    Args:
        market: the position's, read at the block.
        position: as it was read.
        block_time_s: the block's time.

    Raises:
        EngineError: the contract would revert.
    """
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
        collateral_value=int(answer["collateral_value"]),
        margin=margin_sum(answer["margin"]),
        is_healthy=answer["is_healthy"],
    )


def standings(case: VenueCase) -> Mapping[AccountId, VenueStanding]:
    """Where the watched positions stand; one that cannot be judged is at fault by itself."""
    return {account: _judged(case, account) for account in case.accounts}


def _judged(case: VenueCase, account: AccountId) -> VenueStanding:
    try:
        position = records.read(case.account_record(account), MorphoBluePosition)
        record = case.records.get((MARKET_RECORD, market_of(account)))
        market = records.read(record, MorphoBlueMarket)
        return _standing(case, market, position)
    except XmarginError as error:
        return VenueStanding.at_fault(error.message)


def _standing(
    case: VenueCase, market: MorphoBlueMarket, position: MorphoBluePosition
) -> VenueStanding:
    loan = case.tokens.get(market.loan_token)
    if loan is None:
        return VenueStanding.at_fault(
            f"the loan token {market.loan_token} is not configured; add it to [[tokens]]"
        )
    found = morpho_blue_standing(market, position, block_time_s=case.block.time_s)
    borrowable, owed = found.margin.collateral, found.margin.requirement
    legs = (
        VenueLeg(market.collateral_token, position.collateral),
        VenueLeg(market.loan_token, found.supplied - owed),
    )
    return VenueStanding(
        collateral=found.collateral_value,
        debt=owed,
        counted=borrowable,
        requirement=owed,
        available=max(borrowable - owed, 0),
        decimals=market.loan_decimals,
        unit=loan.price,
        health_factor_wad=found.margin.health_wad,
        is_liquidatable=not found.is_healthy,
        legs=tuple(leg for leg in legs if leg.amount),
    )
