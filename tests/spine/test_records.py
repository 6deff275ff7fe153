"""Venue records: any content of any kind is read back as it was; anything else is refused."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmargin import records
from xmargin.errors import DecodeError
from xmargin.model import (
    VenueRecord,
    drift_v2,
    hyperliquid,
    kamino,
    marginfi_v2,
    morpho_blue,
    standings,
)
from xmargin.wire import canonical_json

ACCOUNT = "till@eip155:1/0x" + "aa" * 20
VENUE = "till@eip155:1"


@dataclasses.dataclass(frozen=True, slots=True)
class Everything:
    """A content with every type that a record may hold."""

    name: str
    amount: int
    price: Decimal
    is_open: bool
    limit: int | None
    by_name: Mapping[str, Decimal]
    legs: tuple[standings.VenueLeg, ...]


MODULES = (drift_v2, hyperliquid, kamino, marginfi_v2, morpho_blue)
OF_VENUES = [v for module in MODULES for v in vars(module).values() if dataclasses.is_dataclass(v)]
KINDS: list[Any] = [*OF_VENUES, standings.HeldLegs, Everything]

SCALARS: Mapping[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=20),
    int: st.one_of(st.integers(), st.integers(-(2**256), 2**256)),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False, places=9),
    bool: st.booleans(),
}
NOT_A_SCALAR: st.SearchStrategy[Any] = st.sampled_from([None, 7, 1.5, True, [], {}, ["1"]])


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    if hint in SCALARS:
        return SCALARS[hint]
    if isinstance(hint, UnionType):
        (inner,) = (one for one in get_args(hint) if one is not NoneType)
        return st.none() | values_of(inner)
    if get_origin(hint) is tuple:
        return st.lists(values_of(get_args(hint)[0]), max_size=3).map(tuple)
    if get_origin(hint) is not None:
        return st.dictionaries(st.text(max_size=5), values_of(get_args(hint)[1]), max_size=3)
    hints = get_type_hints(hint)
    names = [field.name for field in dataclasses.fields(hint)]
    return st.builds(hint, **{name: values_of(hints[name]) for name in names})


def read(content: str, cls: type[Any]) -> Any:
    return records.read(VenueRecord(VENUE, "account", ACCOUNT, content, ""), cls)


@pytest.mark.parametrize("cls", KINDS, ids=lambda cls: cls.__name__)
def test_a_content_is_read_back_as_it_was(cls: type[Any]) -> None:
    @settings(max_examples=40, deadline=None)
    @given(values_of(cls))
    def is_read_back(value: Any) -> None:
        record = records.account_record(ACCOUNT, value)
        assert (record.venue, record.record, record.key) == (VENUE, "account", ACCOUNT)
        assert records.read(record, cls) == value

    is_read_back()


def leaves(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Where every scalar of a JSON tree stands: its container, and its key there."""
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in pairs:
        if isinstance(value, dict | list):
            yield from leaves(value)
        else:
            yield tree, key


@pytest.mark.parametrize("cls", KINDS, ids=lambda cls: cls.__name__)
def test_a_damaged_content_is_refused_or_is_another_content_and_never_crashes(
    cls: type[Any],
) -> None:
    @settings(max_examples=40, deadline=None)
    @given(values_of(cls), st.data())
    def is_refused(value: Any, data: st.DataObject) -> None:
        content = canonical_json(value).decode()
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, len(content)))
        damaged = content[:start] + data.draw(st.text(max_size=6)) + content[end:]
        try:
            other = read(damaged, cls)
        except DecodeError:
            return
        assert records.read(records.account_record(ACCOUNT, other), cls) == other

    is_refused()


@pytest.mark.parametrize("cls", KINDS, ids=lambda cls: cls.__name__)
def test_a_field_that_is_missing_unknown_or_of_another_type_is_refused(cls: type[Any]) -> None:
    @settings(max_examples=40, deadline=None)
    @given(values_of(cls), st.data())
    def is_refused(value: Any, data: st.DataObject) -> None:
        content = canonical_json(value).decode()
        fields = sorted(json.loads(content))
        without = json.loads(content)
        del without[data.draw(st.sampled_from(fields))]
        with_more = json.loads(content) | {"Unknown": "1"}
        otherwise = json.loads(content)
        places = [(where, key) for where, key in leaves(otherwise) if isinstance(where[key], str)]
        if places:
            where, key = data.draw(st.sampled_from(places))
            where[key] = data.draw(NOT_A_SCALAR.filter(lambda one: one is not None))
        for tree in (without, with_more, *([otherwise] if places else [])):
            with pytest.raises(DecodeError):
                read(json.dumps(tree), cls)

    is_refused()


@pytest.mark.parametrize(
    "text",
    ["", " 1", "1 ", "1_0", "+1", "01", "-0", "1.5", "1e5", "NaN", "٣", "0x1", "9" * 5_000],
)
def test_an_integer_has_one_form(text: str) -> None:
    with pytest.raises(DecodeError, match="amount"):
        read(json.dumps({"token": "t", "amount": text}), standings.VenueLeg)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-inf", "1e5", "1.", ".5", " 1", "1_0", "٣"])
def test_a_decimal_has_no_other_form_than_its_digits(text: str) -> None:
    tree = json.loads(canonical_json(Everything("", 0, Decimal(1), True, None, {}, ())))
    with pytest.raises(DecodeError, match="price"):
        read(json.dumps(tree | {"price": text}), Everything)


@pytest.mark.parametrize(
    "content", ["", "null", "[]", "1", "NaN", "[" * 5_000, '{"legs":', "{}", '"' + "x" * 99 + '"']
)
def test_what_is_no_content_is_refused(content: str) -> None:
    with pytest.raises(DecodeError, match="HeldLegs"):
        read(content, standings.HeldLegs)


def test_what_was_not_read_or_is_at_fault_says_so() -> None:
    with pytest.raises(DecodeError, match="HeldLegs that it rests on was not read yet"):
        records.read(None, standings.HeldLegs)
    for fault in (
        records.account_fault(ACCOUNT, "reverted"),
        records.market_fault(VENUE, "market", "7", "reverted"),
    ):
        with pytest.raises(DecodeError, match="reverted"):
            records.read(fault, standings.HeldLegs)
