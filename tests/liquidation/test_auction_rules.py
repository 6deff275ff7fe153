"""Aave v4, Euler and Derive liquidations against the reference, and what they promise."""

import dataclasses
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.liquidation.venue_accounts import (
    ALL,
    WAD,
    euler_account,
    euler_referred,
    v4_account,
    v4_of,
)
from xmargin.engine.liquidation import (
    AaveV4Account,
    AaveV4Side,
    DeriveAccount,
    EulerAccount,
    LiquidationVerdict,
    propose_liquidation,
)
from xmargin.errors import ParameterError
from xmargin.reference import lending_auctions as reference

_seeds = st.integers(0, 2**32)
v4_accounts = _seeds.map(lambda seed: v4_account(Random(seed)))
euler_accounts = _seeds.map(lambda seed: euler_account(Random(seed)))


# auction-1
@given(v4_accounts)
@settings(max_examples=400, deadline=None)
def test_aave_v4_moves_what_the_reference_says(account: AaveV4Account) -> None:
    proposal, theirs = propose_liquidation(account), v4_of(account)
    health = reference.v4_health_wad(theirs, account.collateral.amount, account.debt.amount)
    assert proposal.health_before_wad == health
    if health is None or health >= WAD:
        assert proposal.verdict is LiquidationVerdict.NOT_DUE
        return
    moved, legs = reference.v4_liquidation(theirs), proposal.legs
    if moved is None:
        assert proposal.verdict is LiquidationVerdict.REFUSED
        return
    assert legs is not None
    assert (legs.repaid, legs.seized, legs.fee) == (moved.repaid, moved.seized, moved.fee)
    assert sum(amount for _, amount in legs.deficits) == moved.deficit


# auction-2
@given(v4_accounts)
@settings(max_examples=400, deadline=None)
def test_aave_v4_stops_at_its_target(account: AaveV4Account) -> None:
    proposal = propose_liquidation(account)
    if proposal.verdict is not LiquidationVerdict.PROPOSED or proposal.legs is None:
        return
    after = proposal.health_after_wad
    legs = proposal.legs
    all_taken = legs.seized + legs.fee == account.collateral.amount
    if after is None or legs.repaid == account.debt.amount or all_taken:
        return  # Dust is taken along, whatever that does to health.
    # One unit more of each token than needed, at most, and what their values are rounded by.
    debt, collateral = account.debt, account.collateral
    unit_base = Fraction(debt.price_base, 10**debt.decimals) + 4
    unit_base += Fraction(collateral.price_base, 10**collateral.decimals)
    left = int((debt.amount - proposal.legs.repaid) * debt.price_base // 10**debt.decimals)
    slack = 4 * WAD * unit_base / (account.other_debt_base + left + 1)
    assert after <= account.target_wad + slack or after < WAD


# auction-3
@given(v4_accounts, st.floats(0.1, 0.9))
@settings(max_examples=300, deadline=None)
def test_aave_v4_parts_of_a_healing_liquidation_pay_no_more_than_the_whole(
    account: AaveV4Account, part: float
) -> None:
    account = dataclasses.replace(account, debt_to_cover=ALL)
    proposal = propose_liquidation(account)
    legs = proposal.legs
    if proposal.verdict is not LiquidationVerdict.PROPOSED or legs is None or legs.deficits:
        return
    seized, repaid, now = 0, 0, account
    for cover in (int(legs.repaid * part), legs.repaid - int(legs.repaid * part)):
        done = propose_liquidation(dataclasses.replace(now, debt_to_cover=cover)).legs
        if done is None:
            continue
        seized, repaid = seized + done.seized, repaid + done.repaid
        taken = done.seized + done.fee
        now = dataclasses.replace(
            now,
            collateral=dataclasses.replace(now.collateral, amount=now.collateral.amount - taken),
            debt=dataclasses.replace(now.debt, amount=now.debt.amount - done.repaid),
        )
    per_debt = Fraction(account.debt.price_base, 10**account.debt.decimals)
    per_collateral = Fraction(account.collateral.price_base, 10**account.collateral.decimals)
    gained = seized * per_collateral - repaid * per_debt
    whole = legs.seized * per_collateral - legs.repaid * per_debt
    assert gained <= max(whole, Fraction(0)) + 2 * (per_collateral + per_debt)


# auction-4
@given(euler_accounts)
@settings(max_examples=400, deadline=None)
def test_euler_moves_what_the_reference_says(account: EulerAccount) -> None:
    proposal = propose_liquidation(account)
    due = account.adjusted_value <= account.liability_value
    assert (proposal.verdict is LiquidationVerdict.NOT_DUE) != due
    if not due:
        return
    theirs = euler_referred(account)
    assert proposal.legs is not None
    assert (proposal.legs.repaid, proposal.legs.seized) == (theirs.repaid, theirs.seized)


# auction-5
@given(euler_accounts)
@settings(max_examples=400, deadline=None)
def test_euler_is_toxic_where_the_discount_seizes_more_than_health_bears(
    account: EulerAccount,
) -> None:
    proposal = propose_liquidation(account)
    if proposal.legs is None or proposal.health_after_wad is None:
        return
    assert proposal.health_before_wad is not None
    health = Fraction(account.adjusted_value, account.liability_value)
    factor = max(health, 1 - Fraction(account.discount_max_bps, 10**4))
    toxic = health * factor < Fraction(account.ltv_bps, 10**4)
    lowers = proposal.health_after_wad < proposal.health_before_wad
    if abs(health * factor - Fraction(account.ltv_bps, 10**4)) > Fraction(1, 10**9):
        assert (proposal.verdict is LiquidationVerdict.TOXIC) == (toxic or lowers)


# auction-6
@given(euler_accounts, st.floats(0.1, 0.9))
@settings(max_examples=300, deadline=None)
def test_euler_parts_of_a_healing_liquidation_pay_no_more_than_the_whole(
    account: EulerAccount, part: float
) -> None:
    proposal = propose_liquidation(account)
    if proposal.verdict is not LiquidationVerdict.PROPOSED or proposal.legs is None:
        return
    whole = proposal.legs
    first = propose_liquidation(
        dataclasses.replace(account, desired_repay=int(whole.repaid * part))
    ).legs
    assert first is not None
    # At the same instant the second part is priced by the health after the first, which is higher.
    unit = Fraction(account.collateral_value, account.collateral)
    rest = dataclasses.replace(
        account,
        liability=account.liability - first.repaid,
        liability_value=account.liability_value
        - first.repaid * account.liability_value // account.liability,
        collateral=account.collateral - first.seized,
        collateral_value=account.collateral_value - int(first.seized * unit),
        adjusted_value=account.adjusted_value - int(first.seized * unit * account.ltv_bps / 10**4),
        desired_repay=None,
    )
    second = propose_liquidation(rest).legs
    repaid = whole.repaid - first.repaid
    if second is None or second.repaid < repaid:
        return
    seized = first.seized + repaid * second.seized // max(second.repaid, 1)
    # Values are rounded to units: relative to the smallest of them.
    least = min(account.liability_value, account.collateral_value, account.liability)
    slack = Fraction(whole.seized * 8, least) + Fraction(whole.seized * 8, WAD) + 4
    assert seized <= whole.seized + slack


AUCTION = reference.Auction(Fraction(98, 100), Fraction(8, 10), 100, 14_400, 600, Fraction(1, 5))


@st.composite
def derive_accounts(draw: st.DrawFn) -> DeriveAccount:
    """Solvent and insolvent accounts below their maintenance margin, at any time."""
    random = Random(draw(st.integers(0, 2**32)))
    required = int(10 ** random.uniform(18, 26))
    mark = int(required * random.uniform(-0.5, 1.02))
    return DeriveAccount(
        mark=mark,
        maintenance=mark - required,
        elapsed_s=random.randint(0, 15_000),
        start=98 * WAD // 100,
        cutoff=8 * WAD // 10,
        fast_s=100,
        slow_s=14_400,
        insolvent_s=600,
        buffer=WAD // 5,
        reserved=random.choice([0, max(0, mark) // 3]),
    )


# auction-7
@given(derive_accounts())
@settings(max_examples=400, deadline=None)
def test_derive_bids_what_the_reference_says(account: DeriveAccount) -> None:
    proposal = propose_liquidation(account)
    if account.maintenance >= 0:
        assert proposal.verdict is LiquidationVerdict.NOT_DUE
        return
    legs = proposal.legs
    if account.mark < 0:
        assert legs is not None
        bid = reference.derive_insolvent_bid(
            AUCTION, account.mark, account.maintenance, account.elapsed_s
        )
        assert abs(sum(amount for _, amount in legs.deficits) + bid) <= 2
        return
    discount = reference.derive_discount(AUCTION, account.elapsed_s)
    if legs is None:
        assert discount * (account.mark - account.reserved) < 1
        return
    share = reference.derive_share_max(
        AUCTION, account.mark, account.maintenance, account.reserved, discount
    )
    # Shares have 18 decimals, and discounts as many: relative to the account.
    slack = Fraction(8 * (account.mark - account.maintenance), WAD) + 8
    assert abs(Fraction(legs.cover, WAD) - share) * (account.mark + WAD) <= slack * 8
    bid = discount * (account.mark - account.reserved) * share
    assert abs(legs.repaid - bid) <= slack * 8


# auction-8
@given(derive_accounts())
@settings(max_examples=400, deadline=None)
def test_no_bid_on_derive_is_toxic(account: DeriveAccount) -> None:
    assert propose_liquidation(account).verdict is not LiquidationVerdict.TOXIC


# auction-9
@given(derive_accounts(), st.floats(0.1, 0.9))
@settings(max_examples=300, deadline=None)
def test_derive_parts_at_one_time_cost_the_bidder_no_less_than_the_whole_but_for_rounding(
    account: DeriveAccount, part: float
) -> None:
    whole = propose_liquidation(account).legs
    if whole is None or account.mark < 0:
        return
    share = int(whole.cover * part)
    first = propose_liquidation(dataclasses.replace(account, share=share)).legs
    assert first is not None
    required = account.mark - account.maintenance
    mark = account.mark - first.seized + first.repaid
    rest = dataclasses.replace(
        account,
        mark=mark,
        maintenance=mark - (required - required * share // WAD),
        reserved=account.reserved + first.repaid,
        share=(whole.cover - share) * WAD // (WAD - share),
    )
    second = propose_liquidation(rest).legs
    if second is None:
        return
    gained = first.seized + second.seized - first.repaid - second.repaid
    slack = 8 * account.mark // WAD + 8
    assert gained <= whole.seized - whole.repaid + slack


@pytest.mark.parametrize(
    ("account", "named"),
    [
        (EulerAccount(1, 1, 1, 1, 1, 10_001, 0), "ltv_bps"),
        (DeriveAccount(0, -1, -1, WAD, 0, 1, 1, 1, 0), "elapsed_s"),
        (DeriveAccount(0, -1, 0, WAD + 1, 0, 1, 1, 1, 0), "start"),
        (
            AaveV4Account(AaveV4Side(1, 99, 1), AaveV4Side(1, 6, 1), 8_000, 10_500, 0, WAD, 0, 0),
            r"collateral\.decimals",
        ),
    ],
)
def test_a_field_out_of_range_is_named(
    account: EulerAccount | DeriveAccount | AaveV4Account, named: str
) -> None:
    with pytest.raises(ParameterError, match=named):
        propose_liquidation(account)
