"""Venue truth equals the venue's own contract, to the last unit, at the same block."""

from decimal import Decimal
from pathlib import Path

from hexbytes import HexBytes

from tests.chains.running import healths, running
from xmargin.model import AccountHealth, chain_of
from xmargin.testbed.world import Testbed
from xmargin.view import View

_NO_DEBT = 2**256 - 1


async def contract_says(bed: Testbed, account: str, block_hash: str) -> tuple[int, ...]:
    """``getUserAccountData`` of the account's owner at the block."""
    chain = bed.evm[chain_of(account)]
    owner = chain.w3.to_checksum_address(account.rsplit("/", 1)[1])
    answer = await chain.pool.functions.getUserAccountData(owner).call(
        block_identifier=HexBytes(block_hash)
    )
    return tuple(answer)


def we_say(health: AccountHealth) -> tuple[int, ...]:
    """The same six numbers of ours."""
    factor = health.health_factor_wad
    return (
        health.collateral_base,
        health.debt_base,
        health.available_borrows_base,
        health.liquidation_threshold_bps,
        health.ltv_bps,
        _NO_DEBT if factor is None else factor,
    )


async def assert_equal_to_contracts(bed: Testbed, view: View) -> int:
    """Hold every account of a view to its contract; how many there were."""
    hashes = {c.chain: c.block.hash for c in view.metadata.as_of if c.block is not None}
    accounts = [account for health in healths(view).values() for account in health.accounts]
    for health in accounts:
        says = await contract_says(bed, health.account, hashes[chain_of(health.account)])
        assert we_say(health) == says, health.account
        assert not health.fault
    return len(accounts)


async def test_every_account_equals_get_user_account_data_at_genesis(
    testbed: Testbed, tmp_path: Path
) -> None:
    async with running(testbed, tmp_path / "a.tape") as xmargin:
        view = await xmargin.caught_up(testbed)
        accounts = await assert_equal_to_contracts(testbed, view)
    assert accounts == 2 * len(testbed.portfolios)


async def test_every_account_equals_its_contract_in_each_block_as_the_market_falls(
    testbed: Testbed, tmp_path: Path
) -> None:
    async with running(testbed, tmp_path / "a.tape") as xmargin:
        for step in testbed.market.steps[:6]:
            await testbed.market.apply(step)
            await assert_equal_to_contracts(testbed, await xmargin.caught_up(testbed))


async def test_accounts_that_act_are_followed_by_their_logs(
    testbed: Testbed, tmp_path: Path
) -> None:
    chain = testbed.evm["eip155:31337"]
    owner = testbed.portfolio("p01-healthy-eth").evm_address
    async with running(testbed, tmp_path / "a.tape") as xmargin:
        before = await xmargin.caught_up(testbed)
        await chain.node.send([chain.aave.borrow("USDC", Decimal(1000), owner)])
        borrowed = await xmargin.caught_up(testbed)
        await assert_equal_to_contracts(testbed, borrowed)
        await chain.node.send([chain.aave.set_collateral("WETH", True, owner)])
        await chain.node.send(
            [
                chain.aave.mint("WBTC", owner, Decimal(1), chain.node.admin),
                chain.aave.approve("WBTC", owner),
                chain.aave.supply("WBTC", Decimal(1), owner, owner),
            ]
        )
        supplied = await xmargin.caught_up(testbed)
        await assert_equal_to_contracts(testbed, supplied)
    debts = [
        next(a for a in view.health("p01-healthy-eth").accounts if chain_of(a.account) == chain.id)
        for view in (before, borrowed, supplied)
    ]
    assert debts[1].debt_base > debts[0].debt_base
    assert debts[2].collateral_base > debts[1].collateral_base


async def test_a_reorganised_chain_shows_what_the_new_branch_says(
    testbed: Testbed, tmp_path: Path
) -> None:
    chain = testbed.evm["eip155:31337"]
    owner = testbed.portfolio("p01-healthy-eth").evm_address
    async with running(testbed, tmp_path / "a.tape") as xmargin:
        before = await xmargin.caught_up(testbed)
        await chain.node.send([chain.aave.borrow("USDC", Decimal(5000), owner)])
        borrowed = await xmargin.caught_up(testbed)
        undone = borrowed.metadata.as_of[0].block
        assert undone is not None
        await chain.node.reorg(1)
        await chain.node.mine()
        height = await chain.node.block_number()

        def on_new_branch(view: View) -> bool:
            block = view.metadata.as_of[0].block
            return block is not None and block.height >= height and block != undone

        after = await xmargin.until(on_new_branch)
        await assert_equal_to_contracts(testbed, after)
    debt = [v.health("p01-healthy-eth").accounts[0].debt_base for v in (before, borrowed, after)]
    assert debt[1] > debt[0] + 4_900 * 10**8
    assert abs(debt[2] - debt[0]) < 10**6, "the undone loan is gone"
