"""Facts are what the contracts themselves say at the same block."""

from typing import TypeVar

import pytest
from eth_typing import HexStr
from web3.contract import AsyncContract

from tests.evm.harness import CHAIN, Followed
from xmargin.model import (
    AaveV3Account,
    AaveV3EMode,
    AaveV3Reserve,
    FeedRound,
    TokenBalance,
    TokenState,
    address_of,
    is_native,
    token_address,
)
from xmargin.testbed import artifacts
from xmargin.testbed.evm_chain import EvmChain
from xmargin.testbed.world import Testbed

pytestmark = pytest.mark.chains
_Kind = TypeVar("_Kind")


def of_type(followed: Followed, kind: type[_Kind]) -> list[_Kind]:
    return [fact for fact in followed.facts().values() if isinstance(fact, kind)]


def token(core: EvmChain, token_id: str, kind: str) -> AsyncContract:
    abi = artifacts.aave(f"protocol/tokenization/{kind}").abi
    return core.node.contract(token_address(token_id), abi)


async def test_wallet_balances_are_the_contracts(
    testbed: Testbed, core: EvmChain, followed: Followed
) -> None:
    block = await followed.caught_up(testbed)
    balances = of_type(followed, TokenBalance)
    assert len(balances) == len(testbed.portfolios) * 11
    assert any(b.amount for b in balances if is_native(b.token))
    for balance in balances:
        owner = core.w3.to_checksum_address(address_of(balance.account))
        if is_native(balance.token):
            expected = await core.w3.eth.get_balance(owner, block)
        else:
            contract = token(core, balance.token, "AToken")
            expected = await contract.functions.balanceOf(owner).call(block_identifier=block)
        assert (balance.amount, balance.fault) == (expected, ""), balance


async def test_tokens_say_their_decimals_and_symbols(testbed: Testbed, followed: Followed) -> None:
    await followed.caught_up(testbed)
    said = {s.symbol: (s.decimals, s.fault) for s in of_type(followed, TokenState)}
    assert said["ETH"] == (18, "")
    assert said["WBTC"] == (8, "")
    assert said["aUSDC"] == (6, "")
    assert not [fault for _, fault in said.values() if fault]


async def test_reserves_are_the_pool_s_own_data(
    testbed: Testbed, core: EvmChain, followed: Followed
) -> None:
    block = await followed.caught_up(testbed)
    reserves = of_type(followed, AaveV3Reserve)
    listed = await core.pool.functions.getReservesList().call(block_identifier=block)
    assert [token_address(r.token) for r in reserves] == [a.lower() for a in listed]
    for reserve, asset in zip(reserves, listed, strict=True):
        data = await core.pool.functions.getReserveData(asset).call(block_identifier=block)
        price = await core.aave.oracle.functions.getAssetPrice(asset).call(block_identifier=block)
        assert (
            reserve.configuration,
            reserve.liquidity_index,
            reserve.liquidity_rate,
            reserve.variable_borrow_index,
            reserve.variable_borrow_rate,
            reserve.updated_at_s,
            reserve.reserve_id,
        ) == (data[0][0], data[1], data[2], data[3], data[4], data[6], data[7])
        tokens = (reserve.a_token, reserve.stable_debt_token, reserve.variable_debt_token)
        assert [token_address(t) for t in tokens] == [a.lower() for a in data[8:11]]
        assert reserve.price_base == price


async def test_emodes_carry_their_own_price(
    testbed: Testbed, core: EvmChain, followed: Followed
) -> None:
    block = await followed.caught_up(testbed)
    emodes = of_type(followed, AaveV3EMode)
    assert [e.category for e in emodes] == [e.category for e in core.aave.spec.emodes]
    assert any(e.price_base for e in emodes)
    for emode in emodes:
        data = await core.pool.functions.getEModeCategoryData(emode.category).call(
            block_identifier=block
        )
        ltv, threshold, bonus, source, label = data
        price = 0
        if int(source, 16):
            price = await core.aave.oracle.functions.getAssetPrice(source).call(
                block_identifier=block
            )
        assert (emode.ltv, emode.liquidation_threshold, emode.liquidation_bonus) == (
            ltv,
            threshold,
            bonus,
        )
        assert (emode.label, emode.price_base) == (label, price)


async def test_accounts_are_what_pool_and_tokens_say(
    testbed: Testbed, core: EvmChain, followed: Followed
) -> None:
    block = await followed.caught_up(testbed)
    reserves = {r.reserve_id: r for r in of_type(followed, AaveV3Reserve)}
    accounts = of_type(followed, AaveV3Account)
    assert len(accounts) == len(testbed.portfolios)
    assert any(p.stable_debt_principal for a in accounts for p in a.positions)
    assert any(a.emode for a in accounts)
    for account in accounts:
        user = core.w3.to_checksum_address(address_of(account.account))
        functions = core.pool.functions
        bitmap = (await functions.getUserConfiguration(user).call(block_identifier=block))[0]
        emode = await functions.getUserEMode(user).call(block_identifier=block)
        assert (account.configuration, account.emode, account.fault) == (bitmap, emode, "")
        positions = {p.reserve_id: p for p in account.positions}
        for reserve_id, reserve in reserves.items():
            expected = await raw_position(core, reserve, user, block)
            found = positions.get(reserve_id)
            told = (0, 0, 0, 0, 0)
            if found is not None:
                told = (
                    found.supply_scaled,
                    found.variable_debt_scaled,
                    found.stable_debt_principal,
                    found.stable_rate,
                    found.stable_updated_at_s,
                )
            assert told == expected, (user, reserve_id)


async def raw_position(
    core: EvmChain, reserve: AaveV3Reserve, user: str, block: HexStr
) -> tuple[int, ...]:
    supply = token(core, reserve.a_token, "AToken").functions.scaledBalanceOf(user)
    debt = token(core, reserve.variable_debt_token, "VariableDebtToken").functions.scaledBalanceOf(
        user
    )
    stable = token(core, reserve.stable_debt_token, "StableDebtToken").functions
    calls = (
        supply,
        debt,
        stable.principalBalanceOf(user),
        stable.getUserStableRate(user),
        stable.getUserLastUpdated(user),
    )
    return tuple([await call.call(block_identifier=block) for call in calls])


async def test_rounds_are_the_proxies_own(
    testbed: Testbed, core: EvmChain, followed: Followed
) -> None:
    await testbed.market.set_prices({"ETH": testbed.market.prices_usd["ETH"] + 1})
    block = await followed.caught_up(testbed)
    rounds = {r.feed: r for r in of_type(followed, FeedRound)}
    assert len(rounds) == len(core.aave.feeds)
    for feed in core.aave.feeds.values():
        one = rounds[f"chainlink@{CHAIN}/{feed.proxy.address.lower()}"]
        functions = feed.proxy.functions
        round_id, answer, _, updated_at, _ = await functions.latestRoundData().call(
            block_identifier=block
        )
        assert (one.round_id, one.answer, one.published_at_s) == (round_id, answer, updated_at)
        assert (one.exponent, one.description) == (-8, f"{feed.base} / USD")
        assert (one.source, one.fault) == (feed.aggregator.address.lower(), "")
