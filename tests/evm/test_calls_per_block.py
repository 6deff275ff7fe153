"""What a block costs does not depend on how many accounts are watched."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.evm.harness import follow, settings
from xmargin.model import Registry
from xmargin.testbed.evm_chain import EvmChain
from xmargin.testbed.world import Testbed

pytestmark = pytest.mark.chains

FEW, MANY = 24, 1_000


def watching(registry: Registry, portfolios: int) -> Registry:
    assert len(registry.portfolios) >= portfolios
    return replace(registry, portfolios=registry.portfolios[:portfolios])


async def calls_of_a_block(
    testbed: Testbed, core: EvmChain, portfolios: int, calls_per_batch_max: int
) -> Mapping[str, int]:
    registry = watching(settings(testbed)[1], portfolios)
    async with follow(
        testbed, registry=registry, calls_per_batch_max=calls_per_batch_max
    ) as followed:
        await followed.caught_up(testbed)
        for _ in range(3):
            await core.node.mine()
            await followed.caught_up(testbed)
        accounts = [k for k in followed.facts() if k[0] == "aave-v3-account"]
        assert len(accounts) >= portfolios // 2
        return followed.reader.calls_last_block


async def test_calls_per_block_are_the_same_for_24_and_1000_accounts(
    testbed: Testbed, core: EvmChain
) -> None:
    await testbed.add_extra_owners(MANY)
    few = await calls_of_a_block(testbed, core, FEW, calls_per_batch_max=2_000)
    many = await calls_of_a_block(testbed, core, MANY, calls_per_batch_max=2_000)
    assert few == many
    assert many == {
        "http": 3,
        "eth_getBlockByHash": 1,
        "eth_getLogs": 1,
        "eth_call": 1,
        "eth_chainId": 1,
        "eth_getBlockByNumber": 3,
    }
    # Beyond the batch size there are more eth_calls, and no more of anything else.
    split = await calls_of_a_block(testbed, core, MANY, calls_per_batch_max=500)
    assert split == {**many, "eth_call": 3, "http": 5}
