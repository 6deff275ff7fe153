"""What xmargin plans from its readers' facts is what the contract then does, to the last unit."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.chains.liquidating import CRASH, FALL, liquidate, with_fees
from tests.chains.running import running
from xmargin.model import LiquidationPlan, PlanVerdict, TokenAmount, address_of, chain_of
from xmargin.testbed.anvil import Transaction
from xmargin.testbed.calldata import call_data
from xmargin.testbed.errors import TransactionError
from xmargin.testbed.evm_chain import EvmChain
from xmargin.testbed.markets import TOKENS
from xmargin.testbed.world import Testbed
from xmargin.view import View

_LATER_S = 3
_DUE = {PlanVerdict.PROPOSED, PlanVerdict.TOXIC, PlanVerdict.REFUSED}


@pytest.fixture
async def chain(testbed: Testbed) -> EvmChain:
    """The core market, ready to be liquidated."""
    return await with_fees(testbed.evm["eip155:31337"])


def due(view: View, chain: EvmChain) -> list[LiquidationPlan]:
    """The plans of all accounts on the chain that the venue would liquidate."""
    plans = [
        plan for portfolio in view.portfolio_ids for plan in view.plans.of_portfolio(portfolio)
    ]
    return [p for p in plans if chain_of(p.account) == chain.id and p.verdict in _DUE]


def exact(amount: TokenAmount, smallest_units: int) -> bool:
    """Whether an amount is just so many smallest units of its token."""
    decimals = next(token.decimals for token in TOKENS if token.symbol == amount.symbol)
    return amount.amount == Decimal(f"{smallest_units}E-{decimals}")


async def head_s(chain: EvmChain) -> int:
    return int((await chain.w3.eth.get_block("latest"))["timestamp"])


async def assert_done_as_planned(chain: EvmChain, plan: LiquidationPlan, at_s: int) -> None:
    """The plan's call in a block of the time that the plan is as of."""
    legs = plan.legs
    assert legs is not None
    await chain.node.rpc("evm_setNextBlockTimestamp", at_s)
    owner = chain.w3.to_checksum_address(address_of(plan.account))
    done = await liquidate(chain, owner, legs.seize.symbol, legs.repay.symbol, legs.debt_to_cover)
    assert done.at_s == at_s
    assert exact(legs.repay, done.repaid), plan
    assert exact(legs.seize, done.seized), plan
    assert exact(legs.protocol_fee, done.fee), plan
    assert not legs.deficits
    after = done.health_after_wad
    assert plan.health_after == (None if after is None else Decimal(f"{after}E-18")), plan


async def test_every_plan_moves_what_the_contract_moves(
    testbed: Testbed, chain: EvmChain, tmp_path: Path
) -> None:
    verdicts = set()
    for prices in (FALL, CRASH):
        await testbed.market.set_prices(prices)
        before = await chain.node.snapshot()
        at_s = await head_s(chain) + _LATER_S
        # An empty block of the time at which the calls are made: what grows is grown to it.
        await chain.node.rpc("evm_setNextBlockTimestamp", at_s)
        await chain.node.mine()
        async with running(testbed, tmp_path / f"{prices['ETH']}.tape") as xmargin:
            plans = due(await xmargin.caught_up(testbed), chain)
        assert len(plans) >= 4
        for plan in plans:
            assert not plan.flags
            # The clock stays back: ours, on a slow machine, is past the block of the call.
            await chain.node.rpc("evm_revert", before)
            before = await chain.node.snapshot()
            await assert_done_as_planned(chain, plan, at_s)
            verdicts.add(plan.verdict)
        await chain.node.revert(before)
    assert verdicts == {PlanVerdict.PROPOSED, PlanVerdict.TOXIC}


async def test_what_the_pool_has_paused_is_refused_by_plan_and_contract(
    testbed: Testbed, chain: EvmChain, tmp_path: Path
) -> None:
    configurator, admin = chain.aave.configurator, chain.node.admin
    weth = chain.aave.tokens["WETH"].address
    data = call_data(configurator, "setReservePause", [weth, True])
    await chain.node.send([Transaction(admin, configurator.address, data, "pause WETH")])
    portfolio = testbed.portfolio("p10-venue-liquidatable-rich-solana")
    async with running(testbed, tmp_path / "a.tape") as xmargin:
        plans = due(await xmargin.caught_up(testbed), chain)
    (plan,) = [p for p in plans if p.portfolio == portfolio.id]
    assert plan.verdict is PlanVerdict.REFUSED
    assert "paused" in plan.why
    assert any("WETH is paused" in flag for flag in plan.flags)
    assert plan.legs is None
    with pytest.raises(TransactionError):
        await liquidate(chain, portfolio.evm_address, "WETH", "USDC", 2**256 - 1)
