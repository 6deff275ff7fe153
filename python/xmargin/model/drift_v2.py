"""What is read of Drift v2, in the program's own integers.

Prices and quote amounts are in 10^-6 dollars, base amounts of perps in 10^-9, scaled balances in
10^-9, cumulative interest in 10^-10, cumulative funding in 10^-9 dollars a unit of base, weights,
ratios in 10^-4, size factors in 10^-6. Enumerations are the program's names in snake case.
"""

from dataclasses import dataclass

from xmargin.model.identifiers import AccountId, TokenId, VenueId, chain_of, kind_of

SPOT_MARKET_RECORD = "spot-market"
PERP_MARKET_RECORD = "perp-market"
QUOTE_ASSET = "quote_asset"
"""The oracle source of a market that is worth one, whatever is in its oracle account."""

ORACLE_SLOTS_MAX = "oracle_slots_max"
INTEREST_AGE_S_MAX = "interest_age_s_max"
"""Settings of a venue: how old prices and interest may be."""


def market_key(market_index: int) -> str:
    """The key of a market's record."""
    return f"{market_index:05d}"


def perp_token(venue: VenueId, market_index: int) -> TokenId:
    """The instrument of a perp market: what its positions are amounts of, in 10^-9."""
    return f"{chain_of(venue)}/perp:{kind_of(venue)}.{market_index}"


@dataclass(frozen=True, slots=True)
class DriftV2SpotPosition:
    """A deposit or a borrow in one spot market, with the sizes of open orders in token units."""

    market_index: int
    balance_type: str
    scaled_balance: int
    open_bids: int
    open_asks: int
    open_orders: int


@dataclass(frozen=True, slots=True)
class DriftV2PerpPosition:
    """A perp position; ``isolated_scaled_balance`` is its own collateral if it is isolated."""

    market_index: int
    base_amount: int
    quote_amount: int
    last_cumulative_funding_rate: int
    open_bids: int
    open_asks: int
    open_orders: int
    max_margin_ratio: int
    is_isolated: bool
    isolated_scaled_balance: int


@dataclass(frozen=True, slots=True)
class DriftV2User:
    """A user's sub-account; positions and orders that are nothing are left out."""

    account: AccountId
    margin_mode: str
    pool_id: int
    max_margin_ratio: int
    being_liquidated: bool
    bankrupt: bool
    spot_positions: tuple[DriftV2SpotPosition, ...]
    perp_positions: tuple[DriftV2PerpPosition, ...]
    fault: str


@dataclass(frozen=True, slots=True)
class DriftV2SpotMarket:
    """A spot market; ``oracle`` is the account that gives its price.

    ``updated_at_s`` is when interest was last added.
    """

    venue: VenueId
    market_index: int
    mint: str
    decimals: int
    oracle: str
    oracle_source: str
    status: str
    asset_tier: str
    pool_id: int
    deposit_balance: int
    cumulative_deposit_interest: int
    cumulative_borrow_interest: int
    initial_asset_weight: int
    maintenance_asset_weight: int
    initial_liability_weight: int
    maintenance_liability_weight: int
    imf_factor: int
    scale_initial_asset_weight_start: int
    last_oracle_price_twap_5min: int
    updated_at_s: int


@dataclass(frozen=True, slots=True)
class DriftV2PerpMarket:
    """A perp market; ``net_base_amount`` and ``net_quote_amount`` are of all its users."""

    venue: VenueId
    market_index: int
    oracle: str
    oracle_source: str
    status: str
    contract_type: str
    contract_tier: str
    pool_id: int
    quote_spot_market_index: int
    expiry_price: int
    margin_ratio_initial: int
    margin_ratio_maintenance: int
    high_leverage_ratio_initial: int
    high_leverage_ratio_maintenance: int
    imf_factor: int
    pnl_initial_asset_weight: int
    pnl_maintenance_asset_weight: int
    pnl_imf_factor: int
    pnl_max_imbalance: int
    cumulative_funding_rate_long: int
    cumulative_funding_rate_short: int
    net_base_amount: int
    net_quote_amount: int
    last_oracle_price: int
