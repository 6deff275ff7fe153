"""Hyperliquid: cross and isolated margin of perps, and the price that ends each position.

Maintenance margin of a position is its value at half of the initial margin at the largest leverage
of its tier, less the tier's deduction, rounded down to 10^-6 USDC (docs "Margin tiers"; the
rounding is what published liquidation prices show). Positions with isolated margin stand each by
themselves, all others together; each of these parts is liquidated when its value is below its
maintenance margin. Exact: integers of 10^-6 USDC and rationals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from math import floor
from typing import Final

from xmargin import records
from xmargin.errors import DecodeError
from xmargin.model import AccountId, TokenId
from xmargin.model.hyperliquid import (
    MARKET_RECORD,
    QUOTE_SETTING,
    USD_DECIMALS,
    HyperliquidAccount,
    HyperliquidMarket,
    HyperliquidPosition,
    perp_token,
)
from xmargin.model.standings import VenueCase, VenueLeg, VenueStanding

PRICE_DECIMALS: Final = 8

_WAD: Final = 10**18
_PRECISION: Final = 80
_DIGITS_MAX: Final = 60
_DECIMALS_MAX: Final = 18

Markets = Mapping[str, HyperliquidMarket]


@dataclass(frozen=True, slots=True)
class MarginPart:
    """What is margined by itself, in 10^-6 USDC: the shared margin, or one isolated position."""

    value: int
    maintenance: int
    positions: tuple[HyperliquidPosition, ...]

    @property
    def is_liquidatable(self) -> bool:
        """Its value is below its maintenance margin."""
        return self.value < self.maintenance

    @property
    def health(self) -> Fraction:
        """Value a unit of maintenance margin, of a part that needs any."""
        return Fraction(self.value, self.maintenance)


# --- Standing -------------------------------------------------------------------------------------


def standings(case: VenueCase) -> Mapping[AccountId, VenueStanding]:
    """Where accounts stand, each by itself: what is wrong with one is its own fault."""
    return {account: _standing_or_fault(case, account) for account in case.accounts}


def _standing_or_fault(case: VenueCase, account: AccountId) -> VenueStanding:
    try:
        return _standing(case, records.read(case.account_record(account), HyperliquidAccount))
    except DecodeError as error:
        return VenueStanding.at_fault(error.message)


def _standing(case: VenueCase, state: HyperliquidAccount) -> VenueStanding:
    markets = {
        one.coin: records.read(case.records.get((MARKET_RECORD, one.coin)), HyperliquidMarket)
        for one in state.positions
    }
    quote = _quote(case)
    parts = margin_parts(state, markets)
    needing = [part for part in parts if part.maintenance]
    worst = min(needing, key=lambda part: part.health, default=parts[0])
    value = _units(state.whole.account_value, USD_DECIMALS)
    return VenueStanding(
        collateral=max(0, value),
        debt=max(0, -value),
        counted=worst.value,
        requirement=worst.maintenance,
        available=max(0, parts[0].value - _units(state.cross.margin_used, USD_DECIMALS)),
        decimals=USD_DECIMALS,
        unit=case.tokens[quote].price,
        health_factor_wad=floor(max(Fraction(0), worst.health) * _WAD) if needing else None,
        is_liquidatable=any(part.is_liquidatable for part in needing),
        legs=_legs(case, state, markets, quote),
    )


def _quote(case: VenueCase) -> TokenId:
    (quote, *_) = case.venue.values(QUOTE_SETTING) or ("",)
    if quote not in case.tokens:
        raise DecodeError(f"settings.{QUOTE_SETTING} of {case.venue.id} is not in [[tokens]]")
    return quote


def _legs(
    case: VenueCase, state: HyperliquidAccount, markets: Markets, quote: TokenId
) -> tuple[VenueLeg, ...]:
    """Sizes, and the cash that is left of deposits after what they were bought for."""
    venue = case.venue.id
    sizes = (
        VenueLeg(
            perp_token(venue, one.coin),
            _units(one.size, markets[one.coin].size_decimals),
        )
        for one in state.positions
    )
    return (*sizes, VenueLeg(quote, _units(state.whole.raw_usd, USD_DECIMALS)))


def margin_parts(state: HyperliquidAccount, markets: Markets) -> tuple[MarginPart, ...]:
    """The shared margin first, then each isolated position.

    Raises:
        DecodeError: an amount has more digits than it can have, a market was not read, or the
            venue's own sum of maintenance margin is another.
    """
    shared = tuple(one for one in state.positions if one.isolated_raw_usd is None)
    cross = MarginPart(
        _units(state.cross.account_value, USD_DECIMALS),
        sum(maintenance_margin(one, markets[one.coin]) for one in shared),
        shared,
    )
    _require_agreement(cross, state.cross_maintenance)
    return (cross, *(_isolated(one, markets) for one in state.positions if one not in shared))


def _isolated(one: HyperliquidPosition, markets: Markets) -> MarginPart:
    cash = _units(one.isolated_raw_usd or Decimal(0), USD_DECIMALS)
    value = _units(one.value, USD_DECIMALS) * _side(one)
    return MarginPart(cash + value, maintenance_margin(one, markets[one.coin]), (one,))


def _require_agreement(cross: MarginPart, said: Decimal | None) -> None:
    if said is None:
        return
    # Either sum has been rounded once a position.
    if abs(_units(said, USD_DECIMALS) - cross.maintenance) > len(cross.positions):
        ours = Decimal(cross.maintenance).scaleb(-USD_DECIMALS)
        raise DecodeError(
            f"the venue says that its cross maintenance margin is {said}; its margin tables give "
            f"{ours}"
        )


# --- Maintenance margin ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Tier:
    """From ``value_min`` on, ``rate`` × value − ``deduction``; in 10^-6 USDC."""

    value_min: int
    rate: Fraction
    deduction: Fraction

    def maintenance(self, value: int) -> int:
        return floor(value * self.rate - self.deduction)


def maintenance_margin(position: HyperliquidPosition, market: HyperliquidMarket) -> int:
    """Of one position, in 10^-6 USDC.

    Raises:
        DecodeError: its value has more digits than it can have.
    """
    value = _units(position.value, USD_DECIMALS)
    return _tier_of(_tiers(market), value).maintenance(value)


def _tiers(market: HyperliquidMarket) -> Sequence[_Tier]:
    tiers: list[_Tier] = []
    rate, deduction = Fraction(0), Fraction(0)
    for one in market.tiers:
        if one.leverage_max < 1:
            raise DecodeError(f"{market.coin} has a tier of leverage {one.leverage_max}")
        before, rate = rate, Fraction(1, 2 * one.leverage_max)
        value_min = _units(one.value_min, USD_DECIMALS)
        deduction += value_min * (rate - before)
        tiers.append(_Tier(value_min, rate, deduction))
    return tiers


def _tier_of(tiers: Sequence[_Tier], value: int) -> _Tier:
    found = next((tier for tier in reversed(tiers) if tier.value_min <= value), None)
    if found is None:
        raise DecodeError(f"no tier is of positions of {value} x 10^-{USD_DECIMALS}")
    return found


# --- Liquidation prices ---------------------------------------------------------------------------


def liquidation_prices(
    state: HyperliquidAccount, markets: Markets, *, maintenance_moves: bool = True
) -> dict[str, Decimal | None]:
    """The mark price of each coin at which its position's part is liquidated, all others at rest.

    With 8 decimals, as the venue shows them; ``None`` where no positive price does it. The
    maintenance margin moves with the price (docs "Liquidations"); until mid 2023 the venue's own
    estimate let it rest.

    Raises:
        DecodeError: as :func:`margin_parts`.
    """
    return {
        one.coin: _liquidation_price(one, part, markets[one.coin], moves=maintenance_moves)
        for part in margin_parts(state, markets)
        for one in part.positions
    }


def _liquidation_price(
    position: HyperliquidPosition, part: MarginPart, market: HyperliquidMarket, *, moves: bool
) -> Decimal | None:
    value, side = _units(position.value, USD_DECIMALS), _side(position)
    tiers = _tiers(market)
    now = _tier_of(tiers, value)
    others = part.maintenance - now.maintenance(value)

    def ending_value(tier: _Tier) -> Fraction:
        """The position's value at which margin ends, were all values of this tier."""
        free = part.value - others - tier.maintenance(value)
        return value - Fraction(side * free) / (1 - tier.rate * side if moves else 1)

    # Margin ends in the first tier that it does not outlast.
    ends = (tier.value_min for tier in tiers[1:])
    within = (t for t, end in zip(tiers, ends, strict=False) if ending_value(t) < end)
    last = next(within, tiers[-1]) if moves else now
    return _price(ending_value(last) / abs(Fraction(position.size)) / 10**USD_DECIMALS)


def _price(price: Fraction) -> Decimal | None:
    units = round(price * 10**PRICE_DECIMALS)
    return Decimal(units).scaleb(-PRICE_DECIMALS) if units > 0 else None


def _side(position: HyperliquidPosition) -> int:
    return 1 if position.size > 0 else -1


def _units(amount: Decimal, decimals: int) -> int:
    """An amount in 10^-``decimals``; more digits than that it cannot have."""
    if not 0 <= decimals <= _DECIMALS_MAX or len(amount.as_tuple().digits) > _DIGITS_MAX:
        raise DecodeError(f"{str(amount)[:60]} in 10^-{decimals} is no amount")
    with localcontext(prec=_PRECISION):
        units = amount.scaleb(decimals)
        if units != units.to_integral_value():
            raise DecodeError(f"{amount} has more than {decimals} decimals")
        return int(units)
