"""Pyth's contract on an EVM chain, as its SDK ships it for tests: updates need no signatures."""

import json
from dataclasses import dataclass
from typing import Final

from web3.contract import AsyncContract

from xmargin.testbed import packages
from xmargin.testbed.anvil import Anvil, Transaction
from xmargin.testbed.artifacts import Artifact
from xmargin.testbed.calldata import call_data
from xmargin.testbed.script import Script
from xmargin.testbed.venue_packages import PYTH

_VALID_S: Final = 60
_FEE_WEI: Final = 1


@dataclass(frozen=True, slots=True)
class PythContract:
    """The contract, which takes one wei an update."""

    node: Anvil
    contract: AsyncContract

    async def publish(
        self, feed_id: str, price: int, confidence: int, exponent: int, published_at_s: int
    ) -> None:
        """One update of a feed (64 hex digits); price and confidence are also its averages."""
        update = await self.contract.functions.createPriceFeedUpdateData(
            bytes.fromhex(feed_id),
            price,
            confidence,
            exponent,
            price,
            confidence,
            published_at_s,
            published_at_s - 1,
        ).call()
        data = call_data(self.contract, "updatePriceFeeds", ([update],))
        admin, address = self.node.admin, self.contract.address
        await self.node.send([Transaction(admin, address, data, "update", value_wei=_FEE_WEI)])


async def deploy_pyth(node: Anvil) -> PythContract:
    """The contract without any feed."""
    folder = packages.fetch(PYTH)
    code = (folder / "build/MockPyth_sol_MockPyth.bin").read_text().strip()
    abi = json.loads((folder / "abis/MockPyth.json").read_text())
    script = await Script.begin(node, node.admin)
    contract = script.deploy(Artifact("MockPyth", abi, "0x" + code, {}), _VALID_S, _FEE_WEI)
    await script.run()
    return PythContract(node, contract)
