"""Balances held against the state root: what even a quorum of liars cannot make up."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.evm.actions import EMPTY, ONE
from tests.evm.harness import CHAIN
from tests.reliability.operators import OWNER, Operators, operators, told
from xmargin.chains.evm.proofs import (
    mapping_slot,
    proven_account,
    proven_slot,
    proven_state_root,
    proven_value,
)
from xmargin.errors import DecodeError
from xmargin.model import Condition, TokenBalance
from xmargin.testbed.evm_chain import EvmChain
from xmargin.testbed.faults import Fault
from xmargin.testbed.world import Testbed

pytestmark = pytest.mark.chains

BALANCES_AT = 0  # of OpenZeppelin's ERC20, which the testbed's tokens are
NOBODY = "0x" + "e7" * 20


@pytest.fixture
def core(testbed: Testbed) -> EvmChain:
    return testbed.evm[CHAIN]


@pytest.fixture
async def three(testbed: Testbed) -> AsyncIterator[Operators]:
    async with operators(testbed, 3) as them:
        yield them


async def proof_of(core: EvmChain, address: str, *keys: bytes) -> tuple[bytes, Any]:
    """The state root of the head, proven by its hash, and the node's proof there."""
    header = await core.node.rpc("eth_getBlockByNumber", "latest", False)
    hexes = [f"0x{key.hex()}" for key in keys]
    proof = await core.node.rpc("eth_getProof", address, hexes, {"blockHash": header["hash"]})
    return proven_state_root(header, header["hash"]), proof


async def test_real_accounts_and_slots_are_proven(core: EvmChain) -> None:
    weth = core.aave.tokens["WETH"]
    await core.node.send([core.aave.mint("WETH", OWNER, ONE, OWNER)])
    slot = mapping_slot(BALANCES_AT, OWNER)
    root, proof = await proof_of(core, weth.address, slot)
    account = proven_account(root, weth.address, proof["accountProof"])
    balance = proven_slot(account.storage_root, slot, proof["storageProof"][0]["proof"])
    assert balance == await weth.functions.balanceOf(core.w3.to_checksum_address(OWNER)).call()
    root, proof = await proof_of(core, OWNER)
    owned = await core.w3.eth.get_balance(core.w3.to_checksum_address(OWNER))
    assert proven_account(root, OWNER, proof["accountProof"]).balance == owned


async def test_that_there_is_nothing_is_proven_too(core: EvmChain) -> None:
    root, proof = await proof_of(core, NOBODY)
    assert proven_account(root, NOBODY, proof["accountProof"]).balance == 0
    weth, slot = core.aave.tokens["WETH"].address, mapping_slot(BALANCES_AT, NOBODY)
    root, proof = await proof_of(core, weth, slot)
    storage_root = proven_account(root, weth, proof["accountProof"]).storage_root
    assert proven_slot(storage_root, slot, proof["storageProof"][0]["proof"]) == 0


async def test_a_header_of_another_hash_proves_nothing(core: EvmChain) -> None:
    header = await core.node.rpc("eth_getBlockByNumber", "latest", False)
    assert proven_state_root(header, header["hash"]).hex() == header["stateRoot"][2:]
    for name in ("stateRoot", "parentHash", "timestamp", "requestsHash"):
        forged = {**header, name: "0x" + "11" * 32}
        with pytest.raises(DecodeError, match="does not hash"):
            proven_state_root(forged, header["hash"])
    nonsense: Any
    for nonsense in (None, [], {}, {**header, "number": 7}, {**header, "miner": "0xzz"}):
        with pytest.raises(DecodeError):
            proven_state_root(nonsense, header["hash"])


async def test_no_byte_of_a_proof_can_be_changed(core: EvmChain) -> None:
    root, proof = await proof_of(core, OWNER)
    nodes = [bytes.fromhex(node[2:]) for node in proof["accountProof"]]
    key = bytes.fromhex(OWNER[2:])
    whole = proven_value(root, key, nodes)
    for at, node in enumerate(nodes):
        for place in range(0, len(node), 7):
            changed = node[:place] + bytes([node[place] ^ 1]) + node[place + 1 :]
            with pytest.raises(DecodeError):
                proven_value(root, key, [*nodes[:at], changed, *nodes[at + 1 :]])
        with pytest.raises(DecodeError):
            proven_value(root, key, nodes[:at] + nodes[at + 1 :])
    assert proven_value(root, key, reversed(nodes)) == whole


def checked(core: EvmChain) -> dict[str, Any]:
    return {"proofs": True, "balance_slots": {core.aave.tokens["WETH"].address.lower(): 0}}


async def test_what_honest_operators_say_is_proven(
    testbed: Testbed, three: Operators, core: EvmChain
) -> None:
    async with three.follow(3, 2, **checked(core)) as followed:
        await followed.caught_up(testbed)
        before = told(followed)
        await core.node.send([core.aave.mint("WETH", OWNER, ONE, OWNER)])
        await followed.caught_up(testbed)
        assert told(followed) != before
        assert followed.status.condition is Condition.OK
    assert sum(proxy.calls["eth_getProof"] for proxy in three.proxies) >= 4


async def test_a_lie_of_a_whole_quorum_about_a_balance_is_found_out(
    testbed: Testbed, three: Operators, core: EvmChain
) -> None:
    await core.node.send([core.aave.mint("WETH", OWNER, ONE, EMPTY)])
    three.behave(Fault.LIE, Fault.LIE, Fault.DROP)
    async with three.follow(3, 2) as believing:
        await believing.caught_up(testbed)
        assert any(isinstance(f, TokenBalance) and f.amount for f in told(believing).values())
    async with three.follow(3, 2, **checked(core)) as checking:
        status = await checking.told(Condition.INVALID)
        assert "the state root of block" in status.reason
        assert not checking.heads


async def test_proofs_stand_in_for_no_quorum(
    testbed: Testbed, three: Operators, core: EvmChain
) -> None:
    async with three.follow(3, 2, proofs=True) as followed:
        await followed.caught_up(testbed)
        heads = len(followed.heads)
        three.behave(Fault.DROP, Fault.DROP, Fault.NONE)
        await core.node.mine()
        await followed.told(Condition.UNREACHABLE)
        assert len(followed.heads) == heads
