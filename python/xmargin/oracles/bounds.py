"""What bounds may be, wherever a registry comes from: numbers that judging stays exact with."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from xmargin.model import FeedSpec, PriceSpec, Registry
from xmargin.oracles.history import EXPONENT_MIN
from xmargin.oracles.numbers import BPS, PRICE_MAX

WINDOW_S_MAX: Final = 86_400
_GROWTH_BPS_MAX: Final = 1_000 * BPS


def bound_faults(registry: Registry) -> Iterator[str]:
    """What is wrong with the bounds of feeds and prices, in words; nothing if they hold."""
    for feed in registry.feeds:
        for fault in _of_feed(feed):
            yield f"feed {feed.id}: {fault}"
    for price in registry.prices:
        for fault in _of_price(price):
            yield f"price {price.base}: {fault}"


def _of_feed(feed: FeedSpec) -> Iterator[str]:
    yield from _prices(
        price_min=feed.price_min, price_max=feed.price_max, rate_snapshot=feed.rate_snapshot
    )
    if not 0 <= feed.haircut_bps <= BPS:
        yield f"haircut_bps is {feed.haircut_bps}; 0 to {BPS} are possible"
    if not 0 <= (feed.rate_growth_bps_max or 0) <= _GROWTH_BPS_MAX:
        yield f"rate_growth_bps_max is {feed.rate_growth_bps_max}; {_GROWTH_BPS_MAX} is the most"


def _of_price(price: PriceSpec) -> Iterator[str]:
    yield from _prices(price_min=price.price_min, price_max=price.price_max)
    if not 0 <= price.haircut_bps <= BPS:
        yield f"haircut_bps is {price.haircut_bps}; 0 to {BPS} are possible"
    if not 1 <= price.jump_window_s <= WINDOW_S_MAX:
        yield f"jump_window_s is {price.jump_window_s}; 1 to {WINDOW_S_MAX} are possible"
    if price.jump_sources_min < 2:
        yield f"jump_sources_min is {price.jump_sources_min}; one source confirms nothing, 2 may"


def _prices(**named: Decimal | None) -> Iterator[str]:
    for key, value in named.items():
        if value is not None and not _is_believable(value):
            yield (
                f"{key} is {str(value)[:60]}; above 0, up to {PRICE_MAX:,} and "
                f"{-EXPONENT_MIN} decimals are possible"
            )


def _is_believable(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return (
        value.is_finite()
        and isinstance(exponent, int)
        and (EXPONENT_MIN <= exponent <= 18 and 0 < value <= PRICE_MAX)
    )
