"""What is read of Kamino Lend, in the program's own integers.

Fields that end in ``_sf`` are in units of 2^-60; ``_bsf`` are the same with 256 bits. Values are in
dollars, amounts in token or collateral units.
"""

from dataclasses import dataclass

from xmargin.model.identifiers import AccountId, VenueId

RESERVE_RECORD = "reserve"
MARKET_RECORD = "market"
PRICE_AGE_S_MAX = "price_age_s_max"
"""A setting of a venue: how long ago a price may have been stored in its reserve."""


@dataclass(frozen=True, slots=True)
class KaminoDeposit:
    """Collateral units deposited in the reserve at an address."""

    reserve: str
    amount: int


@dataclass(frozen=True, slots=True)
class KaminoBorrow:
    """A debt as of when interest was last added to it, with the reserve's borrow rate then."""

    reserve: str
    borrowed_sf: int
    cumulative_borrow_rate_bsf: int


@dataclass(frozen=True, slots=True)
class KaminoObligation:
    """An obligation; ``elevation_group`` is 0 for none, ``slot`` is of its last refresh."""

    account: AccountId
    market: str
    owner: str
    tag: int
    elevation_group: int
    deposits: tuple[KaminoDeposit, ...]
    borrows: tuple[KaminoBorrow, ...]
    slot: int
    fault: str


@dataclass(frozen=True, slots=True)
class KaminoReserve:
    """A reserve as of ``slot``: interest and price are those of its last refresh."""

    venue: VenueId
    address: str
    market: str
    mint: str
    decimals: int
    status: int
    available: int
    borrowed_sf: int
    protocol_fees_sf: int
    referrer_fees_sf: int
    pending_referrer_fees_sf: int
    collateral_supply: int
    cumulative_borrow_rate_bsf: int
    price_sf: int
    price_updated_at_s: int
    loan_to_value_pct: int
    liquidation_threshold_pct: int
    borrow_factor_pct: int
    elevation_groups: tuple[int, ...]
    slot: int


@dataclass(frozen=True, slots=True)
class KaminoElevationGroup:
    """A group of a market: ratios of its deposits, and the one reserve of its debts."""

    number: int
    ltv_pct: int
    liquidation_threshold_pct: int
    debt_reserve: str


@dataclass(frozen=True, slots=True)
class KaminoMarket:
    """A lending market; ``global_allowed_borrow_value`` is in whole dollars."""

    venue: VenueId
    address: str
    owner: str
    emergency_mode: bool
    global_allowed_borrow_value: int
    elevation_groups: tuple[KaminoElevationGroup, ...]
