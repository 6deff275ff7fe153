"""The optional last word on balances: what was read, held against the block's own state root."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from xmargin.chains.evm.endpoint import EvmEndpoint, EvmSource
from xmargin.chains.evm.proofs import (
    mapping_slot,
    proven_account,
    proven_slot,
    proven_state_root,
)
from xmargin.chains.jsonrpc import Json, Refusal
from xmargin.config import ChainConfig
from xmargin.errors import DecodeError
from xmargin.model import (
    BlockRef,
    Condition,
    Fact,
    TokenBalance,
    address_of,
    is_native,
    token_address,
)

_PROOFS_PER_REQUEST: Final = 100

_Slots = Mapping[str, Sequence[str]]
"""Addresses that are asked of, each with the storage keys there (hex)."""


class BalanceProofs:
    """Checks each balance read at a block that can be proven.

    Those are the native ones, and the ERC-20 ones of tokens in ``balance_slots``.
    """

    def __init__(self, config: ChainConfig) -> None:
        self._is_on = config.proofs
        self._slots = config.balance_slots

    async def check(self, source: EvmSource, block: BlockRef, facts: Iterable[Fact]) -> None:
        """Every provable balance among ``facts`` is as the state root of ``block`` has it.

        Raises:
            EndpointError: one is not, or nobody hands out proofs.
        """
        if not self._is_on:
            return
        balances = [f for f in facts if isinstance(f, TokenBalance) and self._is_provable(f)]
        if not balances:
            return
        keys: dict[str, list[str]] = {}
        for balance in balances:
            address, key = self._place(balance)
            keys.setdefault(address, []).extend([key] if key else [])

        async def prove(endpoint: EvmEndpoint) -> Mapping[tuple[str, str], int]:
            return await _prove(endpoint, block, keys)

        proven = await source.first(prove)
        for balance in balances:
            amount = proven[self._place(balance)]
            if amount != balance.amount:
                raise source.fault(
                    f"{balance.account} was read to hold {balance.amount} of {balance.token}; "
                    f"the state root of block {block.height} says {amount}",
                    Condition.INVALID,
                )

    def _is_provable(self, balance: TokenBalance) -> bool:
        known = is_native(balance.token) or token_address(balance.token) in self._slots
        return known and not balance.fault

    def _place(self, balance: TokenBalance) -> tuple[str, str]:
        """Whose account, and which storage key of it; none is the native balance itself."""
        owner = address_of(balance.account)
        if is_native(balance.token):
            return owner, ""
        token = token_address(balance.token)
        return token, f"0x{mapping_slot(self._slots[token], owner).hex()}"


async def _prove(
    endpoint: EvmEndpoint, block: BlockRef, keys: _Slots
) -> Mapping[tuple[str, str], int]:
    """Native balances (key ``""``) and storage slots by address, proven of the block.

    Raises:
        EndpointError: the endpoint fails, or what it gave proves nothing.
    """
    requests: list[tuple[str, list[Json]]] = [
        ("eth_getProof", [address, list(some), {"blockHash": block.hash}])
        for address in keys
        for some in _parts(keys[address])
    ]
    header = await endpoint.ask("eth_getBlockByHash", block.hash, False)
    proven: dict[tuple[str, str], int] = {}
    try:
        root = proven_state_root(header, block.hash)
        for some in _batches(requests):
            answers = await endpoint.ask_all(some)
            for (_, (address, asked, _)), answer in zip(some, answers, strict=True):
                _take(proven, root, address, asked, answer)
    except DecodeError as error:
        raise endpoint.fault(f"eth_getProof: {error.message}", Condition.INVALID) from None
    return proven


def _take(
    proven: dict[tuple[str, str], int], root: bytes, address: str, asked: list[str], answer: Json
) -> None:
    if isinstance(answer, Refusal):
        raise DecodeError(f"is refused: {answer.message}")
    if not isinstance(answer, dict) or not isinstance(answer.get("storageProof"), list):
        raise DecodeError("gave no proof")
    account = proven_account(root, address, answer.get("accountProof"))
    proven[address, ""] = account.balance
    if len(answer["storageProof"]) != len(asked):
        raise DecodeError("gave another number of proofs")
    for key, proof in zip(asked, answer["storageProof"], strict=True):
        nodes = proof.get("proof") if isinstance(proof, dict) else None
        slot = bytes.fromhex(key[2:])
        proven[address, key] = proven_slot(account.storage_root, slot, nodes)


def _parts(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    """Storage keys in requests of bounded size; one without any for a native balance alone."""
    yield keys[:_PROOFS_PER_REQUEST]
    for start in range(_PROOFS_PER_REQUEST, len(keys), _PROOFS_PER_REQUEST):
        yield keys[start : start + _PROOFS_PER_REQUEST]


def _batches(
    requests: Sequence[tuple[str, list[Json]]],
) -> Iterable[Sequence[tuple[str, list[Json]]]]:
    for start in range(0, len(requests), _PROOFS_PER_REQUEST):
        yield requests[start : start + _PROOFS_PER_REQUEST]
