"""What is read of Perpetual v2, in the contracts' own integers.

Sizes, notionals, prices and debts have 18 decimals; ``*_ratio`` are millionths; ``sqrt_*_x96`` are
√(quote of one base) × 2^96.
"""

from dataclasses import dataclass
from typing import Final

from xmargin.model.identifiers import TokenId, VenueId, chain_of, kind_of

TERMS_RECORD: Final = "terms"
"""The record of :class:`PerpV2Terms`; its key is empty."""
MARKET_RECORD: Final = "market"
"""The record of a :class:`PerpV2Market`; its key is the base token's address."""
COLLATERAL_RECORD: Final = "collateral"
"""The record of a :class:`PerpV2Collateral`; its key is the token's address."""
ACCRUED_RECORD: Final = "accrued"
"""The record of a :class:`PerpV2Accrued`; its key is the account's id."""

INSTRUMENT_DECIMALS: Final = 18


@dataclass(frozen=True, slots=True)
class PerpV2Terms:
    """Ratios of all accounts, and what they settle in."""

    settlement_token: TokenId
    settlement_decimals: int
    im_ratio: int
    mm_ratio: int


@dataclass(frozen=True, slots=True)
class PerpV2Market:
    """A market's prices: the pool's now, its averages, the index now and on average.

    Averages are over the seconds that count as now (``spot``), over the mark price's market and
    premium intervals. ``mark_price`` is what the contracts make of them, for a check.
    """

    sqrt_price_x96: int
    sqrt_spot_twap_x96: int
    sqrt_market_twap_x96: int
    sqrt_premium_twap_x96: int
    index_price: int
    index_premium_twap: int
    mark_price: int


@dataclass(frozen=True, slots=True)
class PerpV2Collateral:
    """A collateral beside the settlement token; what part of its value counts is ``ratio``."""

    token: TokenId
    decimals: int
    price: int
    price_decimals: int
    ratio: int


@dataclass(frozen=True, slots=True)
class PerpV2Order:
    """Liquidity between two ticks, and what it was given to provide it."""

    liquidity: int
    lower_tick: int
    upper_tick: int
    base_debt: int
    quote_debt: int


@dataclass(frozen=True, slots=True)
class PerpV2Position:
    """An account's part in the market of a base token."""

    base_token: str
    size: int
    open_notional: int
    orders: tuple[PerpV2Order, ...]


@dataclass(frozen=True, slots=True)
class PerpV2Deposit:
    """Token units of a collateral."""

    token: str
    amount: int


@dataclass(frozen=True, slots=True)
class PerpV2Account:
    """An account; ``balance`` in settlement token units."""

    balance: int
    positions: tuple[PerpV2Position, ...]
    deposits: tuple[PerpV2Deposit, ...]


@dataclass(frozen=True, slots=True)
class PerpV2Accrued:
    """What runs up without a log of the account, 18 decimals of the settlement token."""

    owed_realized_pnl: int
    pending_fee: int
    pending_funding: int


def instrument_of(venue: VenueId, base_token: str) -> TokenId:
    """The id of the perp on a base token, as ``[[tokens]]`` names it."""
    return f"{chain_of(venue)}/perp:{kind_of(venue)}.{base_token}"
