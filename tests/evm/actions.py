"""What owners do on a testbed chain: every kind of change an account can go through."""

from decimal import Decimal

from xmargin.testbed.aave import STABLE_RATE
from xmargin.testbed.anvil import Transaction
from xmargin.testbed.calldata import call_data
from xmargin.testbed.evm_chain import EvmChain
from xmargin.testbed.portfolios import PORTFOLIO_BY_ID

EMPTY = PORTFOLIO_BY_ID["p31-empty"].evm_address
SAVER = PORTFOLIO_BY_ID["p28-no-debt-aave"].evm_address
LOOPER = PORTFOLIO_BY_ID["p22-emode-mixed"].evm_address
UNDER_WATER = PORTFOLIO_BY_ID["p10-venue-liquidatable-rich-solana"].evm_address
ONE = Decimal(1)


def on_pool(core: EvmChain, function: str, args: list[object], sender: str) -> Transaction:
    data = call_data(core.pool, function, args)
    return Transaction(sender, core.pool.address, data, function)


def price_source(core: EvmChain, priced: str, source: str) -> Transaction:
    """``priced`` (an asset, or a category's key) takes its price from ``source`` in the oracle."""
    oracle = core.aave.oracle
    data = call_data(oracle, "setAssetSources", [[priced], [source]])
    return Transaction(core.node.admin, oracle.address, data, "setAssetSources")


def send_ether(sender: str, to: str, amount_wei: int) -> Transaction:
    return Transaction(sender, to, "0x", "ether", value_wei=amount_wei)


async def move_a_tokens(core: EvmChain, sender: str, to: str, amount: int) -> Transaction:
    a_token = await core.aave.a_token("WETH")
    data = call_data(a_token, "transfer", [to, amount])
    return Transaction(sender, a_token.address, data, "aToken transfer")


async def everything(core: EvmChain) -> list[list[Transaction]]:
    """Blocks of transactions; each needs the ones before it."""
    aave, usdc = core.aave, core.aave.tokens["USDC"].address
    weth, admin = core.aave.tokens["WETH"].address, core.node.admin
    return [
        [aave.mint("WETH", EMPTY, 5 * ONE, EMPTY), aave.approve("WETH", EMPTY)],
        [aave.supply("WETH", 3 * ONE, EMPTY, EMPTY)],
        [aave.borrow("USDC", 500 * ONE, EMPTY), aave.borrow("USDC", 100 * ONE, EMPTY, STABLE_RATE)],
        [await move_a_tokens(core, EMPTY, SAVER, 10**17), send_ether(admin, EMPTY, 10**15)],
        [aave.set_collateral("WETH", False, SAVER), aave.approve("USDC", EMPTY)],
        [on_pool(core, "repay", [usdc, 10**8, 2, EMPTY], EMPTY)],
        [on_pool(core, "swapBorrowRateMode", [usdc, 1], EMPTY)],
        [on_pool(core, "withdraw", [weth, 10**17, EMPTY], SAVER)],
        [aave.mint("USDC", admin, 9000 * ONE, admin), aave.approve("USDC", admin)],
        [aave.mint("WETH", admin, 100 * ONE, admin), aave.approve("WETH", admin)],
        [on_pool(core, "liquidationCall", [weth, usdc, UNDER_WATER, 10**9, True], admin)],
        [on_pool(core, "repay", [weth, 10**20, 2, LOOPER], admin), aave.set_emode(0, LOOPER)],
    ]
