"""A reader of one testbed chain that feeds a real World, and ways to wait for it and compare."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from eth_typing import HexStr

from tests.following import Told, now_ms, running
from xmargin.config import ChainConfig, EndpointConfig, parse_config
from xmargin.model import ChainReorg, Claim, Observation, Registry, TokenSpec
from xmargin.reading.evm import EvmReader
from xmargin.testbed.proxy import ChainProxy
from xmargin.testbed.world import Testbed

CHAIN = "eip155:31337"
OTHER_CHAIN = "eip155:31338"


@dataclass(kw_only=True)
class Followed(Told):
    """A running reader and all it told."""

    reader: EvmReader

    @property
    def reorgs(self) -> list[Observation]:
        return [o for b in self.batches for o in b if isinstance(o.fact, ChainReorg)]

    @property
    def head_hash(self) -> str:
        heads = self.heads
        assert heads[-1].block is not None
        return heads[-1].block.hash

    async def caught_up(self, bed: Testbed) -> HexStr:
        """Wait until the head told is the chain's; its hash."""
        latest = await bed.evm[self.reader.chain].w3.eth.get_block("latest")
        wanted = latest["hash"].to_0x_hex()
        await self.until(lambda: bool(self.heads) and self.head_hash == wanted)
        return HexStr(wanted)


def settings(bed: Testbed, chain: str = CHAIN, **changes: Any) -> tuple[ChainConfig, Registry]:
    """The testbed's own configuration of a chain, with changes."""
    config = parse_config(bed.config_toml(head_age_ms_max=600_000))
    (chosen,) = (one for one in config.chains if one.id == chain)
    quick: dict[str, Any] = {"poll_ms": 100, "request_timeout_ms": 2_000}
    return chosen.model_copy(update=quick | changes), config.registry()


def with_tokens(registry: Registry, *addresses: str) -> Registry:
    """The registry with more ERC-20 tokens on the chain."""
    more = (TokenSpec(f"{CHAIN}/erc20:{a.lower()}", "X", "ETH", "ETH") for a in addresses)
    return replace(registry, tokens=tuple(sorted((*registry.tokens, *more), key=lambda t: t.id)))


def through(*proxies: ChainProxy) -> tuple[EndpointConfig, ...]:
    """Endpoints that are these proxies."""
    return tuple(
        EndpointConfig.model_validate({"label": f"proxy-{i}", "http": p.http_url, "ws": p.ws_url})
        for i, p in enumerate(proxies)
    )


@asynccontextmanager
async def follow_through_proxy(
    bed: Testbed, **changes: Any
) -> AsyncIterator[tuple[Followed, ChainProxy]]:
    """A reader whose only endpoint can be told to misbehave."""
    node, other = bed.evm[CHAIN].node, bed.evm[OTHER_CHAIN].node
    async with (
        await ChainProxy.start(
            node.http_url, node.ws_url, other_chain_http_url=other.http_url
        ) as proxy,
        follow(bed, endpoints=through(proxy), **changes) as followed,
    ):
        yield followed, proxy


@asynccontextmanager
async def follow(
    bed: Testbed, *, chain: str = CHAIN, registry: Registry | None = None, **changes: Any
) -> AsyncIterator[Followed]:
    """A reader that runs, and at the end must have run without an exception."""
    config, whole = settings(bed, chain, **changes)
    watched = registry or whole
    one = Followed(reader=EvmReader(config, watched, now_ms), registry=watched)
    async with running(one.reader, one):
        yield one


async def read_anew(bed: Testbed, registry: Registry | None = None) -> Followed:
    """What a reader that starts now, and so reads everything, says of the chain's head."""
    async with follow(bed, registry=registry) as fresh:
        await fresh.caught_up(bed)
    return fresh


def assert_same_facts(incremental: Followed, anew: Followed) -> None:
    """The same blocks give the same facts, however they were read.

    aTokens in wallets are left out: their balances grow without a log (the venue account's scaled
    balance, which is compared, is what counts).
    """
    assert incremental.head_hash == anew.head_hash
    claims = {t.id for t in anew.registry.tokens if t.claim is Claim.VENUE_SUPPLY}
    left, right = (
        {k: f for k, f in one.facts().items() if not claims & set(k)} for one in (incremental, anew)
    )
    assert left.keys() == right.keys()
    different = {k: (left[k], right[k]) for k in left if left[k] != right[k]}
    assert not different
