"""How a Solana endpoint deceives: the real VM's answers, changed where the fault says.

Surfpool keeps neither ``minContextSlot`` nor a commitment. LAG stands in front of it and behaves
as nodes behind a load balancer do: what it answers was true, some slots ago.
"""

import base64
import hashlib
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Final

from xmargin.testbed.faults import Ask, Fault, Json

TOKEN_ACCOUNT_BYTES: Final = 165
TOKEN_AMOUNT_AT: Final = 64
PRICE_UPDATE_BYTES: Final = 134
PRICE_AT: Final = 73  # of a fully verified PriceUpdateV2
_MIN_CONTEXT_SLOT_NOT_REACHED: Final = -32016
_ANSWERS_KEPT: Final = 200
_ACCOUNTS: Final = "getMultipleAccounts"


class SolanaDeceit:
    """One endpoint's deceits.

    LIE doubles what the accounts ``lies_about`` hold, or the price they carry. LAG answers
    ``slots_behind`` the VM where ``lags`` says so of a call's keys; with
    ``keeps_min_context_slot`` it refuses what it has not reached, as Agave does, without, it
    answers all the same, as some nodes do. FORK gives every block another hash.
    """

    def __init__(self, lies_about: Iterable[str] = ()) -> None:
        self.lies_about = frozenset(lies_about)
        self.slots_behind = 0
        self.keeps_min_context_slot = False
        self.lags: Callable[[list[str]], bool] = lambda _: True
        self._history: defaultdict[str, deque[tuple[int, Json]]] = defaultdict(
            lambda: deque(maxlen=_ANSWERS_KEPT)
        )

    async def answer(self, fault: Fault, call: Json, ask: Ask) -> Json:
        """See :class:`xmargin.testbed.faults.Deceit`."""
        method, params = call["method"], call["params"]
        answer = await ask(method, params)
        if "result" not in answer:
            return answer
        if fault is Fault.LAG and method == _ACCOUNTS:
            return self._as_it_lags(params, answer)
        if fault is Fault.LIE and method == _ACCOUNTS:
            keys, result = params[0], answer["result"]
            told = [self._told(*pair) for pair in zip(keys, result["value"], strict=True)]
            return {**answer, "result": {**result, "value": told}}
        if fault is Fault.FORK and method == "getBlock" and answer["result"]:
            block = answer["result"]
            forged = hashlib.sha256(str(block["blockhash"]).encode()).hexdigest()
            return {**answer, "result": {**block, "blockhash": forged}}
        return answer

    # --- Lies ---------------------------------------------------------------------------------

    def _told(self, key: str, value: Json) -> Json:
        if key not in self.lies_about or value is None:
            return value
        data = bytearray(base64.b64decode(value["data"][0]))
        at = {TOKEN_ACCOUNT_BYTES: TOKEN_AMOUNT_AT, PRICE_UPDATE_BYTES: PRICE_AT}.get(len(data))
        if at is None:
            return {**value, "lamports": 2 * value["lamports"]}
        number = 2 * int.from_bytes(data[at : at + 8], "little")
        data[at : at + 8] = number.to_bytes(8, "little")
        return {**value, "data": [base64.b64encode(data).decode(), "base64"]}

    # --- Lag ----------------------------------------------------------------------------------

    def _as_it_lags(self, params: list[Json], answer: Json) -> Json:
        keys, options = params
        slot = answer["result"]["context"]["slot"]
        for key, value in zip(keys, answer["result"]["value"], strict=True):
            self._history[key].append((slot, value))
        if not self.slots_behind or not self.lags(keys):
            return answer
        past = self._past(keys, slot - self.slots_behind)
        if self.keeps_min_context_slot and past["context"]["slot"] < options["minContextSlot"]:
            refusal = {
                "code": _MIN_CONTEXT_SLOT_NOT_REACHED,
                "message": "Minimum context slot has not been reached",
                "data": {"contextSlot": past["context"]["slot"]},
            }
            return {"jsonrpc": "2.0", "error": refusal}
        return {**answer, "result": past}

    def _past(self, keys: list[str], slot: int) -> Json:
        """What a node that stands at ``slot`` or just before would answer."""
        context_slot = self._as_of(keys[0], slot)[0]
        values = [self._as_of(key, context_slot)[1] for key in keys]
        return {"context": {"slot": context_slot}, "value": values}

    def _as_of(self, key: str, slot: int) -> tuple[int, Json]:
        history = self._history[key]
        return next((entry for entry in reversed(history) if entry[0] <= slot), history[0])
