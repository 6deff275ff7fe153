"""A reader of a local Solana chain that feeds a real World, and ways to wait for it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from solders.pubkey import Pubkey

from xmargin.config import ChainConfig
from xmargin.model import (
    AccountId,
    BlockRef,
    ChainHead,
    ChainKind,
    ChainSpec,
    ChainStatus,
    Condition,
    Fact,
    FeedRound,
    FeedSpec,
    Observation,
    PortfolioSpec,
    Registry,
    TokenBalance,
    TokenId,
    TokenSpec,
    TokenState,
)
from xmargin.reading.solana import SolanaReader
from xmargin.testbed import pyth
from xmargin.testbed.solana_vm import MINTS, SolanaVm, deterministic_keypair
from xmargin.world import World

PATIENCE_S = 20.0
HEAD_AGE_MS_MAX = 60_000


def now_ms() -> int:
    return int(time.time() * 1000)


def wallet_key(name: str) -> Pubkey:
    """An address of the test's own."""
    return deterministic_keypair(f"wallet of {name}").pubkey()


def registry_of(vm: SolanaVm, *owners: Pubkey, tokens: Sequence[TokenSpec] = ()) -> Registry:
    """The VM's tokens and feeds, and one portfolio an owner."""
    known = [
        TokenSpec(f"{vm.chain}/slip44:501", "SOL", "SOL", "SOL"),
        *(
            TokenSpec(
                f"{vm.chain}/token:{vm.mint(mint.symbol)}",
                mint.symbol,
                mint.asset,
                mint.price,
                program=str(mint.program),
            )
            for mint in MINTS
        ),
    ]
    feeds = [
        FeedSpec(
            f"pyth@{vm.chain}/{pyth.feed_account(base)}",
            base,
            "USD",
            pyth.HEARTBEAT_S,
            60,
            pyth_feed_id=feed_id,
        )
        for base, feed_id in pyth.FEED_IDS.items()
    ]
    return Registry(
        chains=(ChainSpec(vm.chain, "vm", ChainKind.SOLANA, HEAD_AGE_MS_MAX),),
        tokens=tuple(sorted((*known, *tokens), key=lambda token: token.id)),
        feeds=tuple(sorted(feeds, key=lambda feed: feed.id)),
        venues=(),
        portfolios=tuple(
            PortfolioSpec(f"p{number:05d}", (account_of(vm, owner),))
            for number, owner in enumerate(owners)
        ),
    )


def account_of(vm: SolanaVm, owner: Pubkey) -> AccountId:
    return f"wallet@{vm.chain}/{owner}"


def token_of(vm: SolanaVm, symbol: str) -> TokenId:
    return f"{vm.chain}/slip44:501" if symbol == "SOL" else f"{vm.chain}/token:{vm.mint(symbol)}"


@dataclass
class Followed:
    """A running reader and all it told."""

    reader: SolanaReader
    vm: SolanaVm
    world: World = field(default_factory=World)
    batches: list[list[Observation]] = field(default_factory=list)

    async def sink(self, batch: Sequence[Observation]) -> None:
        self.batches.append(list(batch))
        news = self.world.news(batch)
        self.world.check(news)
        for observation in news:
            self.world.apply(observation)

    @property
    def statuses(self) -> list[ChainStatus]:
        return [o.fact for b in self.batches for o in b if isinstance(o.fact, ChainStatus)]

    @property
    def heads(self) -> list[BlockRef]:
        return [
            o.block for b in self.batches for o in b if isinstance(o.fact, ChainHead) and o.block
        ]

    def facts(self) -> Mapping[tuple[str, ...], Fact]:
        kinds = ("feed", "token", "balance")
        return {key: fact for kind in kinds for key, fact in self.world.facts(kind).items()}

    def feed(self, base: str) -> FeedRound:
        fact = self.facts()["feed", f"pyth@{self.vm.chain}/{pyth.feed_account(base)}"]
        assert isinstance(fact, FeedRound)
        return fact

    def token(self, token: TokenId) -> TokenState:
        fact = self.facts()["token", token]
        assert isinstance(fact, TokenState)
        return fact

    def balance(self, owner: Pubkey, token: TokenId) -> TokenBalance:
        fact = self.facts()["balance", account_of(self.vm, owner), token]
        assert isinstance(fact, TokenBalance)
        return fact

    async def until(self, what: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(patience_s):
            while not what():  # noqa: ASYNC110 - the reader has no reason to signal a test
                await asyncio.sleep(0.01)

    async def slots(self, count: int) -> None:
        """Wait for so many more heads."""
        wanted = len(self.heads) + count
        await self.until(lambda: len(self.heads) >= wanted)

    async def told(self, condition: Condition) -> ChainStatus:
        await self.until(lambda: bool(self.statuses) and self.statuses[-1].condition is condition)
        return self.statuses[-1]


def endpoint(http_url: str, ws_url: str | None, label: str = "vm") -> dict[str, Any]:
    return {"label": label, "http": http_url} | ({"ws": ws_url} if ws_url else {})


def config_of(vm: SolanaVm, **changes: Any) -> ChainConfig:
    settings: dict[str, Any] = {
        "id": vm.chain,
        "name": "vm",
        "kind": "solana",
        "endpoints": [endpoint(vm.http_url, vm.ws_url)],
        "head_age_ms_max": HEAD_AGE_MS_MAX,
        "request_timeout_ms": 2_000,
        "subscriptions_max": 20,
    }
    return ChainConfig.model_validate(settings | changes)


@asynccontextmanager
async def follow(vm: SolanaVm, registry: Registry, **changes: Any) -> AsyncIterator[Followed]:
    """A reader that runs, and at the end must have run without an exception."""
    one = Followed(SolanaReader(config_of(vm, **changes), registry, now_ms), vm)
    one.world.apply(Observation(registry, now_ms()))
    running = asyncio.create_task(one.reader.run(one.sink))
    try:
        yield one
        assert not running.done(), running.exception()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
