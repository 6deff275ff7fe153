"""marginfi v2: accounts, banks and their price accounts (``docs/venues.md``).

An account's address is of its owner's choosing, so an account of ours is named by it. A bank does
not hold its own address either, but its vault's is derived from it.
"""

from collections.abc import Sequence
from typing import Final

from xmargin import records, solana_prices
from xmargin.errors import DecodeError
from xmargin.model import Registry, VenueRecord, VenueSpec
from xmargin.model.identifiers import AccountId, VenueId, address_of
from xmargin.model.marginfi_v2 import (
    BANK_RECORD,
    INTEREST_AGE_S_MAX,
    MarginfiV2Account,
    MarginfiV2Balance,
    MarginfiV2Bank,
    MarginfiV2EmodeEntry,
)
from xmargin.model.posted_prices import ORACLE_RECORD
from xmargin.reads import SolanaAccount
from xmargin.venues.base import SolanaVenue, Unit
from xmargin.venues.layouts import marginfi_v2 as layouts
from xmargin.venues.solana_layout import (
    Values,
    check_address,
    decode,
    key_bytes,
    program_address,
)
from xmargin.venues.solana_records import Decode, RecordedVenue, check_settings

KIND: Final = "marginfi-v2"
PROGRAM: Final = layouts.PROGRAM

NO_KEY: Final = "11111111111111111111111111111111"
_ASSET_TAGS: Final = {0: "default", 1: "sol", 2: "staked"}
"""Deposits of other protocols (Kamino, Drift, Solend, JupLend) need those protocols' rates."""


# --- Accounts -----------------------------------------------------------------------------------


def account_of(account: AccountId, read: SolanaAccount | None) -> MarginfiV2Account:
    """An account at its own address; one that cannot be read says why in ``fault``."""
    try:
        return _account(account, read)
    except DecodeError as error:
        return MarginfiV2Account(account, "", "", 0, (), fault=error.message)


def _account(account: AccountId, read: SolanaAccount | None) -> MarginfiV2Account:
    values = decode(layouts.MARGINFI_ACCOUNT, read)
    check_address("" if read is None else read.address, address_of(account), "the account")
    return MarginfiV2Account(
        account=account,
        group=values["group"],
        authority=values["authority"],
        flags=values["account_flags"],
        balances=tuple(_balance(row) for row in values["balances"] if _is_active(row)),
        fault="",
    )


def _is_active(row: Values) -> bool:
    if row["active"] > 1:
        raise DecodeError(f"a balance is neither active nor not: {row['active']}")
    return bool(row["active"])


def _balance(row: Values) -> MarginfiV2Balance:
    bank, assets, liabilities = row["bank_pk"], row["asset_shares"], row["liability_shares"]
    if assets < 0 or liabilities < 0:
        raise DecodeError(f"the shares in bank {bank} are negative")
    return MarginfiV2Balance(bank, assets, liabilities)


# --- Banks --------------------------------------------------------------------------------------


def vault_of(bank: str) -> str:
    """Where a bank's liquidity lies."""
    return program_address([b"liquidity_vault", key_bytes(bank)], PROGRAM)


def bank_of(venue: VenueId, read: SolanaAccount | None) -> MarginfiV2Bank:
    """A bank, held to the vault that its address derives.

    Raises:
        DecodeError: it is none, or its deposits are another protocol's.
    """
    values = decode(layouts.BANK, read)
    address = "" if read is None else read.address
    check_address(values["liquidity_vault"], vault_of(address), "the bank's vault")
    if values["asset_tag"] not in _ASSET_TAGS:
        raise DecodeError(
            f"bank {address} holds another protocol's deposits (asset tag {values['asset_tag']})"
        )
    return MarginfiV2Bank(
        venue=venue,
        address=address,
        group=values["group"],
        mint=values["mint"],
        decimals=values["mint_decimals"],
        asset_share_value=values["asset_share_value"],
        liability_share_value=values["liability_share_value"],
        total_asset_shares=values["total_asset_shares"],
        asset_weight_init=values["asset_weight_init"],
        asset_weight_maint=values["asset_weight_maint"],
        liability_weight_init=values["liability_weight_init"],
        liability_weight_maint=values["liability_weight_maint"],
        total_asset_value_init_limit=values["total_asset_value_init_limit"],
        operational_state=values["operational_state"],
        risk_tier=values["risk_tier"],
        asset_tag=values["asset_tag"],
        oracle_setup=values["oracle_setup"],
        oracles=tuple(key for key in values["oracle_keys"] if key != NO_KEY),
        oracle_age_s_max=values["oracle_max_age"],
        oracle_confidence_max=values["oracle_max_confidence"],
        fixed_price=values["fixed_price"],
        emode_tag=values["emode_tag"],
        emode_entries=tuple(
            MarginfiV2EmodeEntry(
                row["collateral_bank_emode_tag"],
                row["asset_weight_init"],
                row["asset_weight_maint"],
            )
            for row in values["entries"]
            if row["collateral_bank_emode_tag"]
        ),
        updated_at_s=values["last_update"],
    )


# --- What is watched ----------------------------------------------------------------------------


def watch(spec: VenueSpec, registry: Registry) -> SolanaVenue:
    """A marginfi of a chain: its accounts, their banks, those banks' price accounts."""
    check_settings(spec, INTEREST_AGE_S_MAX)
    return RecordedVenue(spec, registry, _source, _needs)


def _source(spec: VenueSpec, record: str, key: str) -> tuple[str, Decode]:
    match record:
        case "account":
            return address_of(key), lambda read: _account(key, read)
        case "bank":
            return key, lambda read: bank_of(spec.id, read)
        case _:
            return key, solana_prices.posted_price


def _needs(fact: VenueRecord) -> Sequence[Unit]:
    match fact.record:
        case "account":
            held = records.read(fact, MarginfiV2Account).balances
            return [(BANK_RECORD, balance.bank) for balance in held]
        case "bank":
            oracles = records.read(fact, MarginfiV2Bank).oracles
            return [(ORACLE_RECORD, oracle) for oracle in oracles[:1]]
        case _:
            return ()
