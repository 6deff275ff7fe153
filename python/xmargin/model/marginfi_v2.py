"""What is read of marginfi v2, in the program's own integers.

Shares, share values and weights are I80F48: integers in units of 2^-48. Enumerations are the
program's names in snake case.
"""

from dataclasses import dataclass

from xmargin.model.identifiers import AccountId, VenueId

BANK_RECORD = "bank"
INTEREST_AGE_S_MAX = "interest_age_s_max"
"""A setting of a venue: how long ago interest may last have been added."""


@dataclass(frozen=True, slots=True)
class MarginfiV2Balance:
    """An account's shares in the bank at an address."""

    bank: str
    asset_shares: int
    liability_shares: int


@dataclass(frozen=True, slots=True)
class MarginfiV2Account:
    """An account; balances that are not active are left out."""

    account: AccountId
    group: str
    authority: str
    flags: int
    balances: tuple[MarginfiV2Balance, ...]
    fault: str


@dataclass(frozen=True, slots=True)
class MarginfiV2EmodeEntry:
    """What collateral of a tag weighs for debts to the bank."""

    collateral_tag: int
    asset_weight_init: int
    asset_weight_maint: int


@dataclass(frozen=True, slots=True)
class MarginfiV2Bank:
    """A bank; ``total_asset_value_init_limit`` is in whole dollars, 0 for none.

    ``oracle_confidence_max`` is a share of 2^32 - 1; ``fixed_price`` is I80F48 dollars.
    """

    venue: VenueId
    address: str
    group: str
    mint: str
    decimals: int
    asset_share_value: int
    liability_share_value: int
    total_asset_shares: int
    asset_weight_init: int
    asset_weight_maint: int
    liability_weight_init: int
    liability_weight_maint: int
    total_asset_value_init_limit: int
    operational_state: str
    risk_tier: str
    asset_tag: int
    oracle_setup: str
    oracles: tuple[str, ...]
    oracle_age_s_max: int
    oracle_confidence_max: int
    fixed_price: int
    emode_tag: int
    emode_entries: tuple[MarginfiV2EmodeEntry, ...]
    updated_at_s: int
