"""Drift v2: users, spot markets, perp markets and price accounts (``docs/venues.md``).

An account of ours is named by its authority and the number of its sub-account; where its user
account lies follows from both, and so do the addresses of markets from their numbers.
"""

from collections.abc import Sequence
from typing import Final

from xmargin import records, solana_prices
from xmargin.errors import DecodeError
from xmargin.model import (
    Registry,
    TokenState,
    VenueRecord,
    VenueSpec,
)
from xmargin.model.drift_v2 import (
    INTEREST_AGE_S_MAX,
    ORACLE_SLOTS_MAX,
    PERP_MARKET_RECORD,
    QUOTE_ASSET,
    SPOT_MARKET_RECORD,
    DriftV2PerpMarket,
    DriftV2PerpPosition,
    DriftV2SpotMarket,
    DriftV2SpotPosition,
    DriftV2User,
    market_key,
    perp_token,
)
from xmargin.model.identifiers import AccountId, VenueId
from xmargin.model.posted_prices import ORACLE_RECORD, PostedPrice
from xmargin.reads import SolanaAccount
from xmargin.venues.base import SolanaVenue, Unit
from xmargin.venues.layouts import drift_v2 as layouts
from xmargin.venues.solana_layout import (
    Values,
    check_address,
    decode,
    key_bytes,
    program_address,
)
from xmargin.venues.solana_records import Decode, RecordedVenue, check_settings

KIND: Final = "drift-v2"
PROGRAM: Final = layouts.PROGRAM
DECIMALS_MAX: Final = 19
"""The program scales amounts by 10^(19 - decimals)."""

BASE_DECIMALS: Final = 9
"""Of every perp's base amount."""

_BEING_LIQUIDATED, _BANKRUPT = 1, 2
_STATUS_KNOWN: Final = 0b1_1111
_ISOLATED: Final = 1
_POSITION_FLAGS_KNOWN: Final = 0b111
_SUB_ACCOUNTS: Final = 1 << 16


# --- Addresses ----------------------------------------------------------------------------------


def user_address(account: AccountId) -> str:
    """Where the user account of ``drift-v2@<chain>/<authority>[/<sub-account>]`` lies.

    Raises:
        DecodeError: the authority is no address, or the sub-account no number of 16 bits.
    """
    _, authority, *rest = account.split("/")
    sub_account = rest[0] if rest else "0"
    if not (sub_account.isascii() and sub_account.isdigit() and int(sub_account) < _SUB_ACCOUNTS):
        raise DecodeError(f"{sub_account} is no sub-account of Drift: write 0 to 65535")
    return _user_address(authority, int(sub_account))


def _user_address(authority: str, sub_account: int) -> str:
    seeds = [b"user", key_bytes(authority), sub_account.to_bytes(2, "little")]
    return program_address(seeds, PROGRAM)


def spot_market_address(market_index: int) -> str:
    """Where a spot market lies."""
    return program_address([b"spot_market", market_index.to_bytes(2, "little")], PROGRAM)


def perp_market_address(market_index: int) -> str:
    """Where a perp market lies."""
    return program_address([b"perp_market", market_index.to_bytes(2, "little")], PROGRAM)


# --- Users --------------------------------------------------------------------------------------


def user_of(account: AccountId, read: SolanaAccount | None) -> DriftV2User:
    """The user at :func:`user_address`; one that cannot be read says why in ``fault``."""
    try:
        return _user(account, read)
    except DecodeError as error:
        return DriftV2User(account, "", 0, 0, False, False, (), (), fault=error.message)


def _user(account: AccountId, read: SolanaAccount | None) -> DriftV2User:
    values = decode(layouts.USER, read)
    derived = _user_address(values["authority"], values["sub_account_id"])
    check_address(user_address(account), derived, "the user account")
    check_address("" if read is None else read.address, derived, "the user account")
    _check_known(values["status"], _STATUS_KNOWN, "the user's status")
    perps = tuple(_perp_position(row) for row in values["perp_positions"] if _is_perp_used(row))
    return DriftV2User(
        account=account,
        margin_mode=values["margin_mode"],
        pool_id=values["pool_id"],
        max_margin_ratio=values["max_margin_ratio"],
        being_liquidated=bool(values["status"] & _BEING_LIQUIDATED),
        bankrupt=bool(values["status"] & _BANKRUPT),
        spot_positions=tuple(
            DriftV2SpotPosition(**row) for row in values["spot_positions"] if _is_spot_used(row)
        ),
        perp_positions=perps,
        fault="",
    )


def _is_spot_used(row: Values) -> bool:
    return bool(row["scaled_balance"] or row["open_orders"])


def _is_perp_used(row: Values) -> bool:
    return bool(
        row["base_asset_amount"]
        or row["quote_asset_amount"]
        or row["open_orders"]
        or row["open_bids"]
        or row["open_asks"]
        or row["lp_shares"]
        or (row["position_flag"] & _ISOLATED and row["isolated_position_scaled_balance"])
    )


def _perp_position(row: Values) -> DriftV2PerpPosition:
    market = row["market_index"]
    if row["lp_shares"]:
        raise DecodeError(
            f"the position in perp market {market} has shares of the AMM, "
            "which the program no longer knows"
        )
    _check_known(row["position_flag"], _POSITION_FLAGS_KNOWN, f"the flags of perp {market}")
    is_isolated = bool(row["position_flag"] & _ISOLATED)
    return DriftV2PerpPosition(
        market_index=market,
        base_amount=row["base_asset_amount"],
        quote_amount=row["quote_asset_amount"],
        last_cumulative_funding_rate=row["last_cumulative_funding_rate"],
        open_bids=row["open_bids"],
        open_asks=row["open_asks"],
        open_orders=row["open_orders"],
        max_margin_ratio=row["max_margin_ratio"],
        is_isolated=is_isolated,
        isolated_scaled_balance=row["isolated_position_scaled_balance"] if is_isolated else 0,
    )


def _check_known(flags: int, known: int, what: str) -> None:
    if flags & ~known:
        raise DecodeError(f"{what} are {flags:#b}, of which only {known:#b} are known")


# --- Markets ------------------------------------------------------------------------------------


def spot_market_of(venue: VenueId, read: SolanaAccount | None) -> DriftV2SpotMarket:
    """A spot market, held to the address that its number derives.

    Raises:
        DecodeError: it is none.
    """
    values = decode(layouts.SPOT_MARKET, read)
    address = spot_market_address(values["market_index"])
    _check_market(read, values, address, "the spot market")
    if values["decimals"] > DECIMALS_MAX:
        raise DecodeError(f"the spot market has {values['decimals']} decimals; at most 19 can be")
    return DriftV2SpotMarket(
        venue=venue,
        market_index=values["market_index"],
        mint=values["mint"],
        decimals=values["decimals"],
        oracle=values["oracle"],
        oracle_source=values["oracle_source"],
        status=values["status"],
        asset_tier=values["asset_tier"],
        pool_id=values["pool_id"],
        deposit_balance=values["deposit_balance"],
        cumulative_deposit_interest=values["cumulative_deposit_interest"],
        cumulative_borrow_interest=values["cumulative_borrow_interest"],
        initial_asset_weight=values["initial_asset_weight"],
        maintenance_asset_weight=values["maintenance_asset_weight"],
        initial_liability_weight=values["initial_liability_weight"],
        maintenance_liability_weight=values["maintenance_liability_weight"],
        imf_factor=values["imf_factor"],
        scale_initial_asset_weight_start=values["scale_initial_asset_weight_start"],
        last_oracle_price_twap_5min=values["last_oracle_price_twap_5min"],
        updated_at_s=values["last_interest_ts"],
    )


def perp_market_of(venue: VenueId, read: SolanaAccount | None) -> DriftV2PerpMarket:
    """A perp market, held to the address that its number derives.

    Raises:
        DecodeError: it is none.
    """
    values = decode(layouts.PERP_MARKET, read)
    address = perp_market_address(values["market_index"])
    _check_market(read, values, address, "the perp market")
    base, quote = "base_asset_amount_with", "quote_asset_amount"
    return DriftV2PerpMarket(
        venue=venue,
        market_index=values["market_index"],
        oracle=values["oracle"],
        oracle_source=values["oracle_source"],
        status=values["status"],
        contract_type=values["contract_type"],
        contract_tier=values["contract_tier"],
        pool_id=values["pool_id"],
        quote_spot_market_index=values["quote_spot_market_index"],
        expiry_price=values["expiry_price"],
        margin_ratio_initial=values["margin_ratio_initial"],
        margin_ratio_maintenance=values["margin_ratio_maintenance"],
        high_leverage_ratio_initial=values["high_leverage_margin_ratio_initial"],
        high_leverage_ratio_maintenance=values["high_leverage_margin_ratio_maintenance"],
        imf_factor=values["imf_factor"],
        pnl_initial_asset_weight=values["unrealized_pnl_initial_asset_weight"],
        pnl_maintenance_asset_weight=values["unrealized_pnl_maintenance_asset_weight"],
        pnl_imf_factor=values["unrealized_pnl_imf_factor"],
        pnl_max_imbalance=values["unrealized_pnl_max_imbalance"],
        cumulative_funding_rate_long=values["cumulative_funding_rate_long"],
        cumulative_funding_rate_short=values["cumulative_funding_rate_short"],
        net_base_amount=values[f"{base}_amm"] + values[f"{base}_unsettled_lp"],
        net_quote_amount=values[quote]
        + values[f"{quote}_with_unsettled_lp"]
        + values["net_unsettled_funding_pnl"],
        last_oracle_price=values["last_oracle_price"],
    )


def _check_market(read: SolanaAccount | None, values: Values, derived: str, what: str) -> None:
    """The account, what it says of itself, and its number must be of one address."""
    check_address("" if read is None else read.address, derived, what)
    check_address(values["pubkey"], derived, what)


# --- Prices -------------------------------------------------------------------------------------


def oracle_of(read: SolanaAccount | None) -> PostedPrice:
    """A price account of any program that the markets may name.

    Raises:
        DecodeError: it is none of them.
    """
    if read is None or read.owner != PROGRAM:
        return solana_prices.posted_price(read)
    if read.data[:8] == layouts.PRELAUNCH_ORACLE.discriminator:
        values = decode(layouts.PRELAUNCH_ORACLE, read)
        return _posted(
            "prelaunch",
            price=values["price"],
            confidence=values["confidence"],
            exponent=-6,
            posted_slot=values["last_update_slot"],
        )
    values = decode(layouts.PYTH_LAZER_ORACLE, read)
    return _posted(
        "pyth-lazer",
        price=values["price"],
        confidence=values["conf"],
        exponent=values["exponent"],
        posted_slot=values["posted_slot"],
    )


def _posted(
    oracle: str, *, price: int, confidence: int, exponent: int, posted_slot: int
) -> PostedPrice:
    """A price that Drift itself keeps, having checked it when it was posted."""
    return PostedPrice(
        oracle=oracle,
        feed="",
        price=price,
        confidence=confidence,
        exponent=exponent,
        mean_price=0,
        mean_confidence=0,
        published_at_s=0,
        posted_slot=posted_slot,
        verification=solana_prices.FULLY_VERIFIED,
    )


# --- What is watched ----------------------------------------------------------------------------


def watch(spec: VenueSpec, registry: Registry) -> SolanaVenue:
    """A Drift of a chain: its users, their markets, those markets' price accounts."""
    check_settings(spec, ORACLE_SLOTS_MAX, INTEREST_AGE_S_MAX)
    perps = perp_token(spec.id, 0)[:-1]
    instruments = (token for token in registry.tokens if token.id.startswith(perps))
    states = tuple(TokenState(one.id, BASE_DECIMALS, one.symbol, "") for one in instruments)
    return RecordedVenue(spec, registry, _source, _needs, static_facts=states)


def _source(spec: VenueSpec, record: str, key: str) -> tuple[str, Decode]:
    match record:
        case "account":
            return user_address(key), lambda read: _user(key, read)
        case "spot-market":
            return spot_market_address(int(key)), lambda read: spot_market_of(spec.id, read)
        case "perp-market":
            return perp_market_address(int(key)), lambda read: perp_market_of(spec.id, read)
        case _:
            return key, oracle_of


def _needs(fact: VenueRecord) -> Sequence[Unit]:
    match fact.record:
        case "account":
            return _markets_of(records.read(fact, DriftV2User))
        case "spot-market":
            return _oracle_unit(records.read(fact, DriftV2SpotMarket))
        case "perp-market":
            perp = records.read(fact, DriftV2PerpMarket)
            return (spot_unit(perp.quote_spot_market_index), *_oracle_unit(perp))
        case _:
            return ()


def _markets_of(user: DriftV2User) -> tuple[Unit, ...]:
    spots = (spot_unit(one.market_index) for one in user.spot_positions)
    perps = (perp_unit(one.market_index) for one in user.perp_positions)
    return (*spots, *perps)


def spot_unit(market_index: int) -> Unit:
    """The record of a spot market."""
    return (SPOT_MARKET_RECORD, market_key(market_index))


def perp_unit(market_index: int) -> Unit:
    """The record of a perp market."""
    return (PERP_MARKET_RECORD, market_key(market_index))


def _oracle_unit(market: DriftV2SpotMarket | DriftV2PerpMarket) -> tuple[Unit, ...]:
    return () if market.oracle_source == QUOTE_ASSET else ((ORACLE_RECORD, market.oracle),)
