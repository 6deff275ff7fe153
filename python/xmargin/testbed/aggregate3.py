"""Multicall3's ``aggregate3`` taken apart and put together, to change what is in it.

By hand and not by ``eth_abi``, which takes longer over a block's thousand calls than all else.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

SELECTOR: Final = bytes.fromhex("82ad56cb")
_WORD: Final = 32

Call: TypeAlias = tuple[str, bytes]
"""Target and call data; all calls may fail."""

Result: TypeAlias = tuple[bool, bytes]
"""Whether it succeeded, and what it returned."""


def encode_calls(calls: Sequence[Call]) -> bytes:
    """The call data of ``aggregate3((address,bool,bytes)[])``."""
    return SELECTOR + _array(
        [_word(int(target, 16)) + _word(1) + _word(96) + _bytes(data) for target, data in calls]
    )


def decode_calls(data: bytes) -> list[Call]:
    """The calls in well-formed call data."""
    array = data[len(SELECTOR) :]
    return [
        (f"0x{array[at + 12 : at + _WORD].hex()}", _bytes_at(array, at + _number(array, at + 64)))
        for at in _elements(array)
    ]


def encode_results(results: Sequence[Result]) -> bytes:
    """What ``aggregate3`` returns: ``(bool,bytes)[]``."""
    return _array([_word(success) + _word(64) + _bytes(data) for success, data in results])


def decode_results(data: bytes) -> list[Result]:
    """The results in well-formed returned data."""
    return [
        (bool(_number(data, at)), _bytes_at(data, at + _number(data, at + _WORD)))
        for at in _elements(data)
    ]


def _array(elements: Sequence[bytes]) -> bytes:
    offsets, at = [], _WORD * len(elements)
    for element in elements:
        offsets.append(_word(at))
        at += len(element)
    return b"".join((_word(_WORD), _word(len(elements)), *offsets, *elements))


def _elements(data: bytes) -> list[int]:
    """Where each element of the one dynamic array in ``data`` begins."""
    start = 2 * _WORD
    return [start + _number(data, start + _WORD * i) for i in range(_number(data, _WORD))]


def _bytes(data: bytes) -> bytes:
    return _word(len(data)) + data + bytes(-len(data) % _WORD)


def _bytes_at(data: bytes, at: int) -> bytes:
    return data[at + _WORD : at + _WORD + _number(data, at)]


def _word(number: int) -> bytes:
    return int(number).to_bytes(_WORD)


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + _WORD])
