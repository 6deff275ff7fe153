"""Pyth updates decoded from mainnet's own bytes, and everything else refused."""

import base64
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmargin.model import FeedRound, FeedSpec
from xmargin.oracles import pyth
from xmargin.reads import SolanaAccount

CAPTURES = Path(__file__).resolve().parents[3] / "shared/data/chain/solana"
ADDRESS = "7UVimffxr9ow1uXYxsr4LHAcV58mLzhmwaeKvJ1pjLiE"
SOL_USD = "ef0d8b6fda2ceba41da15d4095d1da392a0d2f8ed0c6c7bc0f4cfac8c280b56d"
USDC_USD = "eaa020c61cc479712813461ce153894a96a6c00b21ed0cfc2798d1f9a9e9c94a"
SPEC = FeedSpec(
    f"pyth@solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/{ADDRESS}",
    "SOL",
    "USD",
    60,
    5,
    pyth_feed_id=SOL_USD,
)
# Mainnet's SOL/USD at slot 276582011, in the layout of pyth-solana-receiver's PriceUpdateV2.
MAINNET = bytes.fromhex(
    "22f123639d7ef4cd60314704340deddf371fd42472148f248e9d1a6d1a5eb2ac3acd8b7fd5d6b24301ef0d8b"
    "6fda2ceba41da15d4095d1da392a0d2f8ed0c6c7bc0f4cfac8c280b56d64e4224603000000a379d200000000"
    "00f8ffffffe8418d6600000000e8418d66000000001cedd2480300000077f2dc00000000007b4e7c10000000"
    "0000"
)


def decoded(data: bytes | None, owner: str = pyth.RECEIVER_PROGRAM, **changes: Any) -> FeedRound:
    account = None if data is None else SolanaAccount(ADDRESS, 1_825_020, owner, data)
    (fact,) = pyth.feed_read(replace(SPEC, **changes)).decode([account])
    assert isinstance(fact, FeedRound)
    return fact


def test_an_update_of_mainnet_becomes_a_round() -> None:
    assert decoded(MAINNET) == FeedRound(
        feed=SPEC.id,
        answer=14_061_593_700,
        confidence=13_793_699,
        exponent=-8,
        published_at_s=1_720_533_480,
        round_id=276_582_011,
        description=SOL_USD,
        verification="full",
        source=pyth.RECEIVER_PROGRAM,
        fault="",
    )


@pytest.mark.parametrize(
    ("file", "feed_id"),
    [
        ("mango/7UVimffxr9ow1uXYxsr4LHAcV58mLzhmwaeKvJ1pjLiE.bin", SOL_USD),
        ("marginfi/pyth_push_sol_price.bin", SOL_USD),
        ("marginfi/pyth_push_usdc_price.bin", USDC_USD),
        ("marginfi/sol_pyth_price_feed.json", SOL_USD),
    ],
)
def test_captured_accounts_hold_what_is_known_of_them(file: str, feed_id: str) -> None:
    if not CAPTURES.exists():
        pytest.skip(f"the captures are not here: {CAPTURES} is absent")
    expected = json.loads((CAPTURES / "EXPECTED.json").read_text())[file]
    content = (CAPTURES / file).read_bytes()
    if file.endswith(".json"):
        content = base64.b64decode(json.loads(content)["account"]["data"][0])
    newest = decoded(content, pyth_feed_id=feed_id)
    assert newest.fault == ""
    assert newest.verification == expected.get("verification", "full").lower()
    scale = Decimal(10) ** newest.exponent
    assert newest.answer * scale == Decimal(str(expected["price"]))
    assert newest.confidence * scale == Decimal(str(expected["conf"]))
    assert newest.published_at_s == expected["publish_time"]


def test_a_partial_level_moves_the_message_by_one_byte() -> None:
    partial = MAINNET[:40] + bytes([0, 5]) + MAINNET[41:133]
    newest = decoded(partial)
    assert newest == replace(decoded(MAINNET), verification="partial(5)")


FAULTS: list[tuple[bytes | None, dict[str, str], str]] = [
    (None, {}, "there is no account at the feed's address"),
    (
        MAINNET,
        {"owner": "11111111111111111111111111111111"},
        "the account is owned by 11111111111111111111111111111111, not by Pyth's receiver",
    ),
    (MAINNET[:-1], {}, "the account has 133 bytes, not 134"),
    (MAINNET + b"\0", {}, "the account has 135 bytes, not 134"),
    (b"", {}, "the account has 0 bytes, not 134"),
    (bytes(8) + MAINNET[8:], {}, "the account is no PriceUpdateV2"),
    (MAINNET[:40] + b"\2" + MAINNET[41:], {}, "the account's verification level 2 is unknown"),
    (
        MAINNET,
        {"pyth_feed_id": USDC_USD},
        f"the account holds feed {SOL_USD}, not {USDC_USD}",
    ),
]


@pytest.mark.parametrize(("data", "changes", "fault"), FAULTS)
def test_an_account_that_is_no_update_of_the_feed_is_at_fault(
    data: bytes | None, changes: dict[str, str], fault: str
) -> None:
    newest = decoded(data, **changes)
    assert newest == FeedRound(SPEC.id, 0, 0, 0, 0, 0, "", "", "", fault)


@pytest.mark.parametrize("file", ["mango/Gnt27xtC473ZT2Mw5u8wZ68Z3gULkSTb5DuxJy7eJotD.bin"])
def test_an_account_of_the_former_pyth_program_is_at_fault(file: str) -> None:
    if not CAPTURES.exists():
        pytest.skip(f"the captures are not here: {CAPTURES} is absent")
    assert decoded((CAPTURES / file).read_bytes()).fault == "the account has 3312 bytes, not 134"


@given(st.binary(min_size=0, max_size=150), st.integers(0, 134))
def test_no_bytes_whatever_raise(tail: bytes, kept: int) -> None:
    newest = decoded(MAINNET[:kept] + tail)
    assert newest.fault or len(MAINNET[:kept] + tail) == 134
