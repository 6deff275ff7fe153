"""One EVM chain of the testbed: its node and the Aave market on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from web3 import AsyncWeb3
from web3.contract import AsyncContract

from xmargin.testbed.aave import AaveMarket
from xmargin.testbed.anvil import Anvil


@dataclass(frozen=True, slots=True)
class EvmChain:
    """One EVM chain of the testbed."""

    node: Anvil
    aave: AaveMarket
    a_tokens: Mapping[str, str]

    @property
    def id(self) -> str:
        """CAIP-2."""
        return self.node.chain

    @property
    def venue(self) -> str:
        """The Aave market's venue id."""
        return f"aave-v3@{self.id}"

    @property
    def w3(self) -> AsyncWeb3[Any]:
        """A client of the chain."""
        return self.node.w3

    @property
    def pool(self) -> AsyncContract:
        """The Aave pool."""
        return self.aave.pool
