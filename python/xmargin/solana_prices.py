"""Price accounts of Solana's oracle programs, decoded as they lie: whoever takes their prices.

``PriceUpdateV2`` of the Pyth receiver (Anchor; little-endian): discriminator 8, write authority 32,
verification level (0 = Partial with its count of signatures, 1 = Full), feed id 32, price i64,
confidence u64, exponent i32, publish time i64, previous publish time i64, EMA price i64, EMA
confidence u64, posted slot u64. The program allocates room for the longer level, so a Full update
leaves the last byte unused.

``PullFeedAccountData`` of Switchboard On-Demand: feed hash at 2,120, last update i64 at 2,216, and
the current result at 2,264: value i128, standard deviation i128 (both 10^-18), its slot at 2,368.
"""

import struct
from typing import Final

from xmargin.errors import DecodeError
from xmargin.model.posted_prices import PostedPrice
from xmargin.reads import SolanaAccount

PYTH_PROGRAM: Final = "rec5EKMGg6MxZYaMdyBfgwp4d5rB9T1VQH5pJv5LtFJ"
PYTH_DISCRIMINATOR: Final = bytes.fromhex("22f123639d7ef4cd")
"""The first 8 bytes of SHA-256 of ``account:PriceUpdateV2``."""

PYTH_ACCOUNT_BYTES: Final = 134
FULLY_VERIFIED: Final = "full"
_LEVEL_AT: Final = 40
_PARTIAL, _FULL = 0, 1
_MESSAGE: Final = struct.Struct("<32sqQiqqqQQ")

SWITCHBOARD_PROGRAM: Final = "SBondMDrcV3K4kxZR1HNVT7osZxAHVHgYXL5Ze1oMUv"
SWITCHBOARD_DISCRIMINATOR: Final = bytes((196, 27, 108, 196, 10, 215, 219, 40))
SWITCHBOARD_ACCOUNT_BYTES: Final = 3_208
SWITCHBOARD_EXPONENT: Final = -18
_FEED_HASH: Final = slice(2_120, 2_152)
SWITCHBOARD_UPDATED_AT: Final = 2_216
SWITCHBOARD_RESULT_AT: Final = 2_264
_VALUE: Final = slice(SWITCHBOARD_RESULT_AT, SWITCHBOARD_RESULT_AT + 16)
_DEVIATION: Final = slice(SWITCHBOARD_RESULT_AT + 16, SWITCHBOARD_RESULT_AT + 32)
_RESULT_SLOT_AT: Final = 2_368


def posted_price(account: SolanaAccount | None) -> PostedPrice:
    """The price in an account of either program.

    Raises:
        DecodeError: there is no account, or it is neither's.
    """
    if account is not None and account.owner == SWITCHBOARD_PROGRAM:
        return switchboard_price(account)
    return pyth_price(account)


def pyth_price(account: SolanaAccount | None) -> PostedPrice:
    """A price update of Pyth.

    Raises:
        DecodeError: it is none.
    """
    data = _content(
        account, PYTH_PROGRAM, "Pyth's receiver", PYTH_ACCOUNT_BYTES, PYTH_DISCRIMINATOR
    )
    verification, message_at = _verification(data)
    feed, price, confidence, exponent, published_at_s, _, mean, mean_confidence, slot = (
        _MESSAGE.unpack_from(data, message_at)
    )
    return PostedPrice(
        oracle="pyth",
        feed=feed.hex(),
        price=price,
        confidence=confidence,
        exponent=exponent,
        mean_price=mean,
        mean_confidence=mean_confidence,
        published_at_s=published_at_s,
        posted_slot=slot,
        verification=verification,
    )


def _verification(data: bytes) -> tuple[str, int]:
    """The verification level in words, and where the price message begins."""
    level = data[_LEVEL_AT]
    if level == _FULL:
        return FULLY_VERIFIED, _LEVEL_AT + 1
    if level == _PARTIAL:
        return f"partial({data[_LEVEL_AT + 1]})", _LEVEL_AT + 2
    raise DecodeError(f"the account's verification level {level} is unknown")


def switchboard_price(account: SolanaAccount | None) -> PostedPrice:
    """The current result of a Switchboard On-Demand feed; it has no mean over time.

    Raises:
        DecodeError: it is none.
    """
    data = _content(
        account,
        SWITCHBOARD_PROGRAM,
        "Switchboard On-Demand",
        SWITCHBOARD_ACCOUNT_BYTES,
        SWITCHBOARD_DISCRIMINATOR,
    )
    price = int.from_bytes(data[_VALUE], "little", signed=True)
    deviation = int.from_bytes(data[_DEVIATION], "little", signed=True)
    return PostedPrice(
        oracle="switchboard",
        feed=data[_FEED_HASH].hex(),
        price=price,
        confidence=deviation,
        exponent=SWITCHBOARD_EXPONENT,
        mean_price=price,
        mean_confidence=deviation,
        published_at_s=struct.unpack_from("<q", data, SWITCHBOARD_UPDATED_AT)[0],
        posted_slot=struct.unpack_from("<Q", data, _RESULT_SLOT_AT)[0],
        verification=FULLY_VERIFIED,
    )


def _content(
    account: SolanaAccount | None, owner: str, owner_name: str, length: int, discriminator: bytes
) -> bytes:
    if account is None:
        raise DecodeError("there is no account at the feed's address")
    if account.owner != owner:
        raise DecodeError(f"the account is owned by {account.owner}, not by {owner_name}")
    if len(account.data) != length:
        raise DecodeError(f"the account has {len(account.data)} bytes, not {length}")
    if account.data[: len(discriminator)] != discriminator:
        what = "PriceUpdateV2" if owner == PYTH_PROGRAM else "feed of Switchboard On-Demand"
        raise DecodeError(f"the account is no {what}")
    return account.data
