"""Drift v2's collateral and requirement once more, from the program's sources, in plain integers.

drift-labs/protocol-v2 ``math/margin.rs``, ``state/user.rs``, ``state/spot_market.rs`` and
``state/perp_market.rs``. Ratios are exact until the program rounds; nothing overflows here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, isqrt, trunc

from xmargin.model.drift_v2 import (
    DriftV2PerpMarket,
    DriftV2PerpPosition,
    DriftV2SpotMarket,
    DriftV2SpotPosition,
    DriftV2User,
)

CENTS = 10_000
HUNDRED_DOLLARS = 100_000_000


class RefusedError(Exception):
    """The program would not compute the account."""


@dataclass(frozen=True, slots=True)
class Market:
    """All of a venue that one account's margin depends on; prices in 10^-6 by market number."""

    spot: Mapping[int, DriftV2SpotMarket]
    perp: Mapping[int, DriftV2PerpMarket]
    spot_prices: Mapping[int, int]
    perp_prices: Mapping[int, int]
    is_initial: bool
    is_strict: bool

    def quote_range(self, number: int) -> tuple[int, int]:
        """Lowest and highest price that counts."""
        price = self.spot_prices[number]
        other = self.spot[number].last_oracle_price_twap_5min if self.is_strict else price
        return min(price, other), max(price, other)


@dataclass(slots=True)
class Standing:
    """Collateral and requirement, in 10^-6 dollars."""

    collateral: int = 0
    requirement: int = 0

    def take(self, amount: int) -> None:
        """What is positive is collateral, what is negative a requirement."""
        if amount > 0:
            self.collateral += amount
        else:
            self.requirement -= amount


def standings(user: DriftV2User, market: Market) -> tuple[Standing, dict[int, Standing]]:
    """The cross standing, and those of isolated positions by market."""
    cross, isolated = Standing(), {}
    for spot in user.spot_positions:
        _add_spot(cross, user, spot, market)
    for perp in user.perp_positions:
        own = perp_standing(user, perp, market)
        if perp.is_isolated:
            quote = market.spot[market.perp[perp.market_index].quote_spot_market_index]
            tokens = _tokens(quote, perp.isolated_scaled_balance, is_debt=False)
            low, _ = market.quote_range(quote.market_index)
            own.collateral += floor(Fraction(tokens * low, 10**quote.decimals))
            isolated[perp.market_index] = own
        else:
            cross.collateral += own.collateral
            cross.requirement += own.requirement
    return cross, isolated


# --- Spot ---------------------------------------------------------------------------------------


def ten_to(digits: int) -> int:
    """The unit of that many digits."""
    return int(10**digits)


def _tokens(market: DriftV2SpotMarket, scaled: int, *, is_debt: bool) -> int:
    unit = ten_to(19 - market.decimals)
    if is_debt:
        return -ceil(Fraction(scaled * market.cumulative_borrow_interest, unit))
    return scaled * market.cumulative_deposit_interest // unit


def _add_spot(
    cross: Standing, user: DriftV2User, position: DriftV2SpotPosition, market: Market
) -> None:
    spot = market.spot[position.market_index]
    is_debt = position.balance_type == "borrow"
    is_foreign_quote = user.pool_id == 1 and spot.market_index == 0
    counts = not is_foreign_quote or (is_debt and position.scaled_balance > 0)
    if counts and user.pool_id != spot.pool_id:
        raise RefusedError
    tokens = _tokens(spot, position.scaled_balance, is_debt=is_debt)
    low, high = market.quote_range(spot.market_index)
    if low <= 0 or position.open_bids < 0 or position.open_asks > 0:
        raise RefusedError
    value = floor(Fraction(tokens * (low if tokens > 0 else high), 10**spot.decimals))
    if spot.market_index == 0:
        if (tokens == 0 and position.scaled_balance) or (is_debt and value == 0):
            raise RefusedError
        if is_debt or counts:
            cross.take(value)
        return
    outcomes = [
        _filled(spot, tokens, value, order, market) for order in _sides(position, spot, high)
    ]
    after = min(outcomes, key=lambda one: one[1] + one[3])
    tokens, weighted, value, orders_value = _with_own_ratio(user, spot, after, market)
    if tokens == 0 and position.scaled_balance:
        raise RefusedError
    if value < 0 and (weighted > value or weighted == 0):
        raise RefusedError
    cross.requirement += position.open_orders * CENTS
    if value != 0:
        cross.take(weighted)
    cross.take(orders_value)


def _sides(
    position: DriftV2SpotPosition, spot: DriftV2SpotMarket, high: int
) -> list[tuple[int, int]]:
    """Tokens that asks and bids would bring, and quote that they would; asks first in a tie."""
    sides = [position.open_asks, position.open_bids]
    return [(side, floor(Fraction(-side * high, 10**spot.decimals))) for side in sides]


_Outcome = tuple[int, int, int, int]
"""Tokens, weighted value, value, quote of the orders."""


def _filled(
    spot: DriftV2SpotMarket, tokens: int, value: int, order: tuple[int, int], market: Market
) -> _Outcome:
    brought, quote = order
    tokens, value = tokens + brought, value - quote
    return tokens, _weighted(spot, tokens, value, market), value, quote


def _weighted(spot: DriftV2SpotMarket, tokens: int, value: int, market: Market) -> int:
    weight = asset_weight(spot, tokens, market) if value > 0 else debt_weight(spot, tokens, market)
    return trunc(Fraction(value * weight, 10_000))


def _with_own_ratio(
    user: DriftV2User, spot: DriftV2SpotMarket, outcome: _Outcome, market: Market
) -> _Outcome:
    tokens, weighted, value, quote = outcome
    own = user.max_margin_ratio
    if not market.is_initial or own == 0 or weighted == 0:
        return outcome
    if weighted > 0:
        weight = min(asset_weight(spot, tokens, market), max(10_000 - own, 0))
    else:
        weight = max(debt_weight(spot, tokens, market), 10_000 + own)
    return tokens, trunc(Fraction(value * weight, 10_000)), value, quote


def _size(spot: DriftV2SpotMarket, tokens: int) -> int:
    """In 10^-9 of a whole token."""
    if spot.decimals > 9:
        return abs(tokens) // ten_to(spot.decimals - 9)
    return abs(tokens) * ten_to(9 - spot.decimals)


def asset_weight(spot: DriftV2SpotMarket, tokens: int, market: Market) -> int:
    """A deposit's weight in 10^-4."""
    if not market.is_initial:
        return shrunk(spot.maintenance_asset_weight, _size(spot, tokens), spot.imf_factor)
    weight, start = spot.initial_asset_weight, spot.scale_initial_asset_weight_start
    price = market.spot_prices[spot.market_index]
    all_tokens = _tokens(spot, spot.deposit_balance, is_debt=False)
    all_value = all_tokens * price // 10**spot.decimals
    if start and all_value >= start:
        weight = weight * start // all_value
    return shrunk(weight, _size(spot, tokens), spot.imf_factor)


def debt_weight(spot: DriftV2SpotMarket, tokens: int, market: Market) -> int:
    """A borrow's weight in 10^-4."""
    weight = spot.initial_liability_weight
    if not market.is_initial:
        weight = spot.maintenance_liability_weight
    return max(weight, grown(weight, _size(spot, tokens), spot.imf_factor))


def shrunk(weight: int, size: int, factor: int) -> int:
    """1.1 ÷ (1 + factor × √size), where that is less."""
    if factor == 0:
        return weight
    growth = isqrt(10 * size + 1) * factor // 10**5
    return min(weight, 11_000 * 10**6 // (10**6 + growth))


def grown(weight: int, size: int, factor: int) -> int:
    """Four fifths of the weight + factor × √size."""
    if factor == 0:
        return weight
    return weight - weight // 5 + isqrt(10 * size + 1) * factor // 10**7


# --- Perps --------------------------------------------------------------------------------------


def perp_standing(user: DriftV2User, position: DriftV2PerpPosition, market: Market) -> Standing:
    """Weighted profit or loss, and the margin of the worse side of its orders."""
    perp = market.perp[position.market_index]
    if user.pool_id != perp.pool_id:
        raise RefusedError
    profit = unrealized(position, perp, market.perp_prices[perp.market_index])
    low, high = market.quote_range(perp.quote_spot_market_index)
    price = low if profit > 0 else high
    if high < 0:
        raise RefusedError
    weight = profit_weight(perp, profit, market)
    weighted = trunc(Fraction(trunc(Fraction(profit * weight, 10_000)) * price, 10**6))
    if market.is_initial:
        weighted = min(weighted, HUNDRED_DOLLARS)
    return Standing(weighted, _perp_requirement(user, position, perp, high, market))


def unrealized(position: DriftV2PerpPosition, perp: DriftV2PerpMarket, price: int) -> int:
    """Profit with funding that is not settled, at the expiry price in settlement."""
    is_long = position.base_amount > 0
    rate = perp.cumulative_funding_rate_long if is_long else perp.cumulative_funding_rate_short
    owed = (rate - position.last_cumulative_funding_rate) * position.base_amount
    if perp.status == "settlement":
        price = perp.expiry_price
    value = trunc(Fraction(position.base_amount * max(price, 0), 10**9))
    return value + position.quote_amount - trunc(Fraction(owed, 10**12))


def profit_weight(perp: DriftV2PerpMarket, profit: int, market: Market) -> int:
    """Of a profit, in 10^-4; losses count in full."""
    weight, most = perp.pnl_initial_asset_weight, perp.pnl_max_imbalance
    if market.is_initial and weight and most:
        if perp.last_oracle_price <= 0:
            raise RefusedError
        value = trunc(Fraction(perp.net_base_amount * perp.last_oracle_price, 10**9))
        won = value + perp.net_quote_amount
        weight = weight * most // won if won > most else weight
    if profit <= 0:
        return 10_000
    if not market.is_initial:
        return perp.pnl_maintenance_asset_weight
    return shrunk(weight, profit * 1_000, perp.pnl_imf_factor) if weight else 0


def _perp_requirement(
    user: DriftV2User,
    position: DriftV2PerpPosition,
    perp: DriftV2PerpMarket,
    quote_price: int,
    market: Market,
) -> int:
    price = market.perp_prices[perp.market_index]
    bases = [position.base_amount + order for order in (position.open_asks, position.open_bids)]
    liability, base = max(
        ((_liability(perp, base, price), base) for base in bases), key=lambda one: one[0]
    )
    orders = position.open_orders * CENTS
    if perp.status == "settlement":
        return orders
    ratio = margin_ratio(user, perp, abs(base), market)
    if market.is_initial:
        ratio = max(ratio, user.max_margin_ratio, position.max_margin_ratio)
    return liability * quote_price // 10**6 * ratio // 10_000 + orders


def _liability(perp: DriftV2PerpMarket, base: int, price: int) -> int:
    if perp.contract_type == "prediction":
        price = abs(price) if base >= 0 else max(10**6 - abs(price), 0)
    return abs(base) * max(price, 0) // 10**9


def margin_ratio(user: DriftV2User, perp: DriftV2PerpMarket, size: int, market: Market) -> int:
    """In 10^-4 of the liability."""
    wants_high = user.margin_mode == "high_leverage" or (
        user.margin_mode == "high_leverage_maintenance" and not market.is_initial
    )
    initial, maintenance = perp.high_leverage_ratio_initial, perp.high_leverage_ratio_maintenance
    is_high = wants_high and initial > 0 and maintenance > 0
    if not market.is_initial:
        ratio = maintenance if is_high else perp.margin_ratio_maintenance
        return max(ratio, grown(ratio, size, perp.imf_factor))
    ordinary = perp.margin_ratio_initial
    sized = grown(ordinary, size, perp.imf_factor)
    if not is_high:
        return max(ordinary, sized)
    if sized > ordinary:
        return sized
    if sized == ordinary:
        return initial
    used = (ordinary - sized) * 10**6 // (ordinary // 5)
    return max(ordinary - initial, 1) * max(10**6 - used, 0) // 10**6 + initial
