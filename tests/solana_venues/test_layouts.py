"""Whatever the bytes are, a decoder answers with values or refuses."""

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.house.paths import ROOT
from xmargin.errors import DecodeError
from xmargin.reads import SolanaAccount
from xmargin.venues import drift_v2
from xmargin.venues.anchor_idl import Idl
from xmargin.venues.layouts import drift_v2 as drift_layouts
from xmargin.venues.layouts import kamino as kamino_layouts
from xmargin.venues.layouts import marginfi_v2 as marginfi_layouts
from xmargin.venues.solana_layout import AccountLayout, Field, Rows, decode

LAYOUTS = [
    layout
    for module in (drift_layouts, marginfi_layouts, kamino_layouts)
    for layout in vars(module).values()
    if isinstance(layout, AccountLayout)
]
NAMES = [f"{layout.program[:5]}-{layout.name}" for layout in LAYOUTS]
ADDRESS = "7UVimffxr9ow1uXYxsr4LHAcV58mLzhmwaeKvJ1pjLiE"
BYTES_OF_KINDS = {"key": 32, "bool": 1, "enum": 1, "i80f48": 16}


def names(layout: AccountLayout) -> set[str]:
    return {each.name for each in layout.fields} | {each.name for each in layout.rows}


def blank(layout: AccountLayout) -> SolanaAccount:
    data = layout.discriminator.ljust(layout.length, b"\0")
    return SolanaAccount(ADDRESS, 1, layout.program, data)


def size(field: Field) -> int:
    item, _, count = field.kind.partition("*")
    one = 1 if item == "bytes" else BYTES_OF_KINDS.get(item) or int(item[1:]) // 8
    return one * int(count or 1)


@pytest.mark.chains
def test_the_tables_are_what_the_programs_idls_say() -> None:
    command = [sys.executable, "tools/solana_layouts.py", "check"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_all_accounts_of_three_programs_have_a_table() -> None:
    assert len(LAYOUTS) == 10


@pytest.mark.parametrize("layout", LAYOUTS, ids=NAMES)
def test_no_two_fields_of_a_table_overlap_and_none_leaves_the_account(
    layout: AccountLayout,
) -> None:
    spans = [(field.at, field.at + size(field)) for field in layout.fields]
    spans += [(rows.at, rows.at + rows.count * rows.stride) for rows in layout.rows]
    ordered = sorted(spans)
    assert ordered[0][0] >= 8
    assert all(one[1] <= other[0] for one, other in pairwise(ordered))
    assert ordered[-1][1] <= layout.length
    for rows in layout.rows:
        within = [(field.at, field.at + size(field)) for field in rows.fields]
        assert all(one[1] <= other[0] for one, other in pairwise(within))
        assert within[-1][1] <= rows.stride


@pytest.mark.parametrize("layout", LAYOUTS, ids=NAMES)
def test_an_account_of_zeros_is_decoded_and_one_of_another_kind_is_not(
    layout: AccountLayout,
) -> None:
    account = blank(layout)
    values = decode(layout, account)
    assert values.keys() == names(layout)
    with pytest.raises(DecodeError, match="there is no"):
        decode(layout, None)
    with pytest.raises(DecodeError, match="is owned by"):
        decode(layout, replace(account, owner=ADDRESS))
    with pytest.raises(DecodeError, match="its discriminator is another"):
        decode(layout, replace(account, data=bytes(8) + account.data[8:]))
    for length in (layout.length - 1, layout.length + 1, 8):
        data = account.data[:length].ljust(length, b"\0")
        with pytest.raises(DecodeError, match="a version that is not known here"):
            decode(layout, replace(account, data=data))


@given(data=st.data())
@pytest.mark.parametrize("layout", LAYOUTS, ids=NAMES)
def test_no_bytes_crash_a_table(layout: AccountLayout, data: st.DataObject) -> None:
    seed = data.draw(st.binary(max_size=64), label="pattern")
    keep_head = data.draw(st.booleans(), label="right discriminator")
    length = layout.length + data.draw(st.sampled_from([0, 0, 0, -1, 1, -layout.length]))
    body = (seed or b"\0") * (length // (len(seed) or 1) + 1)
    content = (layout.discriminator if keep_head else b"") + body
    account = SolanaAccount(ADDRESS, 1, layout.program, content[:length])
    try:
        values = decode(layout, account)
    except DecodeError:
        return
    assert keep_head or content.startswith(layout.discriminator)
    assert len(account.data) == layout.length
    assert values.keys() == names(layout)


def test_each_kind_is_read_as_it_lies() -> None:
    layout = AccountLayout(
        program=ADDRESS,
        name="Sample",
        discriminator=b"12345678",
        length=8 + 100,
        fields=(
            Field("small", "i8", 8),
            Field("flag", "bool", 10),
            Field("wide", "i128", 12),
            Field("fraction", "i80f48", 28),
            Field("large", "u128", 44),
            Field("words", "u64*2", 60),
            Field("text", "bytes*3", 76),
            Field("kind", "enum", 79, ("one", "other")),
        ),
        rows=(Rows("rows", at=80, count=2, stride=4, fields=(Field("half", "u16", 1),)),),
    )
    data = bytearray(b"12345678".ljust(108, b"\0"))
    data[8], data[10], data[79] = 0xFF, 1, 1
    data[12:28] = (-(1 << 100)).to_bytes(16, "little", signed=True)
    data[28:44] = (-3 << 47).to_bytes(16, "little", signed=True)
    data[44:60] = b"\xff" * 16
    data[60:76] = (1).to_bytes(8, "little") + (2).to_bytes(8, "little")
    data[76:79] = b"abc"
    data[81:83], data[85:87] = b"\x01\x02", b"\xff\xff"
    read = decode(layout, SolanaAccount(ADDRESS, 1, ADDRESS, bytes(data)))
    assert read == {
        "small": -1,
        "flag": True,
        "wide": -(1 << 100),
        "fraction": -3 << 47,
        "large": (1 << 128) - 1,
        "words": (1, 2),
        "text": b"abc",
        "kind": "other",
        "rows": ({"half": 0x0201}, {"half": 0xFFFF}),
    }
    data[10] = 2
    with pytest.raises(DecodeError, match="flag is 2"):
        decode(layout, SolanaAccount(ADDRESS, 1, ADDRESS, bytes(data)))


def test_an_idl_that_lacks_what_is_wanted_says_what() -> None:
    field = {"name": "owner", "type": "publicKey"}
    account = {"name": "Vault", "type": {"kind": "struct", "fields": [field]}}
    idl = Idl({"accounts": [account]})
    assert idl.layout("p", "Vault", {"owner": "owner"}).fields == (Field("owner", "key", 8),)
    with pytest.raises(DecodeError, match="no amount in amount"):
        idl.layout("p", "Vault", {"amount": "amount"})
    with pytest.raises(DecodeError, match="no type Purse"):
        idl.layout("p", "Purse", {})
    with pytest.raises(DecodeError, match="publicKey of the IDL is no structure"):
        idl.layout("p", "Vault", {"owner.owner": "owner"})


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(DecodeError, match="has not 32 bytes"):
        drift_v2.user_address("drift-v2@solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/abc")
