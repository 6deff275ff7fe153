"""Decoding of contract answers: any bytes give a value of the right kind or a DecodeError."""

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from xmargin.errors import DecodeError
from xmargin.evm_abi import Function
from xmargin.oracles import chainlink
from xmargin.venues import aave_v3_abi, claims, evm_wallet, morpho_blue, perp_v2_abi, uniswap_v3

_MODULES = (aave_v3_abi, chainlink, claims, evm_wallet, morpho_blue, perp_v2_abi, uniswap_v3)
FUNCTIONS = sorted(
    {
        function.signature: function
        for module in _MODULES
        for function in vars(module).values()
        if isinstance(function, Function)
    }.values(),
    key=lambda function: function.signature,
)
words = st.one_of(
    st.integers(0, 600), st.integers(2**255 - 2, 2**255 + 2), st.integers(0, 2**256 - 1)
).map(lambda number: number.to_bytes(32))
answers = st.one_of(
    st.binary(max_size=200),
    st.lists(words, max_size=20).map(b"".join),
    st.tuples(st.lists(words, max_size=6).map(b"".join), st.binary(max_size=40)).map(b"".join),
)
OWNER = "0x" + "ab" * 20


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.signature)
@given(answer=answers)
def test_any_answer_is_decoded_or_refused(function: Function, answer: bytes) -> None:
    try:
        values = function.decode(answer)
    except DecodeError:
        return
    assert len(values) == len(function.returns)


@given(st.lists(words, max_size=20).map(b"".join))
def test_any_reserve_data_is_decoded_or_refused(answer: bytes) -> None:
    try:
        data = aave_v3_abi.decode_reserve_data(answer)
    except DecodeError:
        return
    assert 0 <= data.emode_category < 256


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.signature)
def test_call_data_is_selector_and_arguments(function: Function) -> None:
    kinds = function.signature.split("(")[1].removesuffix(")")
    samples: dict[str, list[str | int]] = {"": [], "address": [OWNER], "uint8": [7]}
    arguments = samples[kinds]
    expected = keccak(text=function.signature)[:4] + encode([kinds] if kinds else [], arguments)
    assert function(OWNER, *arguments).data == expected


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(DecodeError, match=r"getPool\(\) failed"):
        aave_v3_abi.GET_POOL.decode(None)
    with pytest.raises(DecodeError, match="returned 33 bytes where 32 belong"):
        aave_v3_abi.GET_POOL.decode(bytes(33))
    with pytest.raises(DecodeError, match="names no aToken"):
        aave_v3_abi.decode_reserve_data(bytes(480))
    with pytest.raises(DecodeError, match="returned 448 bytes where 480 belong"):
        aave_v3_abi.decode_reserve_data(bytes(448))


def test_arguments_that_are_tuples_are_encoded_as_such() -> None:
    function = Function("rate((address,uint256),(uint8,(bool,uint8)),uint256)", "uint256")
    arguments = ((OWNER, 5), (1, (True, 2)), 7)
    call = function("0x", *arguments)
    types = ["(address,uint256)", "(uint8,(bool,uint8))", "uint256"]
    assert call.data[4:] == encode(types, arguments)
    assert call.data[:4] == keccak(text=function.signature)[:4]
