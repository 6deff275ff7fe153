"""Deployments written as a plain list of steps and sent as a few blocks.

Addresses of contracts made by a plain sender follow from its nonce, so a step can use a contract
that an earlier, not yet mined step creates.
"""

from collections.abc import Mapping
from typing import Any

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3.contract import AsyncContract

from xmargin.testbed.anvil import Anvil, Transaction
from xmargin.testbed.artifacts import Artifact
from xmargin.testbed.calldata import call_data

_DEPLOY_GAS_MAX = 15_000_000


class Script:
    """Queues transactions of one sender; `run` sends them in order into one block."""

    def __init__(self, node: Anvil, sender: str, next_nonce: int) -> None:
        self._node = node
        self._sender = sender
        self._next_nonce = next_nonce
        self._queue: list[Transaction] = []

    @classmethod
    async def begin(cls, node: Anvil, sender: str) -> "Script":
        """An empty script of `sender`, who sends nothing else until it has run."""
        address = to_checksum_address(sender)
        return cls(node, sender, await node.w3.eth.get_transaction_count(address))

    def deploy(
        self, artifact: Artifact, *args: Any, libraries: Mapping[str, str] | None = None
    ) -> AsyncContract:
        """Queue a contract's creation; the contract may be used in later steps at once."""
        factory = self._node.w3.eth.contract(
            abi=artifact.abi, bytecode=artifact.linked(libraries or {})
        )
        address = created_address(self._sender, self._next_nonce)
        data = factory.constructor(*args).data_in_transaction
        self._add(None, data, f"deployment of {artifact.name}")
        return self._node.contract(address, artifact.abi)

    def call(self, contract: AsyncContract, function: str, *args: Any) -> None:
        """Queue a call of a contract's function."""
        data = call_data(contract, function, args)
        self._add(contract.address, data, f"{function}{args}")

    def _add(self, to: str | None, data: str, what: str) -> None:
        self._queue.append(Transaction(self._sender, to, data, what, _DEPLOY_GAS_MAX))
        self._next_nonce += 1

    async def run(self) -> None:
        """Send all that is queued and wait for its block.

        Raises:
            TransactionError: a step was refused or reverted.
        """
        queued, self._queue = self._queue, []
        await self._node.send(queued)


def created_address(sender: str, nonce: int) -> str:
    """The address of the contract `sender` creates at `nonce`: keccak(rlp([sender, nonce]))."""
    number = b"" if nonce == 0 else nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    encoded_nonce = number if len(number) == 1 and nonce < 0x80 else _rlp_head(number) + number
    payload = _rlp_head(bytes.fromhex(sender[2:])) + bytes.fromhex(sender[2:]) + encoded_nonce
    return str(to_checksum_address(keccak(bytes([0xC0 + len(payload)]) + payload)[12:]))


def _rlp_head(item: bytes) -> bytes:
    return bytes([0x80 + len(item)])
