"""Blocks are followed through changes, gaps and reorgs; what is told equals a reading anew."""

import json
from http.client import HTTPConnection

import pytest

from tests.evm.actions import EMPTY, ONE, everything, on_pool, price_source, send_ether
from tests.evm.harness import (
    CHAIN,
    Followed,
    assert_same_facts,
    follow,
    follow_through_proxy,
    read_anew,
    settings,
    through,
)
from xmargin.chains.evm.blocks import HeadLabels, label_head
from xmargin.chains.evm.endpoint import EvmEndpoint
from xmargin.model import AaveV3Account, AaveV3EMode, BlockRef, ChainHead, ChainReorg, Condition
from xmargin.reading import evm, evm_state
from xmargin.testbed import artifacts
from xmargin.testbed.anvil import Transaction
from xmargin.testbed.evm_chain import EvmChain
from xmargin.testbed.faults import Fault
from xmargin.testbed.proxy import ChainProxy
from xmargin.testbed.script import Script
from xmargin.testbed.world import Testbed

pytestmark = pytest.mark.chains


@pytest.fixture(autouse=True)
def _nothing_is_found_by_auditing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rolling re-reads would hide a log that was missed."""
    monkeypatch.setattr(evm_state, "AUDITED_UNITS_PER_BLOCK", 0)


async def assert_read_as_anew(testbed: Testbed, followed: Followed) -> None:
    await followed.caught_up(testbed)
    assert_same_facts(followed, await read_anew(testbed))


async def test_every_batch_is_one_block_and_its_head_comes_last(
    testbed: Testbed, core: EvmChain, followed: Followed
) -> None:
    await followed.caught_up(testbed)
    await core.node.mine()
    await followed.caught_up(testbed)
    blocks = [batch for batch in followed.batches if batch[0].block is not None]
    assert len(blocks) == 2
    for batch in blocks:
        assert len({observation.block for observation in batch}) == 1
        assert [isinstance(o.fact, ChainHead) for o in batch] == [False] * (len(batch) - 1) + [True]


async def test_heads_carry_the_node_s_safe_and_finalized_heights(
    testbed: Testbed, core: EvmChain, followed: Followed
) -> None:
    await core.node.mine(3)
    await followed.caught_up(testbed)
    head = followed.heads[-1].fact
    assert isinstance(head, ChainHead)
    assert (await core.w3.eth.get_block("safe"))["number"] == head.safe_height
    assert (await core.w3.eth.get_block("finalized"))["number"] == head.finalized_height


async def test_each_change_of_an_account_is_read_from_its_logs(
    testbed: Testbed, core: EvmChain, followed: Followed
) -> None:
    await followed.caught_up(testbed)
    for block in await everything(core):
        await core.node.send(block)
        await followed.caught_up(testbed)
    await assert_read_as_anew(testbed, followed)


def mine_while_nobody_listens(chain: EvmChain, blocks: int) -> None:
    """Mine without the event loop: a reader in it finds the heads of all of them at once."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "anvil_mine", "params": [hex(blocks)]}
    node = HTTPConnection(chain.node.http_url.removeprefix("http://"), timeout=30)
    node.request("POST", "/", json.dumps(call), {"content-type": "application/json"})
    assert "error" not in json.load(node.getresponse())
    node.close()


async def test_heads_that_piled_up_are_walked_and_read_at_the_newest(
    testbed: Testbed, core: EvmChain, followed: Followed
) -> None:
    await followed.caught_up(testbed)
    told = followed.reader.heads_told
    for block in await everything(core):
        await core.node.send(block)
    mine_while_nobody_listens(core, 20)
    await assert_read_as_anew(testbed, followed)
    assert followed.reader.heads_told - told < 31


async def test_a_reorg_undoes_what_its_blocks_said(
    testbed: Testbed, core: EvmChain, followed: Followed
) -> None:
    await followed.caught_up(testbed)
    before = followed.heads[-1].block
    blocks = await everything(core)
    for block in blocks[:4]:
        await core.node.send(block)
        await followed.caught_up(testbed)
    changed = {k: f for k, f in followed.facts().items() if isinstance(f, AaveV3Account)}
    await core.node.reorg(4)
    await core.node.mine()
    await assert_read_as_anew(testbed, followed)
    (reorg,) = followed.reorgs
    assert reorg.block == before
    assert isinstance(reorg.fact, ChainReorg)
    now = {k: f for k, f in followed.facts().items() if isinstance(f, AaveV3Account)}
    assert now != changed
    owner = f"aave-v3@{CHAIN}/{EMPTY.lower()}"
    assert now["aave-v3-account", owner] == AaveV3Account(owner, 0, 0, (), "")


async def test_a_reorg_of_heads_never_told_loses_nothing(testbed: Testbed, core: EvmChain) -> None:
    """The fork lies between two heads told; blocks on the way to it count again."""
    async with follow_through_proxy(testbed) as (followed, proxy):
        await followed.caught_up(testbed)
        blocks = await everything(core)
        proxy.set_fault(Fault.DROP)
        for block in blocks[:3]:
            await core.node.send(block)
        proxy.set_fault(Fault.NONE)
        await followed.caught_up(testbed)
        await core.node.reorg(1)
        await core.node.mine()
        await assert_read_as_anew(testbed, followed)
        assert len(followed.reorgs) == 1


async def test_a_chain_set_back_to_a_lower_height_is_followed_there(
    testbed: Testbed, core: EvmChain, followed: Followed
) -> None:
    await followed.caught_up(testbed)
    snapshot = await core.node.snapshot()
    for block in await everything(core):
        await core.node.send(block)
    await followed.caught_up(testbed)
    await core.node.revert(snapshot)
    await core.node.send([send_ether(core.node.admin, EMPTY, 5)])
    await assert_read_as_anew(testbed, followed)
    assert len(followed.reorgs) == 1


async def test_a_late_hint_of_a_block_before_the_head_undoes_nothing(
    testbed: Testbed, core: EvmChain
) -> None:
    async with follow_through_proxy(testbed) as (followed, proxy):
        await followed.caught_up(testbed)
        proxy.set_fault(Fault.DROP)
        await core.node.mine(3)
        skipped = (await core.w3.eth.get_block("latest"))["parentHash"].to_0x_hex()
        proxy.set_fault(Fault.NONE)
        head = await followed.caught_up(testbed)
        config = settings(testbed)[0]
        async with EvmEndpoint(config, config.endpoints[0]) as endpoint:
            told = await followed.reader._tell_head(endpoint, skipped, followed.sink)
        assert told is None
        assert followed.head_hash == head
        assert not followed.reorgs


async def test_a_reorg_deeper_than_remembered_is_read_anew(
    testbed: Testbed, core: EvmChain
) -> None:
    async with follow(testbed, reorg_depth_max=3) as followed:
        await followed.caught_up(testbed)
        for block in (await everything(core))[:6]:
            await core.node.send(block)
            await followed.caught_up(testbed)
        await core.node.reorg(6)
        await core.node.mine(2)
        await assert_read_as_anew(testbed, followed)
        assert len(followed.reorgs) == 1


async def test_a_gap_longer_than_remembered_is_read_anew_and_is_no_reorg(
    testbed: Testbed, core: EvmChain
) -> None:
    async with follow_through_proxy(testbed, reorg_depth_max=4) as (followed, proxy):
        await followed.caught_up(testbed)
        proxy.set_fault(Fault.DROP)
        for block in await everything(core):
            await core.node.send(block)
        proxy.set_fault(Fault.NONE)
        await assert_read_as_anew(testbed, followed)
        assert not followed.reorgs


async def test_blocks_missed_while_the_connection_was_down_are_backfilled(
    testbed: Testbed, core: EvmChain
) -> None:
    async with follow_through_proxy(testbed) as (followed, proxy):
        await followed.caught_up(testbed)
        proxy.set_fault(Fault.DROP)
        for block in await everything(core):
            await core.node.send(block)
        proxy.set_fault(Fault.NONE)
        await assert_read_as_anew(testbed, followed)
        await followed.told(Condition.OK)


async def test_a_socket_that_falls_silent_is_noticed_and_replaced(
    testbed: Testbed, core: EvmChain
) -> None:
    """HTTP is well; the WebSocket stays open and says nothing."""
    async with await ChainProxy.start(core.node.http_url, core.node.ws_url) as proxy:
        (endpoint,) = through(proxy)
        split = endpoint.model_copy(update={"http": settings(testbed)[0].endpoints[0].http})
        async with follow(testbed, endpoints=(split,)) as followed:
            await followed.caught_up(testbed)
            await followed.until(lambda: proxy.calls["eth_subscribe"] == 1)
            proxy.set_fault(Fault.HANG)
            for block in await everything(core):
                await core.node.send(block)
                await followed.caught_up(testbed)
            proxy.set_fault(Fault.NONE)
            await followed.until(lambda: proxy.calls["eth_subscribe"] >= 2)
            await assert_read_as_anew(testbed, followed)
            assert {s.condition for s in followed.statuses} == {Condition.OK}


async def test_without_a_socket_heads_are_polled(testbed: Testbed, core: EvmChain) -> None:
    (endpoint,) = settings(testbed)[0].endpoints
    async with follow(testbed, endpoints=(endpoint.model_copy(update={"ws": None}),)) as followed:
        await followed.caught_up(testbed)
        for block in await everything(core):
            await core.node.send(block)
        await assert_read_as_anew(testbed, followed)


@pytest.mark.parametrize("has_assets", [True, False])
async def test_an_emode_category_configured_later_is_discovered(
    testbed: Testbed, core: EvmChain, followed: Followed, has_assets: bool
) -> None:
    await followed.caught_up(testbed)
    script = await Script.begin(core.node, core.node.admin)
    configurator, wbtc = core.aave.configurator, core.aave.tokens["WBTC"].address
    no_source = "0x" + "00" * 20
    script.call(configurator, "setEModeCategory", 7, 8000, 8500, 10100, no_source, "new")
    if has_assets:
        script.call(configurator, "setAssetEModeCategory", wbtc, 7)
    await script.run()
    await core.node.send([on_pool(core, "setUserEMode", [7], EMPTY)])
    await assert_read_as_anew(testbed, followed)
    categories = [f.category for f in followed.facts().values() if isinstance(f, AaveV3EMode)]
    assert 7 in categories


async def test_a_reserve_listed_later_is_discovered(
    testbed: Testbed, core: EvmChain, followed: Followed
) -> None:
    await followed.caught_up(testbed)
    listed = len([k for k in followed.facts() if k[0] == "aave-v3-reserve"])
    await list_another_reserve(core)
    await assert_read_as_anew(testbed, followed)
    assert len([k for k in followed.facts() if k[0] == "aave-v3-reserve"]) == listed + 1


async def list_another_reserve(core: EvmChain) -> None:
    """A token of its own, priced as ETH, with the implementations the others have."""
    node, aave = core.node, core.aave
    script = await Script.begin(node, node.admin)
    asset = script.deploy(artifacts.aave("mocks/tokens/MintableERC20"), "New", "NEW", 18)
    names = ("AToken", "StableDebtToken", "VariableDebtToken")
    kinds = [
        script.deploy(artifacts.aave(f"protocol/tokenization/{n}"), core.pool.address)
        for n in names
    ]
    weth = aave.tokens["WETH"].address
    rates = (await core.pool.functions.getReserveData(weth).call())[11]
    proxy = aave.feeds["ETH"].proxy.address
    script.call(aave.oracle, "setAssetSources", [asset.address], [proxy])
    one = (
        *(kind.address for kind in kinds), 18, rates, asset.address, node.admin, "0x" + "00" * 20,
        "aNew", "aNEW", "vNew", "vNEW", "sNew", "sNEW", b"\x10",
    )  # fmt: skip
    script.call(aave.configurator, "initReserves", [one])
    await script.run()


def account_faults(followed: Followed) -> set[str]:
    return {f.fault for f in followed.facts().values() if isinstance(f, AaveV3Account)}


async def break_oracle(testbed: Testbed, core: EvmChain, followed: Followed) -> Transaction:
    """Price WETH by a contract that is no feed; returns what mends it."""
    good, weth = core.aave.feeds["ETH"].proxy.address, core.aave.tokens["WETH"].address
    await core.node.send([price_source(core, weth, core.aave.tokens["USDC"].address)])
    await followed.caught_up(testbed)
    why = f"the pool's oracle gives no price for {weth.lower()}"
    assert account_faults(followed) == {"", why}
    return price_source(core, weth, good)


def request(transaction: Transaction) -> dict[str, str | None]:
    return {
        "from": transaction.sender,
        "to": transaction.to,
        "data": transaction.data,
        "value": hex(transaction.value_wei),
        "gas": hex(transaction.gas_max),
        "gasPrice": "0x0",
    }


async def replace_head(core: EvmChain, transaction: Transaction) -> None:
    """Reorganise the newest block into a sibling, which holds ``transaction`` and another."""
    other = send_ether(core.node.admin, EMPTY, 1)
    await core.node.rpc("anvil_reorg", 1, [[request(one), 0] for one in (transaction, other)])


async def test_what_only_an_abandoned_block_had_mended_is_mended_again(
    testbed: Testbed, core: EvmChain, followed: Followed
) -> None:
    """The pool recovers in a block, and after a reorg in its sibling: told anew there."""
    await followed.caught_up(testbed)
    mended = await break_oracle(testbed, core, followed)
    await core.node.send([mended])
    await followed.caught_up(testbed)
    assert account_faults(followed) == {""}
    await replace_head(core, mended)
    await assert_read_as_anew(testbed, followed)
    assert account_faults(followed) == {""}
    assert len(followed.reorgs) == 1


async def test_a_block_abandoned_while_it_is_read_is_not_told(
    testbed: Testbed, core: EvmChain, followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reorg comes between the last read and the labels: the narrowest gap there is."""
    await followed.caught_up(testbed)
    mended = await break_oracle(testbed, core, followed)
    abandoned: list[str] = []

    async def reorganise_first(endpoint: EvmEndpoint, block: BlockRef) -> HeadLabels:
        if not abandoned:
            abandoned.append(block.hash)
            await replace_head(core, mended)
        return await label_head(endpoint, block)

    monkeypatch.setattr(evm, "label_head", reorganise_first)
    await core.node.rpc("eth_sendTransaction", request(mended))
    await core.node.mine()
    await followed.until(lambda: bool(abandoned))
    await assert_read_as_anew(testbed, followed)
    assert account_faults(followed) == {""}
    told = {head.block.hash for head in followed.heads if head.block is not None}
    assert abandoned[0] not in told


async def test_a_supply_that_a_reorg_replaced_by_another_is_the_other(
    testbed: Testbed, core: EvmChain, followed: Followed
) -> None:
    await followed.caught_up(testbed)
    aave = core.aave
    await core.node.send([aave.mint("WETH", EMPTY, ONE, EMPTY), aave.approve("WETH", EMPTY)])
    await core.node.send([aave.supply("WETH", ONE, EMPTY, EMPTY)])
    await followed.caught_up(testbed)
    await core.node.reorg(1)
    await core.node.send([aave.supply("WETH", ONE / 2, EMPTY, EMPTY)])
    await assert_read_as_anew(testbed, followed)
