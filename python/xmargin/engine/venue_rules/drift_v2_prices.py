"""What Drift v2 makes of its markets' price accounts (``get_oracle_price``), in 10^-6 dollars."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from xmargin import records
from xmargin.engine.venue_rules.door import setting
from xmargin.errors import DecodeError
from xmargin.model.drift_v2 import (
    ORACLE_SLOTS_MAX,
    QUOTE_ASSET,
    DriftV2PerpMarket,
    DriftV2SpotMarket,
)
from xmargin.model.posted_prices import ORACLE_RECORD, PostedPrice
from xmargin.model.standings import VenueCase
from xmargin.solana_prices import FULLY_VERIFIED

_ONE: Final = 10**6
_STABLE_MAX: Final = 500
_ORACLE_SLOTS_MAX: Final = 120
"""``slots_before_stale_for_margin`` of the program's guard rails at their start."""


class _Source(NamedTuple):
    """How a market takes the price of an account."""

    oracle: str
    multiple: int = 1
    is_stable: bool = False


_SOURCES: Final[Mapping[str, _Source]] = MappingProxyType(
    {
        "pyth_pull": _Source("pyth"),
        "pyth1_kpull": _Source("pyth", 1_000),
        "pyth1_mpull": _Source("pyth", 1_000_000),
        "pyth_stable_coin_pull": _Source("pyth", is_stable=True),
        "pyth_lazer": _Source("pyth-lazer"),
        "pyth_lazer1_k": _Source("pyth-lazer", 1_000),
        "pyth_lazer1_m": _Source("pyth-lazer", 1_000_000),
        "pyth_lazer_stable_coin": _Source("pyth-lazer", is_stable=True),
        "switchboard_on_demand": _Source("switchboard"),
        "prelaunch": _Source("prelaunch"),
    }
)


def drift_v2_price(case: VenueCase, market: DriftV2SpotMarket | DriftV2PerpMarket) -> int:
    """The price that the program would take of a market's oracle at the block.

    Raises:
        DecodeError: it was not read, is another oracle's, not fully verified, or too old.
    """
    if market.oracle_source == QUOTE_ASSET:
        return _ONE
    source = _SOURCES.get(market.oracle_source)
    if source is None:
        raise DecodeError(f"prices of source {market.oracle_source} are not read")
    posted = records.read(case.records.get((ORACLE_RECORD, market.oracle)), PostedPrice)
    where = f"oracle {market.oracle}"
    if posted.oracle != source.oracle:
        raise DecodeError(f"{where} is of {posted.oracle}, not of {source.oracle}")
    if posted.verification != FULLY_VERIFIED:
        raise DecodeError(f"{where} is verified {posted.verification}; full is needed")
    _check_age(case, posted, where)
    return scaled_price(posted, source.multiple, is_stable=source.is_stable)


def _check_age(case: VenueCase, posted: PostedPrice, where: str) -> None:
    slots = case.block.height - posted.posted_slot
    bound = setting(case, ORACLE_SLOTS_MAX, _ORACLE_SLOTS_MAX)
    if slots > bound and posted.oracle != "prelaunch":
        raise DecodeError(f"{where} was last posted {slots:,} slots ago; the bound is {bound:,}")


def scaled_price(posted: PostedPrice, multiple: int = 1, *, is_stable: bool = False) -> int:
    """A price in 10^-6 dollars, a ``multiple`` of the token's, rounded towards zero.

    Raises:
        DecodeError: its exponent leaves nothing of it.
    """
    if not -36 <= posted.exponent <= 0 or 10**-posted.exponent <= multiple > 1:
        raise DecodeError(f"a price has the exponent {posted.exponent}")
    price = _scaled(posted.price, -posted.exponent, multiple)
    confidence = _scaled(posted.confidence, -posted.exponent, multiple)
    if is_stable and abs(price - _ONE) <= min(_STABLE_MAX, confidence):
        return _ONE
    return price


def _scaled(amount: int, digits: int, multiple: int) -> int:
    precision: int = 10**digits // multiple
    if precision <= _ONE:
        return amount * (_ONE // precision)
    size = abs(amount) // (precision // _ONE)
    return size if amount >= 0 else -size
