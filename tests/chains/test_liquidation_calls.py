"""Aave liquidations equal the contract, to the last unit, in the block that does them."""

import dataclasses
from collections import Counter
from decimal import Decimal

import pytest

from tests.chains.liquidating import Done, Stored, liquidate, stored
from tests.liquidation.aave_accounts import sides
from xmargin.engine.liquidation import (
    AaveV3Call,
    LiquidationProposal,
    LiquidationVerdict,
    propose_liquidation,
)
from xmargin.reference import aave_v3_liquidation as reference
from xmargin.testbed.anvil import Transaction
from xmargin.testbed.calldata import call_data
from xmargin.testbed.errors import TransactionError
from xmargin.testbed.evm_chain import EvmChain
from xmargin.testbed.markets import TOKENS
from xmargin.testbed.portfolios import PORTFOLIOS
from xmargin.testbed.world import Testbed

_ALL = 2**256 - 1
_SYMBOLS = [token.symbol for token in TOKENS]
_FALL = {"ETH": Decimal(2310), "WSTETH": Decimal("2600.03"), "BTC": Decimal(55_500)}
_CRASH = {
    "ETH": Decimal(1900),
    "WSTETH": Decimal("2120.17"),
    "BTC": Decimal("41000.01"),
    "PYUSD": Decimal("1.034"),
}


@pytest.fixture
async def chain(testbed: Testbed) -> EvmChain:
    """The core market, its bonus shared with the treasury, its admin rich and ready to pay."""
    chain = testbed.evm["eip155:31337"]
    fees = dict(zip(_SYMBOLS, (1_000, 0, 1_234, 333, 10_000), strict=True))
    admin, configurator = chain.node.admin, chain.aave.configurator
    steps = []
    for symbol, fee_bps in fees.items():
        asset = chain.aave.tokens[symbol].address
        data = call_data(configurator, "setLiquidationProtocolFee", [asset, fee_bps])
        steps.append(Transaction(admin, configurator.address, data, f"fee of {symbol}"))
        steps.append(chain.aave.mint(symbol, admin, Decimal(10_000_000), admin))
        steps.append(chain.aave.approve(symbol, admin))
    await chain.node.send(steps)
    return chain


def owners(chain: EvmChain) -> list[str]:
    """Owners with an account in the market."""
    return [p.evm_address for p in PORTFOLIOS if chain.node.chain_id in p.aave]


def pairs(state: Stored) -> list[tuple[int, int]]:
    """Collateral and debt reserves of the user."""
    held = [n for n, p in enumerate(state.positions) if p.supply_scaled]
    owed = [n for n, p in enumerate(state.positions) if p.borrowing]
    return [(c, d) for c in held for d in owed]


async def hold_to_contract(
    chain: EvmChain, owner: str, state: Stored, pair: tuple[int, int], cover: int
) -> LiquidationProposal:
    """One real call in a block of its own, undone afterwards; ours must say the same of it."""
    snapshot = await chain.node.snapshot()
    collateral, debt = (_SYMBOLS[n] for n in pair)
    done: Done | None = None
    try:
        done = await liquidate(chain, owner, collateral, debt, cover)
        now_s = done.at_s
    except TransactionError:
        now_s = (await chain.w3.eth.get_block("latest"))["timestamp"]
    await chain.node.revert(snapshot)
    account = dataclasses.replace(state.as_of(now_s), call=AaveV3Call(*pair, cover))
    proposal = propose_liquidation(account)
    if done is None:
        assert proposal.legs is None
        with pytest.raises((reference.RefusedError, ArithmeticError)):
            reference.liquidation_call("3.0", sides(state.as_of(now_s)), *pair, cover)
        return proposal
    legs = proposal.legs
    assert legs is not None
    assert (legs.repaid, legs.seized) == (done.repaid, done.seized)
    assert legs.fee == done.fee
    assert proposal.health_after_wad == done.health_after_wad
    again = reference.liquidation_call("3.0", sides(state.as_of(now_s)), *pair, cover)
    assert (again.repaid, again.seized) == (done.repaid, done.seized)
    assert reference.totals("3.0", again.after) == (
        done.collateral_base,
        done.debt_base,
        done.health_after_wad,
    )
    return proposal


async def test_every_call_on_every_account_moves_what_the_contract_moves(
    testbed: Testbed, chain: EvmChain
) -> None:
    verdicts: Counter[LiquidationVerdict] = Counter()
    for prices in ({}, _FALL, _CRASH):
        await testbed.market.set_prices(prices)
        for owner in owners(chain):
            state = await stored(chain, owner)
            factor = (await chain.pool.functions.getUserAccountData(owner).call())[5]
            cases = [(pair, cover) for pair in pairs(state) for cover in (_ALL, 1_234_567)]
            # What the venue refuses for one pair, it refuses for all.
            for pair, cover in cases if factor < 10**18 else cases[:1]:
                verdicts[(await hold_to_contract(chain, owner, state, pair, cover)).verdict] += 1
    assert verdicts[LiquidationVerdict.PROPOSED] >= 10
    assert verdicts[LiquidationVerdict.TOXIC] >= 10
    assert verdicts[LiquidationVerdict.NOT_DUE] >= 10


async def test_amounts_at_every_edge_move_what_the_contract_moves(
    testbed: Testbed, chain: EvmChain
) -> None:
    owner = testbed.portfolio("p10-venue-liquidatable-rich-solana").evm_address
    pair = _SYMBOLS.index("WETH"), _SYMBOLS.index("USDC")
    state = await stored(chain, owner)
    debt = reference.debt("3.0", sides(state.as_of(state.reserves[pair[1]].updated_at_s))[pair[1]])
    for cover in (0, 1, 2, 7, debt // 2, debt // 2 + 1, debt - 1, debt, debt + 10**6, _ALL):
        await hold_to_contract(chain, owner, state, pair, cover)
