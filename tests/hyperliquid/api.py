"""A small HTTP server that answers what Hyperliquid's API answered once, with today's time.

It is no exchange: states rest as they were captured or published, and only ``time`` moves with our
clock (or as told), since answers of 2023 had none. Faults are put into its answers on demand.
"""

import asyncio
import copy
import json
from collections import Counter
from collections.abc import Callable
from typing import Any, Self

from aiohttp import web

from tests.following import now_ms

Json = Any


class InfoApi:
    """``/info`` over given states by user; ``asked`` counts questions by type."""

    def __init__(self, meta: Json, states: dict[str, Json]) -> None:
        self.meta = meta
        self.states = states
        self.time_ms: Callable[[], int] = now_ms
        self.spoil: Callable[[str, Json], Json | web.StreamResponse] = lambda _, answer: answer
        self.is_silent = False
        self.is_cut_short = False
        self.asked: Counter[str] = Counter()
        self.http_url = ""
        application = web.Application()
        application.router.add_post("/info", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.http_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/info"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        question = await request.json()
        self.asked[question["type"]] += 1
        if self.is_silent:
            await asyncio.sleep(30)
        if question["type"] == "meta":
            subject, answer = "meta", self.meta
        else:
            subject = question["user"]
            answer = copy.deepcopy(self.states[subject]) | {"time": self.time_ms()}
        spoiled = self.spoil(subject, answer)
        if isinstance(spoiled, web.StreamResponse):
            return spoiled
        if self.is_cut_short:
            return await _first_half(request, json.dumps(spoiled).encode())
        # As Python writes it: NaN stays NaN.
        return web.Response(text=json.dumps(spoiled), content_type="application/json")


async def _first_half(request: web.Request, body: bytes) -> web.StreamResponse:
    """An answer whose connection breaks midway."""
    response = web.StreamResponse(headers={"Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
