"""A server in front of a real chain that behaves as broken endpoints do: see ``faults``."""

import asyncio
import collections
import json
from typing import Self

import aiohttp
from aiohttp import WSMsgType, web

from xmargin.testbed.faults import (
    IDENTITY_METHODS,
    Deceit,
    DroppedError,
    Fault,
    FaultyEndpoint,
    ServerError,
)

_BODY_BYTES_MAX = 64 * 2**20


class ChainProxy:
    """One proxy on a free loopback port, HTTP and WebSocket. `calls` counts methods asked for."""

    def __init__(self, faulty: FaultyEndpoint, ws_url: str, session: aiohttp.ClientSession) -> None:
        self.faulty = faulty
        self._ws_upstream = ws_url
        self._websockets: list[web.Request] = []
        self._runner = web.AppRunner(self._application(), shutdown_timeout=0.1)
        self._session = session
        self.http_url = ""
        self.ws_url = ""

    @classmethod
    async def start(
        cls,
        http_url: str,
        ws_url: str,
        *,
        other_chain_http_url: str = "",
        deceit: Deceit | None = None,
    ) -> Self:
        """A proxy for the chain at these endpoints, without a fault."""
        session = aiohttp.ClientSession()

        async def forward(body: bytes, url: str = http_url) -> bytes:
            headers = {"Content-Type": "application/json"}
            async with session.post(url, data=body, headers=headers) as answer:
                return await answer.read()

        async def forward_elsewhere(body: bytes) -> bytes:
            return await forward(body, other_chain_http_url or http_url)

        faulty = FaultyEndpoint(forward, other_chain=forward_elsewhere, deceit=deceit)
        proxy = cls(faulty, ws_url, session)
        await proxy._runner.setup()
        site = web.TCPSite(proxy._runner, "127.0.0.1", 0)
        await site.start()
        port = proxy._runner.addresses[0][1]
        proxy.http_url, proxy.ws_url = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
        return proxy

    @property
    def calls(self) -> collections.Counter[str]:
        """The methods asked for."""
        return self.faulty.calls

    @property
    def delay_s(self) -> float:
        """How long each answer takes beside."""
        return self.faulty.delay_s

    @delay_s.setter
    def delay_s(self, delay_s: float) -> None:
        self.faulty.delay_s = delay_s

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
        return self.faulty.fault

    def set_fault(self, fault: Fault) -> None:
        """Behave so from now on, on open connections too. Requests that hung are dropped."""
        self.faulty.set_fault(fault)
        if fault in {Fault.DROP, Fault.HTTP_500}:
            for opened in list(self._websockets):
                _dropped(opened)

    async def _answer_post(self, request: web.Request) -> web.StreamResponse:
        try:
            answer = await self.faulty.answer(await request.read())
        except DroppedError:
            return _dropped(request)
        except ServerError:
            return _failed()
        return web.Response(body=answer, content_type="application/json")

    async def _answer_websocket(self, request: web.Request) -> web.StreamResponse:
        await self.faulty.while_hanging()
        if self.fault is Fault.DROP:
            return _dropped(request)
        if self.fault is Fault.HTTP_500:
            return _failed()
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
            self.faulty.count(message.data)
            await self.faulty.while_hanging()
            call = json.loads(message.data)
            is_identity = isinstance(call, dict) and call.get("method") in IDENTITY_METHODS
            if self.fault is Fault.OTHER_CHAIN and is_identity:
                answer = await self.faulty.answer_call(call, self.fault)
                await client.send_str(json.dumps(answer))
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
            await self.faulty.while_hanging()
            text = message.data
            await client.send_str(text[: len(text) // 2] if self._truncates else text)

    @property
    def _truncates(self) -> bool:
        return self.fault is Fault.TRUNCATE


def _failed() -> web.StreamResponse:
    return web.Response(status=500, text="internal server error")


def _dropped(request: web.Request) -> web.StreamResponse:
    """Close the request's connection at once; what is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=499)
