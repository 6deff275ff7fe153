"""A recorded EVM chain: what a real node answered, block by block, played at any speed.

Each contract call is asked of the node once a block and remembered, so that whatever is asked
later, in whatever batches, is answered with the contract's own words of that block.
"""

import json
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache
from http.client import HTTPConnection
from typing import Final

from xmargin.testbed import aggregate3
from xmargin.testbed.aggregate3 import Call, Result
from xmargin.testbed.faults import Json

_GAS: Final = hex(50_000_000)
_TIMEOUT_S: Final = 60


class RecordedChain:
    """Blocks ``first`` to ``last`` of a real node. ``now_s`` says which of them there are yet.

    Safe and finalized are those ``depth`` and twice ``depth`` blocks below the head.
    """

    def __init__(self, http_url: str, first: int, last: int, depth: int = 2) -> None:
        self._node = HTTPConnection(http_url.removeprefix("http://"), timeout=_TIMEOUT_S)
        self._depth = depth
        self.chain_id = self._ask("eth_chainId", [])
        self.headers = [self._header(number) for number in range(first, last + 1)]
        self._times_s = [int(header["timestamp"], 16) for header in self.headers]
        self._index = {header["hash"]: at for at, header in enumerate(self.headers)}
        self._logs = [
            self._ask("eth_getLogs", [{"blockHash": header["hash"]}]) for header in self.headers
        ]
        self._first = first
        self._results: list[dict[Call, Result]] = [{} for _ in self.headers]
        self._answers: dict[tuple[int, str], str] = {}
        self.now_s: Callable[[], float] = lambda: float(self._times_s[-1])

    @property
    def times_s(self) -> Sequence[int]:
        """The blocks' timestamps."""
        return self._times_s

    def close(self) -> None:
        """Let the node go; what was not asked before cannot be asked any more."""
        self._node.close()

    async def answer(self, body: bytes) -> bytes:
        """The answer to one JSON-RPC body, as of ``now_s``."""
        calls = json.loads(body)
        if isinstance(calls, dict):
            return json.dumps(self._answer(calls)).encode()
        return json.dumps([self._answer(call) for call in calls]).encode()

    def _answer(self, call: Json) -> Json:
        answer: dict[str, Json] = {"jsonrpc": "2.0", "id": call["id"]}
        result = self._result(call["method"], call["params"])
        if isinstance(result, Exception):
            return {**answer, "error": {"code": -32001, "message": str(result)}}
        return {**answer, "result": result}

    def _result(self, method: str, params: list[Json]) -> Json | Exception:
        match method:
            case "eth_chainId":
                return self.chain_id
            case "eth_getBlockByNumber":
                return self._by_label(params[0])
            case "eth_getBlockByHash":
                at = self._known(params[0])
                return None if at is None else self.headers[at]
            case "eth_getLogs":
                at = self._known(params[0]["blockHash"])
                return LookupError("unknown block") if at is None else self._logs_of(at, params[0])
            case "eth_call":
                at = self._known(params[1]["blockHash"])
                return LookupError("header not found") if at is None else self._call(at, params[0])
        return NotImplementedError(f"the recording has no {method}")

    # --- Blocks -------------------------------------------------------------------------------

    def _head(self) -> int:
        return max(0, bisect_right(self._times_s, self.now_s()) - 1)

    def _known(self, block_hash: str) -> int | None:
        at = self._index.get(block_hash)
        return at if at is not None and at <= self._head() else None

    def _by_label(self, label: str) -> Json:
        below = {"latest": 0, "safe": self._depth, "finalized": 2 * self._depth}
        at = self._head() - below[label] if label in below else int(label, 16) - self._first
        return self.headers[at] if 0 <= at <= self._head() else None

    def _logs_of(self, at: int, asked: Json) -> Json:
        wanted = {address.lower() for address in asked["address"]}
        return [log for log in self._logs[at] if log["address"].lower() in wanted]

    # --- Calls --------------------------------------------------------------------------------

    def _call(self, at: int, transaction: Json) -> str:
        key = (at, transaction["data"])
        if key not in self._answers:
            results = self._results_of(at, transaction["to"], _calls(transaction["data"]))
            self._answers = {k: a for k, a in self._answers.items() if k[0] >= at - 1}
            self._answers[key] = "0x" + aggregate3.encode_results(results).hex()
        return self._answers[key]

    def _results_of(self, at: int, multicall3: str, calls: Sequence[Call]) -> list[Result]:
        known = self._results[at]
        missing = [call for call in dict.fromkeys(calls) if call not in known]
        if missing:
            known.update(zip(missing, self._record(at, multicall3, missing), strict=True))
        return [known[call] for call in calls]

    def _record(self, at: int, multicall3: str, calls: Sequence[Call]) -> list[Result]:
        data = "0x" + aggregate3.encode_calls(calls).hex()
        block = {"blockHash": self.headers[at]["hash"], "requireCanonical": True}
        answer = self._ask("eth_call", [{"to": multicall3, "data": data, "gas": _GAS}, block])
        return aggregate3.decode_results(bytes.fromhex(answer[2:]))

    # --- The node -----------------------------------------------------------------------------

    def _header(self, number: int) -> Json:
        return self._ask("eth_getBlockByNumber", [hex(number), False])

    def _ask(self, method: str, params: list[Json]) -> Json:
        """Without the event loop: time may be simulated there."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        self._node.request("POST", "/", json.dumps(body), {"content-type": "application/json"})
        return json.load(self._node.getresponse())["result"]


@lru_cache(maxsize=256)
def _calls(data: str) -> list[Call]:
    return aggregate3.decode_calls(bytes.fromhex(data[2:]))
