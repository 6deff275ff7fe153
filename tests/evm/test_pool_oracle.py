"""A pool's oracle that gives no price, or counts in another unit: who is at fault, and why."""

import pytest
from eth_typing import HexStr
from web3.exceptions import ContractLogicError

from tests.evm.actions import price_source
from tests.evm.harness import CHAIN, Followed, assert_same_facts, follow, read_anew
from xmargin.model import AaveV3Account, AaveV3Reserve, address_of
from xmargin.testbed import artifacts
from xmargin.testbed.aave import emode_price_source
from xmargin.testbed.evm_chain import EvmChain
from xmargin.testbed.markets import USD_CORRELATED
from xmargin.testbed.script import Script
from xmargin.testbed.world import Testbed

pytestmark = pytest.mark.chains
NO_ADDRESS = "0x" + "00" * 20
UNIT = 10**8


def accounts(followed: Followed) -> list[AaveV3Account]:
    return [f for f in followed.facts().values() if isinstance(f, AaveV3Account)]


def faults(followed: Followed) -> dict[str, str]:
    return {one.account: one.fault for one in accounts(followed) if one.fault}


async def reverting(core: EvmChain, followed: Followed) -> set[str]:
    """The accounts for which the contract itself refuses to say anything."""
    refused = set()
    for one in accounts(followed):
        user = core.w3.to_checksum_address(address_of(one.account))
        try:
            await core.pool.functions.getUserAccountData(user).call(
                block_identifier=HexStr(followed.head_hash)
            )
        except ContractLogicError:
            refused.add(one.account)
    return refused


async def priced_by_no_feed(testbed: Testbed, core: EvmChain, followed: Followed, key: str) -> str:
    """Give ``key`` a source that is no feed; what the fault of its users says."""
    await core.node.send([price_source(core, key, core.aave.tokens["WBTC"].address)])
    await followed.caught_up(testbed)
    return f"the pool's oracle gives no price for {key.lower()}"


async def mend(testbed: Testbed, core: EvmChain, followed: Followed, key: str, base: str) -> None:
    await core.node.send([price_source(core, key, core.aave.feeds[base].proxy.address)])
    await followed.caught_up(testbed)
    assert not faults(followed)
    assert_same_facts(followed, await read_anew(testbed))


@pytest.mark.parametrize(("symbol", "base"), [("WETH", "ETH"), ("WBTC", "BTC")])
async def test_an_asset_without_a_price_puts_just_those_at_fault_for_whom_the_pool_reverts(
    testbed: Testbed, core: EvmChain, followed: Followed, symbol: str, base: str
) -> None:
    await followed.caught_up(testbed)
    key = core.aave.tokens[symbol].address
    why = await priced_by_no_feed(testbed, core, followed, key)
    for _ in range(2):
        assert 0 < len(faults(followed)) < len(accounts(followed))
        assert set(faults(followed)) == await reverting(core, followed)
        assert set(faults(followed).values()) == {why}
        await core.node.mine()
        await followed.caught_up(testbed)
    assert_same_facts(followed, await read_anew(testbed))
    reserves = [f for f in followed.facts().values() if isinstance(f, AaveV3Reserve)]
    unpriced = [reserve.token for reserve in reserves if not reserve.price_base]
    assert unpriced == [f"{CHAIN}/erc20:{key.lower()}"]
    await mend(testbed, core, followed, key, base)


async def test_a_category_without_its_own_price_puts_its_users_at_fault(
    testbed: Testbed, core: EvmChain, followed: Followed
) -> None:
    await followed.caught_up(testbed)
    inside = {one.account for one in accounts(followed) if one.emode == USD_CORRELATED}
    key = emode_price_source(core.aave.spec.emode(USD_CORRELATED))
    why = await priced_by_no_feed(testbed, core, followed, key)
    assert faults(followed) == dict.fromkeys(inside, why)
    assert await reverting(core, followed) == inside != set()
    await mend(testbed, core, followed, key, "USDC")


async def test_an_asset_without_a_price_is_wanted_though_a_category_prices_it(
    testbed: Testbed, core: EvmChain, followed: Followed
) -> None:
    await followed.caught_up(testbed)
    inside = {one.account for one in accounts(followed) if one.emode == USD_CORRELATED}
    key = core.aave.tokens["USDC"].address
    await priced_by_no_feed(testbed, core, followed, key)
    reverts = await reverting(core, followed)
    assert inside
    assert not inside & reverts
    assert set(faults(followed)) == reverts | inside
    await mend(testbed, core, followed, key, "USDC")


async def change_oracle(core: EvmChain, base_unit: int) -> str:
    """Deploy Aave's own oracle with another base unit and give it to the pool."""
    aave = core.aave
    assets = [token.address for token in aave.tokens.values()]
    old = aave.oracle.functions
    sources = [await old.getSourceOfAsset(asset).call() for asset in assets]
    script = await Script.begin(core.node, core.node.admin)
    oracle = script.deploy(
        artifacts.aave("misc/AaveOracle"),
        aave.provider.address, assets, sources, NO_ADDRESS, NO_ADDRESS, base_unit,
    )  # fmt: skip
    script.call(aave.provider, "setPriceOracle", oracle.address)
    await script.run()
    return str(oracle.address).lower()


@pytest.mark.parametrize("base_unit", [10**18, UNIT - 1, UNIT + 1, 1])
async def test_an_oracle_that_counts_in_another_unit_puts_its_venue_at_fault(
    testbed: Testbed, core: EvmChain, base_unit: int
) -> None:
    oracle = await change_oracle(core, base_unit)
    async with follow(testbed) as followed:
        await followed.caught_up(testbed)
        why = (
            f"the price oracle {oracle} has the base currency unit {base_unit}; "
            "only 100000000 (USD with 8 decimals) is supported"
        )
        assert {one.fault for one in accounts(followed)} == {why}


async def test_the_unit_is_checked_again_when_the_pool_changes_its_oracle(
    testbed: Testbed, core: EvmChain, followed: Followed
) -> None:
    await followed.caught_up(testbed)
    assert not faults(followed)
    await change_oracle(core, 10**18)
    await followed.caught_up(testbed)
    assert len(faults(followed)) == len(accounts(followed))
