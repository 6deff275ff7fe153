"""Aave v3 liquidations: the real 3.6 contract's, the reference's, and what may be proposed."""

import dataclasses
import json
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.liquidation.aave_accounts import distressed, sides
from xmargin.engine.liquidation import (
    AaveV3Account,
    AaveV3Call,
    AaveV3EMode,
    AaveV3Growth,
    AaveV3Reserve,
    LiquidationProposal,
    LiquidationVerdict,
    propose_liquidation,
)
from xmargin.errors import EngineError, ParameterError
from xmargin.reference import aave_v3 as interest
from xmargin.reference import aave_v3_liquidation as reference
from xmargin.reference.book import AavePosition, Reserve

GOLDEN = Path(__file__).parent / "golden" / "aave_v3_6.json"
ALL = 2**256 - 1
RELEASES = ("3.0", "3.6")
accounts = st.sampled_from(RELEASES).flatmap(distressed)


def account_of(vector: dict[str, Any]) -> AaveV3Account:
    """A vector's account; in eMode its ratios are those of ``aave_v3_6.market``."""
    reserves = tuple(AaveV3Reserve(**_numbers(reserve)) for reserve in vector["reserves"])
    emode = AaveV3EMode(1, 9500, 10100) if vector["emode"] else None
    collateral, debt, cover = vector["call"]
    return AaveV3Account("3.6", reserves, emode, AaveV3Call(collateral, debt, int(cover)))


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    return {name: int(v) if isinstance(v, str) else v for name, v in row.items()}


def referred(account: AaveV3Account, call: AaveV3Call) -> reference.Result | None:
    """What the reference says; ``None`` where it says that the contract reverts."""
    try:
        return reference.liquidation_call(
            account.release, sides(account), call.collateral, call.debt, call.debt_to_cover
        )
    except (reference.RefusedError, ArithmeticError):
        return None


def assert_same(
    account: AaveV3Account, ours: LiquidationProposal, theirs: reference.Result | None
) -> None:
    """Hold an engine's answer to the reference's."""
    if theirs is None:
        assert ours.legs is None
        return
    assert ours.legs is not None
    assert (ours.legs.repaid, ours.legs.seized) == (theirs.repaid, theirs.seized)
    assert dict(ours.legs.deficits) == theirs.deficits
    assert ours.health_after_wad == reference.totals(account.release, theirs.after)[2]


def test_every_call_of_the_real_contract_is_reproduced_to_the_last_unit() -> None:
    vectors = json.loads(GOLDEN.read_text("utf-8"))
    done = [vector for vector in vectors if "done" in vector]
    assert len(done) > 50
    assert len(vectors) - len(done) > 10
    assert any(int(amount) for vector in done for amount in vector["done"]["deficits"])
    for vector in vectors:
        account = account_of(vector)
        assert account.call is not None
        ours, theirs = propose_liquidation(account), referred(account, account.call)
        assert_same(account, ours, theirs)
        if "done" not in vector:
            assert theirs is None, vector["reverts"]
            continue
        assert theirs is not None
        assert ours.legs is not None
        assert_as_done(vector["done"], ours, theirs, account.call.collateral)


def assert_as_done(
    done: dict[str, Any], ours: LiquidationProposal, theirs: reference.Result, seized_at: int
) -> None:
    """Hold both to what the contract did."""
    health = done["health_factor_wad"]
    assert ours.legs is not None
    assert (str(ours.legs.repaid), str(ours.legs.seized)) == (done["repaid"], done["seized"])
    assert ours.health_after_wad == (None if health is None else int(health))
    index = theirs.after[seized_at].supply_index
    assert min(-(-ours.legs.fee * 10**27 // index), int(done["fee_scaled"])) == int(
        done["fee_scaled"]
    )
    assert [str(side.supply_scaled) for side in theirs.after] == done["supply_scaled"]
    assert [str(side.debt_scaled) for side in theirs.after] == done["debt_scaled"]
    deficits = dict(ours.legs.deficits)
    assert [str(deficits.get(n, 0)) for n in range(4)] == done["deficits"]
    collateral, debt, _ = reference.totals("3.6", theirs.after)
    assert [str(collateral), str(debt)] == [done["collateral_base"], done["debt_base"]]


# aave-liquidation-1
@given(accounts, st.integers(0, 3), st.integers(0, 3), st.floats(0, 1.2))
@settings(max_examples=400, deadline=None)
def test_any_call_moves_what_the_reference_says(
    account: AaveV3Account, collateral: int, debt: int, share: float
) -> None:
    count = len(account.reserves)
    owed = reference.debt(account.release, sides(account)[debt % count])
    cover = ALL if share > 1.1 else int(owed * share)
    call = AaveV3Call(collateral % count, debt % count, cover)
    ours = propose_liquidation(dataclasses.replace(account, call=call))
    assert_same(account, ours, referred(account, call))


# aave-liquidation-2
@given(accounts)
@settings(max_examples=300, deadline=None)
def test_what_is_proposed_heals_and_no_whole_call_heals_more(account: AaveV3Account) -> None:
    proposal = propose_liquidation(account)
    health = reference.totals(account.release, sides(account))[2]
    assert (proposal.verdict is LiquidationVerdict.NOT_DUE) == (health is None or health >= 10**18)
    if proposal.verdict is not LiquidationVerdict.PROPOSED:
        return
    legs = proposal.legs
    assert legs is not None
    assert legs.takes is not None
    call = AaveV3Call(legs.takes, legs.closes, legs.cover)
    after = referred(account, call)
    assert after is not None
    assert (after.repaid, after.seized) == (legs.repaid, legs.seized)
    now = sides(account)
    for collateral, debt in product(range(len(now)), repeat=2):
        other = referred(account, AaveV3Call(collateral, debt, ALL))
        if other is None or proposal.health_after_wad is None:
            continue
        factor = reference.totals(account.release, other.after)[2]
        assert factor is not None
        # A coarse unit can seem to heal what is toxic in exact ratios.
        assert factor <= proposal.health_after_wad or is_toxic(account, collateral)


def is_toxic(account: AaveV3Account, collateral: int) -> bool:
    """In exact ratios of the values as the venue rounds them."""
    now = sides(account)
    weighted = sum(
        reference.supply_value(s, reference.supply(account.release, s)) * s.threshold_bps
        for s in now
        if s.as_collateral
    )
    health = Fraction(weighted, reference.totals(account.release, now)[1])
    return health < Fraction(now[collateral].threshold_bps * now[collateral].bonus_bps, 10_000)


# aave-liquidation-3
@given(accounts)
@settings(max_examples=300, deadline=None)
def test_toxic_is_what_lowers_health_in_exact_ratios_or_as_the_venue_rounds(
    account: AaveV3Account,
) -> None:
    proposal = propose_liquidation(account)
    if proposal.legs is None or proposal.legs.takes is None or proposal.health_after_wad is None:
        return
    assert proposal.health_before_wad is not None
    toxic = is_toxic(account, proposal.legs.takes)
    lowers = proposal.health_after_wad < proposal.health_before_wad
    assert (proposal.verdict is LiquidationVerdict.TOXIC) == (toxic or lowers)
    assert (proposal.verdict is LiquidationVerdict.PROPOSED) != (toxic or lowers)


# aave-liquidation-4
@given(accounts, st.lists(st.floats(0.01, 1), min_size=2, max_size=5))
@settings(max_examples=300, deadline=None)
def test_parts_pay_at_most_two_units_of_collateral_and_one_of_debt_each_more_than_the_whole(
    account: AaveV3Account, weights: list[float]
) -> None:
    legs = propose_liquidation(account).legs
    if legs is None or legs.takes is None:
        return
    parts = [int(legs.repaid * weight / sum(weights)) for weight in weights[1:]]
    parts = [legs.repaid - sum(parts), *parts]
    before = sides(account)
    taken, paid = before[legs.takes], before[legs.closes]
    collateral_unit = taken.price * 10**paid.decimals
    debt_unit = paid.price * 10**taken.decimals
    gained, now = 0, before
    for part in parts:
        try:
            done = reference.liquidation_call(account.release, now, legs.takes, legs.closes, part)
        except (reference.RefusedError, ArithmeticError):
            continue
        gained += done.seized * collateral_unit - done.repaid * debt_unit
        now = done.after
    whole = legs.seized * collateral_unit - legs.repaid * debt_unit
    assert gained <= max(whole, 0) + len(parts) * (2 * collateral_unit + debt_unit)


def test_a_bonus_above_its_border_is_recognised_and_not_proposed() -> None:
    collateral = AaveV3Reserve(
        18, 10**8, 9500, 10600, 0, supply_scaled=100 * 10**18, as_collateral=True
    )
    debt = AaveV3Reserve(6, 10**8, 9000, 10500, 0, debt_scaled=96 * 10**6, borrowing=True)
    proposal = propose_liquidation(AaveV3Account("3.0", (collateral, debt)))
    assert proposal.verdict is LiquidationVerdict.TOXIC
    assert proposal.health_before_wad is not None
    assert proposal.health_after_wad is not None
    assert proposal.health_after_wad < proposal.health_before_wad
    mild = dataclasses.replace(collateral, bonus_bps=10200)
    assert propose_liquidation(AaveV3Account("3.0", (mild, debt))).verdict is (
        LiquidationVerdict.PROPOSED
    )


# aave-liquidation-5
@given(accounts, st.integers(0, 3 * 10**8), st.integers(0, 10**27), st.integers(0, 10**27))
@settings(max_examples=200, deadline=None)
def test_what_the_pool_stored_grows_to_the_time_given(
    account: AaveV3Account, seconds: int, supply_rate: int, debt_rate: int
) -> None:
    updated_at_s = 1_800_000_000
    now_s = updated_at_s + seconds
    growth = AaveV3Growth(supply_rate, debt_rate, updated_at_s, debt_rate // 2, updated_at_s)
    stored = tuple(dataclasses.replace(row, growth=growth) for row in account.reserves)
    grown = tuple(_grown(row, growth, now_s, account.release) for row in account.reserves)
    ours = propose_liquidation(dataclasses.replace(account, reserves=stored, now_s=now_s))
    assert ours == propose_liquidation(dataclasses.replace(account, reserves=grown))


def _grown(row: AaveV3Reserve, growth: AaveV3Growth, now_s: int, release: str) -> AaveV3Reserve:
    """The reserve as of now by the reference."""
    kept = Reserve(
        token="",
        decimals=row.decimals,
        ltv_bps=0,
        liquidation_threshold_bps=0,
        emode=0,
        liquidity_index=row.supply_index,
        variable_borrow_index=row.debt_index,
        liquidity_rate=growth.supply_rate,
        variable_borrow_rate=growth.debt_rate,
        updated_at_s=growth.updated_at_s,
        price_base=0,
    )
    stable = AavePosition(
        reserve=0,
        supply_scaled=0,
        variable_debt_scaled=0,
        stable_debt_principal=row.stable_debt,
        stable_rate=growth.stable_rate,
        stable_updated_at_s=growth.stable_updated_at_s,
        as_collateral=False,
        borrowing=False,
    )
    return dataclasses.replace(
        row,
        supply_index=interest.normalized_income(kept, now_s),
        debt_index=interest.normalized_debt(kept, now_s, release),
        stable_debt=interest.stable_debt_balance(stable, now_s),
    )


def test_growth_is_given_with_a_time_and_a_time_with_growth() -> None:
    row = AaveV3Reserve(18, 10**8, 8000, 10500, 0)
    grows = dataclasses.replace(row, growth=AaveV3Growth(0, 0, 5))
    with pytest.raises(ParameterError, match=r"reserves\[0\]\.growth"):
        propose_liquidation(AaveV3Account("3.0", (row,), now_s=5))
    with pytest.raises(ParameterError, match=r"reserves\[0\]\.growth"):
        propose_liquidation(AaveV3Account("3.0", (grows,)))
    with pytest.raises(EngineError):
        propose_liquidation(AaveV3Account("3.0", (grows,), now_s=4))


def test_nothing_is_done_with_a_reserve_that_the_pool_has_halted() -> None:
    held = AaveV3Reserve(18, 10**8, 8000, 10500, 0, supply_scaled=10**20, as_collateral=True)
    owed = AaveV3Reserve(6, 10**8, 8000, 10500, 0, debt_scaled=85 * 10**6, borrowing=True)
    for release in RELEASES:
        for rows in (
            (dataclasses.replace(held, halted=True), owed),
            (held, dataclasses.replace(owed, halted=True)),
        ):
            proposal = propose_liquidation(AaveV3Account(release, rows))
            assert proposal.verdict is LiquidationVerdict.REFUSED
            assert "paused" in proposal.why
        other = dataclasses.replace(held, halted=True), held, owed
        assert propose_liquidation(AaveV3Account(release, other)).verdict is (
            LiquidationVerdict.NOT_DUE
        )
        dearer = (*other[:2], dataclasses.replace(owed, debt_scaled=170 * 10**6))
        legs = propose_liquidation(AaveV3Account(release, dearer)).legs
        assert legs is not None
        assert legs.takes == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("decimals", 200), ("bonus_bps", 9_999), ("price_base", 2**256), ("supply_scaled", -1)],
)
def test_a_field_out_of_range_is_named(field: str, value: Any) -> None:
    reserve = dataclasses.replace(AaveV3Reserve(18, 10**8, 8000, 10500, 0), **{field: value})
    with pytest.raises(ParameterError, match=rf"reserves\[0\]\.{field}"):
        propose_liquidation(AaveV3Account("3.6", (reserve,)))


def test_an_account_that_owes_or_has_nothing_is_not_due() -> None:
    for release in RELEASES:
        proposal = propose_liquidation(AaveV3Account(release, ()))
        assert proposal.verdict is LiquidationVerdict.NOT_DUE
        assert proposal.health_before_wad is None
