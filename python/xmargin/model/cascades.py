"""What a shock sets off among venue accounts, and the prices at which they change status."""

from dataclasses import dataclass
from decimal import Decimal

from xmargin.model.identifiers import AccountId, PortfolioId, TokenId


@dataclass(frozen=True, slots=True)
class CascadeAsset:
    """One asset in a cascade: USD, and units of the asset.

    ``price_low`` and ``sold_most`` are of the worst end, ``price_high`` and ``sold_least`` of the
    mildest.
    """

    asset: str
    price: Decimal
    price_shocked: Decimal
    price_low: Decimal
    price_high: Decimal
    sold_least: Decimal
    sold_most: Decimal


@dataclass(frozen=True, slots=True)
class CascadeAccount:
    """An account that is liquidated at the worst end: the parts closed at the mildest and there."""

    portfolio: PortfolioId
    account: AccountId
    part_least: Decimal
    part_most: Decimal


@dataclass(frozen=True, slots=True)
class PriceRange:
    """A range of prices, USD; one price when both ends are equal."""

    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class LiquidationPrice:
    """The venue prices nearest to the present one at which an account's status changes, USD.

    ``tokens`` are those that the venue values at this price, ``symbols`` theirs. Absent: nowhere
    down to zero, or up to 2^20 times the price.
    """

    account: AccountId
    tokens: tuple[TokenId, ...]
    symbols: tuple[str, ...]
    price: Decimal
    below: PriceRange | None
    above: PriceRange | None
