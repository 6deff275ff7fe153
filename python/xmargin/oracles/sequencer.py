"""Chainlink's L2 sequencer uptime feeds: 0 is up, 1 is down, ``startedAt`` is since when.

While a rollup's sequencer is down nobody but those who write to its inbox on L1 can act on it, and
when it comes back queued transactions and late oracle rounds arrive in a burst. So a chain whose
sequencer is down, or came back no longer than a grace ago, is cut off. The semantics, the invalid
round that has not begun and the comparison with the grace are those of Chainlink's documentation
("L2 Sequencer Uptime Feeds").
"""

from collections.abc import Sequence
from typing import Final

from xmargin.errors import DecodeError
from xmargin.model import Condition, Fact, FeedId, FeedRound, address_of
from xmargin.oracles.chainlink import AGGREGATOR, DESCRIPTION, LATEST_ROUND_DATA
from xmargin.reads import EvmRead

UP: Final = 0
DOWN: Final = 1

_DESCRIPTION_CHARACTERS_MAX = 128
_UNIX_SECONDS_MAX = 1 << 40


def feed_read(feed: FeedId) -> EvmRead:
    """The read of an uptime feed: a :class:`FeedRound` dated since when the status holds."""
    proxy = address_of(feed)
    calls = (LATEST_ROUND_DATA(proxy), DESCRIPTION(proxy), AGGREGATOR(proxy))

    def decode(results: Sequence[bytes | None]) -> list[Fact]:
        try:
            return [_round(feed, results)]
        except DecodeError as error:
            return [FeedRound(feed, 0, 0, 0, 0, 0, "", "", "", fault=error.message)]

    return EvmRead(calls, decode)


def _round(feed: FeedId, results: Sequence[bytes | None]) -> FeedRound:
    round_id, answer, started_at_s, _, _ = LATEST_ROUND_DATA.decode(results[0])
    (description,) = DESCRIPTION.decode(results[1])
    if not 0 < started_at_s < _UNIX_SECONDS_MAX:
        raise DecodeError("its round has not begun")
    return FeedRound(
        feed=feed,
        answer=answer,
        confidence=0,
        exponent=0,
        published_at_s=started_at_s,
        round_id=round_id,
        description=description[:_DESCRIPTION_CHARACTERS_MAX],
        verification="",
        source="" if results[2] is None else AGGREGATOR.decode(results[2])[0],
        fault="",
    )


def judge_sequencer(newest: FeedRound | None, grace_s: int, now_ms: int) -> tuple[Condition, str]:
    """The condition of a chain by its sequencer, and why it is not OK; no reason names an age."""
    if newest is None:
        return Condition.UNREAD, "its sequencer feed has not been read yet"
    if newest.fault:
        return Condition.INVALID, f"its sequencer feed could not be read: {newest.fault}"
    if newest.answer == DOWN:
        return (
            Condition.SUSPENDED,
            f"its sequencer is down since {newest.published_at_s} (Unix seconds)",
        )
    if newest.answer != UP:
        return Condition.INVALID, f"its sequencer feed says {newest.answer}; 0 is up, 1 is down"
    if now_ms - 1000 * newest.published_at_s <= 1000 * grace_s:
        return (
            Condition.SUSPENDED,
            f"its sequencer is back since {newest.published_at_s} (Unix seconds); "
            f"the grace is {grace_s:,} s",
        )
    return Condition.OK, ""
