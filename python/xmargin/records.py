"""Venue records: a venue kind's own dataclass as the content of the one fact that carries them.

Content is canonical JSON (:func:`xmargin.wire.canonical_json`): integers and decimals are texts,
tuples lists, absent values null. Reading it back is strict: every field, no other, of its type.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import Any, Final, TypeVar, cast, get_args, get_origin, get_type_hints

from xmargin import untrusted_json
from xmargin.errors import DecodeError
from xmargin.model import ACCOUNT_RECORD, AccountId, VenueId, VenueRecord, venue_of
from xmargin.wire import canonical_json

T = TypeVar("T")

_CONTENTS_HELD: Final = 65_536
# Python reads more texts as numbers than the canonical form has: spaces, underscores, NaN.
_WHOLE: Final = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)
_DECIMAL: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", re.ASCII)


def account_record(account: AccountId, value: object) -> VenueRecord:
    """What was read of an account: ``value`` is a dataclass of its venue kind."""
    return market_record(venue_of(account), ACCOUNT_RECORD, account, value)


def market_record(venue: VenueId, record: str, key: str, value: object) -> VenueRecord:
    """What was read of a thing of a venue."""
    return VenueRecord(venue, record, key, canonical_json(value).decode(), "")


def account_fault(account: AccountId, fault: str) -> VenueRecord:
    """An account that could not be read, and why."""
    return market_fault(venue_of(account), ACCOUNT_RECORD, account, fault)


def market_fault(venue: VenueId, record: str, key: str, fault: str) -> VenueRecord:
    """A thing of a venue that could not be read, and why."""
    return VenueRecord(venue, record, key, "", fault)


def read(record: VenueRecord | None, cls: type[T]) -> T:
    """The content of a record as its venue kind's dataclass.

    Raises:
        DecodeError: it was not read, is at fault, or is no such content.
    """
    if record is None:
        raise DecodeError(f"a {cls.__name__} that it rests on was not read yet")
    if record.fault:
        raise DecodeError(record.fault)
    # Classes are hashable; mypy looks at their instances' __hash__.
    return cast(T, _content(record.content, cls))  # type: ignore[arg-type]


@lru_cache(maxsize=_CONTENTS_HELD)
def _content(content: str, cls: type[Any]) -> object:
    try:
        tree = untrusted_json.loads(content)
    except ValueError as error:
        raise DecodeError(f"{cls.__name__}: no JSON ({error})") from None
    try:
        return _decoder(cls)(tree)  # type: ignore[arg-type]
    except ValueError as error:
        raise DecodeError(f"{cls.__name__}: {error}") from None


# --- Decoding -------------------------------------------------------------------------------------

_Decoder = Callable[[Any], Any]


@cache
def _decoder(hint: Any) -> _Decoder:
    """How to read a value of a type."""
    if isinstance(hint, UnionType):
        return _optional(hint)
    origin = get_origin(hint)
    if origin is tuple:
        return _tuple(_decoder(get_args(hint)[0]))
    if origin is not None:
        return _mapping(_decoder(get_args(hint)[1]))
    if dataclasses.is_dataclass(hint):
        return _record(hint)
    if issubclass(hint, Enum):
        return _word(hint)
    return _SCALARS[hint]


def _optional(hint: UnionType) -> _Decoder:
    (inner,) = (each for each in get_args(hint) if each is not NoneType)
    decode = _decoder(inner)
    return lambda tree: None if tree is None else decode(tree)


def _tuple(decode: _Decoder) -> _Decoder:
    return lambda tree: tuple(map(decode, _expect(tree, list, "a list")))


def _mapping(decode: _Decoder) -> _Decoder:
    def read_mapping(tree: Any) -> Mapping[str, Any]:
        given = _expect(tree, dict, "an object")
        return {key: decode(given[key]) for key in sorted(given)}

    return read_mapping


def _record(cls: Any) -> _Decoder:
    hints = get_type_hints(cls)
    fields = tuple((field.name, hints[field.name]) for field in dataclasses.fields(cls))
    names = {name for name, _ in fields}

    def read_record(tree: Any) -> Any:
        given = _expect(tree, dict, "an object")
        if given.keys() != names:
            odd = ", ".join(sorted(given.keys() ^ names))
            raise DecodeError(f"{cls.__name__}: {odd} missing or unknown")
        values = {}
        for name, hint in fields:
            try:
                values[name] = _decoder(hint)(given[name])
            except ValueError as error:
                raise DecodeError(f"{cls.__name__}.{name}: {error}", field=name) from None
        return cls(**values)

    return read_record


def _word(cls: type[Enum]) -> _Decoder:
    return lambda tree: cls(_text(tree))


def _text(tree: Any) -> str:
    return str(_expect(tree, str, "a text"))


def _whole(tree: Any) -> int:
    return int(_matching(_WHOLE, _text(tree), "an integer"))


def _decimal(tree: Any) -> Decimal:
    return Decimal(_matching(_DECIMAL, _text(tree), "a decimal"))


def _matching(form: re.Pattern[str], text: str, what: str) -> str:
    if form.fullmatch(text) is None:
        raise ValueError(f"expected {what}, not {text[:40]!r}")
    return text


def _flag(tree: Any) -> bool:
    return bool(_expect(tree, bool, "true or false"))


_SCALARS: Final[Mapping[type, _Decoder]] = {
    str: _text,
    int: _whole,
    Decimal: _decimal,
    bool: _flag,
}


def _expect(tree: Any, kind: type, what: str) -> Any:
    if not isinstance(tree, kind):
        raise ValueError(f"expected {what}, not {str(tree)[:40]!r}")  # noqa: TRY004 - of content
    return tree
