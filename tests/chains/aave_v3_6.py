"""A market of the real Aave 3.6 with a zoo of accounts, and the configuration that follows it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from hexbytes import HexBytes

from tests.liquidation.aave_v3_6.market import LISTINGS, Listing, Market, compiled, deploy
from xmargin.config import Config, parse_config
from xmargin.testbed import chainlink
from xmargin.testbed.anvil import Anvil, Transaction
from xmargin.testbed.calldata import call_data
from xmargin.testbed.portfolios import evm_address

CHAIN_ID = 31337
VENUE = f"aave-v3@eip155:{CHAIN_ID}"
ALL = 2**256 - 1
AGE_S = 90 * 86_400
"""How far in our past the chain begins, so that time may be moved on."""

ZOO = {
    **LISTINGS,
    "ISO": Listing(18, Decimal(20), 7500, 10800, 1500),
    "GEM": Listing(9, Decimal("9.87654321"), 0, 0, 500),
    "CAP": Listing(6, Decimal("1.01"), 8000, 10500, 1000),
}
"""ISO can be collateral only by itself, GEM only in an eMode, CAP only up to its caps."""
SYMBOLS = tuple(ZOO)
ETH, GEMS, STAKED = 1, 2, 3
SUPPLY_CAP, BORROW_CAP = 1_000, 400
DEBT_CEILING_CENTS = 600_000


@dataclass(frozen=True, slots=True)
class Owner:
    """What an account supplies and borrows, in whole tokens, in this eMode."""

    supplies: dict[str, str]
    debts: dict[str, str]
    emode: int = 0
    isolates: str = ""


OWNERS = {
    "plain": Owner({"WETH": "10"}, {"USDC": "23000.123456"}),
    "supplier": Owner({"WETH": "3", "CAP": "7.000001"}, {}),
    "speck": Owner({"WETH": "0.000000000000000002"}, {}),
    "two of each": Owner({"WETH": "5", "WBTC": "0.3"}, {"USDC": "15000", "CAP": "300"}),
    "shorts": Owner({"USDC": "40000"}, {"WBTC": "0.2", "WETH": "4"}),
    "owes a speck": Owner({"USDC": "10"}, {"WETH": "0.000000000000000001"}),
    "eth": Owner({"wstETH": "10"}, {"WETH": "10.8"}, ETH),
    "eth and more": Owner({"wstETH": "5", "WBTC": "0.2"}, {"WETH": "5"}, ETH),
    "gems": Owner({"GEM": "1000"}, {"USDC": "7000"}, GEMS),
    "gems and more": Owner({"GEM": "500", "WBTC": "0.1", "WETH": "1"}, {"USDC": "9000"}, GEMS),
    "staked": Owner({"wstETH": "4"}, {"USDC": "9000"}, STAKED),
    "isolated": Owner({"ISO": "500"}, {"USDC": "5000"}, isolates="ISO"),
    "isolated before": Owner({"ISO": "90", "WETH": "1"}, {"USDC": "1500"}),
    "nobody": Owner({}, {}),
}


def units(symbol: str, amount: str | int) -> int:
    """Whole tokens in smallest units."""
    return int(Decimal(amount).scaleb(ZOO[symbol].decimals))


@dataclass(frozen=True, slots=True)
class Zoo:
    """The running market."""

    market: Market

    @property
    def node(self) -> Anvil:
        return self.market.node

    def asset(self, symbol: str) -> str:
        """The token's address."""
        return str(self.market.tokens[symbol].address)

    def on_pool(self, sender: str, function: str, *args: Any) -> Transaction:
        """A call of the pool."""
        return self._step(sender, self.market.pool, function, args)

    def configure(self, function: str, *args: Any) -> Transaction:
        """A call of the pool's configurator by its admin; symbols stand for their tokens."""
        told = [self.asset(arg) if arg in self.market.tokens else arg for arg in args]
        return self._step(self.node.admin, self.market.configurator, function, told)

    def on_token(self, symbol: str, sender: str, function: str, *args: Any) -> Transaction:
        """A call of an underlying token."""
        return self._step(sender, self.market.tokens[symbol], function, args)

    @staticmethod
    def _step(sender: str, to: Any, function: str, args: Sequence[Any]) -> Transaction:
        return Transaction(sender, to.address, call_data(to, function, args), f"{function}{args}")

    async def pass_time(self, seconds: int) -> None:
        """One empty block so much later."""
        head = await self.node.w3.eth.get_block("latest")
        await self.node.rpc("evm_setNextBlockTimestamp", head["timestamp"] + seconds)
        await self.node.mine()

    async def says(self, owner: str, block_hash: str) -> tuple[int, ...]:
        """``getUserAccountData`` at a block."""
        call = self.market.pool.functions.getUserAccountData(evm_address(owner))
        return tuple(await call.call(block_identifier=HexBytes(block_hash)))

    def config(self, tape: Path) -> Config:
        """What follows the market: one chain, one portfolio an owner."""
        return parse_config("\n".join(self._toml(tape)))

    def _toml(self, tape: Path) -> list[str]:
        chain, node = f"eip155:{CHAIN_ID}", self.node
        rows = [
            _table("service", listen="127.0.0.1:0", tape=str(tape)),
            _table("risk", parameters="unified-v1"),
            _table("[chains]", id=chain, name="zoo", kind="evm", head_age_ms_max=2 * AGE_S * 1000),
            _table("[chains.endpoints]", label="zoo", http=node.http_url, ws=node.ws_url),
            _table(
                "[venues]",
                id=VENUE,
                kind="aave-v3",
                addresses_provider=self.market.provider.address.lower(),
            ),
        ]
        for symbol, feed in self.market.feeds.items():
            rows.append(
                _table(
                    "[feeds]",
                    id=f"chainlink@{chain}/{feed.proxy.address.lower()}",
                    base=symbol,
                    quote="USD",
                    heartbeat_s=2 * AGE_S,
                    tolerance_s=60,
                    decimals=chainlink.PRICE_DECIMALS,
                    description=f"{symbol} / USD",
                )
            )
            identifier = f"{chain}/erc20:{self.asset(symbol).lower()}"
            rows.append(
                _table("[tokens]", id=identifier, symbol=symbol, asset=symbol, price=symbol)
            )
        for owner in OWNERS:
            account = f"{VENUE}/{evm_address(owner).lower()}"
            rows.append(_table("[portfolios]", id=owner.replace(" ", "-"), accounts=[account]))
        return rows


def _table(header: str, **entries: Any) -> str:
    lines = [f"{key} = {json.dumps(value)}" for key, value in entries.items()]
    return "\n".join([f"[{header}]", *lines, ""])


async def open_zoo(node: Anvil) -> Zoo:
    """The market with all its accounts, each index on the move."""
    zoo = Zoo(await deploy(node, compiled(), ZOO))
    admin = node.admin
    steps = []
    for symbol in SYMBOLS:
        rich = units(symbol, 1_000_000)
        pool = zoo.market.pool.address
        steps += [
            zoo.on_token(symbol, admin, "mint", admin, 3 * rich),
            zoo.on_token(symbol, admin, "approve", pool, ALL),
        ]
    await node.send(steps)
    await node.send(_settings(zoo))
    lent = [s for s in SYMBOLS if s not in {"ISO", "CAP", "GEM"}]
    await node.send(
        [
            *(_supply(zoo, admin, s, "1000000") for s in lent),
            _supply(zoo, admin, "CAP", "900"),
        ]
    )
    await node.send(
        [
            _borrow(zoo, admin, s, amount)
            for s, amount in {"WETH": "300000", "WBTC": "9000", "USDC": "500000"}.items()
        ]
    )
    for name, owner in OWNERS.items():
        await _open(zoo, name, owner)
        await zoo.pass_time(1_234)
    return zoo


def _settings(zoo: Zoo) -> list[Transaction]:
    set_to = zoo.configure
    return [
        set_to("setEModeCategory", GEMS, 8500, 9000, 10300, "gems"),
        set_to("setAssetCollateralInEMode", "GEM", GEMS, True),
        set_to("setAssetCollateralInEMode", "WBTC", GEMS, True),
        set_to("setAssetBorrowableInEMode", "USDC", GEMS, True),
        set_to("setEModeCategory", STAKED, 7300, 7700, 10700, "staked"),
        set_to("setAssetCollateralInEMode", "wstETH", STAKED, True),
        set_to("setAssetBorrowableInEMode", "USDC", STAKED, True),
        set_to("setDebtCeiling", "ISO", DEBT_CEILING_CENTS),
        set_to("setBorrowableInIsolation", "USDC", True),
        set_to("setSupplyCap", "CAP", SUPPLY_CAP),
        set_to("setBorrowCap", "CAP", BORROW_CAP),
    ]


def _supply(zoo: Zoo, owner: str, symbol: str, amount: str) -> Transaction:
    what = zoo.asset(symbol), units(symbol, amount), owner, 0
    return zoo.on_pool(zoo.node.admin, "supply", *what)


def _borrow(zoo: Zoo, owner: str, symbol: str, amount: str) -> Transaction:
    what = zoo.asset(symbol), units(symbol, amount), 2, 0, owner
    return zoo.on_pool(owner, "borrow", *what)


async def _open(zoo: Zoo, name: str, owner: Owner) -> None:
    address = evm_address(name)
    steps = [zoo.on_pool(address, "setUserEMode", owner.emode)] if owner.emode else []
    # Collateral by its owner's own supply only: a supply for another counts as well, by the pool.
    steps += [_supply(zoo, address, s, amount) for s, amount in owner.supplies.items()]
    if owner.isolates:
        asset = zoo.asset(owner.isolates)
        steps.append(zoo.on_pool(address, "setUserUseReserveAsCollateral", asset, True))
    steps += [_borrow(zoo, address, s, amount) for s, amount in owner.debts.items()]
    await zoo.node.send(steps)
