"""A price as an oracle's program holds it in an account of a chain."""

from dataclasses import dataclass

ORACLE_RECORD = "oracle"
"""The record of a price account; its key is the account's address."""


@dataclass(frozen=True, slots=True)
class PostedPrice:
    """Prices and confidences in 10^``exponent``; what an oracle does not have is 0 or empty.

    ``oracle`` is the kind of account (``pyth``, ``switchboard``, …); ``verification`` is ``full``
    where the oracle's program checked all signatures; ``posted_slot`` is of the last update.
    """

    oracle: str
    feed: str
    price: int
    confidence: int
    exponent: int
    mean_price: int
    mean_confidence: int
    published_at_s: int
    posted_slot: int
    verification: str
