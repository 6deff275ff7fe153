"""An Aave account as its chain stores it, and what a real ``liquidationCall`` did to it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hexbytes import HexBytes

from xmargin.engine.liquidation import AaveV3Account, AaveV3EMode, AaveV3Reserve
from xmargin.evm_abi import Function
from xmargin.reference import aave_v3 as reference
from xmargin.reference.book import AavePosition, Reserve
from xmargin.testbed.anvil import Transaction
from xmargin.testbed.calldata import call_data
from xmargin.testbed.evm_chain import EvmChain
from xmargin.testbed.markets import TOKENS

SYMBOLS = [token.symbol for token in TOKENS]
FALL = {"ETH": Decimal(2310), "WSTETH": Decimal("2600.03"), "BTC": Decimal(55_500)}
CRASH = {
    "ETH": Decimal(1900),
    "WSTETH": Decimal("2120.17"),
    "BTC": Decimal("41000.01"),
    "PYUSD": Decimal("1.034"),
}

_FEE_SHIFT = 152
_SCALED = Function("scaledBalanceOf(address)", "uint256")
_PRINCIPAL = Function("principalBalanceOf(address)", "uint256")
_STABLE_RATE = Function("getUserStableRate(address)", "uint256")
_UPDATED = Function("getUserLastUpdated(address)", "uint40")


@dataclass(frozen=True, slots=True)
class Stored:
    """A user and their reserves as of one block; what grows does so only when asked for a time."""

    reserves: tuple[Reserve, ...]
    positions: tuple[AavePosition, ...]
    bonuses: tuple[int, ...]
    fees: tuple[int, ...]
    emode: AaveV3EMode | None

    def as_of(self, now_s: int) -> AaveV3Account:
        """The account with every balance grown to ``now_s``."""
        return AaveV3Account(
            "3.0",
            tuple(self._grown(at, position, now_s) for at, position in enumerate(self.positions)),
            self.emode,
        )

    def _grown(self, at: int, position: AavePosition, now_s: int) -> AaveV3Reserve:
        reserve = self.reserves[at]
        return AaveV3Reserve(
            decimals=reserve.decimals,
            price_base=reserve.price_base,
            liquidation_threshold_bps=reserve.liquidation_threshold_bps,
            bonus_bps=self.bonuses[at],
            protocol_fee_bps=self.fees[at],
            supply_scaled=position.supply_scaled,
            supply_index=reference.normalized_income(reserve, now_s),
            debt_scaled=position.variable_debt_scaled,
            debt_index=reference.normalized_debt(reserve, now_s),
            stable_debt=reference.stable_debt_balance(position, now_s),
            emode=reserve.emode,
            as_collateral=position.as_collateral,
            borrowing=position.borrowing,
        )


async def with_fees(chain: EvmChain) -> EvmChain:
    """The market, its bonus shared with the treasury, its admin rich and ready to pay."""
    fees = dict(zip(SYMBOLS, (1_000, 0, 1_234, 333, 10_000), strict=True))
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


async def asked(chain: EvmChain, address: str, what: Function, owner: str) -> int:
    """The answer of a token's function of one address."""
    data = what.selector + bytes(12) + bytes.fromhex(owner.removeprefix("0x"))
    answer = await chain.w3.eth.call({"to": chain.w3.to_checksum_address(address), "data": data})
    return int.from_bytes(answer)


async def stored(chain: EvmChain, owner: str) -> Stored:
    """Everything a liquidation of ``owner`` depends on, at the head."""
    pool = chain.pool.functions
    bits = (await pool.getUserConfiguration(owner).call())[0]
    category = await pool.getUserEMode(owner).call()
    rows = [await _row(chain, owner, token.symbol, bits) for token in TOKENS]
    reserves, positions, bonuses, fees = zip(*rows, strict=True)
    emode = await _emode(chain, category) if category else None
    return Stored(reserves, positions, bonuses, fees, emode)


async def _emode(chain: EvmChain, category: int) -> AaveV3EMode:
    data = await chain.pool.functions.getEModeCategoryData(category).call()
    _ltv, threshold, bonus, source, _label = data
    price = 0
    if int(source, 16):
        price = await chain.aave.oracle.functions.getAssetPrice(source).call()
    return AaveV3EMode(category, threshold, bonus, price)


async def _row(
    chain: EvmChain, owner: str, symbol: str, bits: int
) -> tuple[Reserve, AavePosition, int, int]:
    asset = chain.aave.tokens[symbol].address
    data = await chain.pool.functions.getReserveData(asset).call()
    config, number = data[0][0], data[7]
    a_token, stable, variable = data[8:11]
    price = await chain.aave.oracle.functions.getAssetPrice(asset).call()
    reserve = Reserve(
        token=symbol,
        decimals=config >> 48 & 0xFF,
        ltv_bps=config & 0xFFFF,
        liquidation_threshold_bps=config >> 16 & 0xFFFF,
        emode=config >> 168 & 0xFF,
        liquidity_index=data[1],
        variable_borrow_index=data[3],
        liquidity_rate=data[2],
        variable_borrow_rate=data[4],
        updated_at_s=data[6],
        price_base=price,
    )
    position = AavePosition(
        reserve=number,
        supply_scaled=await asked(chain, a_token, _SCALED, owner),
        variable_debt_scaled=await asked(chain, variable, _SCALED, owner),
        stable_debt_principal=await asked(chain, stable, _PRINCIPAL, owner),
        stable_rate=await asked(chain, stable, _STABLE_RATE, owner),
        stable_updated_at_s=await asked(chain, stable, _UPDATED, owner),
        as_collateral=bool(bits >> 2 * number + 1 & 1),
        borrowing=bool(bits >> 2 * number & 1),
    )
    return reserve, position, config >> 32 & 0xFFFF, config >> _FEE_SHIFT & 0xFFFF


@dataclass(frozen=True, slots=True)
class Done:
    """What the contract moved, and how the account stands in that block."""

    at_s: int
    repaid: int
    seized: int
    fee: int
    health_after_wad: int | None
    collateral_base: int
    debt_base: int


async def liquidate(chain: EvmChain, owner: str, collateral: str, debt: str, cover: int) -> Done:
    """A real call by the node's admin, who receives the underlying and is the treasury too.

    Raises:
        TransactionError: it reverted.
    """
    asset, owed = (chain.aave.tokens[symbol].address for symbol in (collateral, debt))
    a_token = (await chain.aave.a_token(collateral)).address
    before = await asked(chain, a_token, _SCALED, chain.node.admin)
    args = [asset, owed, owner, cover, False]
    data = call_data(chain.pool, "liquidationCall", args)
    what = f"liquidate {owner}: {debt} for {collateral}"
    [receipt] = await chain.node.send(
        [Transaction(chain.node.admin, chain.pool.address, data, what)]
    )
    event = _event(chain, receipt)
    block = await chain.w3.eth.get_block(HexBytes(receipt["blockHash"]))
    account = await chain.pool.functions.getUserAccountData(owner).call()
    paid = await asked(chain, a_token, _SCALED, chain.node.admin) - before
    index = await chain.pool.functions.getReserveNormalizedIncome(asset).call()
    return Done(
        at_s=block["timestamp"],
        repaid=event["debtToCover"],
        seized=event["liquidatedCollateralAmount"],
        fee=reference.ray_mul(paid, index),
        health_after_wad=None if account[1] == 0 else account[5],
        collateral_base=account[0],
        debt_base=account[1],
    )


def _event(chain: EvmChain, receipt: dict[str, Any]) -> dict[str, int]:
    found = chain.pool.events.LiquidationCall()
    topic = HexBytes(found.topic)
    for log in receipt["logs"]:
        if HexBytes(log["topics"][0]) == topic:
            words = [int(log["data"][2 + 64 * n : 66 + 64 * n], 16) for n in range(2)]
            return {"debtToCover": words[0], "liquidatedCollateralAmount": words[1]}
    raise AssertionError("no LiquidationCall in the receipt")
