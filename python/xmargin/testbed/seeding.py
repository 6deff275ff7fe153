"""Gives the owners of `portfolios` what they hold: by real transactions on every chain."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

from solders.pubkey import Pubkey

from xmargin.testbed.aave import AaveMarket, units
from xmargin.testbed.anvil import Transaction
from xmargin.testbed.calldata import call_data
from xmargin.testbed.markets import DECIMALS
from xmargin.testbed.portfolios import PORTFOLIO_BY_ID, AavePosition, ExtraOwner, Portfolio
from xmargin.testbed.solana_vm import LAMPORTS_PER_SOL, Holding, SolanaVm

WEI_PER_ETH = 10**18
# What lenders outside our portfolios supply: enough to borrow, so much that rates stay sane.
LIQUIDITY = {
    "WETH": Decimal(600),
    "wstETH": Decimal(100),
    "WBTC": Decimal(20),
    "USDC": Decimal(2_500_000),
    "PYUSD": Decimal(600_000),
}
EXTRA_SUPPLY_WETH = Decimal(1)
EXTRA_LOAN_USDC = Decimal(1_000)
EXTRA_WALLET_USDC = Decimal(250)
EXTRA_SOL = Decimal("1.5")
# The node finds the receipts of a block in time quadratic in its transactions.
_EXTRAS_PER_BLOCK = 100


async def open_positions(market: AaveMarket, portfolios: Sequence[Portfolio]) -> None:
    """Fill the market and open every owner's account and wallet on its chain, in two blocks."""
    chain_id = market.spec.chain_id
    positions = [(p, p.aave[chain_id]) for p in portfolios if chain_id in p.aave]
    a_tokens = await _a_tokens(market, positions)
    await market.node.send(_deposits(market, portfolios, positions))
    await market.node.send(
        [t for p, position in positions for t in _loans(market, p, position, a_tokens)]
    )


def _deposits(
    market: AaveMarket,
    portfolios: Sequence[Portfolio],
    positions: Sequence[tuple[Portfolio, AavePosition]],
) -> list[Transaction]:
    """The admin mints all, supplies on the owners' behalf and fills their wallets."""
    admin, chain_id = market.node.admin, market.spec.chain_id
    needed: defaultdict[str, Decimal] = defaultdict(Decimal, LIQUIDITY)
    for _, position in positions:
        for symbol, amount in position.supplies.items():
            needed[symbol] += amount
    steps = [market.mint(symbol, admin, amount, admin) for symbol, amount in needed.items()]
    steps += [market.approve(symbol, admin) for symbol in needed]
    steps += [market.supply(symbol, n, admin, admin) for symbol, n in LIQUIDITY.items()]
    steps += [
        market.supply(symbol, amount, portfolio.evm_address, admin)
        for portfolio, position in positions
        for symbol, amount in position.supplies.items()
    ]
    steps += [
        market.mint(symbol, portfolio.evm_address, amount, admin)
        for portfolio in portfolios
        for symbol, amount in portfolio.wallets.get(chain_id, {}).items()
        if symbol in DECIMALS
    ]
    return steps


async def _a_tokens(
    market: AaveMarket, positions: Sequence[tuple[Portfolio, AavePosition]]
) -> dict[str, str]:
    symbols = {symbol for _, position in positions for symbol, _, _ in position.a_tokens_sent}
    return {symbol: (await market.a_token(symbol)).address for symbol in sorted(symbols)}


def _loans(
    market: AaveMarket,
    portfolio: Portfolio,
    position: AavePosition,
    a_tokens: Mapping[str, str],
) -> list[Transaction]:
    owner = portfolio.evm_address
    steps = [market.set_collateral(symbol, False, owner) for symbol in position.not_collateral]
    if position.emode:
        steps.append(market.set_emode(position.emode, owner))
    steps += [market.borrow(n.symbol, n.amount, owner, n.rate_mode) for n in position.loans]
    # What is borrowed is spent: a loan still in the wallet would leave nothing at risk.
    admin = market.node.admin
    steps += [market.transfer(n.symbol, n.amount, owner, admin) for n in position.loans]
    for symbol, amount, receiver in position.a_tokens_sent:
        to = PORTFOLIO_BY_ID[receiver].evm_address
        data = call_data(market.tokens[symbol], "transfer", [to, units(symbol, amount)])
        what = f"{amount} a{symbol} from {portfolio.id} to {receiver}"
        steps.append(Transaction(owner, a_tokens[symbol], data, what))
    return steps


async def set_native_balances(market: AaveMarket, portfolios: Sequence[Portfolio]) -> None:
    """Give each owner exactly the ETH its wallet says."""
    chain_id = market.spec.chain_id
    await market.node.set_balances_wei(
        {
            p.evm_address: int(p.wallets.get(chain_id, {}).get("ETH", Decimal(0)) * WEI_PER_ETH)
            for p in portfolios
        }
    )


async def fill_solana_wallets(vm: SolanaVm, portfolios: Sequence[Portfolio]) -> None:
    """Give each owner its SOL by transfers and its tokens by the real token programs."""
    sol = {p.solana_keypair.pubkey(): p.solana["SOL"] for p in portfolios if p.solana.get("SOL")}
    tokens = [
        Holding(p.solana_keypair.pubkey(), symbol, amount)
        for p in portfolios
        for symbol, amount in p.solana.items()
        if symbol != "SOL"
    ]
    await asyncio.gather(vm.give_sol(sol), vm.give_tokens(tokens))


async def open_extra_positions(market: AaveMarket, owners: Sequence[ExtraOwner]) -> None:
    """The same small loan for each extra owner, a hundred a block."""
    admin, count = market.node.admin, len(owners)
    collateral = EXTRA_SUPPLY_WETH * count
    lent = 2 * EXTRA_LOAN_USDC * count
    await market.node.send(
        [
            market.mint("WETH", admin, collateral, admin),
            market.mint("USDC", admin, lent, admin),
            market.supply("USDC", lent, admin, admin),
        ]
    )
    for start in range(0, count, _EXTRAS_PER_BLOCK):
        part = [owner.evm_address for owner in owners[start : start + _EXTRAS_PER_BLOCK]]
        steps = [market.supply("WETH", EXTRA_SUPPLY_WETH, owner, admin) for owner in part]
        steps += [market.mint("USDC", owner, EXTRA_WALLET_USDC, admin) for owner in part]
        await market.node.send(steps)
        await market.node.send([market.borrow("USDC", EXTRA_LOAN_USDC, owner) for owner in part])


async def fill_extra_solana_wallets(vm: SolanaVm, owners: Sequence[ExtraOwner]) -> None:
    """SOL for each extra owner, written outright."""
    lamports = int(EXTRA_SOL * LAMPORTS_PER_SOL)
    await vm.set_balances_lamports(
        {Pubkey.from_string(owner.solana_address): lamports for owner in owners}
    )
