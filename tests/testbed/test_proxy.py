"""The proxy passes the real chain through, and fails in the way it is told to."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from xmargin.testbed.anvil import Anvil
from xmargin.testbed.faults import Fault
from xmargin.testbed.proxy import ChainProxy

ASK_CHAIN = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
ASK_HEAD = {"jsonrpc": "2.0", "id": 2, "method": "eth_blockNumber", "params": []}
ANSWER_TIMEOUT_S = 5.0


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as client:
        yield client


@pytest.fixture
async def proxy(anvil: Anvil) -> AsyncIterator[ChainProxy]:
    async with (
        await Anvil.start(31338) as other,
        await ChainProxy.start(
            anvil.http_url, anvil.ws_url, other_chain_http_url=other.http_url
        ) as running,
    ):
        yield running


async def _ask(session: aiohttp.ClientSession, proxy: ChainProxy, body: object) -> str:
    async with session.post(proxy.http_url, json=body) as answer:
        answer.raise_for_status()
        return await answer.text()


async def test_it_passes_http_through_and_counts(
    session: aiohttp.ClientSession, proxy: ChainProxy
) -> None:
    answers = json.loads(await _ask(session, proxy, [ASK_CHAIN, ASK_HEAD]))
    assert [answer["result"] for answer in answers] == ["0x7a69", "0x0"]
    assert proxy.calls == {"eth_chainId": 1, "eth_blockNumber": 1}


async def test_it_passes_subscriptions_through(
    session: aiohttp.ClientSession, proxy: ChainProxy, anvil: Anvil
) -> None:
    async with session.ws_connect(proxy.ws_url) as socket:
        await socket.send_json(
            {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}
        )
        assert "result" in await socket.receive_json(timeout=ANSWER_TIMEOUT_S)
        await anvil.mine()
        head = await socket.receive_json(timeout=ANSWER_TIMEOUT_S)
        assert head["params"]["result"]["number"] == "0x1"


async def test_it_hangs_and_falls_silent(
    session: aiohttp.ClientSession, proxy: ChainProxy, anvil: Anvil
) -> None:
    async with session.ws_connect(proxy.ws_url) as socket:
        await socket.send_json(
            {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}
        )
        await socket.receive_json(timeout=ANSWER_TIMEOUT_S)
        proxy.set_fault(Fault.HANG)
        await anvil.mine()
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=0.3)
        assert not socket.closed
    asked = asyncio.create_task(_ask(session, proxy, ASK_HEAD))
    done, _ = await asyncio.wait([asked], timeout=0.3)
    assert not done
    proxy.set_fault(Fault.NONE)
    with pytest.raises(aiohttp.ClientConnectionError):
        await asked
    assert json.loads(await _ask(session, proxy, ASK_HEAD))["result"] == "0x1"


async def test_it_drops_open_and_new_connections(
    session: aiohttp.ClientSession, proxy: ChainProxy
) -> None:
    async with session.ws_connect(proxy.ws_url) as socket:
        proxy.set_fault(Fault.DROP)
        closed = await socket.receive(timeout=ANSWER_TIMEOUT_S)
        assert closed.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
    with pytest.raises(aiohttp.ClientConnectionError):
        await _ask(session, proxy, ASK_HEAD)


async def test_it_answers_errors(session: aiohttp.ClientSession, proxy: ChainProxy) -> None:
    proxy.set_fault(Fault.HTTP_500)
    with pytest.raises(aiohttp.ClientResponseError, match="500"):
        await _ask(session, proxy, ASK_HEAD)
    with pytest.raises(aiohttp.WSServerHandshakeError, match="500"):
        await session.ws_connect(proxy.ws_url)


async def test_it_cuts_answers(session: aiohttp.ClientSession, proxy: ChainProxy) -> None:
    whole = await _ask(session, proxy, ASK_HEAD)
    proxy.set_fault(Fault.TRUNCATE)
    half = await _ask(session, proxy, ASK_HEAD)
    assert half == whole[: len(whole) // 2]
    with pytest.raises(json.JSONDecodeError):
        json.loads(half)


async def test_it_answers_for_another_chain(
    session: aiohttp.ClientSession, proxy: ChainProxy, anvil: Anvil
) -> None:
    await anvil.mine(3)
    proxy.set_fault(Fault.OTHER_CHAIN)
    answers = json.loads(await _ask(session, proxy, [ASK_CHAIN, ASK_HEAD]))
    assert [answer["result"] for answer in answers] == ["0x7a6a", "0x3"]
    assert json.loads(await _ask(session, proxy, ASK_CHAIN))["result"] == "0x7a6a"
    async with session.ws_connect(proxy.ws_url) as socket:
        await socket.send_json(ASK_CHAIN)
        assert (await socket.receive_json(timeout=ANSWER_TIMEOUT_S))["result"] == "0x7a6a"


async def test_it_delays(session: aiohttp.ClientSession, proxy: ChainProxy) -> None:
    proxy.delay_s = 0.4
    began_s = asyncio.get_running_loop().time()
    await _ask(session, proxy, ASK_HEAD)
    assert asyncio.get_running_loop().time() - began_s >= 0.4
