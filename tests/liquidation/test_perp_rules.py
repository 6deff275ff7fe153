"""dYdX v4 and Drift liquidations against the reference, and what they promise."""

import dataclasses
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.liquidation.venue_accounts import (
    drift_account,
    drift_referred,
    drift_standing,
    dydx_account,
    dydx_referred,
    health_wad,
    perp_of,
)
from xmargin.engine.liquidation import (
    Close,
    DriftAccount,
    DriftPosition,
    DydxV4Account,
    DydxV4Position,
    LiquidationVerdict,
    propose_liquidation,
)
from xmargin.errors import EngineError, ParameterError
from xmargin.reference import perp_liquidation as reference

AMOUNT_MAX = 2**96
_seeds = st.integers(0, 2**32)
dydx_accounts = _seeds.map(lambda seed: dydx_account(Random(seed)))
drift_accounts = _seeds.map(lambda seed: drift_account(Random(seed)))


# perp-liquidation-1
@given(dydx_accounts, st.integers(0, 3), st.floats(0.001, 1))
@settings(max_examples=300, deadline=None)
def test_dydx_moves_what_the_reference_says(account: DydxV4Account, at: int, part: float) -> None:
    at %= len(account.positions)
    size = max(1, int(abs(account.positions[at].quantums) * part))
    proposal = propose_liquidation(dataclasses.replace(account, close=Close(at, size)))
    perps = [perp_of(position) for position in account.positions]
    equity, requirement = reference.dydx_standing(account.quote, perps)
    due = requirement > 0 and equity < requirement
    assert (proposal.verdict is LiquidationVerdict.NOT_DUE) != due
    if not due:
        return
    theirs = dydx_referred(account, at, size)
    assert proposal.legs is not None
    assert proposal.legs.seized == abs(theirs.quote)
    assert proposal.legs.fee == max(theirs.fund, 0)
    assert dict(proposal.legs.deficits) == ({at: -theirs.fund} if theirs.fund < 0 else {})
    assert proposal.health_after_wad == health_wad(theirs.equity, theirs.requirement)


# perp-liquidation-2
@given(dydx_accounts)
@settings(max_examples=300, deadline=None)
def test_no_dydx_liquidation_is_toxic(account: DydxV4Account) -> None:
    assert propose_liquidation(account).verdict is not LiquidationVerdict.TOXIC


# perp-liquidation-3
@given(dydx_accounts, st.lists(st.floats(0.01, 1), min_size=2, max_size=5))
@settings(max_examples=300, deadline=None)
def test_dydx_parts_pay_at_most_four_quote_quantums_each_more_than_the_whole(
    account: DydxV4Account, weights: list[float]
) -> None:
    if propose_liquidation(account).verdict is LiquidationVerdict.NOT_DUE:
        return
    at, whole = 0, abs(account.positions[0].quantums)
    price = perp_of(account.positions[0]).unit_value
    sign = 1 if account.positions[0].quantums > 0 else -1
    parts = [int(whole * weight / sum(weights)) for weight in weights[1:]]
    parts = [whole - sum(parts), *parts]
    gained, now = Fraction(0), account
    for part in parts:
        perps = [perp_of(position) for position in now.positions]
        equity, requirement = reference.dydx_standing(now.quote, perps)
        if part == 0 or not 0 < requirement > equity:
            continue
        done = dydx_referred(now, at, part)
        gained += sign * part * price - done.quote
        position = now.positions[at]
        left = dataclasses.replace(position, quantums=position.quantums - sign * part)
        now = dataclasses.replace(
            now,
            quote=now.quote + done.quote - done.fund,
            positions=(left, *now.positions[1:]),
        )
    once = sign * whole * price - dydx_referred(account, at, whole).quote
    assert gained <= max(once, Fraction(0)) + 4 * len(parts)


# perp-liquidation-4
@given(drift_accounts, st.integers(0, 2), st.floats(0.001, 1.5))
@settings(max_examples=400, deadline=None)
def test_drift_moves_what_the_reference_says(account: DriftAccount, at: int, part: float) -> None:
    at %= len(account.positions)
    base_max = max(1, int(abs(account.positions[at].base) * part))
    proposal = propose_liquidation(dataclasses.replace(account, close=Close(at, base_max)))
    equity, required, _ = drift_standing(account)
    assert (proposal.verdict is LiquidationVerdict.NOT_DUE) == (equity >= required)
    if equity >= required:
        return
    if required == 0:
        assert proposal.verdict is LiquidationVerdict.REFUSED
        return
    base, theirs = drift_referred(account, at, base_max)
    if base == 0:
        assert proposal.verdict is LiquidationVerdict.REFUSED
        return
    assert proposal.legs is not None
    assert (proposal.legs.repaid, proposal.legs.seized) == (base, abs(theirs.quote))
    assert proposal.legs.fee == theirs.fund
    assert proposal.health_after_wad == health_wad(theirs.equity, theirs.requirement)
    lower = theirs.equity * required < equity * theirs.requirement
    if theirs.requirement == 0:
        lower = equity >= 0 > theirs.equity
        assert sum(loss for _, loss in proposal.legs.deficits) == max(0, -theirs.equity)
    assert (proposal.verdict is LiquidationVerdict.TOXIC) == lower


# perp-liquidation-5
@given(drift_accounts, st.lists(st.floats(0.01, 1), min_size=2, max_size=5))
@settings(max_examples=300, deadline=None)
def test_drift_parts_pay_the_liquidator_at_most_two_quote_units_each_more_than_the_whole(
    account: DriftAccount, weights: list[float]
) -> None:
    proposal = propose_liquidation(account)
    if proposal.legs is None:
        return
    at, whole = proposal.legs.closes, proposal.legs.repaid
    position = account.positions[at]
    sign = 1 if position.base > 0 else -1
    unit = Fraction(position.price * account.quote_price, 10**15)
    parts = [int(whole * weight / sum(weights)) for weight in weights[1:]]
    gained, closed, now = Fraction(0), 0, account
    for part in [whole - sum(parts), *parts]:
        equity, required, _ = drift_standing(now)
        if part == 0 or equity >= required or required == 0:
            continue
        # Each in the same state of the liquidation, but never more than the whole in all.
        base, done = drift_referred(now, at, min(part, whole - closed))
        base_left = now.positions[at].base - sign * base
        gained += sign * base * unit - done.quote
        closed += base
        positions = list(now.positions)
        positions[at] = dataclasses.replace(positions[at], base=base_left)
        now = dataclasses.replace(
            now, cash=now.cash + done.quote - done.fund, positions=tuple(positions)
        )
    fee_of_steps = unit * position.step * position.liquidator_fee / 10**6 * (len(weights) + 1)
    once = sign * whole * unit - sign * proposal.legs.seized
    assert gained <= once + 2 * len(weights) + fee_of_steps


def test_a_fee_above_the_margin_it_frees_is_recognised_and_not_proposed() -> None:
    position = DriftPosition(10**10, 100 * 10**6, 500, 0, 60_000, 0)
    account = DriftAccount(-960 * 10**6, (position,), 0, 10_000, 0)
    proposal = propose_liquidation(account)
    assert proposal.verdict is LiquidationVerdict.TOXIC
    assert proposal.health_before_wad == 8 * 10**17
    cheap = dataclasses.replace(position, liquidator_fee=10_000)
    healed = propose_liquidation(dataclasses.replace(account, positions=(cheap,)))
    assert healed.verdict is LiquidationVerdict.PROPOSED


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"quote": AMOUNT_MAX + 1}, "quote"),
        ({"bankruptcy_adjustment_ppm": 1}, "bankruptcy_adjustment_ppm"),
        ({"close": Close(7, 1)}, "close.position"),
        ({"positions": ()}, "positions"),
    ],
)
def test_a_dydx_field_out_of_range_is_named(changes: dict[str, object], named: str) -> None:
    position = DydxV4Position(1, 1, 0, 50_000, 500_000)
    account = DydxV4Account(0, (position,))
    with pytest.raises(ParameterError, match=named):
        propose_liquidation(dataclasses.replace(account, **changes))  # type: ignore[arg-type]


def test_amounts_beyond_any_range_are_an_error_and_no_answer() -> None:
    position = DydxV4Position(AMOUNT_MAX, 2**64 - 1, 30, 10**6, 10**6)
    with pytest.raises(EngineError, match="overflows"):
        propose_liquidation(DydxV4Account(-AMOUNT_MAX, (position,)))
