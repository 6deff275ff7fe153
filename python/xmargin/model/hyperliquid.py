"""What is read of Hyperliquid's clearinghouse, in its own decimals.

Amounts are in USDC, sizes in units of the coin; both keep the digits that were answered.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from xmargin.model.identifiers import AccountId, TokenId, VenueId, chain_of, kind_of

MARKET_RECORD: Final = "market"
"""The record of a market; its key is the coin."""

QUOTE_SETTING: Final = "quote"
"""The venue's setting with the token id of the USDC that accounts are margined in."""

USD_DECIMALS: Final = 6


def perp_token(venue: VenueId, coin: str) -> TokenId:
    """The id of a market's instrument."""
    return f"{chain_of(venue)}/perp:{kind_of(venue)}.{coin}"


@dataclass(frozen=True, slots=True)
class HyperliquidPosition:
    """A perp position: ``size`` is signed, ``value`` its size at the venue's mark price.

    ``isolated_raw_usd`` is the cash of a position with margin of its own (negative for what was
    borrowed to buy), absent where it shares the account's. ``liquidation_price`` is the venue's
    own estimate.
    """

    coin: str
    size: Decimal
    value: Decimal
    leverage: int
    isolated_raw_usd: Decimal | None
    liquidation_price: Decimal | None


@dataclass(frozen=True, slots=True)
class HyperliquidSummary:
    """Sums over positions: ``raw_usd`` is cash, ``account_value`` cash and positions together."""

    account_value: Decimal
    notional: Decimal
    raw_usd: Decimal
    margin_used: Decimal


@dataclass(frozen=True, slots=True)
class HyperliquidAccount:
    """A user's perps as of ``time_ms``: of all margin, and of the margin that is shared.

    ``cross_maintenance`` is the venue's own sum; absent in old answers.
    """

    account: AccountId
    time_ms: int
    whole: HyperliquidSummary
    cross: HyperliquidSummary
    cross_maintenance: Decimal | None
    withdrawable: Decimal
    positions: tuple[HyperliquidPosition, ...]


@dataclass(frozen=True, slots=True)
class HyperliquidTier:
    """From a position value of ``value_min`` on, at most this leverage."""

    value_min: Decimal
    leverage_max: int


@dataclass(frozen=True, slots=True)
class HyperliquidMarket:
    """A perp market; sizes are whole multiples of 10^-``size_decimals``."""

    venue: VenueId
    coin: str
    size_decimals: int
    tiers: tuple[HyperliquidTier, ...]
