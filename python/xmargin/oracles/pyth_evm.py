"""Pyth on EVM chains: what Pyth's contract holds for a feed id; it verifies every update."""

from typing import Final

from xmargin.errors import DecodeError
from xmargin.evm_abi import Function
from xmargin.model import FeedRound, FeedSpec, address_of
from xmargin.oracles.contract import Results, contract_read, required
from xmargin.reads import EvmRead

KIND: Final = "pyth-evm"
GET_PRICE_UNSAFE: Final = Function("getPriceUnsafe(bytes32)", "int64", "uint64", "int32", "uint256")
_UNIX_SECONDS_MAX: Final = 1 << 40


def feed_read(feed: FeedSpec) -> EvmRead:
    """The read of one feed id: a :class:`FeedRound`, at fault where the contract holds none.

    The contract's own staleness check is left out, as the guards make it.

    Raises:
        ConfigError: the feed names no ``pyth_feed_id``.
    """
    feed_id = required(feed, "pyth_feed_id", "the id of the feed, 64 hex digits")
    call = GET_PRICE_UNSAFE(address_of(feed.id), bytes.fromhex(feed_id))
    return contract_read(feed, (call,), _round)


def _round(feed: FeedSpec, results: Results) -> FeedRound:
    price, confidence, exponent, published_at_s = GET_PRICE_UNSAFE.decode(results[0])
    if published_at_s > _UNIX_SECONDS_MAX:
        raise DecodeError(f"getPriceUnsafe() is dated {published_at_s} s, beyond any time")
    return FeedRound(
        feed=feed.id,
        answer=price,
        confidence=confidence,
        exponent=exponent,
        published_at_s=published_at_s,
        round_id=published_at_s,
        description=feed.pyth_feed_id,
        verification="",
        source="",
        fault="",
    )
