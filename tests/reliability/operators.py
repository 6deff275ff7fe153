"""Operators before one real chain, told how to behave; and a small part of it to watch."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from tests.evm.harness import CHAIN, OTHER_CHAIN, Followed, follow, settings
from xmargin.config import EndpointConfig
from xmargin.model import Fact, Registry, chain_of, is_native
from xmargin.testbed.faults import Fault
from xmargin.testbed.faults_evm import (
    BALANCE_OF,
    GET_ETH_BALANCE,
    LATEST_ROUND_DATA,
    EvmDeceit,
    Lie,
)
from xmargin.testbed.portfolios import PORTFOLIO_BY_ID
from xmargin.testbed.proxy import ChainProxy
from xmargin.testbed.world import Testbed

OWNER = PORTFOLIO_BY_ID["p28-no-debt-aave"].evm_address.lower()
WALLET = f"wallet@{CHAIN}/{OWNER}"


def watched(bed: Testbed) -> Registry:
    """One wallet with ether and WETH, and their feed: few enough to be read many hundred times."""
    whole = settings(bed)[1]
    weth = f"{CHAIN}/erc20:{bed.evm[CHAIN].aave.tokens['WETH'].address.lower()}"
    (owner,) = (p for p in whole.portfolios if WALLET in p.accounts)
    return replace(
        whole,
        chains=tuple(c for c in whole.chains if c.id == CHAIN),
        tokens=tuple(
            t for t in whole.tokens if chain_of(t.id) == CHAIN and (is_native(t.id) or t.id == weth)
        ),
        feeds=tuple(f for f in whole.feeds if chain_of(f.id) == CHAIN and f.base == "ETH"),
        venues=(),
        portfolios=(replace(owner, accounts=(WALLET,)),),
    )


def lies(bed: Testbed) -> tuple[Lie, ...]:
    """Twice the balances of the one account, at ten times the price; nothing else."""
    feed = bed.evm[CHAIN].aave.feeds["ETH"].proxy.address.lower()
    return (
        Lie(OWNER, BALANCE_OF),
        Lie(OWNER, GET_ETH_BALANCE),
        Lie(feed, LATEST_ROUND_DATA, word=1, times=10),
    )


@dataclass(frozen=True, slots=True)
class Operators:
    """Endpoints of one chain, each of an operator of its own: a, b, c, …"""

    bed: Testbed
    proxies: tuple[ChainProxy, ...]

    def behave(self, *faults: Fault) -> None:
        for proxy, fault in zip(self.proxies, faults, strict=False):
            proxy.set_fault(fault)

    def endpoints(self, count: int, operators: Sequence[str] = "abcdefgh") -> tuple[Any, ...]:
        return tuple(
            EndpointConfig.model_validate(
                {"label": f"node-{i}", "http": proxy.http_url, "operator": operators[i]}
            )
            for i, proxy in enumerate(self.proxies[:count])
        )

    @asynccontextmanager
    async def follow(self, count: int, quorum: int, **changes: Any) -> AsyncIterator[Followed]:
        """A reader of the first ``count`` of them."""
        settled: dict[str, Any] = {
            "endpoints": self.endpoints(count),
            "quorum": quorum,
            "poll_ms": 50,
            "request_timeout_ms": 5_000,
        }
        registry = watched(self.bed)
        async with follow(self.bed, registry=registry, **(settled | changes)) as followed:
            yield followed


@asynccontextmanager
async def operators(bed: Testbed, count: int) -> AsyncIterator[Operators]:
    """So many, all honest at first; those that lie tell the same lie."""
    node, other = bed.evm[CHAIN].node, bed.evm[OTHER_CHAIN].node
    async with AsyncExitStack() as stack:
        proxies = [
            await stack.enter_async_context(
                await ChainProxy.start(
                    node.http_url,
                    node.ws_url,
                    other_chain_http_url=other.http_url,
                    deceit=EvmDeceit(lies(bed)),
                )
            )
            for _ in range(count)
        ]
        yield Operators(bed, tuple(proxies))


def told(followed: Followed) -> dict[tuple[str, ...], Fact]:
    return dict(followed.facts())
