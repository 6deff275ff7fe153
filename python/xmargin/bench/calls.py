"""How many requests a block costs, against the number of accounts watched.

Counted where it cannot be fudged: in a proxy before the chain, which sees every request.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence

from xmargin.bench.figures import Figure
from xmargin.config import ChainConfig, Config, EndpointConfig, parse_config
from xmargin.model import ChainHead, Observation
from xmargin.service.intake import reader_plans
from xmargin.service.running import wall_clock_ms
from xmargin.testbed.proxy import ChainProxy
from xmargin.testbed.world import Testbed, open_testbed

_BLOCKS = 10
_BLOCK_PERIOD_S = 1.0
_READ_TIMEOUT_S = 120


async def measure(extra_owners: Sequence[int]) -> list[Figure]:
    """Requests a block on the first EVM chain and a slot on Solana, for each number of owners."""
    figures: list[Figure] = []
    async with open_testbed(block_time_s=None) as bed:
        for count in extra_owners:
            await bed.add_extra_owners(count - len(bed.extras))
            figures += await _count(bed)
    return figures


async def _count(bed: Testbed) -> list[Figure]:
    config = parse_config(bed.config_toml())
    portfolios = len(bed.portfolios) + len(bed.extras)
    evm = next(iter(bed.evm.values()))
    chain = next(c for c in config.chains if c.id == evm.id)
    solana = next(c for c in config.chains if c.kind == "solana")
    return [
        await _figure("EVM block", bed, config, chain, portfolios),
        await _figure("Solana slot", bed, config, solana, portfolios),
    ]


async def _figure(
    name: str, bed: Testbed, config: Config, chain: ChainConfig, portfolios: int
) -> Figure:
    """The mean number of requests by method, of a reader that is up to date."""
    endpoint = chain.endpoints[0]
    async with await ChainProxy.start(endpoint.http_url, endpoint.ws_url or "") as proxy:
        behind = EndpointConfig(label="counted", http=proxy.http_url, ws=proxy.ws_url)
        watched = chain.model_copy(update={"endpoints": (behind,)})
        spent = await _requests(bed, config, watched, proxy)
    methods = {method: count / _BLOCKS for method, count in sorted(spent.items()) if count}
    return Figure(
        f"requests per {name}, {portfolios:,} owners watched",
        "requests",
        {"total": sum(methods.values()), **methods},
        f"mean of {_BLOCKS}; nobody's balance changed but the native ones were read",
    )


async def _requests(
    bed: Testbed, config: Config, chain: ChainConfig, proxy: ChainProxy
) -> Counter[str]:
    heads = asyncio.Semaphore(0)

    async def sink(batch: Sequence[Observation]) -> None:
        for observation in batch:
            if isinstance(observation.fact, ChainHead):
                heads.release()

    others = tuple(c for c in config.chains if c.id != chain.id)
    plan, *_ = reader_plans(config.model_copy(update={"chains": (chain, *others)}), wall_clock_ms)
    reader = asyncio.create_task(plan.make().run(sink))
    try:
        async with asyncio.timeout(_READ_TIMEOUT_S):
            await _next_head(bed, chain, heads)
            await _next_head(bed, chain, heads)
            before = Counter(proxy.calls)
            for _ in range(_BLOCKS):
                await _next_head(bed, chain, heads)
            spent = Counter(proxy.calls)
            spent.subtract(before)
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
    return spent


async def _next_head(bed: Testbed, chain: ChainConfig, heads: asyncio.Semaphore) -> None:
    """The next head; on the EVM chains one is mined for it."""
    if chain.id in bed.evm:
        await asyncio.sleep(_BLOCK_PERIOD_S)
        await bed.evm[chain.id].node.rpc("anvil_mine", "0x1")
    await heads.acquire()
