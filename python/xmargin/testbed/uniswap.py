"""Uniswap v3 (npm bytecode) on a local chain: a factory, its periphery, pools with liquidity."""

from dataclasses import dataclass
from typing import Final

from eth_utils.address import to_checksum_address
from web3.contract import AsyncContract

from xmargin.testbed import artifacts
from xmargin.testbed.anvil import Anvil, Transaction
from xmargin.testbed.artifacts import Artifact
from xmargin.testbed.calldata import call_data
from xmargin.testbed.script import Script
from xmargin.testbed.venue_packages import UNISWAP_CORE, UNISWAP_PERIPHERY

_ROOT: Final = "artifacts/contracts"
_FOREVER: Final = 2**40
_UNLIMITED: Final = 2**255
_GAS_MAX: Final = (
    15_000_000  # the factory creates a pool in one transaction; swaps cross many ticks
)


@dataclass(frozen=True, slots=True)
class Uniswap:
    """A factory and what is built on it."""

    node: Anvil
    factory: AsyncContract
    positions: AsyncContract
    router: AsyncContract
    quoter: AsyncContract


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool with its tokens in the order of their addresses; ``fee`` in millionths."""

    uniswap: Uniswap
    contract: AsyncContract
    token0: AsyncContract
    token1: AsyncContract
    fee: int

    def mint_position(
        self, owner: str, ticks: tuple[int, int], amounts: tuple[int, int]
    ) -> Transaction:
        """Liquidity between two ticks of at most these amounts."""
        tokens = self.token0.address, self.token1.address
        order = (*tokens, self.fee, *ticks, *amounts, 0, 0, owner, _FOREVER)
        return _sent(owner, self.uniswap.positions, "mint", order)

    def swap(self, owner: str, *, zero_for_one: bool, amount_in: int) -> Transaction:
        """An exact amount sold, at any price."""
        tokens = (self.token0.address, self.token1.address)
        sold, bought = tokens if zero_for_one else tokens[::-1]
        order = (sold, bought, self.fee, owner, _FOREVER, amount_in, 0, 0)
        return _sent(owner, self.uniswap.router, "exactInputSingle", order)

    def fund(self, owner: str, amounts: tuple[int, int]) -> list[Transaction]:
        """New tokens for an owner, spendable by the periphery."""
        spenders = (self.uniswap.positions.address, self.uniswap.router.address)
        tokens = (self.token0, self.token1)
        return [
            step
            for token, amount in zip(tokens, amounts, strict=True)
            for step in (
                _sent(self.uniswap.node.admin, token, "mint", owner, amount),
                *(_sent(owner, token, "approve", spender, _UNLIMITED) for spender in spenders),
            )
        ]


def _sent(sender: str, to: AsyncContract, function: str, *args: object) -> Transaction:
    return Transaction(sender, to.address, call_data(to, function, args), function, _GAS_MAX)


def pool_artifact() -> Artifact:
    """The pool's code, which the factory deploys."""
    return artifacts.hardhat(UNISWAP_CORE, f"{_ROOT}/UniswapV3Pool")


async def deploy_uniswap(node: Anvil) -> Uniswap:
    """The factory and its periphery.

    Raises:
        TransactionError: a step reverted.
    """
    script = await Script.begin(node, node.admin)
    factory = script.deploy(artifacts.hardhat(UNISWAP_CORE, f"{_ROOT}/UniswapV3Factory"))

    def periphery(path: str, *more: str) -> AsyncContract:
        code = artifacts.hardhat(UNISWAP_PERIPHERY, f"{_ROOT}/{path}")
        # No native coin is wrapped here, so any address will do for its wrapper.
        return script.deploy(code, factory.address, factory.address, *more)

    positions = periphery("NonfungiblePositionManager", factory.address)
    router, quoter = periphery("SwapRouter"), periphery("lens/QuoterV2")
    await script.run()
    return Uniswap(node, factory, positions, router, quoter)


async def create_pool(
    uniswap: Uniswap, tokens: tuple[AsyncContract, AsyncContract], fee: int, sqrt_price_x96: int
) -> Pool:
    """A pool of two tokens at a price, without liquidity.

    Raises:
        TransactionError: a step reverted.
    """
    node = uniswap.node
    token0, token1 = sorted(tokens, key=lambda token: int(token.address, 16))
    pair = token0.address, token1.address, fee
    create = (*pair, sqrt_price_x96)
    await node.send(
        [_sent(node.admin, uniswap.positions, "createAndInitializePoolIfNecessary", *create)]
    )
    address = await uniswap.factory.functions.getPool(*pair).call()
    contract = node.contract(to_checksum_address(address), pool_artifact().abi)
    return Pool(uniswap, contract, token0, token1, fee)
