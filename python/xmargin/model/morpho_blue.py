"""What is read of Morpho Blue, in the contract's own integers.

An account is an owner in one market, ``<venue>/<owner>/<market id without 0x>``: markets are
isolated from each other, so that each has a health of its own.
"""

from dataclasses import dataclass

from xmargin.model.identifiers import AccountId, TokenId, VenueId


@dataclass(frozen=True, slots=True)
class MorphoBlueMarket:
    """A market as stored, and what its rate model and oracle answer at the block.

    Assets in loan token units; shares in Morpho's; ``*_wad`` in 10^-18, the rate a second;
    ``price`` in loan token units of one collateral unit, times 10^36.
    """

    venue: VenueId
    market_id: str
    loan_token: TokenId
    collateral_token: TokenId
    supply_assets: int
    supply_shares: int
    borrow_assets: int
    borrow_shares: int
    updated_at_s: int
    fee_wad: int
    borrow_rate_wad: int
    lltv_wad: int
    price: int
    fault: str


@dataclass(frozen=True, slots=True)
class MorphoBluePosition:
    """An owner's shares in a market and collateral in it, in collateral token units."""

    account: AccountId
    supply_shares: int
    borrow_shares: int
    collateral: int
    fault: str
