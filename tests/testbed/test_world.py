"""The whole testbed: three real chains, their owners and their prices."""

import asyncio
import base64
import itertools
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from solders.pubkey import Pubkey

from xmargin.config import parse_config
from xmargin.testbed import chainlink, pyth
from xmargin.testbed.anvil import MULTICALL3, Anvil
from xmargin.testbed.evm_chain import EvmChain
from xmargin.testbed.market import scripted_steps
from xmargin.testbed.markets import EVM_PRICES, GENESIS_PRICES_USD, SOLANA_PRICES
from xmargin.testbed.portfolios import CORE, FAST, PORTFOLIOS, Kind, Whole
from xmargin.testbed.world import Testbed

HEALTH_FACTOR_TOLERANCE = Decimal("0.005")
CLOCK_TOLERANCE_S = 2.0


async def _health_factor(chain: EvmChain, owner: str) -> Decimal | None:
    _, debt, _, _, _, factor = await chain.pool.functions.getUserAccountData(owner).call()
    return None if debt == 0 else Decimal(factor).scaleb(-18)


async def _pyth_account(bed: Testbed, base: str) -> tuple[str, bytes]:
    address = str(pyth.feed_account(base))
    answer = await bed.solana.rpc("getAccountInfo", address, {"encoding": "base64"})
    value = answer["value"]
    return value["owner"], base64.b64decode(value["data"][0])


async def test_aave_answers_on_both_chains_with_their_own_parameters(testbed: Testbed) -> None:
    assert sorted(testbed.evm) == ["eip155:31337", "eip155:31338"]
    for chain in testbed.evm.values():
        assert await chain.w3.eth.chain_id == chain.aave.spec.chain_id
        reserves = await chain.pool.functions.getReservesList().call()
        assert len(reserves) == 5
        for spec in chain.aave.spec.reserves:
            asset = chain.aave.tokens[spec.symbol].address
            data = chain.aave.data_provider
            read = await data.functions.getReserveConfigurationData(asset).call()
            assert read[1:4] == [
                spec.ltv_bps,
                spec.liquidation_threshold_bps,
                spec.liquidation_bonus_bps,
            ]
            assert read[7] == spec.stable_rate
            category = await data.functions.getReserveEModeCategory(asset).call()
            assert category == spec.emode_category


@pytest.mark.parametrize("chain_id", [CORE, FAST])
async def test_each_owner_stands_in_aave_as_expected(testbed: Testbed, chain_id: int) -> None:
    chain = testbed.evm[f"eip155:{chain_id}"]
    for portfolio in PORTFOLIOS:
        expected = portfolio.health_factor(chain_id)
        found = await _health_factor(chain, portfolio.evm_address)
        if expected is None:
            assert found is None, portfolio.id
        else:
            assert found == pytest.approx(expected, rel=HEALTH_FACTOR_TOLERANCE), portfolio.id


def test_every_kind_of_owner_is_there() -> None:
    kinds = Counter(portfolio.kind for portfolio in PORTFOLIOS)
    assert set(kinds) == set(Kind)
    assert len(PORTFOLIOS) >= 24
    assert len({portfolio.evm_address for portfolio in PORTFOLIOS}) == len(PORTFOLIOS)
    for portfolio in PORTFOLIOS:
        is_liquidatable = bool(portfolio.liquidatable_on)
        assert is_liquidatable == (
            portfolio.kind in {Kind.VENUE_LIQUIDATABLE, Kind.LIQUIDATABLE}
        ), portfolio.id
        if portfolio.kind in {Kind.SHORT_AS_A_WHOLE, Kind.LIQUIDATABLE}:
            assert portfolio.whole is Whole.SHORT


async def test_wallets_hold_what_the_portfolios_say(testbed: Testbed) -> None:
    for portfolio in PORTFOLIOS:
        for chain in testbed.evm.values():
            wallet = portfolio.wallets.get(chain.node.chain_id, {})
            balance = int(
                await chain.node.rpc("eth_getBalance", portfolio.evm_address, "latest"), 16
            )
            assert balance == wallet.get("ETH", Decimal(0)) * 10**18
        owner = portfolio.solana_keypair.pubkey()
        lamports = (await testbed.solana.client.get_balance(owner)).value
        assert lamports == portfolio.solana.get("SOL", Decimal(0)) * 10**9
        for symbol in ("soETH", "USDC", "PYUSD"):
            account = testbed.solana.token_account(owner, symbol)
            info = (await testbed.solana.client.get_account_info(account)).value
            if symbol not in portfolio.solana:
                assert info is None
                continue
            assert info is not None
            assert info.owner == testbed.solana.program(symbol)
            held = (await testbed.solana.client.get_token_account_balance(account)).value
            assert Decimal(held.ui_amount_string) == portfolio.solana[symbol]


async def test_stable_and_variable_debts_have_accrued_interest(testbed: Testbed) -> None:
    chain = testbed.evm["eip155:31337"]
    owner = testbed.portfolio("p23-stable-debt").evm_address
    asset = chain.aave.tokens["USDC"].address
    data = chain.aave.data_provider
    read = await data.functions.getUserReserveData(asset, owner).call()
    stable_debt, variable_debt = read[1], read[2]
    assert 12_000 * 10**6 < stable_debt < 12_100 * 10**6
    assert 2_000 * 10**6 < variable_debt < 2_010 * 10**6


async def test_an_emode_with_its_own_price_ignores_the_tokens_feeds(testbed: Testbed) -> None:
    owner = testbed.portfolio("p21-emode-loop-usd").evm_address
    chain = testbed.evm["eip155:31337"]
    before = await _health_factor(chain, owner)
    await testbed.market.set_prices({"PYUSD": Decimal("0.80")})
    assert await _health_factor(chain, owner) == pytest.approx(before, rel=Decimal("1e-6"))
    await testbed.market.set_prices({"PYUSD": Decimal(1), "USDC": Decimal("0.98")})
    account = await chain.pool.functions.getUserAccountData(owner).call()
    assert account[0] == pytest.approx(200_000 * 98 * 10**6, rel=1e-3)


async def test_moved_atokens_belong_to_their_new_owner(testbed: Testbed) -> None:
    chain = testbed.evm["eip155:31337"]
    a_usdc = await chain.aave.a_token("USDC")
    only = testbed.portfolio("p27-atokens-only").evm_address
    assert await a_usdc.functions.balanceOf(only).call() >= 8_000 * 10**6
    account = await chain.pool.functions.getUserAccountData(only).call()
    assert account[0] == pytest.approx(8_000 * 10**8, rel=1e-3)


async def test_a_market_step_moves_every_feed_of_all_chains(testbed: Testbed) -> None:
    step = testbed.market.steps[3]
    assert step.prices_usd["ETH"] < GENESIS_PRICES_USD["ETH"]
    before = {
        (chain.id, base): await chain.aave.feeds[base].proxy.functions.latestRoundData().call()
        for chain in testbed.evm.values()
        for base in EVM_PRICES
    }
    await testbed.market.apply(step)
    now_s = time.time()
    for chain in testbed.evm.values():
        for base in EVM_PRICES:
            feed = chain.aave.feeds[base]
            answer = await feed.proxy.functions.latestRoundData().call()
            assert answer[0] == before[chain.id, base][0] + 1
            assert answer[1] == chainlink.to_answer(step.prices_usd[base])
            assert abs(answer[3] - now_s) < CLOCK_TOLERANCE_S
            assert await feed.proxy.functions.description().call() == f"{base} / USD"
    for base in SOLANA_PRICES:
        owner, data = await _pyth_account(testbed, base)
        assert owner == str(pyth.RECEIVER_PROGRAM)
        assert int.from_bytes(data[73:81], "little") == step.prices_usd[base] * 10**8
        assert abs(int.from_bytes(data[93:101], "little") - now_s) < CLOCK_TOLERANCE_S


def test_the_script_falls_by_steps_and_recovers() -> None:
    prices = [GENESIS_PRICES_USD, *(step.prices_usd for step in scripted_steps())]
    for earlier, later in itertools.pairwise(prices):
        for base, price in later.items():
            assert abs(price / earlier[base] - 1) <= Decimal("0.02"), base
    lowest = min(price["ETH"] for price in prices)
    assert Decimal("0.70") < lowest / prices[0]["ETH"] < Decimal("0.80")
    assert prices[-1]["ETH"] > lowest * Decimal("1.05")
    basis = [price["WSTETH"] / price["ETH"] for price in prices]
    assert min(basis) < basis[0] * Decimal("0.99")


async def test_the_script_drives_sound_owners_below_one(testbed: Testbed) -> None:
    chain = testbed.evm["eip155:31337"]
    owner = testbed.portfolio("p08-near-edge-core").evm_address
    fell_at = None
    for number, step in enumerate(testbed.market.steps):
        await testbed.market.apply(step)
        factor = await _health_factor(chain, owner)
        assert factor is not None
        if fell_at is None and factor < 1:
            fell_at = number
    assert fell_at is not None
    assert 2 <= fell_at <= 8


async def test_the_chains_clocks_are_ours(testbed: Testbed) -> None:
    for chain in testbed.evm.values():
        await asyncio.sleep(1.1)
        await chain.node.mine(5)
        head = await chain.w3.eth.get_block("latest")
        assert abs(head["timestamp"] - time.time()) < CLOCK_TOLERANCE_S


async def test_interval_mining_keeps_the_wall_clock_through_market_moves(
    testbed: Testbed,
) -> None:
    await testbed.start_interval_mining(1)
    chain = testbed.evm["eip155:31337"]
    first = await chain.node.block_number()
    for step in testbed.market.steps[:3]:
        await testbed.market.apply(step)
    head = await chain.w3.eth.get_block("latest")
    assert head["number"] >= first + 3
    assert abs(head["timestamp"] - time.time()) < CLOCK_TOLERANCE_S


async def test_a_reorg_replaces_blocks_and_keeps_the_clock(testbed: Testbed) -> None:
    chain = testbed.evm["eip155:31337"]
    await chain.node.mine(3)
    height = await chain.node.block_number()
    replaced = await chain.w3.eth.get_block(height)
    kept = await chain.w3.eth.get_block(height - 2)
    await chain.node.reorg(2)
    assert (await chain.w3.eth.get_block(height))["hash"] != replaced["hash"]
    assert (await chain.w3.eth.get_block(height - 2))["hash"] == kept["hash"]
    await chain.node.mine()
    head = await chain.w3.eth.get_block("latest")
    assert abs(head["timestamp"] - time.time()) < CLOCK_TOLERANCE_S


async def test_multicall3_answers_many_accounts_in_one_call(testbed: Testbed) -> None:
    abi = [
        {
            "type": "function",
            "name": "aggregate3",
            "stateMutability": "payable",
            "inputs": [
                {
                    "name": "calls",
                    "type": "tuple[]",
                    "components": [
                        {"name": "target", "type": "address"},
                        {"name": "allowFailure", "type": "bool"},
                        {"name": "callData", "type": "bytes"},
                    ],
                }
            ],
            "outputs": [
                {
                    "name": "returnData",
                    "type": "tuple[]",
                    "components": [
                        {"name": "success", "type": "bool"},
                        {"name": "returnData", "type": "bytes"},
                    ],
                }
            ],
        }
    ]
    chain = testbed.evm["eip155:31338"]
    owners = [portfolio.evm_address for portfolio in PORTFOLIOS]
    calls = [
        (chain.pool.address, False, chain.pool.encode_abi("getUserAccountData", args=[owner]))
        for owner in owners
    ]
    multicall = chain.node.contract(MULTICALL3, abi)
    answers = await multicall.functions.aggregate3(calls).call()
    for owner, (success, data) in zip(owners, answers, strict=True):
        assert success
        words = [int.from_bytes(data[at : at + 32]) for at in range(0, len(data), 32)]
        assert words == await chain.pool.functions.getUserAccountData(owner).call()


async def test_extra_owners_have_real_loans_and_are_watched(testbed: Testbed) -> None:
    extras = await testbed.add_extra_owners(150)
    for chain in testbed.evm.values():
        for extra in (extras[0], extras[-1]):
            factor = await _health_factor(chain, extra.evm_address)
            expected = 2500 * chain.aave.spec.reserve("WETH").liquidation_threshold_bps / 1e4 / 1e3
            assert float(factor or 0) == pytest.approx(expected, rel=1e-3)
    last = Pubkey.from_string(extras[-1].solana_address)
    assert (await testbed.solana.client.get_balance(last)).value == 1_500_000_000
    config = parse_config(testbed.config_toml())
    assert len(config.portfolios) == len(PORTFOLIOS) + 150


async def test_the_vm_survives_more_writes_than_its_event_channel_holds(testbed: Testbed) -> None:
    payer = testbed.solana.payer.pubkey()
    lamports = (await testbed.solana.client.get_balance(payer)).value
    for _ in range(1_500):
        await testbed.solana.rpc("surfnet_setAccount", str(payer), {"lamports": lamports})


async def test_the_configuration_names_everything(testbed: Testbed, tmp_path: Path) -> None:
    text = testbed.config_toml(listen="127.0.0.1:50999", tape=tmp_path / "a.tape")
    config = parse_config(text)
    assert config.service.listen == "127.0.0.1:50999"
    assert config.service.tape == tmp_path / "a.tape"
    assert [chain.id for chain in config.chains] == [*testbed.evm, testbed.solana.chain]
    genesis_hash = str((await testbed.solana.client.get_genesis_hash()).value)
    assert testbed.solana.chain == f"solana:{genesis_hash[:32]}"
    assert {p.id for p in config.portfolios} == {p.id for p in PORTFOLIOS}
    assert all(len(p.accounts) == 5 for p in config.portfolios)
    assert len(config.feeds) == 2 * len(EVM_PRICES) + len(SOLANA_PRICES)
    a_tokens = [token for token in config.tokens if token.claim.value == "venue-supply"]
    assert len(a_tokens) == 10


async def test_a_bare_chain_starts_on_demand(anvil: Anvil) -> None:
    assert await anvil.mine(2) == 2
    assert await anvil.w3.eth.chain_id == 31337
