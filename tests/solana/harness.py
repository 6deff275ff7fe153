"""A reader of a local Solana chain that feeds a real World, and ways to wait for it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from solders.pubkey import Pubkey

from tests.following import Told, now_ms, running
from xmargin.config import ChainConfig
from xmargin.model import (
    AccountId,
    ChainKind,
    ChainSpec,
    FeedRound,
    FeedSpec,
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

HEAD_AGE_MS_MAX = 60_000


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


@dataclass(kw_only=True)
class Followed(Told):
    """A running reader and all it told."""

    reader: SolanaReader
    vm: SolanaVm

    @property
    def slots_told(self) -> list[int]:
        return [head.block.height for head in self.heads if head.block is not None]

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

    async def slots(self, count: int) -> None:
        """Wait for so many more heads."""
        wanted = len(self.heads) + count
        await self.until(lambda: len(self.heads) >= wanted)


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
    reader = SolanaReader(config_of(vm, **changes), registry, now_ms)
    one = Followed(reader=reader, registry=registry, vm=vm)
    async with running(one.reader, one):
        yield one
