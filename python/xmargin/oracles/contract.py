"""What every feed contract on an EVM chain has in common: one read, one round or its fault."""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from xmargin.errors import ConfigError, DecodeError
from xmargin.evm_abi import Function
from xmargin.model import Fact, FeedRound, FeedSpec
from xmargin.reads import EvmCall, EvmRead

Results: TypeAlias = Sequence[bytes | None]

DECIMALS: Final = Function("decimals()", "uint8")
DECIMALS_MAX: Final = 36
EXPONENT: Final = -18
"""Of answers that are worked out here: 18 decimals, rounded down."""


def contract_read(
    feed: FeedSpec,
    calls: Sequence[EvmCall],
    decode: Callable[[FeedSpec, Results], FeedRound],
) -> EvmRead:
    """The read of one feed; what cannot be decoded is a round with its fault."""

    def decoded(results: Results) -> list[Fact]:
        try:
            return [decode(feed, results)]
        except DecodeError as error:
            return [FeedRound(feed.id, 0, 0, 0, 0, 0, "", "", "", fault=error.message)]

    return EvmRead(tuple(calls), decoded)


def required(feed: FeedSpec, key: str, what: str) -> str:
    """The value of a key that feeds of this kind cannot do without.

    Raises:
        ConfigError: it is not there.
    """
    value = getattr(feed, key)
    if not value:
        raise ConfigError(f"feeds.{feed.id}.{key}: add {what}", field="feeds")
    return str(value)


def decimals_of(data: bytes | None) -> int:
    """A token's decimals; :class:`DecodeError` where nobody could mean them."""
    (decimals,) = DECIMALS.decode(data)
    if decimals > DECIMALS_MAX:
        raise DecodeError(f"decimals() is {decimals}; up to {DECIMALS_MAX} are believed")
    return int(decimals)


def worked_out(feed: FeedSpec, answer: int, description: str, liquidity: int | None) -> FeedRound:
    """A round computed from the chain's state: as old as its head, of no round number."""
    return FeedRound(
        feed=feed.id,
        answer=answer,
        confidence=0,
        exponent=EXPONENT,
        published_at_s=0,
        round_id=0,
        description=description,
        verification="",
        source="",
        fault="",
        liquidity=liquidity,
    )
