"""One endpoint of Hyperliquid's information API: questions by POST, answers in plain JSON.

The API names no chain and gives no block, no hash and no finality, only the time of the state that
it answers from.
"""

import json
from typing import Any

from xmargin.chains.jsonrpc import HttpEndpoint

Json = Any


class InfoEndpoint(HttpEndpoint):
    """A connection to one ``/info``; the URL is given whole."""

    async def check_chain(self) -> None:
        """Nothing: what an answer is of, the API does not say."""

    async def info(self, kind: str, **details: str) -> Json:
        """The answer to one question.

        Raises:
            EndpointError: no answer in time, or none that is JSON.
        """
        self.calls[kind] += 1
        return await self._post(json.dumps({"type": kind, **details}).encode())
