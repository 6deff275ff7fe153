"""Drift v2's accounts as the chain holds them."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.solana_venues import captures
from xmargin.errors import DecodeError
from xmargin.model.drift_v2 import DriftV2User
from xmargin.reads import SolanaAccount
from xmargin.venues import drift_v2
from xmargin.venues.layouts import drift_v2 as layouts
from xmargin.venues.solana_layout import decode, key_bytes, text_of

VENUE = "drift-v2@solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"
LP_SHARES_AT = 424 + 64


def placed(data: bytes, address: str) -> SolanaAccount:
    return SolanaAccount(address, 31_347_840, drift_v2.PROGRAM, data)


def account_of(expected: dict[str, Any]) -> str:
    return f"{VENUE}/{expected['authority']}/{expected['sub']}"


def read(data: bytes, expected: dict[str, Any]) -> DriftV2User:
    account = account_of(expected)
    return drift_v2.user_of(account, placed(data, drift_v2.user_address(account)))


@captures.needed
def test_fifty_real_users_decode_to_what_driftpy_says() -> None:
    for data, expected in captures.drift_users():
        values = decode(layouts.USER, placed(data, drift_v2.PROGRAM))
        said = {
            "authority": values["authority"],
            "sub": values["sub_account_id"],
            "name": text_of(values["name"]),
            "status": values["status"],
            "total_deposits": str(values["total_deposits"]),
            "total_withdraws": str(values["total_withdraws"]),
            "settled_perp_pnl": str(values["settled_perp_pnl"]),
            "is_margin_trading": values["is_margin_trading_enabled"],
            "spot": [
                {
                    "market": row["market_index"],
                    "type": row["balance_type"].capitalize(),
                    "scaled": str(row["scaled_balance"]),
                    "open_orders": row["open_orders"],
                }
                for row in values["spot_positions"]
                if row["scaled_balance"]
            ],
            "perp": [
                {
                    "market": row["market_index"],
                    "base": str(row["base_asset_amount"]),
                    "quote": str(row["quote_asset_amount"]),
                    "entry": str(row["quote_entry_amount"]),
                    "be": str(row["quote_break_even_amount"]),
                    "settled": str(row["settled_pnl"]),
                    "lp": str(row["lp_shares"]),
                    "open_orders": row["open_orders"],
                }
                for row in values["perp_positions"]
                if row["base_asset_amount"] or row["quote_asset_amount"]
            ],
        }
        assert said == {key: value for key, value in expected.items() if key != "i"}


@captures.needed
def test_a_real_user_becomes_a_fact_unless_it_has_shares_of_the_amm() -> None:
    for data, expected in captures.drift_users():
        user = read(data, expected)
        if any(int(perp["lp"]) for perp in expected["perp"]):
            assert "has shares of the AMM" in user.fault
            continue
        assert user.fault == ""
        held = [(row.market_index, row.scaled_balance) for row in user.spot_positions]
        assert held == [(row["market"], int(row["scaled"])) for row in expected["spot"]]
        base = [row.base_amount for row in user.perp_positions if row.base_amount]
        assert base == [int(row["base"]) for row in expected["perp"] if int(row["base"])]


@captures.needed
def test_a_user_at_another_address_or_of_another_owner_is_refused() -> None:
    (data, expected), (other, other_expected) = captures.drift_users()[:2]
    account = account_of(expected)
    address = drift_v2.user_address(account)
    strange = drift_v2.user_of(account, placed(data, drift_v2.PROGRAM))
    assert "belongs at" in strange.fault
    swapped = drift_v2.user_of(account, placed(other, address))
    assert "belongs at" in swapped.fault
    assert read(other, other_expected).account != account
    assert drift_v2.user_of(account, None).fault == "there is no User account at the address"


@captures.needed
@given(data=st.data())
def test_no_flipped_bit_truncation_or_extension_crashes_and_none_moves_the_owner(
    data: st.DataObject,
) -> None:
    users = captures.drift_users()
    raw, expected = data.draw(st.sampled_from(users))
    spoilt = bytearray(raw)
    for at in data.draw(st.lists(st.integers(0, len(raw) * 8 - 1), max_size=8)):
        spoilt[at // 8] ^= 1 << at % 8
    length = data.draw(st.one_of(st.just(len(raw)), st.integers(0, len(raw) + 64)))
    user = read(bytes(spoilt[:length]).ljust(length, b"\0"), expected)
    assert user.account == account_of(expected)
    if length != len(raw) or spoilt[:8] != raw[:8]:
        assert user.fault
    if user.fault:
        assert (user.spot_positions, user.perp_positions) == ((), ())


def test_sub_accounts_are_numbers_of_sixteen_bits() -> None:
    authority = "qdaE9WK7Kso8xQVnsMWdcCBHBPUXcBLLAXKD8KLzqSR"
    assert drift_v2.user_address(f"{VENUE}/{authority}") == drift_v2.user_address(
        f"{VENUE}/{authority}/0"
    )
    for wrong in ("65536", "-1", "x", "1²"):
        with pytest.raises(DecodeError, match="is no sub-account of Drift"):
            drift_v2.user_address(f"{VENUE}/{authority}/{wrong}")


def blank_market(kind: str, index: int) -> SolanaAccount:
    layout = layouts.SPOT_MARKET if kind == "spot" else layouts.PERP_MARKET
    derive = drift_v2.spot_market_address if kind == "spot" else drift_v2.perp_market_address
    at = {field.name: field.at for field in layout.fields}
    data = bytearray(layout.discriminator.ljust(layout.length, b"\0"))
    data[8:40] = key_bytes(derive(index))
    data[at["market_index"] : at["market_index"] + 2] = index.to_bytes(2, "little")
    return placed(bytes(data), derive(index))


@pytest.mark.parametrize("kind", ["spot", "perp"])
def test_a_market_is_held_to_the_address_of_its_number(kind: str) -> None:
    of = drift_v2.spot_market_of if kind == "spot" else drift_v2.perp_market_of
    market = blank_market(kind, 7)
    assert of(VENUE, market).market_index == 7
    elsewhere = replace(market, address=blank_market(kind, 8).address)
    with pytest.raises(DecodeError, match="belongs at"):
        of(VENUE, elsewhere)
    claimed = replace(market, data=blank_market(kind, 8).data)
    with pytest.raises(DecodeError, match="belongs at"):
        of(VENUE, claimed)


def test_well_known_addresses_are_derived() -> None:
    assert drift_v2.spot_market_address(0) == "6gMq3mRCKf8aP3ttTyYhuijVZ2LGi14oDsBbkgubfLB3"
    assert drift_v2.perp_market_address(0) == "8UJgxaiQx5nTrdDgph5FiahMmzduuLTLf5WmsPegYA6W"
