"""What both kinds of endpoint keep to: secrets, sizes and the right answer to each request."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from xmargin.chains import jsonrpc
from xmargin.chains.evm.endpoint import EvmEndpoint
from xmargin.chains.jsonrpc import JsonRpcEndpoint, Refusal
from xmargin.chains.solana.endpoint import SolanaEndpoint
from xmargin.config import ChainConfig
from xmargin.errors import EndpointError
from xmargin.model import Condition

GENESIS = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"
NAMES = {"eth_chainId": "0x1", "getGenesisHash": GENESIS}
SECRETS = ["us3rname", "p4ssword", "k3y-of-the-house", "k3y-of-the-house-and-garden", "t0ken-value"]
KINDS: list[tuple[type[JsonRpcEndpoint], str]] = [
    (EvmEndpoint, "eip155:1"),
    (SolanaEndpoint, f"solana:{GENESIS[:32]}"),
]
both_kinds = pytest.mark.parametrize(("endpoint_kind", "chain"), KINDS)


@asynccontextmanager
async def connected(
    endpoint_kind: type[JsonRpcEndpoint], chain: str, answer: Callable[[Any], Any]
) -> AsyncIterator[JsonRpcEndpoint]:
    """An endpoint whose server says which chain it is, and else what ``answer`` says."""

    async def handle(request: web.Request) -> web.Response:
        asked = await request.json()
        named = {"jsonrpc": "2.0", "id": asked["id"], "result": NAMES.get(asked["method"])}
        return web.json_response(named if named["result"] else answer(asked))

    app = web.Application()
    app.router.add_post("/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    user, password, key, longer_key, token = SECRETS
    url = f"http://{user}:{password}@{host}:{port}/{key}/{longer_key}?apikey={token}"
    config = ChainConfig.model_validate(
        {
            "id": chain,
            "name": "one",
            "kind": "evm" if chain.startswith("eip155:") else "solana",
            "endpoints": [{"label": "own", "http": url}],
        }
    )
    try:
        async with endpoint_kind(config, config.endpoints[0]) as endpoint:
            yield endpoint
    finally:
        await runner.cleanup()


def error(asked: Any, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32000, "message": message}}


@both_kinds
@pytest.mark.parametrize("padding", [0, 130, 150, 155])
async def test_a_refusal_repeats_no_secret_of_the_url_and_no_control_character(
    endpoint_kind: type[JsonRpcEndpoint], chain: str, padding: int
) -> None:
    """The padding moves the first secret over the place where messages are cut off."""
    message = "\x1b" * padding + " ".join(reversed(SECRETS))
    async with connected(endpoint_kind, chain, lambda asked: error(asked, message)) as endpoint:
        refusal = await endpoint.ask("x")
    assert isinstance(refusal, Refusal)
    assert refusal.code == -32000
    assert refusal.message.isprintable()
    assert 0 < len(refusal.message) <= 160
    parts = [secret[:n] for secret in SECRETS for n in range(5, len(secret) + 1)]
    assert not [part for part in parts if part in refusal.message]


@both_kinds
async def test_an_answer_beyond_the_bound_is_not_read_to_its_end(
    endpoint_kind: type[JsonRpcEndpoint], chain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sized(asked: Any) -> Any:
        frame: dict[str, Any] = {"jsonrpc": "2.0", "id": asked["id"], "result": ""}
        frame["result"] = "x" * (asked["params"][0] - len(json.dumps(frame)))
        return frame

    monkeypatch.setattr(jsonrpc, "ANSWER_BYTES_MAX", 1_000)
    async with connected(endpoint_kind, chain, sized) as endpoint:
        assert await endpoint.ask("x", 1_000)
        with pytest.raises(EndpointError, match="answer larger than 1000 bytes") as caught:
            await endpoint.ask("x", 1_001)
    assert caught.value.metadata["condition"] == Condition.INVALID


@both_kinds
@pytest.mark.parametrize("answer", [[], 3, None, {}, {"jsonrpc": "2.0", "id": 1}, {"error": "no"}])
async def test_what_is_no_jsonrpc_is_a_fault(
    endpoint_kind: type[JsonRpcEndpoint], chain: str, answer: Any
) -> None:
    async with connected(endpoint_kind, chain, lambda _: answer) as endpoint:
        with pytest.raises(EndpointError) as caught:
            await endpoint.ask("x")
    assert caught.value.metadata["condition"] == Condition.INVALID


async def test_an_answer_to_another_request_is_a_fault() -> None:
    kind, chain = KINDS[1]
    other = {"jsonrpc": "2.0", "id": 999, "result": 7}
    async with connected(kind, chain, lambda _: other) as endpoint:
        with pytest.raises(EndpointError, match="answered another request"):
            await endpoint.ask("x")
