"""The testbed's hand-made aggregate3 is what eth_abi makes of it."""

from eth_abi.abi import decode, encode
from hypothesis import given
from hypothesis import strategies as st

from xmargin.testbed import aggregate3

addresses = st.binary(min_size=20, max_size=20).map(lambda raw: f"0x{raw.hex()}")
CALLS = st.lists(st.tuples(addresses, st.binary(max_size=100)), max_size=6)
RESULTS = st.lists(st.tuples(st.booleans(), st.binary(max_size=100)), max_size=6)


@given(CALLS)
def test_calls(calls: list[aggregate3.Call]) -> None:
    encoded = aggregate3.encode_calls(calls)
    as_tuples = [(target, True, data) for target, data in calls]
    assert encoded[4:] == encode(["(address,bool,bytes)[]"], [as_tuples])
    assert aggregate3.decode_calls(encoded) == calls


@given(RESULTS)
def test_results(results: list[aggregate3.Result]) -> None:
    encoded = aggregate3.encode_results(results)
    assert decode(["(bool,bytes)[]"], encoded) == (tuple(results),)
    assert aggregate3.decode_results(encoded) == results
