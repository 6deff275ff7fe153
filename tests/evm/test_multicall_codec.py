"""Our own aggregate3 framing against eth_abi, an independent implementation."""

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from xmargin.chains.evm.multicall import decode_aggregate3, encode_aggregate3
from xmargin.reads import EvmCall

addresses = st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex())
calls = st.lists(st.builds(EvmCall, addresses, st.binary(max_size=100)), max_size=8)
results = st.lists(st.tuples(st.booleans(), st.binary(max_size=100)), max_size=8)


@given(calls)
def test_call_data_is_what_eth_abi_encodes(asked: list[EvmCall]) -> None:
    selector = keccak(text="aggregate3((address,bool,bytes)[])")[:4]
    arguments = [(call.target, True, call.data) for call in asked]
    assert encode_aggregate3(asked) == selector + encode(["(address,bool,bytes)[]"], [arguments])


@given(results)
def test_results_are_read_back(returned: list[tuple[bool, bytes]]) -> None:
    data = encode(["(bool,bytes)[]"], [returned])
    assert decode_aggregate3(data, len(returned)) == returned


@given(results, st.data())
def test_cut_results_are_refused_and_never_raise(
    returned: list[tuple[bool, bytes]], data: st.DataObject
) -> None:
    whole = encode(["(bool,bytes)[]"], [[*returned, (True, b"\x01")]])
    cut = data.draw(st.integers(0, len(whole) - 32))
    assert decode_aggregate3(whole[:cut], len(returned) + 1) is None
    assert decode_aggregate3(whole, len(returned)) is None


@given(st.binary(max_size=400), st.integers(0, 5))
def test_any_bytes_are_decoded_as_eth_abi_does_or_refused(raw: bytes, count: int) -> None:
    ours = decode_aggregate3(raw, count)
    if ours is not None:
        (theirs,) = decode(["(bool,bytes)[]"], raw, strict=False)
        assert ours == list(theirs)
