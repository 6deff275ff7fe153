"""How an EVM endpoint deceives: the real node's answers, changed where the fault says."""

import hashlib
from dataclasses import dataclass, field
from typing import Final

from xmargin.testbed import aggregate3
from xmargin.testbed.faults import Ask, Fault, Json

BALANCE_OF: Final = "70a08231"
GET_ETH_BALANCE: Final = "4d2301cc"
LATEST_ROUND_DATA: Final = "feaf968c"

_WORD = 32


@dataclass(frozen=True, slots=True)
class Lie:
    """``times`` the truth in one word of what a function says of (or at) one address."""

    address: str
    selector: str
    word: int = 0
    times: int = 2

    def told(self, target: str, data: bytes, returned: bytes) -> bytes:
        """What is said in place of ``returned``."""
        about = bytes.fromhex(self.address.removeprefix("0x"))
        if data[:4].hex() != self.selector or about not in (data + bytes.fromhex(target[2:])):
            return returned
        at = _WORD * self.word
        number = int.from_bytes(returned[at : at + _WORD]) * self.times
        return returned[:at] + number.to_bytes(_WORD) + returned[at + _WORD :]


@dataclass(slots=True)
class EvmDeceit:
    """One endpoint's deceits: ``lies`` of LIE, ``depth`` blocks of LAG, REPLAY and FORK.

    Endpoints of the same ``seed`` forge the same blocks.
    """

    lies: tuple[Lie, ...] = ()
    depth: int = 3
    seed: str = ""
    _forged: dict[str, str] = field(default_factory=dict)

    async def answer(self, fault: Fault, call: Json, ask: Ask) -> Json:
        """See :class:`xmargin.testbed.faults.Deceit`."""
        method, params = call["method"], call["params"]
        match fault:
            case Fault.LIE:
                return self._lied(call, await ask(method, params))
            case Fault.HIDE:
                answer = await ask(method, params)
                return {**answer, "result": []} if method == "eth_getLogs" else answer
            case Fault.REPLAY:
                return await self._replayed(method, params, ask)
            case Fault.LAG:
                return await self._lagged(method, params, ask)
            case Fault.FORK:
                return await self._forked(call, ask)
            case _:
                return await ask(method, params)

    # --- Lies ---------------------------------------------------------------------------------

    def _lied(self, call: Json, answer: Json) -> Json:
        if call["method"] != "eth_call" or "result" not in answer:
            return answer
        asked = bytes.fromhex(call["params"][0]["data"][2:])
        if asked[:4] != aggregate3.SELECTOR or len(answer["result"]) <= 2:
            return answer
        calls = aggregate3.decode_calls(asked)
        results = aggregate3.decode_results(bytes.fromhex(answer["result"][2:]))
        told = [
            (success, self._told(target, data, returned) if success else returned)
            for (target, data), (success, returned) in zip(calls, results, strict=True)
        ]
        return {**answer, "result": "0x" + aggregate3.encode_results(told).hex()}

    def _told(self, target: str, data: bytes, returned: bytes) -> bytes:
        for lie in self.lies:
            returned = lie.told(target, data, returned)
        return returned

    # --- Old blocks ---------------------------------------------------------------------------

    async def _replayed(self, method: str, params: list[Json], ask: Ask) -> Json:
        if method == "eth_getBlockByNumber" and params[0] == "latest":
            return await ask(method, [hex(await self._own_height(ask)), *params[1:]])
        return await ask(method, params)

    async def _own_height(self, ask: Ask) -> int:
        newest = int((await ask("eth_getBlockByNumber", ["latest", False]))["result"]["number"], 16)
        return max(0, newest - self.depth)

    async def _lagged(self, method: str, params: list[Json], ask: Ask) -> Json:
        own = await self._own_height(ask)
        block_hash = _hash_in(method, params)
        if block_hash is not None:
            header = (await ask("eth_getBlockByHash", [block_hash, False])).get("result")
            if header is not None and int(header["number"], 16) > own:
                return _unknown(method)
        if method == "eth_getBlockByNumber":
            label = params[0]
            if label == "latest" or (label.startswith("0x") and int(label, 16) > own):
                at = hex(own) if label == "latest" else None
                return _unknown(method) if at is None else await ask(method, [at, *params[1:]])
        return await ask(method, params)

    # --- Blocks of its own --------------------------------------------------------------------

    async def _forked(self, call: Json, ask: Ask) -> Json:
        """Its newest ``depth`` blocks have other hashes, and in them the lies are true."""
        method, params = call["method"], call["params"]
        block_hash = _hash_in(method, params)
        real = self._forged.get(block_hash or "")
        if real is not None:
            params = _with_hash(method, params, real)
        answer = await ask(method, params)
        if real is not None and method == "eth_call":
            answer = self._lied({"method": method, "params": params}, answer)
        if real is not None and method == "eth_getLogs" and "result" in answer:
            logs = [{**log, "blockHash": block_hash} for log in answer["result"]]
            return {**answer, "result": logs}
        if method in {"eth_getBlockByNumber", "eth_getBlockByHash"} and answer.get("result"):
            own = await self._own_height(ask)
            return {**answer, "result": self._forge(answer["result"], own)}
        return answer

    def _forge(self, header: Json, fork_height: int) -> Json:
        height = int(header["number"], 16)
        if height <= fork_height:
            return header
        parent = header["parentHash"]
        if height > fork_height + 1:
            parent = self._forged_hash(parent)
        return {**header, "hash": self._forged_hash(header["hash"]), "parentHash": parent}

    def _forged_hash(self, real: str) -> str:
        forged = "0x" + hashlib.sha256(f"{self.seed} {real}".encode()).hexdigest()
        self._forged[forged] = real
        return forged


def _hash_in(method: str, params: list[Json]) -> str | None:
    if method == "eth_getBlockByHash":
        return str(params[0])
    if method == "eth_getLogs":
        return str(params[0].get("blockHash"))
    if method == "eth_call" and isinstance(params[1], dict):
        return str(params[1].get("blockHash"))
    return None


def _with_hash(method: str, params: list[Json], block_hash: str) -> list[Json]:
    if method == "eth_getBlockByHash":
        return [block_hash, *params[1:]]
    if method == "eth_getLogs":
        return [{**params[0], "blockHash": block_hash}]
    return [params[0], {**params[1], "blockHash": block_hash}]


def _unknown(method: str) -> Json:
    if method.startswith("eth_getBlock"):
        return {"jsonrpc": "2.0", "result": None}
    return {"jsonrpc": "2.0", "error": {"code": -32001, "message": "header not found"}}
