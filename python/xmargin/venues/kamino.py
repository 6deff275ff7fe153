"""Kamino Lend: obligations, reserves and markets (``docs/venues.md``).

An account of ours is named by its obligation's address. That of a plain obligation (tag 0) is
derived from its owner, its market and a number; those of other tags also from mints or reserves,
which the obligation does not name. A reserve's vault is derived from it, or from its market and
mint.
"""

from collections.abc import Sequence
from typing import Final

from xmargin import records
from xmargin.errors import DecodeError
from xmargin.model import ACCOUNT_RECORD, Registry, VenueRecord, VenueSpec
from xmargin.model.identifiers import AccountId, VenueId, address_of
from xmargin.model.kamino import (
    MARKET_RECORD,
    PRICE_AGE_S_MAX,
    RESERVE_RECORD,
    KaminoBorrow,
    KaminoDeposit,
    KaminoElevationGroup,
    KaminoMarket,
    KaminoObligation,
    KaminoReserve,
)
from xmargin.reads import SolanaAccount
from xmargin.venues.base import SolanaVenue, Unit
from xmargin.venues.layouts import kamino as layouts
from xmargin.venues.solana_layout import (
    Values,
    check_address,
    decode,
    key_bytes,
    program_address,
)
from xmargin.venues.solana_records import Decode, RecordedVenue, check_settings

KIND: Final = "kamino"
PROGRAM: Final = layouts.PROGRAM

VERSION: Final = 1
"""Of reserves and markets; a reserve that lost everything has another."""
DECIMALS_MAX: Final = 19
_PLAIN: Final = 0
_NO_KEY: Final = "11111111111111111111111111111111"
_NULL_KEY: Final = "nu11111111111111111111111111111111111111111"
_OBLIGATIONS_MAX: Final = 256
_WORD_BITS: Final = 64


# --- Obligations --------------------------------------------------------------------------------


def obligation_address(owner: str, market: str, number: int = 0) -> str:
    """Where an owner's plain obligation in a market lies."""
    nothing = bytes(32)
    seeds = [bytes([_PLAIN]), bytes([number]), key_bytes(owner), key_bytes(market)]
    return program_address([*seeds, nothing, nothing], PROGRAM)


def obligation_of(account: AccountId, read: SolanaAccount | None) -> KaminoObligation:
    """An obligation at its own address; one that cannot be read says why in ``fault``."""
    try:
        return _obligation(account, read)
    except DecodeError as error:
        return KaminoObligation(account, "", "", 0, 0, (), (), 0, fault=error.message)


def _obligation(account: AccountId, read: SolanaAccount | None) -> KaminoObligation:
    values = decode(layouts.OBLIGATION, read)
    address = "" if read is None else read.address
    check_address(address, address_of(account), "the obligation")
    if values["tag"] == _PLAIN:
        _check_derived(address, values["owner"], values["lending_market"])
    return KaminoObligation(
        account=account,
        market=values["lending_market"],
        owner=values["owner"],
        tag=values["tag"],
        elevation_group=values["elevation_group"],
        deposits=tuple(
            KaminoDeposit(row["deposit_reserve"], row["deposited_amount"])
            for row in values["deposits"]
            if _is_key(row["deposit_reserve"])
        ),
        borrows=tuple(_borrow(row) for row in values["borrows"] if _is_key(row["borrow_reserve"])),
        slot=values["last_update_slot"],
        fault="",
    )


def _check_derived(address: str, owner: str, market: str) -> None:
    numbers = range(_OBLIGATIONS_MAX)
    if not any(obligation_address(owner, market, number) == address for number in numbers):
        raise DecodeError(f"the content of the obligation {address} belongs elsewhere")


def _borrow(row: Values) -> KaminoBorrow:
    rate = _wide(row["cumulative_borrow_rate_bsf"])
    return KaminoBorrow(row["borrow_reserve"], row["borrowed_amount_sf"], rate)


def _wide(words: tuple[int, ...]) -> int:
    return sum(word << _WORD_BITS * at for at, word in enumerate(words))


def _is_key(address: str) -> bool:
    return address not in {_NO_KEY, _NULL_KEY}


# --- Reserves and markets -----------------------------------------------------------------------


def reserve_of(venue: VenueId, read: SolanaAccount | None) -> KaminoReserve:
    """A reserve, held to the vault that is derived for it.

    Raises:
        DecodeError: it is none.
    """
    values = decode(layouts.RESERVE, read)
    address = "" if read is None else read.address
    _check_version(values, f"reserve {address}")
    _check_vault(address, values)
    if values["mint_decimals"] > DECIMALS_MAX:
        raise DecodeError(
            f"reserve {address} claims {values['mint_decimals']} decimals; at most 19 can be"
        )
    return KaminoReserve(
        venue=venue,
        address=address,
        market=values["lending_market"],
        mint=values["mint"],
        decimals=values["mint_decimals"],
        status=values["status"],
        available=values["total_available_amount"],
        borrowed_sf=values["borrowed_amount_sf"],
        protocol_fees_sf=values["accumulated_protocol_fees_sf"],
        referrer_fees_sf=values["accumulated_referrer_fees_sf"],
        pending_referrer_fees_sf=values["pending_referrer_fees_sf"],
        collateral_supply=values["collateral_mint_total_supply"],
        cumulative_borrow_rate_bsf=_wide(values["cumulative_borrow_rate_bsf"]),
        price_sf=values["market_price_sf"],
        price_updated_at_s=values["market_price_last_updated_ts"],
        loan_to_value_pct=values["loan_to_value_pct"],
        liquidation_threshold_pct=values["liquidation_threshold_pct"],
        borrow_factor_pct=values["borrow_factor_pct"],
        elevation_groups=tuple(group for group in values["elevation_groups"] if group),
        slot=values["last_update_slot"],
    )


def _check_version(values: Values, what: str) -> None:
    if values["version"] != VERSION:
        raise DecodeError(f"{what} is of version {values['version']}; only {VERSION} is known")


def _check_vault(address: str, values: Values) -> None:
    seed = b"reserve_liq_supply"
    own = program_address([seed, key_bytes(address)], PROGRAM)
    pair = [key_bytes(values["lending_market"]), key_bytes(values["mint"])]
    if values["supply_vault"] != own:
        check_address(
            values["supply_vault"], program_address([seed, *pair], PROGRAM), "the reserve's vault"
        )


def market_of(venue: VenueId, read: SolanaAccount | None) -> KaminoMarket:
    """A lending market; it lies where its reserves say.

    Raises:
        DecodeError: it is none.
    """
    values = decode(layouts.LENDING_MARKET, read)
    address = "" if read is None else read.address
    _check_version(values, f"market {address}")
    return KaminoMarket(
        venue=venue,
        address=address,
        owner=values["lending_market_owner"],
        emergency_mode=bool(values["emergency_mode"]),
        global_allowed_borrow_value=values["global_allowed_borrow_value"],
        elevation_groups=tuple(
            KaminoElevationGroup(
                number, row["ltv_pct"], row["liquidation_threshold_pct"], row["debt_reserve"]
            )
            for number, row in enumerate(values["elevation_groups"], start=1)
            if row["id"] == number
        ),
    )


# --- What is watched ----------------------------------------------------------------------------


def watch(spec: VenueSpec, registry: Registry) -> SolanaVenue:
    """A Kamino of a chain: its obligations, their markets and reserves, which hold the prices."""
    check_settings(spec, PRICE_AGE_S_MAX)
    prices = frozenset({RESERVE_RECORD})
    return RecordedVenue(spec, registry, _source, _needs, every_slot=prices)


def _source(spec: VenueSpec, record: str, key: str) -> tuple[str, Decode]:
    match record:
        case "account":
            return address_of(key), lambda read: _obligation(key, read)
        case "market":
            return key, lambda read: market_of(spec.id, read)
        case _:
            return key, lambda read: reserve_of(spec.id, read)


def _needs(fact: VenueRecord) -> Sequence[Unit]:
    if fact.record != ACCOUNT_RECORD:
        return ()
    obligation = records.read(fact, KaminoObligation)
    reserves = [one.reserve for one in obligation.deposits]
    reserves += [one.reserve for one in obligation.borrows]
    return [(MARKET_RECORD, obligation.market), *((RESERVE_RECORD, one) for one in reserves)]
