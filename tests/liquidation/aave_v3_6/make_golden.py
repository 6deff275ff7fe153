"""Writes the golden vectors of Aave 3.6 liquidations: what the real contract did, call by call.

Run ``python -m tests.liquidation.aave_v3_6.make_golden`` (npm and a minute) and read the
difference. Each vector is an account as of the block of the call, and what the call moved, or
that it reverted. Blocks come in the wall clock's time, so a new run has other indices.
"""

import asyncio
import json
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

from hexbytes import HexBytes

from tests.liquidation.aave_v3_6.market import (
    EMODE,
    LISTINGS,
    Market,
    compiled,
    deploy,
)
from xmargin.testbed.anvil import Anvil, Transaction
from xmargin.testbed.calldata import call_data
from xmargin.testbed.errors import TransactionError
from xmargin.testbed.portfolios import evm_address

GOLDEN = Path(__file__).parents[1] / "golden" / "aave_v3_6.json"
ALL = 2**256 - 1
SYMBOLS = tuple(LISTINGS)
YEAR_S = 31_536_000
# Owner: collateral, debts; amounts in whole tokens. In eMode where the name says so.
OWNERS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "one of each": ({"WETH": "10"}, {"USDC": "23000"}),
    "small": ({"WETH": "0.81"}, {"USDC": "1900"}),
    "just above small": ({"WETH": "1.2"}, {"USDC": "2800"}),
    "two debts": ({"WETH": "10"}, {"USDC": "15000", "WBTC": "0.11"}),
    "two collaterals": ({"WETH": "5", "WBTC": "0.3"}, {"USDC": "26500"}),
    "large and small debt": ({"WETH": "6"}, {"USDC": "13000", "WBTC": "0.011"}),
    "emode": ({"wstETH": "10"}, {"WETH": "10.9"}),
    "shorts the coin": ({"USDC": "40000"}, {"WBTC": "0.2", "WETH": "4"}),
    "dust beside": ({"WETH": "5", "wstETH": "0.0000003"}, {"USDC": "11800"}),
}
PRICES = (
    {"WETH": "2760", "wstETH": "3100", "WBTC": "69000.07"},
    {"WETH": "2590.77", "wstETH": "2777.7", "WBTC": "69000.07"},
    {"WETH": "2300.1", "wstETH": "2500", "WBTC": "60111.11"},
    {"WETH": "3390", "wstETH": "4000", "WBTC": "81000"},
)


async def main() -> None:
    """Deploy, open, move prices, and record every call."""
    vectors: list[dict[str, Any]] = []
    async with await Anvil.start(31337) as node:
        market = await deploy(node, compiled())
        await _open(market)
        await node.rpc("evm_increaseTime", YEAR_S // 20)
        await node.mine()
        for prices in PRICES:
            await market.set_prices({s: Decimal(price) for s, price in prices.items()})
            for owner in OWNERS:
                vectors += await _calls_on(market, owner)
    rows = ",\n".join(json.dumps(vector, separators=(",", ":")) for vector in vectors)
    GOLDEN.write_text(f"[\n{rows}\n]\n", "utf-8")


def _step(market: Market, sender: str, to: Any, function: str, *args: Any) -> Transaction:
    return Transaction(sender, to.address, call_data(to, function, args), f"{function}{args}")


def _units(symbol: str, amount: str) -> int:
    return int(Decimal(amount).scaleb(LISTINGS[symbol].decimals))


async def _open(market: Market) -> None:
    admin, pool = market.node.admin, market.pool
    steps = []
    for symbol, token in market.tokens.items():
        rich = _units(symbol, "1000000")
        steps += [
            _step(market, admin, token, "mint", admin, 3 * rich),
            _step(market, admin, token, "approve", pool.address, ALL),
            _step(market, admin, pool, "supply", token.address, rich, admin, 0),
        ]
    for name, (supplies, _) in OWNERS.items():
        for symbol, amount in supplies.items():
            asset = market.tokens[symbol].address
            what = _units(symbol, amount), evm_address(name), 0
            steps.append(_step(market, admin, pool, "supply", asset, *what))
    await market.node.send(steps)
    # Half of all is borrowed, so that every index moves.
    loans = [
        _step(market, admin, pool, "borrow", market.tokens[s].address, _units(s, n), 2, 0, admin)
        for s, n in {"WETH": "300000", "wstETH": "30000", "WBTC": "9000", "USDC": "500000"}.items()
    ]
    await market.node.send(loans)
    for name, (_, debts) in OWNERS.items():
        owner = evm_address(name)
        steps = []
        if name == "emode":
            steps.append(_step(market, owner, pool, "setUserEMode", EMODE))
        for symbol, amount in debts.items():
            asset = market.tokens[symbol].address
            steps.append(
                _step(market, owner, pool, "borrow", asset, _units(symbol, amount), 2, 0, owner)
            )
        await market.node.send(steps)


async def _calls_on(market: Market, name: str) -> list[dict[str, Any]]:
    supplies, debts = OWNERS[name]
    factor = (await market.pool.functions.getUserAccountData(evm_address(name)).call())[5]
    if factor >= 10**18:
        return []
    vectors = []
    for collateral, debt in product(supplies, debts):
        owed = _units(debt, debts[debt])
        vectors += [
            await _one_call(market, name, (collateral, debt), cover)
            for cover in (ALL, owed // 3, owed * 97 // 100, 1)
        ]
    return vectors


async def _one_call(market: Market, name: str, pair: tuple[str, str], cover: int) -> dict[str, Any]:
    node, pool, owner = market.node, market.pool, evm_address(name)
    snapshot = await node.snapshot()
    before = await _scaled(market, owner)
    treasury = await _scaled(market, node.admin)
    bits = (await pool.functions.getUserConfiguration(owner).call())[0]
    args = *(market.tokens[symbol].address for symbol in pair), owner, cover, False
    call = _step(market, node.admin, pool, "liquidationCall", *args)
    receipt = None
    try:
        [receipt] = await node.send([call])
    except TransactionError as reverted:
        reason = str(reverted)
    indices = await _indices(market)
    vector = {
        "owner": name,
        "emode": EMODE if name == "emode" else 0,
        "reserves": [
            await _reserve(market, symbol, before[symbol], indices[symbol], bits)
            for symbol in SYMBOLS
        ],
        "call": [SYMBOLS.index(pair[0]), SYMBOLS.index(pair[1]), str(cover)],
    }
    if receipt is None:
        vector["reverts"] = reason.rsplit(":", 1)[-1].strip()[:80]
    else:
        paid = (await _scaled(market, node.admin))[pair[0]][0] - treasury[pair[0]][0]
        vector["done"] = await _done(market, owner, receipt, paid)
    await node.revert(snapshot)
    return vector


async def _scaled(market: Market, owner: str) -> dict[str, tuple[int, int]]:
    """Scaled supply and debt by token."""
    found = {}
    for symbol, token in market.tokens.items():
        data = await market.data.functions.getReserveTokensAddresses(token.address).call()
        abi = [
            {"name": "scaledBalanceOf", "type": "function", "stateMutability": "view",
             "inputs": [{"name": "", "type": "address"}],
             "outputs": [{"name": "", "type": "uint256"}]}
        ]  # fmt: skip
        a_token, debt_token = (market.node.contract(data[n], abi).functions for n in (0, 2))
        found[symbol] = (
            await a_token.scaledBalanceOf(owner).call(),
            await debt_token.scaledBalanceOf(owner).call(),
        )
    return found


async def _indices(market: Market) -> dict[str, tuple[int, int]]:
    """As of the newest block, which is the call's."""
    pool = market.pool.functions
    return {
        symbol: (
            await pool.getReserveNormalizedIncome(token.address).call(),
            await pool.getReserveNormalizedVariableDebt(token.address).call(),
        )
        for symbol, token in market.tokens.items()
    }


async def _reserve(
    market: Market, symbol: str, scaled: tuple[int, int], indices: tuple[int, int], bits: int
) -> dict[str, Any]:
    listing, number = LISTINGS[symbol], SYMBOLS.index(symbol)
    price = await market.oracle.functions.getAssetPrice(market.tokens[symbol].address).call()
    return {
        "decimals": listing.decimals,
        "price_base": str(price),
        "liquidation_threshold_bps": listing.threshold_bps,
        "bonus_bps": listing.bonus_bps,
        "protocol_fee_bps": listing.fee_bps,
        "emode": EMODE if symbol in {"WETH", "wstETH"} else 0,
        "supply_scaled": str(scaled[0]),
        "supply_index": str(indices[0]),
        "debt_scaled": str(scaled[1]),
        "debt_index": str(indices[1]),
        "as_collateral": bool(bits >> 2 * number + 1 & 1),
        "borrowing": bool(bits >> 2 * number & 1),
    }


async def _done(market: Market, owner: str, receipt: Any, fee_scaled: int) -> dict[str, Any]:
    topic = HexBytes(market.pool.events.LiquidationCall().topic)
    [log] = [log for log in receipt["logs"] if HexBytes(log["topics"][0]) == topic]
    repaid, seized = (int(log["data"][2 + 64 * n : 66 + 64 * n], 16) for n in range(2))
    pool = market.pool.functions
    data = await pool.getUserAccountData(owner).call()
    after = await _scaled(market, owner)
    deficits = [await pool.getReserveDeficit(t.address).call() for t in market.tokens.values()]
    return {
        "repaid": str(repaid),
        "seized": str(seized),
        "fee_scaled": str(fee_scaled),
        "collateral_base": str(data[0]),
        "debt_base": str(data[1]),
        "health_factor_wad": None if data[1] == 0 else str(data[5]),
        "supply_scaled": [str(after[symbol][0]) for symbol in SYMBOLS],
        "debt_scaled": [str(after[symbol][1]) for symbol in SYMBOLS],
        "deficits": [str(deficit) for deficit in deficits],
    }


if __name__ == "__main__":
    asyncio.run(main())
