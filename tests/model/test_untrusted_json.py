"""JSON from outside is parsed or refused, whatever other libraries did to the recursion limit."""

import sys
from collections.abc import Iterator

import pytest

from xmargin import untrusted_json


@pytest.fixture
def raised_limit() -> Iterator[int]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    yield 100_000
    sys.setrecursionlimit(before)


@pytest.mark.parametrize("bracket", ["[", '{"a":'])
def test_brackets_without_end_are_refused_and_the_process_lives(
    raised_limit: int, bracket: str
) -> None:
    with pytest.raises(ValueError, match="nested deeper"):
        untrusted_json.loads(bracket * 200_000)
    assert sys.getrecursionlimit() == raised_limit


def test_what_is_nested_as_answers_are_is_read(raised_limit: int) -> None:
    value: object = "leaf"
    for _ in range(100):
        value = [value]
    assert untrusted_json.loads("[" * 100 + '"leaf"' + "]" * 100) == value


def test_a_caller_deep_in_the_stack_has_room_too() -> None:
    def called_from(depth: int) -> object:
        return called_from(depth - 1) if depth else untrusted_json.loads("[[[1]]]")

    assert called_from(400) == [[[1]]]


def test_what_is_no_json_is_a_value_error() -> None:
    for text in ("", "nonsense", b"\xff\xfe\xfa"):
        with pytest.raises(ValueError, match=r"."):
            untrusted_json.loads(text)
