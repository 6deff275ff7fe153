"""Switchboard On-Demand and Pyth's own accounts, decoded from mainnet's bytes; the rest refused.

``accounts/switchboard_sol_usd.bin`` is ``BSzfJs4d1tAkSDqkepnfzEVcx2WtDVnwwXa2giy9PLeP``,
``accounts/pyth_legacy_usdc_usd.bin`` is ``Gnt27xtC473ZT2Mw5u8wZ68Z3gULkSTb5DuxJy7eJotD``.
"""

import base64
import json
import struct
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmargin.errors import ConfigError
from xmargin.model import FeedRound, FeedSpec
from xmargin.oracles import pyth_legacy, switchboard
from xmargin.reading.feeds import SOLANA_FEED_KINDS, solana_feed_read
from xmargin.reads import SolanaAccount

ACCOUNTS = Path(__file__).parent / "accounts"
CAPTURES = Path(__file__).resolve().parents[3] / "shared/data/chain/solana"
SOLANA = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"
ADDRESS = "BSzfJs4d1tAkSDqkepnfzEVcx2WtDVnwwXa2giy9PLeP"
SWITCHBOARD = (ACCOUNTS / "switchboard_sol_usd.bin").read_bytes()
PYTH_LEGACY = (ACCOUNTS / "pyth_legacy_usdc_usd.bin").read_bytes()
BYTES_OF = {switchboard: SWITCHBOARD, pyth_legacy: PYTH_LEGACY}


def decoded(kind: ModuleType, data: bytes | None, owner: str = "") -> FeedRound:
    spec = FeedSpec(f"{kind.KIND}@{SOLANA}/{ADDRESS}", "SOL", "USD", 60, 5)
    read = solana_feed_read(spec)
    assert read.addresses == (ADDRESS,)
    owner = owner or kind.PROGRAMS[0]
    (fact,) = read.decode([None if data is None else SolanaAccount(ADDRESS, 1, owner, data)])
    assert isinstance(fact, FeedRound)
    return fact


def written(data: bytes, at: int, patch: bytes) -> bytes:
    return data[:at] + patch + data[at + len(patch) :]


def test_a_switchboard_feed_of_mainnet_becomes_a_round() -> None:
    assert decoded(switchboard, SWITCHBOARD) == FeedRound(
        feed=f"switchboard@{SOLANA}/{ADDRESS}",
        answer=155_594045270000000000,
        confidence=240161790000000000,
        exponent=-18,
        published_at_s=1_723_244_190,
        round_id=282_612_970,
        description="SOL/USD 4c935636f2523f6aeeb6dc7b7dab0e86a13ff2c794f7895fc78851d69fdb593b",
        verification="",
        source="A43DyUGA7s8eXPxqEjJY6EBu1KKbNgfxF8h17VAHn13w",
        fault="",
        liquidity=2,
    )


def test_a_price_account_of_mainnet_becomes_a_round() -> None:
    assert decoded(pyth_legacy, PYTH_LEGACY) == FeedRound(
        feed=f"pyth-legacy@{SOLANA}/{ADDRESS}",
        answer=100_000_750,
        confidence=24_249,
        exponent=-8,
        published_at_s=1_701_981_042,
        round_id=234_590_446,
        description="8GWTTbNiXdmyZREXbjsZBmCRuzdPrW55dnZGDkTRjWvb",
        verification="",
        source="FsJ3A3u2vn5cTVofAjvy6y5kwABJAqYWpe4975bi2epH",
        fault="",
        liquidity=16,
    )


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("mango/EtbG8PSDCyCSmDH8RE4Nf2qTV9d6P6zShzHY2XWvjFJf.bin", switchboard),
        ("mango/Gnt27xtC473ZT2Mw5u8wZ68Z3gULkSTb5DuxJy7eJotD.bin", pyth_legacy),
        ("mango/J83w4HKfqxwcq3BEMMkPFSppX3gqekLyLJBexebFVkix.bin", pyth_legacy),
        ("spl/992moaMQKs32GKZ9dxi8keyM2bUmbrwBZpK4p2K6X5Vs.bin", pyth_legacy),
    ],
)
def test_captured_accounts_hold_what_is_known_of_them(file: str, kind: ModuleType) -> None:
    if not CAPTURES.exists():
        pytest.skip(f"the captures are not here: {CAPTURES} is absent")
    expected = json.loads((CAPTURES / "EXPECTED.json").read_text())[file]
    newest = decoded(kind, (CAPTURES / file).read_bytes())
    scale = Decimal(10) ** newest.exponent
    assert newest.fault == ""
    assert float(newest.answer * scale) == expected["price"]
    if "conf" in expected:
        assert newest.confidence * scale == Decimal(str(expected["conf"]))
        assert newest.round_id == expected.get("pub_slot", newest.round_id)


def test_a_price_account_that_no_longer_trades_is_at_fault() -> None:
    """Mainnet's own SOL/USD after Pyth had left the program."""
    if not CAPTURES.exists():
        pytest.skip(f"the captures are not here: {CAPTURES} is absent")
    capture = json.loads((CAPTURES / "marginfi/sol_pyth_oracle.json").read_text())
    data = base64.b64decode(capture["account"]["data"][0])
    assert decoded(pyth_legacy, data).fault == "its status is unknown; only trading is a price"


FAULTS: list[tuple[ModuleType, bytes | None, str, str]] = [
    (switchboard, None, "", "there is no account at the feed's address"),
    (
        switchboard,
        SWITCHBOARD,
        ADDRESS,
        f"the account is owned by {ADDRESS}, not by Switchboard On-Demand",
    ),
    (switchboard, SWITCHBOARD[:-1], "", "the account has 3207 bytes, not 3208"),
    (switchboard, SWITCHBOARD + b"\0", "", "the account has 3209 bytes, not 3208"),
    (switchboard, bytes(8) + SWITCHBOARD[8:], "", "the account is no PullFeedAccountData"),
    (switchboard, written(SWITCHBOARD, 2368, bytes(8)), "", "it has no result yet"),
    (
        switchboard,
        written(SWITCHBOARD, 2215, b"\3"),
        "",
        "2 samples are in its result; the feed asks for 3",
    ),
    (
        switchboard,
        written(SWITCHBOARD, 2360, b"\0"),
        "",
        "0 samples are in its result; the feed asks for 1",
    ),
    (
        switchboard,
        written(SWITCHBOARD, 8 + 31 * 64 + 32, struct.pack("<Q", 282_612_971)),
        "",
        "its result is of slot 282612970; a submission of slot 282612971 is not in it",
    ),
    (
        pyth_legacy,
        PYTH_LEGACY,
        ADDRESS,
        f"the account is owned by {ADDRESS}, not by Pyth's oracle program",
    ),
    (pyth_legacy, PYTH_LEGACY[:-1], "", "the account has 3311 bytes, not 3312"),
    (pyth_legacy, b"\0" + PYTH_LEGACY[1:], "", "the account is no Pyth price of version 2"),
    (pyth_legacy, written(PYTH_LEGACY, 4, b"\3"), "", "the account is no Pyth price of version 2"),
    (pyth_legacy, written(PYTH_LEGACY, 8, b"\2"), "", "the account is no Pyth price of version 2"),
    (pyth_legacy, written(PYTH_LEGACY, 16, b"\2"), "", "its price type 2 is unknown"),
    (
        pyth_legacy,
        written(PYTH_LEGACY, 24, b"\x0f"),
        "",
        "it counts 16 quoters of 15 publishers",
    ),
    (
        pyth_legacy,
        written(PYTH_LEGACY, 104, b"\x11"),
        "",
        "16 publishers are in it; the feed asks for 17",
    ),
    (
        pyth_legacy,
        written(PYTH_LEGACY, 224, b"\2"),
        "",
        "its status is halted; only trading is a price",
    ),
    (
        pyth_legacy,
        written(PYTH_LEGACY, 224, b"\x09"),
        "",
        "its status is 9; only trading is a price",
    ),
]


@pytest.mark.parametrize(("kind", "data", "owner", "fault"), FAULTS)
def test_an_account_that_is_no_such_feed_is_at_fault(
    kind: ModuleType, data: bytes | None, owner: str, fault: str
) -> None:
    newest = decoded(kind, data, owner)
    assert newest == FeedRound(newest.feed, 0, 0, 0, 0, 0, "", "", "", fault)


def test_exactly_as_many_samples_and_publishers_as_asked_for_are_enough() -> None:
    assert not decoded(switchboard, written(SWITCHBOARD, 2215, b"\2")).fault
    assert not decoded(pyth_legacy, written(PYTH_LEGACY, 104, b"\x10")).fault


@given(
    st.sampled_from([switchboard, pyth_legacy]),
    st.integers(0, 3400),
    st.binary(max_size=96),
    st.booleans(),
)
def test_no_bytes_whatever_raise(kind: ModuleType, at: int, patch: bytes, cut: bool) -> None:
    sound = BYTES_OF[kind]
    data = sound[:at] + patch if cut else written(sound, at, patch)
    newest = decoded(kind, data)
    assert newest.fault or len(data) == kind.ACCOUNT_BYTES


def test_a_feed_kind_that_there_is_not_is_named_with_those_there_are() -> None:
    spec = FeedSpec(f"stork@{SOLANA}/{ADDRESS}", "SOL", "USD", 60, 5)
    with pytest.raises(ConfigError, match=", ".join(SOLANA_FEED_KINDS)):
        solana_feed_read(spec)
