"""Drift v2: where a user stands, by the program's own rule (``docs/venues.md``), exact."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

from xmargin import records
from xmargin.engine.liquidation import document_of
from xmargin.engine.venue_rules.door import (
    MarginKind,
    MarginSum,
    by_account,
    free,
    margin_sum,
    setting,
    venue_answer,
)
from xmargin.engine.venue_rules.drift_v2_prices import drift_v2_price
from xmargin.errors import DecodeError, EngineError
from xmargin.model import AccountId, chain_of
from xmargin.model.drift_v2 import (
    INTEREST_AGE_S_MAX,
    PERP_MARKET_RECORD,
    SPOT_MARKET_RECORD,
    DriftV2PerpMarket,
    DriftV2SpotMarket,
    DriftV2User,
    market_key,
    perp_token,
)
from xmargin.model.standings import VenueCase, VenueLeg, VenueStanding

Market = TypeVar("Market", DriftV2SpotMarket, DriftV2PerpMarket)

DriftV2Prices: TypeAlias = Mapping[tuple[str, str], int]
"""By oracle account and source, in 10^-6 dollars, as Drift scales the source's answer."""


@dataclass(frozen=True, slots=True)
class DriftV2Margin:
    """What stands together, and each isolated position by its market.

    ``spot_amounts`` are token units of each spot position, a borrow's negative; ``perp_quotes`` the
    quote of each perp position in 10^-6, with funding that is not settled; ``isolated_amounts`` the
    token units that stand for each perp position alone.
    """

    cross: MarginSum
    isolated: tuple[tuple[int, MarginSum], ...]
    spot_amounts: tuple[int, ...]
    perp_quotes: tuple[int, ...]
    isolated_amounts: tuple[int, ...]


def drift_v2_margin(
    user: DriftV2User,
    spot_markets: Iterable[DriftV2SpotMarket],
    perp_markets: Iterable[DriftV2PerpMarket],
    prices: DriftV2Prices,
    *,
    kind: MarginKind,
    strict: bool = False,
) -> DriftV2Margin:
    """A user's collateral and requirement, in 10^-6 dollars, as the program computes them.

    Args:
        user: without a fault.
        spot_markets: at least those of its positions, and those its perps settle in.
        perp_markets: at least those of its positions.
        prices: at least those of these markets.
        kind: which requirement.
        strict: deposits at the lower of price and five-minute mean, debts at the higher.

    Raises:
        EngineError: a market or price is missing, or the program would refuse or overflow.
    """
    perps = _held(perp_markets, {each.market_index for each in user.perp_positions})
    numbers = {each.market_index for each in user.spot_positions}
    spots = _held(spot_markets, numbers | {each.quote_spot_market_index for each in perps})
    document = {
        "rule": "drift_v2",
        "kind": kind.value,
        "strict": strict,
        "pool_id": str(user.pool_id),
        "margin_mode": user.margin_mode,
        "max_margin_ratio": str(user.max_margin_ratio),
        "spot_positions": document_of(user.spot_positions),
        "perp_positions": document_of(user.perp_positions),
        "spot_markets": [_drift_spot_market(each, prices) for each in spots],
        "perp_markets": [_drift_perp_market(each, prices) for each in perps],
    }
    answer = venue_answer(document)
    isolated = ((int(market), margin_sum(one)) for market, one in answer["isolated"])
    return DriftV2Margin(
        margin_sum(answer["cross"]),
        tuple(isolated),
        spot_amounts=tuple(map(int, answer["spot_amounts"])),
        perp_quotes=tuple(map(int, answer["perp_quotes"])),
        isolated_amounts=tuple(map(int, answer["isolated_amounts"])),
    )


def _held(markets: Iterable[Market], numbers: set[int]) -> list[Market]:
    return [market for market in markets if market.market_index in numbers]


_SPOT_MARKET_FIELDS = (
    "market_index",
    "pool_id",
    "decimals",
    "deposit_balance",
    "cumulative_deposit_interest",
    "cumulative_borrow_interest",
    "initial_asset_weight",
    "maintenance_asset_weight",
    "initial_liability_weight",
    "maintenance_liability_weight",
    "imf_factor",
    "scale_initial_asset_weight_start",
    "last_oracle_price_twap_5min",
)
_PERP_MARKET_FIELDS = (
    "market_index",
    "pool_id",
    "quote_spot_market_index",
    "expiry_price",
    "margin_ratio_initial",
    "margin_ratio_maintenance",
    "high_leverage_ratio_initial",
    "high_leverage_ratio_maintenance",
    "imf_factor",
    "pnl_initial_asset_weight",
    "pnl_maintenance_asset_weight",
    "pnl_imf_factor",
    "pnl_max_imbalance",
    "cumulative_funding_rate_long",
    "cumulative_funding_rate_short",
    "net_base_amount",
    "net_quote_amount",
    "last_oracle_price",
)


def _drift_spot_market(market: DriftV2SpotMarket, prices: DriftV2Prices) -> dict[str, Any]:
    written: dict[str, Any] = {name: str(getattr(market, name)) for name in _SPOT_MARKET_FIELDS}
    return written | {"price": _price(prices, market)}


def _drift_perp_market(market: DriftV2PerpMarket, prices: DriftV2Prices) -> dict[str, Any]:
    written: dict[str, Any] = {name: str(getattr(market, name)) for name in _PERP_MARKET_FIELDS}
    return written | {
        "price": _price(prices, market),
        "is_in_settlement": market.status == "settlement",
        "is_prediction": market.contract_type == "prediction",
    }


def _price(prices: DriftV2Prices, market: DriftV2SpotMarket | DriftV2PerpMarket) -> str:
    price = prices.get((market.oracle, market.oracle_source))
    if price is None:
        raise EngineError(
            f"no price of {market.oracle_source} oracle {market.oracle}, "
            f"which Drift's market {market.market_index} uses"
        )
    return str(price)


# --- Standings ----------------------------------------------------------------------------------

_INTEREST_AGE_S_MAX: Final = 3_600
_QUOTE_DECIMALS: Final = 6
_BASE: Final = 10**9


def standings(case: VenueCase) -> Mapping[AccountId, VenueStanding]:
    """Where users stand, in 10^-6 dollars.

    What is isolated stands for itself: the figures are of all together, the health is the worst.
    """
    return by_account(case, _standing)


@dataclass(frozen=True, slots=True)
class _Held:
    """A user with the markets that it is in and their prices."""

    user: DriftV2User
    spots: Mapping[int, DriftV2SpotMarket]
    perps: Mapping[int, DriftV2PerpMarket]
    prices: DriftV2Prices

    def margin(self, kind: MarginKind, *, strict: bool) -> DriftV2Margin:
        spots, perps = self.spots.values(), self.perps.values()
        return drift_v2_margin(self.user, spots, perps, self.prices, kind=kind, strict=strict)


def _standing(case: VenueCase, account: AccountId) -> VenueStanding:
    held = _read(case, records.read(case.account_record(account), DriftV2User))
    margin = held.margin(MarginKind.MAINTENANCE, strict=False)
    parts = (margin.cross, *(one for _, one in margin.isolated))
    legs = tuple(_legs(case, held, margin))
    healths = [one.health_wad for one in parts if one.health_wad is not None]
    worths = _worths(held, margin)
    return VenueStanding(
        collateral=sum(worth for worth in worths if worth > 0),
        debt=-sum(worth for worth in worths if worth < 0),
        counted=sum(one.collateral for one in parts),
        requirement=sum(one.requirement for one in parts),
        available=free(lambda: held.margin(MarginKind.INITIAL, strict=True).cross),
        decimals=_QUOTE_DECIMALS,
        unit="USD",
        health_factor_wad=min(healths, default=None),
        is_liquidatable=any(one.collateral < one.requirement for one in parts),
        legs=legs,
    )


def _read(case: VenueCase, user: DriftV2User) -> _Held:
    perps = {
        one.market_index: _market(case, PERP_MARKET_RECORD, one.market_index, DriftV2PerpMarket)
        for one in user.perp_positions
    }
    numbers = {one.market_index for one in user.spot_positions}
    numbers |= {one.quote_spot_market_index for one in perps.values()}
    spots = {
        number: _fresh(case, _market(case, SPOT_MARKET_RECORD, number, DriftV2SpotMarket))
        for number in sorted(numbers)
    }
    markets: list[DriftV2SpotMarket | DriftV2PerpMarket] = [*spots.values(), *perps.values()]
    prices = {(one.oracle, one.oracle_source): drift_v2_price(case, one) for one in markets}
    return _Held(user, spots, perps, prices)


def _market(case: VenueCase, record: str, number: int, cls: type[Market]) -> Market:
    return records.read(case.records.get((record, market_key(number))), cls)


def _fresh(case: VenueCase, market: DriftV2SpotMarket) -> DriftV2SpotMarket:
    """A market whose interest was added lately: what has accrued since is not counted."""
    age_s = case.block.time_s - market.updated_at_s
    bound_s = setting(case, INTEREST_AGE_S_MAX, _INTEREST_AGE_S_MAX)
    if age_s > bound_s:
        raise DecodeError(
            f"interest of spot market {market.market_index} was last added {age_s:,} s ago; "
            f"the bound is {bound_s:,} s"
        )
    return market


# --- Legs ---------------------------------------------------------------------------------------


def _legs(case: VenueCase, held: _Held, margin: DriftV2Margin) -> Iterator[VenueLeg]:
    user = held.user
    for position, amount in zip(user.spot_positions, margin.spot_amounts, strict=True):
        yield _token_leg(case, held.spots[position.market_index], amount)
    rows = zip(user.perp_positions, margin.perp_quotes, margin.isolated_amounts, strict=True)
    for perp, quote, isolated in rows:
        market = held.perps[perp.market_index]
        quote_market = held.spots[market.quote_spot_market_index]
        base, settled = _settled(market, perp.base_amount)
        yield VenueLeg(perp_token(case.venue.id, perp.market_index), base)
        paid = _rescaled(quote + settled, quote_market.decimals)
        yield _token_leg(case, quote_market, paid + isolated)


def _token_leg(case: VenueCase, market: DriftV2SpotMarket, amount: int) -> VenueLeg:
    return VenueLeg(f"{chain_of(case.venue.id)}/token:{market.mint}", amount)


def _settled(market: DriftV2PerpMarket, base: int) -> tuple[int, int]:
    """Base that still moves with its price, and quote of what no longer does."""
    if market.status == "settlement":
        return 0, base * max(0, market.expiry_price) // _BASE
    return base, 0


def _rescaled(quote: int, decimals: int) -> int:
    """Quote of 10^-6 in units of its token, what is lost at the user's expense."""
    unit: int = 10**decimals
    return quote * unit // 10**_QUOTE_DECIMALS


def _worths(held: _Held, margin: DriftV2Margin) -> list[int]:
    """What each position is worth in 10^-6 dollars at the venue's prices, before any weight."""
    user = held.user
    worths = []
    for position, amount in zip(user.spot_positions, margin.spot_amounts, strict=True):
        worths.append(_worth(held, held.spots[position.market_index], amount))
    rows = zip(user.perp_positions, margin.perp_quotes, margin.isolated_amounts, strict=True)
    for perp, quote, isolated in rows:
        market = held.perps[perp.market_index]
        price = held.prices[market.oracle, market.oracle_source]
        base, settled = _settled(market, perp.base_amount)
        worths.append(base * max(0, price) // _BASE + settled + quote)
        worths.append(_worth(held, held.spots[market.quote_spot_market_index], isolated))
    return worths


def _worth(held: _Held, market: DriftV2SpotMarket, amount: int) -> int:
    unit: int = 10**market.decimals
    return amount * held.prices[market.oracle, market.oracle_source] // unit
