"""The feed kinds by name: which file says how a feed of that kind is read."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, TypeVar

from xmargin.errors import ConfigError
from xmargin.model import FeedSpec, kind_of
from xmargin.oracles import (
    chainlink,
    erc4626,
    pyth,
    pyth_evm,
    pyth_legacy,
    switchboard,
    uniswap_v3,
)
from xmargin.reads import EvmRead, SolanaRead

R = TypeVar("R")
Reads: TypeAlias = Mapping[str, Callable[[FeedSpec], R]]

EVM_FEED_KINDS: Final[Reads[EvmRead]] = {
    chainlink.KIND: chainlink.feed_read,
    erc4626.KIND: erc4626.feed_read,
    pyth_evm.KIND: pyth_evm.feed_read,
    uniswap_v3.TWAP: uniswap_v3.twap_read,
    uniswap_v3.SPOT: uniswap_v3.spot_read,
}
SOLANA_FEED_KINDS: Final[Reads[SolanaRead]] = {
    pyth.KIND: pyth.feed_read,
    pyth_legacy.KIND: pyth_legacy.feed_read,
    switchboard.KIND: switchboard.feed_read,
}


def evm_feed_read(feed: FeedSpec) -> EvmRead:
    """How a feed on an EVM chain is read; :class:`ConfigError` where its kind is none of them."""
    return _read(feed, EVM_FEED_KINDS, "an EVM chain")


def solana_feed_read(feed: FeedSpec) -> SolanaRead:
    """How a feed on Solana is read; :class:`ConfigError` where its kind is none of them."""
    return _read(feed, SOLANA_FEED_KINDS, "a Solana chain")


def _read(feed: FeedSpec, kinds: Reads[R], where: str) -> R:
    read = kinds.get(kind_of(feed.id))
    if read is None:
        raise ConfigError(
            f"feeds.{feed.id}: no feed kind {kind_of(feed.id)!r} on {where}; "
            f"use one of {', '.join(kinds)}",
            field="feeds",
        )
    return read(feed)
