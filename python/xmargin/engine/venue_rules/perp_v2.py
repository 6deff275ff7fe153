"""Perpetual v2: what an account is worth and what is asked of it, exact.

The unit of a standing is the settlement token, with 18 decimals as the contracts count.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from xmargin import records
from xmargin.engine.liquidation import document_of
from xmargin.engine.venue_rules.door import MarginSum, margin_sum, venue_answer
from xmargin.errors import XmarginError
from xmargin.model import AccountId
from xmargin.model.perp_v2 import (
    ACCRUED_RECORD,
    COLLATERAL_RECORD,
    MARKET_RECORD,
    TERMS_RECORD,
    PerpV2Account,
    PerpV2Accrued,
    PerpV2Collateral,
    PerpV2Market,
    PerpV2Position,
    PerpV2Terms,
    instrument_of,
)
from xmargin.model.standings import VenueCase, VenueLeg, VenueStanding

VALUE_DECIMALS: Final = 18


@dataclass(frozen=True, slots=True)
class PerpV2MarketValue:
    """A position: ``quote`` is what it has received or (negative) paid, in orders included."""

    mark: int
    position: int
    value: int
    quote: int


@dataclass(frozen=True, slots=True)
class PerpV2Standing:
    """An account, 18 decimals of the settlement token.

    ``settlement`` is the settlement token with what is realised, earned and owed in funding;
    ``collateral`` all collateral at its ratios; ``debt`` what ``getTotalDebtValue`` says.
    ``initial`` is what free collateral is the difference of; ``maintenance`` the account value and
    what it must not be below.
    """

    markets: tuple[PerpV2MarketValue, ...]
    settlement: int
    collateral: int
    debt: int
    initial: MarginSum
    maintenance: MarginSum

    @property
    def is_liquidatable(self) -> bool:
        """``ClearingHouse._isLiquidatable``: at equality it is not."""
        return self.maintenance.collateral < self.maintenance.requirement

    @property
    def free(self) -> int:
        """``Vault.getFreeCollateral``, before it is cut to the settlement token's decimals."""
        return max(self.initial.collateral - self.initial.requirement, 0)


def perp_v2_standing(
    account: PerpV2Account,
    accrued: PerpV2Accrued,
    terms: PerpV2Terms,
    markets: Mapping[str, PerpV2Market],
    collaterals: Mapping[str, PerpV2Collateral],
) -> PerpV2Standing:
    """An account as the contracts see it at the block that all of this was read at.

    Args:
        account: its positions and deposits.
        accrued: what has run up.
        terms: ratios and settlement token.
        markets: by base token, at least those of its positions.
        collaterals: by token, at least those of its deposits.

    Raises:
        EngineError: the contract would revert, or an amount leaves 127 bits.
    """
    answer = venue_answer(
        {
            "rule": "perp_v2",
            "balance": str(account.balance),
            "decimals": str(terms.settlement_decimals),
            "im_ratio": str(terms.im_ratio),
            "mm_ratio": str(terms.mm_ratio),
            "markets": [_market(one, markets[one.base_token]) for one in account.positions],
            "collaterals": [_held(collaterals[one.token], one.amount) for one in account.deposits],
        }
        | document_of(accrued)
    )
    return PerpV2Standing(
        markets=tuple(
            PerpV2MarketValue(**{name: int(number) for name, number in one.items()})
            for one in answer["markets"]
        ),
        settlement=int(answer["settlement"]),
        collateral=int(answer["collateral"]),
        debt=int(answer["debt"]),
        initial=margin_sum(answer["initial"]),
        maintenance=margin_sum(answer["maintenance"]),
    )


def _market(position: PerpV2Position, market: PerpV2Market) -> dict[str, Any]:
    written: dict[str, Any] = document_of(market) | document_of(position)
    del written["base_token"], written["mark_price"]
    return written


def _held(collateral: PerpV2Collateral, amount: int) -> dict[str, Any]:
    written: dict[str, Any] = document_of(collateral) | {"amount": str(amount)}
    del written["token"]
    return written


# --- Standings ------------------------------------------------------------------------------------


def standings(case: VenueCase) -> Mapping[AccountId, VenueStanding]:
    """Where the watched accounts stand; one that cannot be judged is at fault by itself."""
    return {account: _judged(case, account) for account in case.accounts}


def _judged(case: VenueCase, account: AccountId) -> VenueStanding:
    try:
        read = records.read(case.account_record(account), PerpV2Account)
        return _standing(case, account, read)
    except XmarginError as error:
        return VenueStanding.at_fault(error.message)


def _standing(case: VenueCase, account: AccountId, read: PerpV2Account) -> VenueStanding:
    terms = records.read(case.records.get((TERMS_RECORD, "")), PerpV2Terms)
    accrued = records.read(case.records.get((ACCRUED_RECORD, account)), PerpV2Accrued)
    markets = {
        base: records.read(case.records.get((MARKET_RECORD, base)), PerpV2Market)
        for base in (position.base_token for position in read.positions)
    }
    collaterals = {
        token: records.read(case.records.get((COLLATERAL_RECORD, token)), PerpV2Collateral)
        for token in (deposit.token for deposit in read.deposits)
    }
    settlement = case.tokens.get(terms.settlement_token)
    if settlement is None:
        return VenueStanding.at_fault(
            f"the settlement token {terms.settlement_token} is not configured; add it to [[tokens]]"
        )
    found = perp_v2_standing(read, accrued, terms, markets, collaterals)
    for position, value in zip(read.positions, found.markets, strict=True):
        said = markets[position.base_token].mark_price
        if value.mark != said:
            return VenueStanding.at_fault(
                f"the contracts' mark price of {position.base_token} is {said}, by our rule "
                f"{value.mark}: another release; see spot_twap_s"
            )
    return VenueStanding(
        collateral=found.collateral,
        debt=found.debt,
        counted=found.maintenance.collateral,
        requirement=found.maintenance.requirement,
        available=found.free,
        decimals=VALUE_DECIMALS,
        unit=settlement.price,
        health_factor_wad=found.maintenance.health_wad,
        is_liquidatable=found.is_liquidatable,
        legs=_legs(case, read, terms, found),
    )


def _legs(
    case: VenueCase, read: PerpV2Account, terms: PerpV2Terms, found: PerpV2Standing
) -> tuple[VenueLeg, ...]:
    """Perps, deposits, and the settlement token with all quote; its fraction rounded down."""
    held = zip(read.positions, found.markets, strict=True)
    perps = [
        VenueLeg(instrument_of(case.venue.id, position.base_token), value.position)
        for position, value in held
    ]
    chain = terms.settlement_token.rsplit(":", 1)[0]
    deposits = [VenueLeg(f"{chain}:{one.token}", one.amount) for one in read.deposits]
    quote = found.settlement + sum(value.quote for value in found.markets)
    money = quote // 10 ** (VALUE_DECIMALS - terms.settlement_decimals)
    legs = (*perps, *deposits, VenueLeg(terms.settlement_token, money))
    return tuple(leg for leg in legs if leg.amount)
