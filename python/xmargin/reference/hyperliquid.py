"""Hyperliquid's margin once more, by the marginal rate of each dollar; in fractions of USDC."""

from collections.abc import Mapping
from fractions import Fraction

from xmargin.model.hyperliquid import (
    HyperliquidAccount,
    HyperliquidMarket,
    HyperliquidPosition,
)

_UNITS = 10**6
Prices = Mapping[str, Fraction]


def maintenance(value: Fraction, market: HyperliquidMarket) -> Fraction:
    """Each dollar of a position needs half of what its own tier's leverage would ask of it."""
    lows = [Fraction(tier.value_min) for tier in market.tiers]
    highs = [*lows[1:], max(value, lows[-1])]
    needed = Fraction(0)
    for tier, low, high in zip(market.tiers, lows, highs, strict=True):
        within = max(Fraction(0), min(value, high) - low)
        needed += within / tier.leverage_max / 2
    return needed


def rounded_down(amount: Fraction) -> Fraction:
    """To the smallest unit of USDC."""
    return Fraction(amount * _UNITS // 1, _UNITS)


def marks(state: HyperliquidAccount) -> dict[str, Fraction]:
    """The venue's mark price of each position."""
    return {one.coin: Fraction(one.value) / abs(Fraction(one.size)) for one in state.positions}


def parts(
    state: HyperliquidAccount, markets: Mapping[str, HyperliquidMarket], prices: Prices
) -> dict[str, tuple[Fraction, Fraction]]:
    """Value and (not rounded) maintenance margin at any prices: of all cross, of each isolated.

    The key is the isolated coin, or empty.
    """
    found = {"": (Fraction(state.cross.raw_usd), Fraction(0))}
    for one in state.positions:
        name = "" if one.isolated_raw_usd is None else one.coin
        value, needed = found.get(name, (Fraction(one.isolated_raw_usd or 0), Fraction(0)))
        signed = Fraction(one.size) * prices[one.coin]
        found[name] = (value + signed, needed + maintenance(abs(signed), markets[one.coin]))
    return found


def part_of(position: HyperliquidPosition) -> str:
    """The key of a position's part."""
    return "" if position.isolated_raw_usd is None else position.coin
