"""Aave liquidations equal the contract, to the last unit, in the block that does them."""

import dataclasses
from collections import Counter

import pytest

from tests.chains.liquidating import (
    CRASH,
    FALL,
    SYMBOLS,
    Done,
    Stored,
    liquidate,
    stored,
    with_fees,
)
from tests.liquidation.aave_accounts import sides
from xmargin.engine.liquidation import (
    AaveV3Call,
    LiquidationProposal,
    LiquidationVerdict,
    propose_liquidation,
)
from xmargin.reference import aave_v3_liquidation as reference
from xmargin.testbed.errors import TransactionError
from xmargin.testbed.evm_chain import EvmChain
from xmargin.testbed.portfolios import PORTFOLIOS
from xmargin.testbed.world import Testbed

_ALL = 2**256 - 1


@pytest.fixture
async def chain(testbed: Testbed) -> EvmChain:
    """The core market, ready to be liquidated."""
    return await with_fees(testbed.evm["eip155:31337"])


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
    collateral, debt = (SYMBOLS[n] for n in pair)
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
    for prices in ({}, FALL, CRASH):
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
    pair = SYMBOLS.index("WETH"), SYMBOLS.index("USDC")
    state = await stored(chain, owner)
    debt = reference.debt("3.0", sides(state.as_of(state.reserves[pair[1]].updated_at_s))[pair[1]])
    for cover in (0, 1, 2, 7, debt // 2, debt // 2 + 1, debt - 1, debt, debt + 10**6, _ALL):
        await hold_to_contract(chain, owner, state, pair, cover)
