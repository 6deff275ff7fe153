"""A proxy in front of a real chain, which can be told to behave as broken endpoints do.

What it passes on is the real chain's own answer; the faults are the endpoint's: silence, dropped
connections, errors, cut answers, delay, or answering for another chain.
"""

import asyncio
import collections
import json
from enum import StrEnum
from typing import Any, Self

import aiohttp
from aiohttp import WSMsgType, web

# What an endpoint is asked to learn which chain it serves.
_IDENTITY_METHODS = frozenset({"eth_chainId", "net_version", "getGenesisHash"})
_BODY_BYTES_MAX = 64 * 2**20


class Fault(StrEnum):
    """How the proxy behaves."""

    NONE = "none"
    HANG = "hang"  # takes everything, answers nothing; WebSockets stay open and fall silent
    DROP = "drop"  # closes connections without an answer
    HTTP_500 = "http-500"
    TRUNCATE = "truncate"  # the first half of each answer
    OTHER_CHAIN = "other-chain"  # says it serves another chain; all else is passed on


class ChainProxy:
    """One proxy on a free loopback port, HTTP and WebSocket. `calls` counts methods asked for."""

    def __init__(
        self,
        http_url: str,
        ws_url: str,
        other_chain_http_url: str,
        session: aiohttp.ClientSession,
    ) -> None:
        self._http_upstream = http_url
        self._ws_upstream = ws_url
        self._other_chain = other_chain_http_url
        self._fault = Fault.NONE
        self._changed = asyncio.Event()
        self._websockets: list[web.Request] = []
        self._runner = web.AppRunner(self._application(), shutdown_timeout=0.1)
        self._session = session
        self.delay_s = 0.0
        self.calls: collections.Counter[str] = collections.Counter()
        self.http_url = ""
        self.ws_url = ""

    @classmethod
    async def start(cls, http_url: str, ws_url: str, *, other_chain_http_url: str = "") -> Self:
        """A proxy for the chain at these endpoints, without a fault."""
        session = aiohttp.ClientSession()
        proxy = cls(http_url, ws_url, other_chain_http_url or http_url, session)
        await proxy._runner.setup()
        site = web.TCPSite(proxy._runner, "127.0.0.1", 0)
        await site.start()
        port = proxy._runner.addresses[0][1]
        proxy.http_url, proxy.ws_url = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
        return proxy

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=_BODY_BYTES_MAX)
        application.router.add_post("/", self._answer_post)
        application.router.add_get("/", self._answer_websocket)
        return application

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Close all connections and the port."""
        self.set_fault(Fault.DROP)
        await self._runner.cleanup()
        await self._session.close()

    @property
    def fault(self) -> Fault:
        """The fault in force."""
        return self._fault

    def set_fault(self, fault: Fault) -> None:
        """Behave so from now on, on open connections too. Requests that hung are dropped."""
        self._fault = fault
        self._changed.set()
        self._changed = asyncio.Event()
        if fault in {Fault.DROP, Fault.HTTP_500}:
            for opened in list(self._websockets):
                _dropped(opened)

    async def _answer_post(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self._count(body)
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self._fault is Fault.HANG:
            await self._changed.wait()
            return _dropped(request)
        if self._fault is Fault.DROP:
            return _dropped(request)
        if self._fault is Fault.HTTP_500:
            return web.Response(status=500, text="internal server error")
        answer = await self._ask(body)
        if self._fault is Fault.TRUNCATE:
            answer = answer[: len(answer) // 2]
        return web.Response(body=answer, content_type="application/json")

    async def _ask(self, body: bytes) -> bytes:
        """The real answer, each call of it from the chain that the fault says."""
        if self._fault is not Fault.OTHER_CHAIN:
            return await self._forward(self._http_upstream, body)
        calls = json.loads(body)
        if isinstance(calls, dict):
            return await self._forward(self._chain_for(calls), body)
        parts = [self._forward(self._chain_for(c), json.dumps(c).encode()) for c in calls]
        return b"[" + b",".join(await asyncio.gather(*parts)) + b"]"

    def _chain_for(self, call: dict[str, Any]) -> str:
        asks_identity = call.get("method") in _IDENTITY_METHODS
        return self._other_chain if asks_identity else self._http_upstream

    async def _forward(self, url: str, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json"}
        async with self._session.post(url, data=body, headers=headers) as answer:
            return await answer.read()

    def _count(self, body: bytes | str) -> None:
        calls = json.loads(body)
        for call in calls if isinstance(calls, list) else [calls]:
            self.calls[str(call.get("method"))] += 1

    async def _answer_websocket(self, request: web.Request) -> web.StreamResponse:
        if self._fault is Fault.HANG:
            await self._changed.wait()
        if self._fault is Fault.DROP:
            return _dropped(request)
        if self._fault is Fault.HTTP_500:
            return web.Response(status=500, text="internal server error")
        client = web.WebSocketResponse(max_msg_size=_BODY_BYTES_MAX)
        await client.prepare(request)
        self._websockets.append(request)
        try:
            async with self._session.ws_connect(
                self._ws_upstream, max_msg_size=_BODY_BYTES_MAX
            ) as upstream:
                await self._relay(client, upstream)
        finally:
            self._websockets.remove(request)
        return client

    async def _relay(
        self, client: web.WebSocketResponse, upstream: aiohttp.ClientWebSocketResponse
    ) -> None:
        """Pass messages both ways until one side ends."""
        ways = [
            asyncio.create_task(self._pass_up(client, upstream)),
            asyncio.create_task(self._pass_down(upstream, client)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass_up(
        self, client: web.WebSocketResponse, upstream: aiohttp.ClientWebSocketResponse
    ) -> None:
        async for message in client:
            if message.type is not WSMsgType.TEXT:
                continue
            self._count(message.data)
            await self._while_hanging()
            call = json.loads(message.data)
            is_identity = isinstance(call, dict) and call.get("method") in _IDENTITY_METHODS
            if self._fault is Fault.OTHER_CHAIN and is_identity:
                answer = await self._forward(self._other_chain, message.data.encode())
                await client.send_str(answer.decode())
            else:
                await upstream.send_str(message.data)

    async def _pass_down(
        self, upstream: aiohttp.ClientWebSocketResponse, client: web.WebSocketResponse
    ) -> None:
        async for message in upstream:
            if message.type is not WSMsgType.TEXT:
                continue
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            await self._while_hanging()
            text = message.data
            await client.send_str(text[: len(text) // 2] if self._truncates else text)

    @property
    def _truncates(self) -> bool:
        return self._fault is Fault.TRUNCATE

    async def _while_hanging(self) -> None:
        while self._fault is Fault.HANG:
            await self._changed.wait()


def _dropped(request: web.Request) -> web.StreamResponse:
    """Close the request's connection at once; what is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=499)
