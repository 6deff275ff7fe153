"""Call data of contract functions, with each function's ABI looked up once.

web3's own encoding resolves overloads anew for every call, a millisecond each: too slow for the
thousands of transactions a benchmark's book takes.
"""

import functools
from collections.abc import Sequence

from eth_abi.abi import encode
from eth_utils.abi import filter_abi_by_type, function_abi_to_4byte_selector, get_abi_input_types
from web3.contract import AsyncContract

from xmargin.testbed.errors import TransactionError


def call_data(contract: AsyncContract, function: str, args: Sequence[object] = ()) -> str:
    """The data of a call of `function`; overloads are told apart by their number of arguments.

    Raises:
        TransactionError: the contract has none, or more than one, such function.
    """
    selector, types = _codec(contract, function, len(args))
    return "0x" + (selector + encode(types, list(args))).hex()


@functools.lru_cache(maxsize=1024)
def _codec(contract: AsyncContract, function: str, arguments: int) -> tuple[bytes, list[str]]:
    fitting = [
        abi
        for abi in filter_abi_by_type("function", contract.abi)
        if abi["name"] == function and len(abi.get("inputs", ())) == arguments
    ]
    if len(fitting) != 1:
        raise TransactionError(f"{len(fitting)} functions are {function} of {arguments} arguments")
    return function_abi_to_4byte_selector(fitting[0]), get_abi_input_types(fitting[0])
