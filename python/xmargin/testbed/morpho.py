"""Morpho Blue, compiled from its npm sources, on a local chain: markets over real Chainlink feeds.

The rate is Morpho's own linear ``IrmMock`` (utilisation as a yearly rate); Morpho's adaptive model
is not on npm. Oracles are ``contracts/MorphoChecks.sol``'s ratio of two feeds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeAlias

from eth_abi.abi import encode
from eth_utils.crypto import keccak
from web3.contract import AsyncContract

from xmargin.testbed import artifacts, chainlink, solidity
from xmargin.testbed.anvil import Anvil, Transaction
from xmargin.testbed.calldata import call_data
from xmargin.testbed.chainlink import PriceFeed
from xmargin.testbed.script import Script
from xmargin.testbed.venue_packages import MORPHO_BLUE

CONTRACTS: Final = ("Morpho", "IrmMock", "MorphoLens", "FeedRatioOracle")
_PARAMETERS = "(address,address,address,address,uint256)"
_UNLIMITED = 2**255

MarketParams: TypeAlias = tuple[str, str, str, str, int]
"""Loan token, collateral token, oracle, interest rate model, LLTV as a wad: what makes a market."""


@dataclass(frozen=True, slots=True)
class TokenSpec:
    """A token and the price of its feed."""

    decimals: int
    price_usd: Decimal


@dataclass(frozen=True, slots=True)
class MorphoMarketSpec:
    """A market: tokens by symbol, the liquidation loan-to-value and the fee of interest as wads."""

    collateral: str
    loan: str
    lltv_wad: int
    fee_wad: int = 0


@dataclass(frozen=True, slots=True)
class MorphoBlue:
    """What is deployed; markets in the order of their specifications."""

    node: Anvil
    morpho: AsyncContract
    lens: AsyncContract
    tokens: Mapping[str, AsyncContract]
    feeds: Mapping[str, PriceFeed]
    markets: tuple[MarketParams, ...]

    def on_morpho(self, sender: str, function: str, *args: object) -> Transaction:
        """A call of Morpho itself."""
        data = call_data(self.morpho, function, args)
        return Transaction(sender, self.morpho.address, data, f"{function}{args}")

    def on_token(self, symbol: str, sender: str, function: str, *args: object) -> Transaction:
        """A call of a token."""
        token = self.tokens[symbol]
        return Transaction(sender, token.address, call_data(token, function, args), function)

    def fund(self, owner: str, amounts: Mapping[str, int]) -> list[Transaction]:
        """New tokens for an owner, spendable by Morpho."""
        return [
            transaction
            for symbol, amount in amounts.items()
            for transaction in (
                self.on_token(symbol, self.node.admin, "mint", owner, amount),
                self.on_token(symbol, owner, "approve", self.morpho.address, _UNLIMITED),
            )
        ]


def market_id(params: MarketParams) -> str:
    """The id that Morpho knows a market by: the hash of its parameters, as hex."""
    return "0x" + keccak(encode([_PARAMETERS], [params])).hex()


async def deploy_morpho(
    node: Anvil, tokens: Mapping[str, TokenSpec], markets: tuple[MorphoMarketSpec, ...]
) -> MorphoBlue:
    """Morpho with tokens, a feed each, and markets.

    Raises:
        TransactionError: a step reverted.
        SetupError: a package, the compiler or the process is not to be had.
    """
    code = solidity.compiled(MORPHO_BLUE, "MorphoChecks.sol", CONTRACTS)
    admin = node.admin
    script = await Script.begin(node, admin)
    morpho = script.deploy(code["Morpho"], admin)
    irm = script.deploy(code["IrmMock"])
    lens = script.deploy(code["MorphoLens"], morpho.address)
    script.call(morpho, "enableIrm", irm.address)
    script.call(morpho, "setFeeRecipient", admin)
    for lltv_wad in sorted({spec.lltv_wad for spec in markets}):
        script.call(morpho, "enableLltv", lltv_wad)
    erc20 = artifacts.aave("mocks/tokens/MintableERC20")
    contracts = {s: script.deploy(erc20, s, s, one.decimals) for s, one in tokens.items()}
    feeds = {
        symbol: chainlink.deploy_feed(script, admin, symbol, one.price_usd)
        for symbol, one in tokens.items()
    }
    made: list[MarketParams] = []
    for spec in markets:
        pair = (spec.collateral, spec.loan)
        oracle = script.deploy(
            code["FeedRatioOracle"],
            *(feeds[symbol].proxy.address for symbol in pair),
            *(tokens[symbol].decimals for symbol in pair),
        )
        assets = contracts[spec.loan].address, contracts[spec.collateral].address
        params = (*assets, oracle.address, irm.address, spec.lltv_wad)
        script.call(morpho, "createMarket", params)
        if spec.fee_wad:
            script.call(morpho, "setFee", params, spec.fee_wad)
        made.append(params)
    await script.run()
    return MorphoBlue(node, morpho, lens, contracts, feeds, tuple(made))
