"""Vaults on vaults on a real token, held and pledged; and what their contracts say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from web3.contract import AsyncContract

from tests.evm_venues.serving import config_of
from xmargin.config import Config
from xmargin.testbed import chainlink, solidity
from xmargin.testbed.anvil import Anvil, Transaction
from xmargin.testbed.artifacts import aave
from xmargin.testbed.calldata import call_data
from xmargin.testbed.chainlink import PriceFeed
from xmargin.testbed.portfolios import evm_address
from xmargin.testbed.script import Script, created_address
from xmargin.testbed.venue_packages import OPENZEPPELIN

ANN, BEN = OWNERS = (evm_address("ann"), evm_address("ben"))
PRICE = Decimal("2500.25")


@dataclass(frozen=True, slots=True)
class Vaults:
    """WETH, a vault of it, a vault of that vault's shares, and two vaults of each other."""

    node: Anvil
    weth: AsyncContract
    inner: AsyncContract
    outer: AsyncContract
    snake: tuple[AsyncContract, AsyncContract]
    feed: PriceFeed

    def id_of(self, token: AsyncContract) -> str:
        return f"{self.node.chain}/erc20:{token.address.lower()}"

    def wallet(self, address: str) -> str:
        return f"wallet@{self.node.chain}/{address.lower()}"


def sent(sender: str, to: AsyncContract, function: str, *args: Any) -> Transaction:
    """A call as a transaction."""
    return Transaction(sender, to.address, call_data(to, function, args), function)


async def deploy_vaults(node: Anvil) -> Vaults:
    """All of them empty."""
    code = solidity.compiled(OPENZEPPELIN, "Vaults.sol", ("Vault",))["Vault"]
    script = await Script.begin(node, node.admin)
    weth = script.deploy(aave("mocks/tokens/MintableERC20"), "WETH", "WETH", 18)
    inner = script.deploy(code, weth.address, "inner")
    outer = script.deploy(code, inner.address, "outer")
    feed = chainlink.deploy_feed(script, node.admin, "ETH", PRICE)
    await script.run()
    nonce = await node.w3.eth.get_transaction_count(node.admin)  # type: ignore[arg-type]
    script = await Script.begin(node, node.admin)
    head = script.deploy(code, created_address(node.admin, nonce + 1), "head")
    tail = script.deploy(code, head.address, "tail")
    await script.run()
    return Vaults(node, weth, inner, outer, (head, tail), feed)


async def deposit(vaults: Vaults, owner: str, amount: int, into_outer: int) -> None:
    """New WETH into the inner vault, part of the shares into the outer."""
    node, inner, outer = vaults.node, vaults.inner, vaults.outer
    await node.send(
        [
            sent(node.admin, vaults.weth, "mint", owner, amount),
            sent(owner, vaults.weth, "approve", inner.address, 2**255),
            sent(owner, inner, "approve", outer.address, 2**255),
            sent(owner, inner, "deposit", amount, owner),
            sent(owner, outer, "deposit", into_outer, owner),
        ]
    )


async def earn(vaults: Vaults, vault: AsyncContract, amount: int) -> None:
    """WETH given to a vault's holders, or inner shares."""
    node = vaults.node
    token = vaults.weth if vault is vaults.inner else vaults.inner
    if token is vaults.weth:
        await node.send([sent(node.admin, token, "mint", vault.address, amount)])
    else:
        await node.send([sent(ANN, token, "transfer", vault.address, amount)])


def config(
    vaults: Vaults,
    tape: Path,
    accounts: list[str],
    tokens: list[AsyncContract],
    beside: Sequence[Mapping[str, Any]] = (),
) -> Config:
    """The service's: WETH and some claims among the tokens, other venues beside."""
    rows = [
        {"id": vaults.id_of(token), "symbol": f"T{number}", "asset": "ETH", "price": "ETH"}
        for number, token in enumerate(tokens)
    ]
    every = [vaults.inner, vaults.outer, *vaults.snake]
    return config_of(
        vaults.node,
        tape,
        venue={"id": f"claims@{vaults.node.chain}", "kind": "claims"},
        settings={"erc4626": [vault.address.lower() for vault in every]},
        tokens=rows,
        feeds=[vaults.feed],
        accounts=accounts,
        beside=beside,
    )
