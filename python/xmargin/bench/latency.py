"""From a new block to the changed health at a gRPC client, over real chains and processes.

The server is a process of its own (``xmargin serve``), the chains are the testbed's, the client is
this process. A sample begins right before the block is asked to be mined, with a new oracle round
waiting in it, and ends when the client holds the health of every watched portfolio as of it.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc

from xmargin.bench.figures import Figure, quantiles
from xmargin.testbed.calldata import call_data
from xmargin.testbed.chainlink import to_answer
from xmargin.testbed.evm_chain import EvmChain
from xmargin.testbed.world import Testbed, open_testbed
from xmargin.v1 import margin_report_pb2, margin_service_pb2, margin_service_pb2_grpc

_BLOCKS = 100
_WARM_UP = 5
_BLOCK_PERIOD_S = 1.02
_ROUND_GAS = 1_000_000
_START_TIMEOUT_S = 120
_MESSAGE_BYTES_MAX = 256 * 2**20


async def measure(extra_owners: int, blocks: int = _BLOCKS) -> list[Figure]:
    """Latency with ``extra_owners`` accounts a chain watched beside the named portfolios."""
    async with (
        open_testbed(block_time_s=None, extra_owners=extra_owners) as bed,
        _server(bed) as address,
        grpc.aio.insecure_channel(
            address, options=[("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX)]
        ) as channel,
    ):
        watched = await _Watch.open(channel)
        chain = next(iter(bed.evm.values()))
        await watched.until(chain.id, await chain.node.block_number())
        samples = [await _sample(bed, chain, watched, n) for n in range(blocks + _WARM_UP)]
        portfolios = len(bed.portfolios) + len(bed.extras)
        await watched.close()
    return [
        Figure(
            f"block to health, {portfolios} portfolios watched on each chain",
            "ms",
            quantiles(samples[_WARM_UP:]),
            "from before evm_mine to all changed healths decoded at the client",
        )
    ]


async def _sample(bed: Testbed, chain: EvmChain, watched: "_Watch", number: int) -> float:
    """Milliseconds of one block with a new ETH round in it."""
    # One block a second: faster ones would run ahead of the wall clock, and be refused for it.
    await asyncio.sleep(_BLOCK_PERIOD_S)
    # Within a tenth of a per cent, so that no other source disagrees and every health moves.
    price = bed.market.prices_usd["ETH"] * (1 + Decimal(number % 10) / 10_000)
    await _queue_round(chain, price)
    height = await chain.node.block_number() + 1
    began = time.perf_counter()
    await chain.node.rpc("anvil_mine", "0x1")
    received = await watched.until(chain.id, height)
    return (received - began) * 1000


async def _queue_round(chain: EvmChain, price: Decimal) -> None:
    """Send the next ETH round to the node's pool, without a block."""
    aggregator = chain.aave.feeds["ETH"].aggregator
    latest = await aggregator.functions.latestRound().call()
    data = call_data(aggregator, "submit", [latest + 1, to_answer(price)])
    round_transaction = {
        "from": chain.node.admin,
        "to": aggregator.address,
        "data": data,
        "gas": hex(_ROUND_GAS),
    }
    await chain.node.rpc("eth_sendTransaction", round_transaction)


class _Watch:
    """A WatchHealth stream with the time each view arrived."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._arrivals: dict[str, tuple[int, float]] = {}
        self._news = asyncio.Condition()
        self._task = asyncio.create_task(self._receive())

    @classmethod
    async def open(cls, channel: grpc.aio.Channel) -> "_Watch":
        stub = margin_service_pb2_grpc.MarginServiceStub(channel)
        return cls(stub.WatchHealth(margin_service_pb2.WatchHealthRequest()))

    async def _receive(self) -> None:
        async for answer in self._call:
            arrived = time.perf_counter()
            for chain in answer.metadata.as_of:
                self._note(chain, arrived)
            async with self._news:
                self._news.notify_all()

    def _note(self, chain: margin_report_pb2.ChainAsOf, arrived: float) -> None:
        known = self._arrivals.get(chain.chain)
        if known is None or known[0] < chain.block.height:
            self._arrivals[chain.chain] = (chain.block.height, arrived)

    async def until(self, chain: str, height: int) -> float:
        """When the first view at or above ``height`` arrived."""
        async with self._news, asyncio.timeout(_START_TIMEOUT_S):
            while self._arrivals.get(chain, (-1, 0.0))[0] < height:
                if self._task.done():
                    self._task.result()
                    raise RuntimeError("the watch ended")
                await self._news.wait()
        return self._arrivals[chain][1]

    async def close(self) -> None:
        self._call.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def _server(bed: Testbed) -> AsyncIterator[str]:
    """``xmargin serve`` over the testbed; yields its address."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "bench.toml"
        tape = Path(folder) / "bench.tape"
        # The other chain is not mined meanwhile, and is not what is measured.
        text = bed.config_toml(tape=tape, head_age_ms_max=3_600_000)
        config.write_text(text, encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "xmargin.cli", "serve", "--config", str(config), "--json"),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            yield await _address(process)
        finally:
            process.terminate()
            await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    if process.stdout is None:
        raise RuntimeError("the server has no standard output")
    line = await asyncio.wait_for(process.stdout.readline(), _START_TIMEOUT_S)
    return str(json.loads(line)["listening"])
