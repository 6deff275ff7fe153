"""The wire form says everything the types say."""

import contextlib
import dataclasses
from decimal import Decimal
from enum import StrEnum
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmargin import model
from xmargin.errors import DecodeError
from xmargin.tape import codec
from xmargin.v1 import margin_report_pb2, observation_pb2
from xmargin.wire import canonical_json, to_message

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
SMALL = st.integers(0, 2**32 - 1)
SIGNED_BIG = {"answer"}
SMALL_FIELDS = {
    "exponent": st.integers(-36, 36),
    "decimals": st.integers(0, 255),
    "days": st.integers(-(2**31), 2**31 - 1),
}


def strategy_of(hint: Any, name: str) -> st.SearchStrategy[Any]:  # noqa: PLR0911
    """Any value of a model type."""
    if hint is str:
        return TEXT
    if hint is int:
        if name in SMALL_FIELDS:
            return SMALL_FIELDS[name]
        proto_strings = {"amount", "configuration", "confidence", "round_id", "price_base"}
        if name in SIGNED_BIG:
            return st.integers(-(2**255), 2**255)
        big = name in proto_strings or name.endswith(("_index", "_rate", "_scaled", "_principal"))
        return st.integers(0, 2**256 - 1) if big else SMALL
    if hint is Decimal:
        return st.decimals(0, 1, places=6)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return st.sampled_from(list(hint))
    if dataclasses.is_dataclass(hint):
        return values_of(hint)
    if getattr(hint, "__origin__", None) is tuple:
        return st.lists(strategy_of(hint.__args__[0], name), max_size=3).map(tuple)
    if type(None) in get_args(hint):
        return st.none() | strategy_of(get_args(hint)[0], name)
    raise AssertionError(f"no strategy for {hint}")


def values_of(cls: Any) -> st.SearchStrategy[Any]:
    """Any value of a model dataclass."""
    hints = get_type_hints(cls)
    return st.builds(
        cls, **{f.name: strategy_of(hints[f.name], f.name) for f in dataclasses.fields(cls)}
    )


OBSERVATIONS = st.builds(
    model.Observation,
    fact=st.one_of([values_of(cls) for cls in get_args(model.Fact)]),
    observed_at_ms=SMALL,
    chain=TEXT,
    block=st.none() | values_of(model.BlockRef),
    source=TEXT,
)


@given(OBSERVATIONS)
def test_an_observation_survives_bytes_and_json(observation: model.Observation) -> None:
    assert codec.decode(codec.encode(observation)) == observation
    assert codec.from_json(codec.to_json(observation)) == observation


@given(OBSERVATIONS)
def test_equal_observations_have_equal_bytes(observation: model.Observation) -> None:
    again = codec.decode(codec.encode(observation))
    assert codec.encode(again) == codec.encode(observation)
    assert canonical_json(again) == canonical_json(observation)


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_say_why_not(payload: bytes) -> None:
    with contextlib.suppress(DecodeError):
        assert isinstance(codec.decode(payload), model.Observation)


@pytest.mark.parametrize("enum", [model.Condition, model.Finality, model.ChainKind, model.Claim])
def test_enum_numbers_follow_the_order_of_members(enum: type[StrEnum]) -> None:
    described = observation_pb2.DESCRIPTOR.enum_types_by_name[enum.__name__]
    names = [value.name for value in described.values][1:]
    assert [name.split("_", 1)[1].endswith(m.name) for name, m in zip(names, enum, strict=True)]
    assert all(name.endswith(member.name) for name, member in zip(names, enum, strict=True))


def test_an_unknown_fact_says_that_it_is_unknown() -> None:
    with pytest.raises(DecodeError, match="no fact"):
        codec.decode(observation_pb2.Observation(chain="eip155:1").SerializeToString())


def test_a_wrong_number_names_its_field() -> None:
    message = observation_pb2.Observation(token_balance=observation_pb2.TokenBalance(amount="12,5"))
    with pytest.raises(DecodeError, match=r"TokenBalance\.amount"):
        codec.decode(message.SerializeToString())


def test_decimals_cross_as_plain_digits() -> None:
    quote = model.JudgedQuote(
        "f",
        "ETH",
        "USD",
        model.Verdict.OK,
        (),
        Decimal("1E+3"),
        Decimal("1E-9"),
        Decimal(0),
        1,
        2,
        3,
    )
    message = to_message(quote, margin_report_pb2.JudgedQuote)
    assert (message.price.value, message.low.value) == ("1000", "0.000000001")
