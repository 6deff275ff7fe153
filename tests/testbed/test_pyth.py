"""Our Pyth accounts have the bytes and the addresses of the real ones."""

import dataclasses
from decimal import Decimal

from solders.pubkey import Pubkey

from xmargin.testbed import pyth
from xmargin.testbed.pyth import PriceUpdate

# Mainnet account of SOL/USD, as the push oracle left it at slot 276582011.
MAINNET_SOL_ACCOUNT = "7UVimffxr9ow1uXYxsr4LHAcV58mLzhmwaeKvJ1pjLiE"
MAINNET_SOL_DATA = bytes.fromhex(
    "22f123639d7ef4cd60314704340deddf371fd42472148f248e9d1a6d1a5eb2ac3acd8b7fd5d6b24301ef0d8b"
    "6fda2ceba41da15d4095d1da392a0d2f8ed0c6c7bc0f4cfac8c280b56d64e4224603000000a379d200000000"
    "00f8ffffffe8418d6600000000e8418d66000000001cedd2480300000077f2dc00000000007b4e7c10000000"
    "0000"
)
MAINNET_USDC_ACCOUNT = "Dpw1EAVrSB1ibxiDQyTAW6Zip3J4Btk2x4SgApQCeFbX"


def test_feed_accounts_are_those_of_mainnet() -> None:
    assert str(pyth.feed_account("SOL")) == MAINNET_SOL_ACCOUNT
    assert str(pyth.feed_account("USDC")) == MAINNET_USDC_ACCOUNT


def test_a_mainnet_account_is_encoded_to_the_byte() -> None:
    update = PriceUpdate(
        feed_id=pyth.FEED_IDS["SOL"],
        price=14_061_593_700,
        confidence=13_793_699,
        publish_time_s=1_720_533_480,
        posted_slot=276_582_011,
        write_authority=bytes(Pubkey.from_string(MAINNET_SOL_ACCOUNT)),
        previous_publish_time_s=1_720_533_480,
        ema_price=14_106_684_700,
        ema_confidence=14_479_991,
    )
    assert update.encode() == MAINNET_SOL_DATA


def test_a_price_keeps_its_digits_and_its_confidence() -> None:
    update = PriceUpdate.of_price(
        "SOL", Decimal("149.99000001"), publish_time_s=1_700_000_000, posted_slot=7
    )
    assert (update.price, update.exponent) == (14_999_000_001, -8)
    assert update.confidence == 5_999_600
    assert update.encode()[40] == 1


def test_a_partly_verified_update_moves_the_message_by_one_byte() -> None:
    full = PriceUpdate.of_price("ETH", Decimal(2500), publish_time_s=5, posted_slot=7)
    partial = dataclasses.replace(full, signatures=5)
    assert partial.encode()[40:42] == bytes([0, 5])
    assert partial.encode()[42:] == full.encode()[41:-1]
