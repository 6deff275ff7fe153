"""Margins of single venue accounts by the venues' own rules (``docs/venues.md``), exact.

Facts of a venue go in as they were read, with the venue's own prices; the core computes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

from xmargin.engine.liquidation import document_of
from xmargin.engine.venue_rules.door import MarginSum, margin_sum, venue_answer
from xmargin.errors import EngineError
from xmargin.model.drift_v2 import DriftV2PerpMarket, DriftV2SpotMarket, DriftV2User
from xmargin.model.kamino import KaminoMarket, KaminoObligation, KaminoReserve
from xmargin.model.marginfi_v2 import MarginfiV2Account, MarginfiV2Bank


class MarginKind(StrEnum):
    """The requirement that is asked for."""

    INITIAL = "initial"
    """To open, to withdraw."""
    MAINTENANCE = "maintenance"
    """Not to be liquidated."""


Market = TypeVar("Market", DriftV2SpotMarket, DriftV2PerpMarket)

DriftV2Prices: TypeAlias = Mapping[tuple[str, str], int]
"""By oracle account and source, in 10^-6 dollars, as Drift scales the source's answer."""


@dataclass(frozen=True, slots=True)
class DriftV2Margin:
    """What stands together, and each isolated position by its market."""

    cross: MarginSum
    isolated: tuple[tuple[int, MarginSum], ...]


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
    return DriftV2Margin(margin_sum(answer["cross"]), tuple(isolated))


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


# --- marginfi v2 --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MarginfiV2Price:
    """Dollars of a whole token, and what assets count less and liabilities more; I80F48."""

    price: int
    confidence: int


@dataclass(frozen=True, slots=True)
class MarginfiV2Prices:
    """A bank's time-weighted price and its price now; ``None`` where the program finds it stale."""

    weighted_price: MarginfiV2Price | None
    price: MarginfiV2Price | None


def marginfi_v2_margin(
    account: MarginfiV2Account,
    banks: Iterable[MarginfiV2Bank],
    prices: Mapping[str, MarginfiV2Prices],
    *,
    kind: MarginKind,
) -> MarginSum:
    """Weighted assets and liabilities of an account, in I80F48 dollars, as the program's.

    The program liquidates an account whose maintenance assets do not exceed its liabilities.

    Args:
        account: without a fault.
        banks: at least those of its balances.
        prices: by bank, at least those of these banks.
        kind: which requirement.

    Raises:
        EngineError: a bank or price is missing, or the program would refuse or overflow.
    """
    known = {bank.address: bank for bank in banks}
    held = [balance.bank for balance in account.balances]
    for bank in held:
        if bank not in known or bank not in prices:
            raise EngineError(f"the account has a balance in bank {bank}, which was not given")
    document = {
        "rule": "marginfi_v2",
        "kind": kind.value,
        "balances": [
            {
                "bank": str(row),
                "asset_shares": str(balance.asset_shares),
                "liability_shares": str(balance.liability_shares),
            }
            for row, balance in enumerate(account.balances)
        ],
        "banks": [_marginfi_bank(known[bank], prices[bank]) for bank in held],
    }
    return margin_sum(venue_answer(document))


_BANK_FIELDS = (
    "decimals",
    "asset_share_value",
    "liability_share_value",
    "asset_weight_init",
    "asset_weight_maint",
    "liability_weight_init",
    "liability_weight_maint",
    "emode_tag",
    "total_asset_shares",
    "total_asset_value_init_limit",
)


def _marginfi_bank(bank: MarginfiV2Bank, prices: MarginfiV2Prices) -> dict[str, Any]:
    written: dict[str, Any] = {name: str(getattr(bank, name)) for name in _BANK_FIELDS}
    written |= document_of(prices)
    return written | {
        "is_isolated": bank.risk_tier == "isolated",
        "is_reduce_only": bank.operational_state == "reduce_only",
        "emode_entries": document_of(bank.emode_entries),
    }


# --- Kamino -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KaminoMargin:
    """What a refresh computes, in 2^-60 dollars.

    ``initial`` holds what may be borrowed against the debt at its borrow factors, ``maintenance``
    what is unhealthy against the same.
    """

    deposited_sf: int
    borrowed_sf: int
    initial: MarginSum
    maintenance: MarginSum
    is_liquidatable: bool


def kamino_margin(
    obligation: KaminoObligation,
    market: KaminoMarket,
    reserves: Iterable[KaminoReserve],
    prices_sf: Mapping[str, int] | None = None,
) -> KaminoMargin:
    """An obligation's values as the program's refresh would store them now.

    Args:
        obligation: without a fault.
        market: the obligation's.
        reserves: at least those of its deposits, its debts and its elevation group.
        prices_sf: dollars of a whole token in 2^-60, by reserve; else those the reserves store.

    Raises:
        EngineError: a reserve is missing or of another market, or the program would refuse or
            overflow.
    """
    if market.address != obligation.market:
        raise EngineError(f"the obligation is of market {obligation.market}, not {market.address}")
    held = _kamino_reserves(obligation, reserves)
    answer = venue_answer(_kamino_document(obligation, market, held, prices_sf))
    return KaminoMargin(
        deposited_sf=int(answer["deposited_sf"]),
        borrowed_sf=int(answer["borrowed_sf"]),
        initial=margin_sum(answer["initial"]),
        maintenance=margin_sum(answer["maintenance"]),
        is_liquidatable=answer["is_liquidatable"],
    )


def _kamino_reserves(
    obligation: KaminoObligation, reserves: Iterable[KaminoReserve]
) -> list[KaminoReserve]:
    """The reserves of an obligation, each once."""
    known = {reserve.address: reserve for reserve in reserves}
    of_deposits = [one.reserve for one in obligation.deposits]
    of_debts = [one.reserve for one in obligation.borrows]
    names = list(dict.fromkeys(of_deposits + of_debts))
    for name in names:
        if name not in known or known[name].market != obligation.market:
            raise EngineError(f"reserve {name} was not given, or is of another market")
    return [known[name] for name in names]


def _kamino_document(
    obligation: KaminoObligation,
    market: KaminoMarket,
    held: list[KaminoReserve],
    prices_sf: Mapping[str, int] | None,
) -> dict[str, Any]:
    places = {reserve.address: str(place) for place, reserve in enumerate(held)}
    document: dict[str, Any] = {
        "rule": "kamino",
        "deposits": [
            document_of(one) | {"reserve": places[one.reserve]} for one in obligation.deposits
        ],
        "borrows": [
            document_of(one) | {"reserve": places[one.reserve]} for one in obligation.borrows
        ],
        "allowed_max": str(market.global_allowed_borrow_value),
        "reserves": [_kamino_reserve(reserve, prices_sf) for reserve in held],
    }
    group = _kamino_group(obligation, market, places)
    return document if group is None else document | {"elevation_group": group}


def _kamino_group(
    obligation: KaminoObligation, market: KaminoMarket, places: Mapping[str, str]
) -> dict[str, str] | None:
    number = obligation.elevation_group
    if number == 0:
        return None
    found = [group for group in market.elevation_groups if group.number == number]
    if not found:
        raise EngineError(f"the market has no elevation group {number}")
    group = found[0]
    written = {
        "number": str(number),
        "ltv_pct": str(group.ltv_pct),
        "liquidation_threshold_pct": str(group.liquidation_threshold_pct),
    }
    place = places.get(group.debt_reserve)
    return written if place is None else written | {"debt_reserve": place}


_RESERVE_FIELDS = (
    "available",
    "borrowed_sf",
    "protocol_fees_sf",
    "referrer_fees_sf",
    "pending_referrer_fees_sf",
    "collateral_supply",
    "cumulative_borrow_rate_bsf",
    "decimals",
    "loan_to_value_pct",
    "liquidation_threshold_pct",
    "borrow_factor_pct",
)


def _kamino_reserve(reserve: KaminoReserve, prices_sf: Mapping[str, int] | None) -> dict[str, Any]:
    price = reserve.price_sf if prices_sf is None else prices_sf.get(reserve.address)
    if price is None:
        raise EngineError(f"no price of reserve {reserve.address} was given")
    written: dict[str, Any] = {name: str(getattr(reserve, name)) for name in _RESERVE_FIELDS}
    groups = [str(group) for group in reserve.elevation_groups]
    return written | {"price_sf": str(price), "elevation_groups": groups}
