"""Dataclasses to protobuf messages and back, by field name.

The messages of ``xmargin.v1`` mirror the types of :mod:`xmargin.model`; one generic mapping keeps
the two from drifting. It knows no message itself: callers pass the class. Integers beyond 64
bits and decimals travel as strings, enum members by name, absent values as absent fields.
"""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from xmargin.errors import DecodeError

M = TypeVar("M", bound=Message)
T = TypeVar("T")

_DECIMAL = "google.type.Decimal"


def plain(value: Decimal) -> str:
    """A decimal's digits without an exponent."""
    text = str(value)
    return format(value, "f") if "E" in text else text


def canonical_json(value: object) -> bytes:
    """One byte form of a dataclass tree: sorted keys, integers and decimals as strings."""
    return json.dumps(
        _jsonable(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True
    ).encode()


def _jsonable(value: object) -> object:
    if dataclasses.is_dataclass(value):
        return {f.name: _jsonable(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, bool | NoneType | str):
        return value
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, Iterable):
        return [_jsonable(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no canonical form")


# --- To messages -------------------------------------------------------------------------------


def to_message(value: object, message_class: type[M]) -> M:
    """``value`` (a model dataclass) as a ``message_class``."""
    message = message_class()
    _fill(message, value)
    return message


Writer = Callable[[Message, Any], None]


@dataclasses.dataclass(frozen=True, slots=True)
class _Plan:
    """How the fields of one type go into its message: by kind, since most are of the plain ones."""

    copied: tuple[str, ...]
    decimals: tuple[str, ...]
    written: tuple[tuple[str, Writer], ...]


def _fill(message: Message, value: object) -> None:
    """Write the dataclass into the message; written in place, since copying costs the most."""
    # Classes are hashable; mypy looks at their instances' __hash__.
    plan = _plan(type(value), type(message))  # type: ignore[arg-type]
    for name in plan.copied:
        setattr(message, name, getattr(value, name))
    for name in plan.decimals:
        item = getattr(value, name)
        if item is not None:
            getattr(message, name).value = plain(item)
    for name, write in plan.written:
        item = getattr(value, name)
        if item is not None:
            write(message, item)


@cache
def _plan(cls: type, message_class: type[Message]) -> _Plan:
    described = message_class.DESCRIPTOR.fields_by_name
    hints = get_type_hints(cls)
    fields = [(f.name, described[f.name], hints[f.name]) for f in dataclasses.fields(cls)]
    copied = tuple(name for name, field, hint in fields if _is_copied(field, hint))
    decimals = tuple(name for name, field, _ in fields if _is_decimal(field))
    defaults = _defaults(cls)
    written = tuple(
        (name, _unless(defaults[name], write) if name in defaults and is_text else write)
        for name, field, _ in fields
        if name not in copied and name not in decimals
        # A number left out reads as zero, which names no member of an enum.
        for write, is_text in [(_writer(field), field.type == FieldDescriptor.TYPE_STRING)]
    )
    return _Plan(copied, decimals, written)


def _defaults(cls: type) -> dict[str, Any]:
    """By field, what a message that lacks the field says: what came later than the first tapes."""
    fields = dataclasses.fields(cls)
    return {f.name: f.default for f in fields if f.default is not dataclasses.MISSING}


def _unless(default: object, write: Writer) -> Writer:
    """Says nothing of a default, so that what was written before the field was is written alike."""

    def write_other(message: Message, item: object) -> None:
        if item != default:
            write(message, item)

    return write_other


def _is_copied(field: FieldDescriptor, hint: Any) -> bool:
    """Whether the message takes the value as it is, and it is never absent."""
    if hint is str:
        return bool(field.type == FieldDescriptor.TYPE_STRING)
    return hint in (bool, int) and field.type != FieldDescriptor.TYPE_STRING


def _is_decimal(field: FieldDescriptor) -> bool:
    message_type = field.message_type
    return bool(
        not field.is_repeated and message_type is not None and message_type.full_name == _DECIMAL
    )


def _writer(field: FieldDescriptor) -> Writer:
    name = field.name
    if _is_map(field):
        return _map_writer(name, field.message_type.fields_by_name["value"])
    if field.message_type is not None:
        return _message_writer(name, field)
    convert = _scalar(field)
    if field.is_repeated:
        return lambda message, items: getattr(message, name).extend(convert(i) for i in items)
    return lambda message, item: setattr(message, name, convert(item))


def _map_writer(name: str, value: FieldDescriptor) -> Writer:
    write_into = _into(value)

    def write(message: Message, mapping: Mapping[str, Any]) -> None:
        entries = getattr(message, name)
        for key in sorted(mapping):
            write_into(entries[key], mapping[key])

    return write


def _message_writer(name: str, field: FieldDescriptor) -> Writer:
    write_into = _into(field)
    if not field.is_repeated:
        return lambda message, item: write_into(getattr(message, name), item)

    def write(message: Message, items: Iterable[Any]) -> None:
        repeated = getattr(message, name)
        for item in items:
            write_into(repeated.add(), item)

    return write


def _into(field: FieldDescriptor) -> Writer:
    """How a value goes into its own message; an empty one is still present."""
    if field.message_type.full_name == _DECIMAL:
        return lambda message, item: setattr(message, "value", plain(item))

    def write(message: Message, item: Any) -> None:
        message.SetInParent()
        _fill(message, item)

    return write


def _scalar(field: FieldDescriptor) -> Callable[[Any], Any]:
    if field.enum_type is not None:
        numbers = _enum_numbers(field.enum_type)
        return lambda item: numbers[item.name]
    if field.type == FieldDescriptor.TYPE_STRING:
        return _as_string
    return lambda item: item


def _as_string(item: Any) -> str:
    if type(item) is str:
        return item
    return plain(item) if isinstance(item, Decimal) else str(item)


@cache
def _enum_numbers(enum: EnumDescriptor) -> dict[str, int]:
    """Member name (without the prefix every value carries) to number."""
    prefix = enum.values[0].name.removesuffix("UNSPECIFIED")
    return {value.name.removeprefix(prefix): value.number for value in enum.values}


def _is_map(field: FieldDescriptor) -> bool:
    nested = field.message_type
    return bool(nested is not None and nested.GetOptions().map_entry)


# --- From messages -----------------------------------------------------------------------------


def from_message(message: Message, cls: type[T]) -> T:
    """``message`` as the model dataclass ``cls``.

    Raises:
        DecodeError: a field holds what its type cannot be, naming the field.
    """
    values: dict[str, Any] = {}
    for name, decode, optional in _decoders(cls):  # type: ignore[arg-type]
        if optional and not message.HasField(name):
            values[name] = None
            continue
        try:
            values[name] = decode(getattr(message, name))
        except (ValueError, KeyError, ArithmeticError):
            raise DecodeError(
                f"{message.DESCRIPTOR.name}.{name}: {getattr(message, name)!r} cannot be read",
                field=name,
            ) from None
    return cls(**values)


@cache
def _decoders(cls: type) -> tuple[tuple[str, Callable[[Any], Any], bool], ...]:
    hints, defaults = get_type_hints(cls), _defaults(cls)
    decoders = []
    for field in dataclasses.fields(cls):
        decode, optional = _decoder(hints[field.name])
        if field.name in defaults:
            decode = _or(defaults[field.name], decode)
        decoders.append((field.name, decode, optional))
    return tuple(decoders)


def _or(default: Any, decode: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Reads a text that is empty as the default."""
    return lambda item: default if item == "" else decode(item)


def _decoder(hint: Any) -> tuple[Callable[[Any], Any], bool]:
    """How to read a field of type ``hint``, and whether it may be absent."""
    if isinstance(hint, UnionType):
        (inner,) = (arg for arg in get_args(hint) if arg is not NoneType)
        return _decoder(inner)[0], True
    if get_origin(hint) is tuple:
        item = _decoder(get_args(hint)[0])[0]
        return (lambda items: tuple(item(one) for one in items)), False
    if get_origin(hint) is not None:
        item = _decoder(get_args(hint)[1])[0]
        return (lambda mapping: {key: item(mapping[key]) for key in sorted(mapping)}), False
    return _plain_decoder(hint), False


def _plain_decoder(hint: Any) -> Callable[[Any], Any]:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return lambda message: from_message(message, hint)
    if issubclass(hint, StrEnum):
        return dict(enumerate(hint, start=1)).__getitem__
    if hint is Decimal:
        return lambda item: Decimal(item if isinstance(item, str) else item.value)
    return int if hint is int else lambda item: item
