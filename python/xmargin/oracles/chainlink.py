"""Chainlink feeds: what a proxy answers at a block, as it is; ``guards`` judge it."""

from collections.abc import Sequence
from typing import Final

from xmargin.errors import DecodeError
from xmargin.evm_abi import Function
from xmargin.model import Fact, FeedId, FeedRound, FeedSpec, address_of
from xmargin.reads import EvmRead

KIND: Final = "chainlink"

LATEST_ROUND_DATA = Function(
    "latestRoundData()", "uint80", "int256", "uint256", "uint256", "uint80"
)
DECIMALS = Function("decimals()", "uint8")
DESCRIPTION = Function("description()", "string")
AGGREGATOR = Function("aggregator()", "address")

_DESCRIPTION_CHARACTERS_MAX = 128
_UNIX_SECONDS_MAX = (1 << 63) - 1


def feed_read(feed: FeedSpec) -> EvmRead:
    """The read of one feed: a :class:`FeedRound`, at fault where the answer is undecodable.

    A feed that is no proxy has no ``aggregator()``; its ``source`` is empty.
    """
    proxy = address_of(feed.id)
    calls = (LATEST_ROUND_DATA(proxy), DECIMALS(proxy), DESCRIPTION(proxy), AGGREGATOR(proxy))

    def decode(results: Sequence[bytes | None]) -> list[Fact]:
        try:
            return [_round(feed.id, results)]
        except DecodeError as error:
            return [FeedRound(feed.id, 0, 0, 0, 0, 0, "", "", "", fault=error.message)]

    return EvmRead(calls, decode)


def _round(feed: FeedId, results: Sequence[bytes | None]) -> FeedRound:
    round_id, answer, _, updated_at_s, _ = LATEST_ROUND_DATA.decode(results[0])
    (decimals,) = DECIMALS.decode(results[1])
    (description,) = DESCRIPTION.decode(results[2])
    if updated_at_s > _UNIX_SECONDS_MAX:
        raise DecodeError(f"latestRoundData() is dated {updated_at_s} s, beyond any time")
    if len(description) > _DESCRIPTION_CHARACTERS_MAX:
        raise DecodeError(f"description() is {len(description)} characters long")
    return FeedRound(
        feed=feed,
        answer=answer,
        confidence=0,
        exponent=-decimals,
        published_at_s=updated_at_s,
        round_id=round_id,
        description=description,
        verification="",
        source="" if results[3] is None else AGGREGATOR.decode(results[3])[0],
        fault="",
    )
