"""Switchboard On-Demand feeds: the ``PullFeedAccountData`` account, decoded as it lies.

Layout (switchboard-on-demand, zero-copy, little-endian): discriminator 8; 32 submissions of oracle
32, slot u64, landed slot u64, value i128; authority 32, queue 32, feed hash 32, initialised at i64,
permissions u64, largest variance u64, least responses u32, name 32, 2 unused, historical index u8,
least samples u8, last update i64, lookup table slot u64, 32 reserved; the result: value, standard
deviation, mean, range, least, most (i128 each), samples u8, submission index u8, 6 unused, slot,
least slot, largest slot (u64 each); largest staleness u32 and what is history. Values have 18
decimals.
"""

import struct
from typing import Final

from xmargin import solana_prices
from xmargin.errors import DecodeError
from xmargin.model import FeedRound, FeedSpec
from xmargin.oracles.solana_account import account_read, base58, checked_account
from xmargin.reads import SolanaAccount, SolanaRead

KIND: Final = "switchboard"
PROGRAMS: Final = (
    solana_prices.SWITCHBOARD_PROGRAM,
    "Aio4gaXjXzJNVLtzwtNVmSqGKpANtXhybbkhtAC94ji2",
)
"""The On-Demand program on mainnet and on devnet."""

DISCRIMINATOR: Final = solana_prices.SWITCHBOARD_DISCRIMINATOR
"""The first 8 bytes of SHA-256 of ``account:PullFeedAccountData``."""

ACCOUNT_BYTES: Final = solana_prices.SWITCHBOARD_ACCOUNT_BYTES
EXPONENT: Final = solana_prices.SWITCHBOARD_EXPONENT
_SUBMISSIONS: Final = 32
_SUBMISSION: Final = struct.Struct("<32sQQ16s")
_SUBMISSIONS_AT: Final = 8
_QUEUE_AT: Final = 2088
_FEED_HASH_AT: Final = 2120
_NAME_AT: Final = 2180
_SAMPLES_MIN_AT: Final = 2215
_UPDATED_AT: Final = solana_prices.SWITCHBOARD_UPDATED_AT
_RESULT_AT: Final = solana_prices.SWITCHBOARD_RESULT_AT
_I128_BYTES: Final = 16
_RESULT_END: Final = struct.Struct("<BB6xQQQ")
_RESULT_END_AT: Final = _RESULT_AT + 6 * _I128_BYTES


def feed_read(feed: FeedSpec) -> SolanaRead:
    """The read of one feed: a :class:`FeedRound`, at fault where its result is none.

    ``description`` is the feed's name and the hash of its jobs, ``round_id`` the result's slot,
    ``confidence`` its standard deviation, ``liquidity`` the number of samples in it, ``source`` the
    queue whose oracles may submit.
    """
    return account_read(feed, _round)


def _round(feed: FeedSpec, account: SolanaAccount | None) -> FeedRound:
    data = checked_account(account, PROGRAMS, "Switchboard On-Demand", ACCOUNT_BYTES).data
    if data[: len(DISCRIMINATOR)] != DISCRIMINATOR:
        raise DecodeError("the account is no PullFeedAccountData")
    samples, _, slot, _, _ = _RESULT_END.unpack_from(data, _RESULT_END_AT)
    _require_result(data, samples, slot)
    (updated_at_s,) = struct.unpack_from("<q", data, _UPDATED_AT)
    name = data[_NAME_AT : _NAME_AT + 32].rstrip(b"\0").decode("ascii", "backslashreplace")
    return FeedRound(
        feed=feed.id,
        answer=_i128(data, _RESULT_AT),
        confidence=_i128(data, _RESULT_AT + _I128_BYTES),
        exponent=EXPONENT,
        published_at_s=max(0, updated_at_s),
        round_id=slot,
        description=f"{name} {data[_FEED_HASH_AT : _FEED_HASH_AT + 32].hex()}".strip(),
        verification="",
        source=base58(data[_QUEUE_AT : _QUEUE_AT + 32]),
        fault="",
        liquidity=samples,
    )


def _require_result(data: bytes, samples: int, slot: int) -> None:
    """The time of an account is that of its last submission: the result must rest on that one."""
    newest_slot = max(
        _SUBMISSION.unpack_from(data, _SUBMISSIONS_AT + number * _SUBMISSION.size)[1]
        for number in range(_SUBMISSIONS)
    )
    samples_min = max(1, data[_SAMPLES_MIN_AT])
    if not slot:
        raise DecodeError("it has no result yet")
    if samples < samples_min:
        raise DecodeError(f"{samples} samples are in its result; the feed asks for {samples_min}")
    if newest_slot > slot:
        raise DecodeError(
            f"its result is of slot {slot}; a submission of slot {newest_slot} is not in it"
        )


def _i128(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + _I128_BYTES], "little", signed=True)
