"""What is read of Morpho Blue, in the contract's own integers.

An account is an owner in one market, ``<venue>/<owner>/<market id without 0x>``: markets are
isolated from each other, so that each has a health of its own.
"""

from dataclasses import dataclass
from typing import Final

from xmargin.errors import DecodeError
from xmargin.model.identifiers import AccountId, TokenId

MARKET_RECORD: Final = "market"
"""The record of a :class:`MorphoBlueMarket`; its key is the market's id without 0x."""

_MARKET_ID_DIGITS: Final = 64


@dataclass(frozen=True, slots=True)
class MorphoBlueMarket:
    """A market as stored, and what its rate model and oracle answer at the block.

    Assets in loan token units; shares in Morpho's; ``*_wad`` in 10^-18, the rate a second;
    ``price`` in loan token units of one collateral unit, times 10^36.
    """

    loan_token: TokenId
    loan_decimals: int
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


@dataclass(frozen=True, slots=True)
class MorphoBluePosition:
    """An owner's shares in a market and collateral in it, in collateral token units."""

    supply_shares: int
    borrow_shares: int
    collateral: int


def market_of(account: AccountId) -> str:
    """The market id that an account's sub-account names, as 64 hex digits.

    Raises:
        DecodeError: it names none.
    """
    market = account.split("/", 2)[2] if account.count("/") == 2 else ""
    if len(market) != _MARKET_ID_DIGITS or not set(market) <= set("0123456789abcdef"):
        raise DecodeError(f"{account} names no market; write <venue>/<owner>/<64 hex digits>")
    return market
