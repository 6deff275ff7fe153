"""Pyth's own price accounts (oracle program, version 2), from before updates were pulled.

Layout (pyth-client ``oracle.h``, little-endian): magic u32, version u32, account type u32, size
u32, price type u32, exponent i32, components u32, quoters u32, last slot u64, valid slot u64, EMA
price and EMA confidence (three i64 each), timestamp i64, least publishers u8 and 7 unused, product
key 32, next price key 32, previous slot, price, confidence and timestamp (8 each); then the
aggregate: price i64, confidence u64, status u32, corporate action u32, slot u64; then up to 32
publishers of 96 bytes each.
"""

import struct
from typing import Final

from xmargin.errors import DecodeError
from xmargin.model import FeedRound, FeedSpec
from xmargin.oracles.solana_account import account_read, base58, checked_account
from xmargin.reads import SolanaAccount, SolanaRead

KIND: Final = "pyth-legacy"
PROGRAMS: Final = (
    "FsJ3A3u2vn5cTVofAjvy6y5kwABJAqYWpe4975bi2epH",
    "gSbePebfvPy7tRqimPoVecS2UsBvYv46ynrzWocc92s",
)
"""The oracle program on mainnet and on devnet."""

ACCOUNT_BYTES: Final = 3312
PUBLISHERS_MAX: Final = 32
_HEADER: Final = struct.Struct("<IIIIIiII")
_MAGIC, _VERSION, _PRICE_ACCOUNT, _PRICE = 0xA1B2C3D4, 2, 3, 1
_TIMESTAMP: Final = struct.Struct("<qB")
_TIMESTAMP_AT: Final = 96
_PRODUCT_AT: Final = 112
_AGGREGATE: Final = struct.Struct("<qQIIQ")
_AGGREGATE_AT: Final = 208
_STATUSES: Final = ("unknown", "trading", "halted", "in auction", "ignored")
_TRADING: Final = 1


def feed_read(feed: FeedSpec) -> SolanaRead:
    """The read of one feed: a :class:`FeedRound`, at fault where its aggregate is not trading.

    ``description`` is the product's key, ``round_id`` the aggregate's slot, ``liquidity`` the
    number of publishers in it, ``source`` the owning program.
    """
    return account_read(feed, _round)


def _round(feed: FeedSpec, account: SolanaAccount | None) -> FeedRound:
    held = checked_account(account, PROGRAMS, "Pyth's oracle program", ACCOUNT_BYTES)
    data = held.data
    exponent, quoters = _header(data)
    timestamp_s, publishers_min = _TIMESTAMP.unpack_from(data, _TIMESTAMP_AT)
    price, confidence, status, _, slot = _AGGREGATE.unpack_from(data, _AGGREGATE_AT)
    if status != _TRADING:
        named = _STATUSES[status] if status < len(_STATUSES) else str(status)
        raise DecodeError(f"its status is {named}; only trading is a price")
    if quoters < publishers_min:
        raise DecodeError(f"{quoters} publishers are in it; the feed asks for {publishers_min}")
    return FeedRound(
        feed=feed.id,
        answer=price,
        confidence=confidence,
        exponent=exponent,
        published_at_s=max(0, timestamp_s),
        round_id=slot,
        description=base58(data[_PRODUCT_AT : _PRODUCT_AT + 32]),
        verification="",
        source=held.owner,
        fault="",
        liquidity=quoters,
    )


def _header(data: bytes) -> tuple[int, int]:
    """Exponent and quoters of an account that is a price of a known version."""
    magic, version, kind, _, price_kind, exponent, components, quoters = _HEADER.unpack_from(data)
    if (magic, version, kind) != (_MAGIC, _VERSION, _PRICE_ACCOUNT):
        raise DecodeError("the account is no Pyth price of version 2")
    if price_kind != _PRICE:
        raise DecodeError(f"its price type {price_kind} is unknown")
    if not quoters <= components <= PUBLISHERS_MAX:
        raise DecodeError(f"it counts {quoters} quoters of {components} publishers")
    return exponent, quoters
