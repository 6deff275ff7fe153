"""Accounts of Solana programs, decoded from tables of where each field lies.

The tables (``venues/layouts``) are made from a program's published IDL by
``tools/solana_layouts.py``, so that nothing has to be fetched to decode; an account is believed
only if program, discriminator and length are those of its table, and every flag and enumeration
holds a value that the table knows. Whatever the bytes are, the answer is values or a
:class:`~xmargin.errors.DecodeError`.

Kinds of fields, little-endian as Borsh and zero-copy accounts both lay them: ``u8`` to ``u128``,
``i8`` to ``i128``, ``bool``, ``key`` (base58), ``i80f48`` (a signed integer in units of 2^-48),
``enum`` (the variant's name), ``bytes*N``, and ``u64*N`` and the like (a tuple).
"""

import functools
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from xmargin.errors import DecodeError
from xmargin.reads import SolanaAccount

Values: TypeAlias = dict[str, Any]
"""What was decoded, by field name: exact integers, texts, flags, or rows of the same."""

DISCRIMINATOR_BYTES: Final = 8
_CODES: Final = {
    "u8": "B",
    "i8": "b",
    "u16": "H",
    "i16": "h",
    "u32": "I",
    "i32": "i",
    "u64": "Q",
    "i64": "q",
    "u128": "16s",
    "i128": "16s",
    "i80f48": "16s",
    "bool": "B",
    "enum": "B",
    "key": "32s",
}
_SIGNED: Final = frozenset({"i128", "i80f48"})


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its kind, and how many bytes after the start of its account or row it lies."""

    name: str
    kind: str
    at: int
    variants: tuple[str, ...] = ()
    """Of an ``enum``, by number."""


@dataclass(frozen=True, slots=True)
class Rows:
    """An array of structures within an account."""

    name: str
    at: int
    count: int
    stride: int
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class AccountLayout:
    """What an account of one type looks like; ``length`` counts the discriminator."""

    program: str
    name: str
    discriminator: bytes
    length: int
    fields: tuple[Field, ...]
    rows: tuple[Rows, ...] = ()


def decode(layout: AccountLayout, account: SolanaAccount | None) -> Values:
    """The values of an account's fields, ``rows`` as tuples of values.

    Raises:
        DecodeError: there is no account, or it is not what ``layout`` says.
    """
    data = _of_layout(layout, account)
    values = _reader(layout.fields, layout.length).read(data, 0)
    for rows in layout.rows:
        reader = _reader(rows.fields, rows.stride)
        starts = range(rows.at, rows.at + rows.count * rows.stride, rows.stride)
        values[rows.name] = tuple(reader.read(data, at) for at in starts)
    return values


def _of_layout(layout: AccountLayout, account: SolanaAccount | None) -> bytes:
    if account is None:
        raise DecodeError(f"there is no {layout.name} account at the address")
    if account.owner != layout.program:
        raise DecodeError(f"the {layout.name} is owned by {account.owner}, not {layout.program}")
    if account.data[:DISCRIMINATOR_BYTES] != layout.discriminator:
        raise DecodeError(f"the account is no {layout.name}: its discriminator is another")
    if len(account.data) != layout.length:
        raise DecodeError(
            f"the {layout.name} has {len(account.data)} bytes, not {layout.length}: "
            "its program is of a version that is not known here"
        )
    return account.data


# --- Addresses ----------------------------------------------------------------------------------


def program_address(seeds: Sequence[bytes], program: str) -> str:
    """The address that a program derives from seeds, with the first bump off the curve."""
    from solders.pubkey import Pubkey

    address, _ = Pubkey.find_program_address(list(seeds), Pubkey.from_string(program))
    return str(address)


def key_bytes(address: str) -> bytes:
    """The 32 bytes of an address.

    Raises:
        DecodeError: it is none.
    """
    from solders.pubkey import Pubkey

    try:
        return bytes(Pubkey.from_string(address))
    except ValueError:
        raise DecodeError(f"{address} is no Solana address: it has not 32 bytes") from None


def check_address(found: str, derived: str, what: str) -> None:
    """Refuse content that belongs to another address.

    Raises:
        DecodeError: the addresses differ.
    """
    if found != derived:
        raise DecodeError(f"the content of {what} {found} belongs at {derived}")


def text_of(padded: bytes) -> str:
    """A name padded with spaces or zeros; what is no UTF-8 in it is shown as a mark."""
    return padded.rstrip(b"\0 ").decode("utf-8", errors="replace")


# --- Fields -------------------------------------------------------------------------------------

_Take: TypeAlias = Callable[[Iterator[Any]], Any]


@dataclass(frozen=True, slots=True)
class _Reader:
    """One ``struct`` format for all fields, and what to make of each."""

    unpack_from: Callable[[bytes, int], tuple[Any, ...]]
    takes: tuple[tuple[str, _Take], ...]

    def read(self, data: bytes, at: int) -> Values:
        raw = iter(self.unpack_from(data, at))
        return {name: take(raw) for name, take in self.takes}


@functools.lru_cache(maxsize=256)
def _reader(fields: tuple[Field, ...], length: int) -> _Reader:
    codes, end = ["<"], 0
    for field in fields:
        code = _code(field.kind)
        codes += [f"{field.at - end}x", code]
        end = field.at + struct.calcsize("<" + code)
    codes.append(f"{length - end}x")
    takes = tuple((field.name, _take(field)) for field in fields)
    return _Reader(struct.Struct("".join(codes)).unpack_from, takes)


def _code(kind: str) -> str:
    item, _, count = kind.partition("*")
    if item == "bytes":
        return f"{count}s"
    return _CODES[item] * int(count or 1)


def _take(field: Field) -> _Take:
    item, _, count = field.kind.partition("*")
    one = _take_one(field, item)
    if count and item != "bytes":
        return lambda raw: tuple(one(raw) for _ in range(int(count)))
    return one


def _take_one(field: Field, item: str) -> _Take:
    match item:
        case "u128" | "i128" | "i80f48":
            signed = item in _SIGNED
            return lambda raw: int.from_bytes(next(raw), "little", signed=signed)
        case "key":
            return lambda raw: _key(next(raw))
        case "bool":
            return lambda raw: _variant(field.name, (False, True), next(raw))
        case "enum":
            return lambda raw: _variant(field.name, field.variants, next(raw))
        case _:
            return next


def _variant(name: str, variants: Sequence[Any], number: int) -> Any:
    if number >= len(variants):
        raise DecodeError(f"{name} is {number}, and only {len(variants)} values of it are known")
    return variants[number]


@functools.lru_cache(maxsize=65_536)
def _key(raw: bytes) -> str:
    from solders.pubkey import Pubkey

    return str(Pubkey.from_bytes(raw))
