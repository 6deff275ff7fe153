"""A lagging RPC node, made of a real one: what it answers was true, some slots ago.

Surfpool keeps neither ``minContextSlot`` nor a commitment; this proxy stands in front of it and
behaves as nodes behind a load balancer do.
"""

import collections
import json
from collections.abc import Callable
from typing import Any, Self

import aiohttp
from aiohttp import web

_MIN_CONTEXT_SLOT_NOT_REACHED = -32016
_ANSWERS_KEPT = 200


class LaggingRpc:
    """A proxy whose account answers are ``slots_behind`` the VM, where ``lags`` says so of a call.

    With ``keeps_min_context_slot`` it refuses what it has not reached, as Agave does; without, it
    answers all the same, as some nodes do. ``calls`` counts methods.
    """

    def __init__(self, http_url: str) -> None:
        self._upstream = http_url
        self._session = aiohttp.ClientSession()
        application = web.Application(client_max_size=2**24)
        application.router.add_post("/", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        self._history: collections.defaultdict[str, collections.deque[tuple[int, Any]]] = (
            collections.defaultdict(lambda: collections.deque(maxlen=_ANSWERS_KEPT))
        )
        self.http_url = ""
        self.slots_behind = 0
        self.keeps_min_context_slot = False
        self.lags: Callable[[list[str]], bool] = lambda _: True
        self.calls: collections.Counter[str] = collections.Counter()

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.http_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _answer(self, request: web.Request) -> web.Response:
        call = await request.json()
        self.calls[call["method"]] += 1
        async with self._session.post(self._upstream, json=call) as upstream:
            answer = json.loads(await upstream.read())
        if call["method"] == "getMultipleAccounts" and "result" in answer:
            answer = self._as_it_lags(call, answer)
        return web.json_response(answer)

    def _as_it_lags(self, call: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        keys, options = call["params"]
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
            return {"jsonrpc": "2.0", "id": call["id"], "error": refusal}
        return {"jsonrpc": "2.0", "id": call["id"], "result": past}

    def _past(self, keys: list[str], slot: int) -> dict[str, Any]:
        """What a node that stands at ``slot`` or just before would answer."""
        context_slot = self._as_of(keys[0], slot)[0]
        values = [self._as_of(key, context_slot)[1] for key in keys]
        return {"context": {"slot": context_slot}, "value": values}

    def _as_of(self, key: str, slot: int) -> tuple[int, Any]:
        history = self._history[key]
        return next((entry for entry in reversed(history) if entry[0] <= slot), history[0])
