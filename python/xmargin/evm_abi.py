"""The EVM's function ABI: call data from explicit signatures, and strict decoding of answers.

Shared by what reads contracts (venues, oracles); knows no chain and no contract.
"""

from functools import cached_property
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_abi.grammar import parse
from eth_utils.crypto import keccak

from xmargin.errors import DecodeError
from xmargin.reads import EvmCall

WORD_BYTES = 32
_ADDRESS_DIGITS = 40
_ADDRESS_PADDING = bytes(12)


class Function:
    """One contract function: ``signature`` as Solidity hashes it, ``returns`` its result types."""

    def __init__(self, signature: str, *returns: str) -> None:
        name, arguments = signature.split("(", 1)
        self.name = name
        self.signature = signature
        self.returns = returns
        self._arguments = _types_in(arguments.removesuffix(")"))

    @cached_property
    def selector(self) -> bytes:
        """The first four bytes of the signature's Keccak-256."""
        return keccak(text=self.signature)[:4]

    @cached_property
    def _static_bytes(self) -> int | None:
        if any(parse(kind).is_dynamic for kind in self.returns):
            return None
        return WORD_BYTES * len(self.returns)

    def __call__(self, target: str, *arguments: Any) -> EvmCall:
        """The call of this function of ``target``."""
        if self._arguments == ("address",):
            # eth_abi takes 100 times as long, and nearly every call is of this form.
            return EvmCall(
                target, self.selector + _ADDRESS_PADDING + bytes.fromhex(arguments[0][2:])
            )
        return EvmCall(target, self.selector + encode(self._arguments, arguments))

    def decode(self, data: bytes | None) -> tuple[Any, ...]:
        """What the function returned, one value a type in ``returns``; addresses in lower case.

        Raises:
            DecodeError: the call failed, or its result has another layout.
        """
        if data is None:
            raise DecodeError(f"{self.name}() failed")
        if self._static_bytes is not None and len(data) != self._static_bytes:
            raise DecodeError(
                f"{self.name}() returned {len(data)} bytes where {self._static_bytes} belong"
            )
        if self.returns == ("uint256",):
            return (int.from_bytes(data),)
        try:
            return decode(self.returns, data)
        except (DecodingError, UnicodeDecodeError, OverflowError) as error:
            raise DecodeError(f"{self.name}() returned garbage: {type(error).__name__}") from None


def _types_in(arguments: str) -> tuple[str, ...]:
    """Argument types: a comma inside a tuple's brackets does not separate two of them."""
    types, depth = [""], 0
    for character in arguments:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            types.append("")
        else:
            types[-1] += character
    return tuple(types) if arguments else ()


def address_in(topic: str) -> str:
    """The address an indexed event argument holds, if it holds one."""
    return "0x" + topic[-_ADDRESS_DIGITS:]
