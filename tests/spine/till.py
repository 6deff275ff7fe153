"""A small lending venue of another package: what is owned counts at 80 % against what is owed."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace

from tests.spine.examples import CHAIN, USDC, WETH
from xmargin import records
from xmargin.errors import DecodeError
from xmargin.model import AccountId
from xmargin.model.standings import VenueCase, VenueLeg, VenueStanding

VENUE = f"till@{CHAIN}"
BASE = 10**18


@dataclass(frozen=True, slots=True)
class TillAccount:
    """WETH owned and USDC owed, in their smallest units."""

    owned: int
    owed: int


@dataclass(frozen=True, slots=True)
class TillMarket:
    """The venue's own price of WETH in USDC."""

    price: int


cases: list[VenueCase] = []
"""What the rule was asked, newest last."""


def rule(case: VenueCase) -> Mapping[AccountId, VenueStanding]:
    """Exact in the smallest units of USDC."""
    cases.append(case)
    market = records.read(case.records.get(("market", "WETH")), TillMarket)
    return {account: _standing(case, account, market) for account in case.accounts}


def _standing(case: VenueCase, account: AccountId, market: TillMarket) -> VenueStanding:
    try:
        held = records.read(case.account_record(account), TillAccount)
    except DecodeError as error:
        return VenueStanding.at_fault(error.message)
    worth = held.owned * market.price * 10**6 // BASE
    counted = worth * 8 // 10
    return VenueStanding(
        collateral=worth,
        debt=held.owed,
        counted=counted,
        requirement=held.owed,
        available=max(0, counted - held.owed),
        decimals=6,
        unit="USDC",
        health_factor_wad=counted * 10**18 // held.owed if held.owed else None,
        is_liquidatable=counted < held.owed,
        legs=(VenueLeg(WETH, held.owned), VenueLeg(USDC, -held.owed)),
    )


KIND = SimpleNamespace(reader=None, rule=rule)


def _failing(case: VenueCase) -> Mapping[AccountId, VenueStanding]:
    raise ZeroDivisionError("of another's making")


FAILING = SimpleNamespace(reader=None, rule=_failing)
