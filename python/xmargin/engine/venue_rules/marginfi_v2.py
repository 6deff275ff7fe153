"""marginfi v2: where an account stands, by the program's own rule (``docs/venues.md``), exact."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

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
from xmargin.engine.venue_rules.fixed_point import VALUE_DECIMALS, rounded_down, rounded_up
from xmargin.errors import DecodeError, EngineError
from xmargin.model import AccountId, chain_of
from xmargin.model.marginfi_v2 import (
    BANK_RECORD,
    INTEREST_AGE_S_MAX,
    MarginfiV2Account,
    MarginfiV2Bank,
)
from xmargin.model.posted_prices import ORACLE_RECORD, PostedPrice
from xmargin.model.standings import VenueCase, VenueLeg, VenueStanding
from xmargin.solana_prices import FULLY_VERIFIED


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


@dataclass(frozen=True, slots=True)
class MarginfiV2Margin:
    """Weighted assets and liabilities, and the token units of each balance.

    Assets as they can be withdrawn, rounded down; debts, negative, as they must be repaid,
    rounded up.
    """

    sum: MarginSum
    amounts: tuple[int, ...]


def marginfi_v2_margin(
    account: MarginfiV2Account,
    banks: Iterable[MarginfiV2Bank],
    prices: Mapping[str, MarginfiV2Prices],
    *,
    kind: MarginKind,
) -> MarginfiV2Margin:
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
    answer = venue_answer(document)
    amounts = tuple(map(int, answer["amounts"]))
    return MarginfiV2Margin(margin_sum(answer["margin"]), amounts)


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


# --- Prices -------------------------------------------------------------------------------------

_FRACTION_BITS: Final = 48
_CONFIDENCE_MULTIPLES: Final = {"pyth": (212, 100), "switchboard": (196, 100)}
_CONFIDENCE_SHARE_MAX: Final = (5, 100)
_SHARE_ONE: Final = 2**32 - 1
_AGE_S_MAX: Final = 60
"""Of Pyth's prices where a bank sets none."""

_ORACLES: Final = {"pyth_push_oracle": "pyth", "switchboard_pull": "switchboard"}


def marginfi_v2_prices(case: VenueCase, bank: MarginfiV2Bank) -> MarginfiV2Prices:
    """What the program makes of a bank's oracle at the block; ``None`` where it would not take it.

    Raises:
        DecodeError: the oracle was not read, or is of a kind that is not.
    """
    if bank.oracle_setup == "fixed":
        fixed = MarginfiV2Price(bank.fixed_price, 0)
        return MarginfiV2Prices(fixed, fixed)
    oracle = _ORACLES.get(bank.oracle_setup)
    if oracle is None or not bank.oracles:
        raise DecodeError(f"bank {bank.address}: prices of {bank.oracle_setup} are not read")
    posted = records.read(case.records.get((ORACLE_RECORD, bank.oracles[0])), PostedPrice)
    if posted.oracle != oracle:
        raise DecodeError(f"oracle {bank.oracles[0]} is of {posted.oracle}, not of {oracle}")
    if posted.verification != FULLY_VERIFIED or _is_stale(case, bank, posted):
        return MarginfiV2Prices(None, None)
    return MarginfiV2Prices(
        weighted_price=_price(bank, posted, posted.mean_price, posted.mean_confidence),
        price=_price(bank, posted, posted.price, posted.confidence),
    )


def _is_stale(case: VenueCase, bank: MarginfiV2Bank, posted: PostedPrice) -> bool:
    age_s_max = bank.oracle_age_s_max
    if age_s_max == 0 and posted.oracle == "pyth":
        age_s_max = _AGE_S_MAX
    return posted.published_at_s + age_s_max < case.block.time_s


def _price(
    bank: MarginfiV2Bank, posted: PostedPrice, price: int, confidence: int
) -> MarginfiV2Price | None:
    """In I80F48, each step rounded as the program's; ``None`` where it is too uncertain."""
    if not -23 <= posted.exponent <= 0 or price <= 0 or confidence < 0:
        return None
    unit = 10**-posted.exponent
    fixed_price = (price << _FRACTION_BITS) // unit
    interval = _times((confidence << _FRACTION_BITS) // unit, _CONFIDENCE_MULTIPLES[posted.oracle])
    share_max = bank.oracle_confidence_max or _SHARE_ONE // 10
    if interval > fixed_price * share_max // _SHARE_ONE:
        return None
    return MarginfiV2Price(fixed_price, min(interval, _times(fixed_price, _CONFIDENCE_SHARE_MAX)))


def _times(value: int, ratio: tuple[int, int]) -> int:
    """I80F48 of a value times a constant, which is itself the I80F48 nearest to the ratio."""
    above, below = ratio
    constant = ((above << _FRACTION_BITS + 1) + below) // (2 * below)
    return value * constant >> _FRACTION_BITS


# --- Standings ----------------------------------------------------------------------------------

_INTEREST_AGE_S_MAX: Final = 3_600


def standings(case: VenueCase) -> Mapping[AccountId, VenueStanding]:
    """Where accounts stand, in 10^-18 dollars: what is owned rounded down, what is owed up."""
    return by_account(case, _standing)


def _standing(case: VenueCase, account: AccountId) -> VenueStanding:
    held = records.read(case.account_record(account), MarginfiV2Account)
    banks = {balance.bank: _bank(case, balance.bank) for balance in held.balances}
    prices = {address: marginfi_v2_prices(case, bank) for address, bank in banks.items()}

    def margin_of(kind: MarginKind) -> MarginfiV2Margin:
        return marginfi_v2_margin(held, banks.values(), prices, kind=kind)

    margin = margin_of(MarginKind.MAINTENANCE)
    rows = [
        (banks[balance.bank], prices[balance.bank], amount)
        for balance, amount in zip(held.balances, margin.amounts, strict=True)
    ]
    worths = [_worth(bank, price, amount) for bank, price, amount in rows]
    total = margin.sum
    return VenueStanding(
        collateral=_down(sum(worth for worth in worths if worth > 0)),
        debt=_up(-sum(worth for worth in worths if worth < 0)),
        counted=_down(total.collateral),
        requirement=_up(total.requirement),
        available=_down(free(lambda: margin_of(MarginKind.INITIAL).sum)),
        decimals=VALUE_DECIMALS,
        unit="USD",
        health_factor_wad=total.health_wad,
        is_liquidatable=0 < total.requirement >= total.collateral,
        legs=tuple(
            VenueLeg(f"{chain_of(case.venue.id)}/token:{bank.mint}", amount)
            for bank, _, amount in rows
        ),
    )


def _bank(case: VenueCase, address: str) -> MarginfiV2Bank:
    """A bank whose interest was added lately: what has accrued since is not counted."""
    bank = records.read(case.records.get((BANK_RECORD, address)), MarginfiV2Bank)
    age_s = case.block.time_s - bank.updated_at_s
    bound_s = setting(case, INTEREST_AGE_S_MAX, _INTEREST_AGE_S_MAX)
    if age_s > bound_s:
        raise DecodeError(
            f"interest of bank {address} was last added {age_s:,} s ago; the bound is {bound_s:,} s"
        )
    return bank


def _worth(bank: MarginfiV2Bank, prices: MarginfiV2Prices, amount: int) -> int:
    """I80F48 dollars at the price now, before any weight."""
    price = 0 if prices.price is None else prices.price.price
    unit: int = 10**bank.decimals
    return amount * price // unit


def _down(value: int) -> int:
    return rounded_down(value, _FRACTION_BITS)


def _up(value: int) -> int:
    return rounded_up(value, _FRACTION_BITS)
