"""Pyth feeds: the ``PriceUpdateV2`` account of the Pyth receiver program, as a round."""

from typing import Final

from xmargin import solana_prices
from xmargin.errors import DecodeError
from xmargin.model import FeedRound, FeedSpec
from xmargin.oracles.solana_account import account_read
from xmargin.reads import SolanaAccount, SolanaRead

KIND: Final = "pyth"
RECEIVER_PROGRAM: Final = solana_prices.PYTH_PROGRAM


def feed_read(feed: FeedSpec) -> SolanaRead:
    """The read of one feed: a :class:`FeedRound`, at fault where the account is no update of it.

    ``description`` is the feed id in hex, ``round_id`` the slot the update was posted in,
    ``verification`` is ``full`` or ``partial(<signatures>)``, ``source`` the owning program.
    """
    return account_read(feed, _round)


def _round(feed: FeedSpec, account: SolanaAccount | None) -> FeedRound:
    posted = solana_prices.pyth_price(account)
    if feed.pyth_feed_id and posted.feed != feed.pyth_feed_id:
        raise DecodeError(f"the account holds feed {posted.feed}, not {feed.pyth_feed_id}")
    return FeedRound(
        feed=feed.id,
        answer=posted.price,
        confidence=posted.confidence,
        exponent=posted.exponent,
        published_at_s=max(0, posted.published_at_s),
        round_id=posted.posted_slot,
        description=posted.feed,
        verification=posted.verification,
        source=RECEIVER_PROGRAM,
        fault="",
    )
