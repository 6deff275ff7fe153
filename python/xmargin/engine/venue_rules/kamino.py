"""Kamino Lend: where an obligation stands, by the program's rule (``docs/venues.md``), exact."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from xmargin import records
from xmargin.engine.liquidation import document_of
from xmargin.engine.venue_rules.door import (
    MarginSum,
    by_account,
    free,
    margin_sum,
    setting,
    venue_answer,
)
from xmargin.engine.venue_rules.fixed_point import VALUE_DECIMALS, rounded_down, rounded_up
from xmargin.errors import DecodeError, EngineError
from xmargin.model import AccountId, chain_of
from xmargin.model.kamino import (
    MARKET_RECORD,
    PRICE_AGE_S_MAX,
    RESERVE_RECORD,
    KaminoMarket,
    KaminoObligation,
    KaminoReserve,
)
from xmargin.model.standings import VenueCase, VenueLeg, VenueStanding


@dataclass(frozen=True, slots=True)
class KaminoMargin:
    """What a refresh computes, in 2^-60 dollars.

    ``initial`` holds what may be borrowed against the debt at its borrow factors, ``maintenance``
    what is unhealthy against the same. Amounts are token units, of deposits rounded down, of debts
    rounded up.
    """

    deposited_sf: int
    borrowed_sf: int
    initial: MarginSum
    maintenance: MarginSum
    is_liquidatable: bool
    deposit_amounts: tuple[int, ...]
    debt_amounts: tuple[int, ...]


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
        deposit_amounts=tuple(map(int, answer["deposit_amounts"])),
        debt_amounts=tuple(map(int, answer["debt_amounts"])),
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


# --- Standings ----------------------------------------------------------------------------------

_FRACTION_BITS: Final = 60
_PRICE_AGE_S_MAX: Final = 900


def standings(case: VenueCase) -> Mapping[AccountId, VenueStanding]:
    """Where obligations stand, in 10^-18 dollars, at the prices that their reserves store."""
    return by_account(case, _standing)


def _standing(case: VenueCase, account: AccountId) -> VenueStanding:
    held = records.read(case.account_record(account), KaminoObligation)
    market = records.read(case.records.get((MARKET_RECORD, held.market)), KaminoMarket)
    names = [*(one.reserve for one in held.deposits), *(one.reserve for one in held.borrows)]
    reserves = {name: _reserve(case, name) for name in names}
    margin = kamino_margin(held, market, reserves.values())
    chain = chain_of(case.venue.id)
    owned = zip(held.deposits, margin.deposit_amounts, strict=True)
    owed = zip(held.borrows, margin.debt_amounts, strict=True)
    amounts = [
        *((one.reserve, amount) for one, amount in owned),
        *((one.reserve, -amount) for one, amount in owed),
    ]
    maintenance = margin.maintenance
    return VenueStanding(
        collateral=rounded_down(margin.deposited_sf, _FRACTION_BITS),
        debt=rounded_up(margin.borrowed_sf, _FRACTION_BITS),
        counted=rounded_down(maintenance.collateral, _FRACTION_BITS),
        requirement=rounded_up(maintenance.requirement, _FRACTION_BITS),
        available=rounded_down(free(lambda: margin.initial), _FRACTION_BITS),
        decimals=VALUE_DECIMALS,
        unit="USD",
        health_factor_wad=maintenance.health_wad,
        is_liquidatable=margin.is_liquidatable,
        legs=tuple(
            VenueLeg(f"{chain}/token:{reserves[address].mint}", amount)
            for address, amount in amounts
        ),
    )


def _reserve(case: VenueCase, address: str) -> KaminoReserve:
    """A reserve whose price was stored lately: what has moved since is not counted."""
    reserve = records.read(case.records.get((RESERVE_RECORD, address)), KaminoReserve)
    age_s = case.block.time_s - reserve.price_updated_at_s
    bound_s = setting(case, PRICE_AGE_S_MAX, _PRICE_AGE_S_MAX)
    if age_s > bound_s:
        raise DecodeError(
            f"the price of reserve {address} was stored {age_s:,} s ago; the bound is {bound_s:,} s"
        )
    return reserve
