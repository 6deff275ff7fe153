"""An endpoint of a Solana chain: checked for its genesis.

The requests are our own: solana-py's client sends no ``minContextSlot`` with account batches and
reads answers of any size.
"""

import json
from itertools import count
from typing import Final

from xmargin.chains.jsonrpc import Json, JsonRpcEndpoint, printable, shown
from xmargin.config import ChainConfig, EndpointConfig
from xmargin.model import Condition

# CAIP-2 names a Solana chain by so many characters of its genesis hash.
_REFERENCE_CHARACTERS: Final = 32


class SolanaEndpoint(JsonRpcEndpoint):
    """A connection to one endpoint of a Solana chain."""

    def __init__(self, chain: ChainConfig, endpoint: EndpointConfig) -> None:
        super().__init__(chain, endpoint)
        self._ids = count(1)

    async def check_chain(self) -> None:
        """Ask for the genesis hash; see :meth:`JsonRpcEndpoint.check_chain`."""
        genesis_hash = await self.ask("getGenesisHash")
        if not isinstance(genesis_hash, str):
            raise self.fault(f"getGenesisHash gave {shown(genesis_hash)}", Condition.INVALID)
        chain = f"solana:{genesis_hash[:_REFERENCE_CHARACTERS]}"
        if chain != self.chain:
            raise self.fault(
                f"is an endpoint of {printable(chain)}, not of {self.chain}; fix its URL",
                Condition.INVALID,
            )

    async def _request(self, method: str, params: list[Json]) -> Json:
        request_id = next(self._ids)
        request = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
        answer = await self._post(json.dumps(request).encode())
        if isinstance(answer, dict) and not answer.get("error") and answer.get("id") != request_id:
            raise self.fault("answered another request", Condition.INVALID)
        return answer
