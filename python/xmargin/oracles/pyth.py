"""Pyth feeds: the ``PriceUpdateV2`` account of the Pyth receiver program, decoded as it lies.

Layout (pyth-solana-receiver, Anchor; little-endian): discriminator 8, write authority 32,
verification level (0 = Partial with its count of signatures, 1 = Full), feed id 32, price i64,
confidence u64, exponent i32, publish time i64, previous publish time i64, EMA price i64, EMA
confidence u64, posted slot u64. The program allocates room for the longer level, so a Full update
leaves the last byte unused.
"""

import struct
from typing import Final

from xmargin.errors import DecodeError
from xmargin.model import FeedRound, FeedSpec
from xmargin.oracles.solana_account import account_read, checked_account
from xmargin.reads import SolanaAccount, SolanaRead

KIND: Final = "pyth"
RECEIVER_PROGRAM: Final = "rec5EKMGg6MxZYaMdyBfgwp4d5rB9T1VQH5pJv5LtFJ"
DISCRIMINATOR: Final = bytes.fromhex("22f123639d7ef4cd")
"""The first 8 bytes of SHA-256 of ``account:PriceUpdateV2``."""

ACCOUNT_BYTES: Final = 134
_LEVEL_AT: Final = 40
_PARTIAL, _FULL = 0, 1
_MESSAGE: Final = struct.Struct("<32sqQiqqqQQ")


def feed_read(feed: FeedSpec) -> SolanaRead:
    """The read of one feed: a :class:`FeedRound`, at fault where the account is no update of it.

    ``description`` is the feed id in hex, ``round_id`` the slot the update was posted in,
    ``verification`` is ``full`` or ``partial(<signatures>)``, ``source`` the owning program.
    """
    return account_read(feed, _round)


def _round(feed: FeedSpec, account: SolanaAccount | None) -> FeedRound:
    data = checked_account(account, (RECEIVER_PROGRAM,), "Pyth's receiver", ACCOUNT_BYTES).data
    if data[: len(DISCRIMINATOR)] != DISCRIMINATOR:
        raise DecodeError("the account is no PriceUpdateV2")
    verification, message_at = _verification(data)
    feed_id, price, confidence, exponent, published_at_s, _, _, _, posted_slot = (
        _MESSAGE.unpack_from(data, message_at)
    )
    if feed.pyth_feed_id and feed_id.hex() != feed.pyth_feed_id:
        raise DecodeError(f"the account holds feed {feed_id.hex()}, not {feed.pyth_feed_id}")
    return FeedRound(
        feed=feed.id,
        answer=price,
        confidence=confidence,
        exponent=exponent,
        published_at_s=max(0, published_at_s),
        round_id=posted_slot,
        description=feed_id.hex(),
        verification=verification,
        source=RECEIVER_PROGRAM,
        fault="",
    )


def _verification(data: bytes) -> tuple[str, int]:
    """The verification level in words, and where the price message begins."""
    level = data[_LEVEL_AT]
    if level == _FULL:
        return "full", _LEVEL_AT + 1
    if level == _PARTIAL:
        return f"partial({data[_LEVEL_AT + 1]})", _LEVEL_AT + 2
    raise DecodeError(f"the account's verification level {level} is unknown")
