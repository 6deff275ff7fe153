"""Cascades over the recorded demo and over altered snapshots, against the venue and by trial."""

import math
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.liquidation.demo_tape import (
    Read,
    accounts_of,
    evaluated,
    holding,
    only,
    recorded,
    reserves_of,
    with_facts,
)
from tests.spine import lending_tapes
from tests.spine.test_venue_watch import PARAMETERS, snapshots
from xmargin.engine import Engine
from xmargin.engine.cascade import HALF_THEN_ALL, NO_DEPTH, BracketKind, DepthCurve
from xmargin.engine.venue_cascade import VenueCascade, VenueMarket, simulate_cascade
from xmargin.errors import InvalidArgumentError
from xmargin.model import AccountId, Condition
from xmargin.reference.cascade import (
    Account,
    Market,
    Prices,
    bad_debt,
    comes_to_rest,
    fixed_points,
    prices_after,
)
from xmargin.snapshot import Snapshot

properties = settings(max_examples=40, deadline=None)
SEED = st.integers(0, 10**9)
_CLOSE = 1e-9

ETH_CURVE = DepthCurve(((0.0, 1.0), (500.0, 0.7), (2000.0, 0.1)))
ONE, OTHER = "aave-v3@eip155:31337", "aave-v3@eip155:31338"
WETH, WSTETH, WBTC, USDC, PYUSD = range(5)


def accounts_at(venue: str) -> list[AccountId]:
    return [user.account for user in accounts_of(recorded()) if user.account.startswith(venue)]


def as_reference(
    read: Read, curves: Mapping[str, DepthCurve], shocks: Mapping[str, float]
) -> tuple[list[Account], Market]:
    """The reference's book of the same holdings."""
    market = VenueMarket(*read)
    prices = {
        asset: price * (1.0 + shocks.get(asset, 0.0)) for asset, price in market.prices.items()
    }
    kinds = market.kinds()
    lending = [holding.as_lending(curves, prices) for holding in market.holdings]
    return [Account(one.positions, one.debt) for one in lending], Market(
        prices=prices,
        curves={a: curves[a].knots if a in curves else [(0.0, 1.0)] for a in prices},
        weights={name: kind.collateral_weight for name, kind in kinds.items()},
        factors=dict.fromkeys(kinds, 1.0),
        steps=[(step.health_below, step.part) for step in HALF_THEN_ALL],
        asset_of={name: kind.market for name, kind in kinds.items()},
    )


def near(found: float, wanted: float) -> bool:
    return math.isclose(found, wanted, rel_tol=_CLOSE, abs_tol=1e-9)


def holds(found: VenueCascade, point: Prices) -> bool:
    return all(
        one.price_low * (1 - _CLOSE) <= float(point[one.asset]) <= one.price_high * (1 + _CLOSE)
        for one in found.assets
    )


def altered(seed: int, borrowers: int = 5, *, owes_eth: bool = True) -> Snapshot:
    """The demo's end with other accounts at both venues, healths around one, eModes and all."""
    random = Random(seed)
    made = []
    for venue in (ONE, OTHER):
        reserves = {r.reserve_id: r for r in reserves_of(recorded()) if r.venue == venue}
        for account in random.sample(accounts_at(venue), borrowers // 2 + (venue == ONE)):
            emode = random.choice([0, 0, 1, 2])
            supplied = {
                number: int(
                    random.uniform(1, 9) * 10**11 * 10 ** _decimals(r) / r.price_base * 10**2
                )
                for number, r in reserves.items()
                if random.random() < 0.5
            }
            worth = sum(
                amount * reserves[number].price_base / 10 ** _decimals(reserves[number])
                for number, amount in supplied.items()
            )
            owed_of = random.choice([WETH, USDC, USDC, PYUSD] if owes_eth else [USDC, PYUSD])
            price, unit = reserves[owed_of].price_base, 10 ** _decimals(reserves[owed_of])
            owed = {owed_of: int(worth * random.uniform(0.6, 1.0) * unit / price)}
            unused = [number for number in supplied if random.random() < 0.1]
            made.append(holding(account, supplied, owed if worth else {}, emode, unused))
    return with_facts(only(recorded(), []), made)


def _decimals(reserve: Any) -> int:
    return int(reserve.configuration >> 48 & 255)


# venue-cascade-1
@given(SEED)
@properties
def test_what_counts_of_each_account_is_what_its_venue_counts(seed: int) -> None:
    read = evaluated(altered(seed))
    market = VenueMarket(*read)
    rows = {read[1].rows.account_ids[row["account"]]: row for row in read[1].venue_accounts}
    assert len(market.holdings) == len(rows)
    for one in market.holdings:
        row = rows[one.account]
        worth = {kind: units * market.prices[kind[0]] for kind, units in one.collateral.items()}
        debt = sum(units * market.prices[asset] for asset, units in one.owed.items())
        assert near(debt, int.from_bytes(row["debt_base"], "big") / 1e8) or debt < 1e-3
        collateral = int.from_bytes(row["collateral_base"], "big") / 1e8
        assert math.isclose(sum(worth.values()), collateral, rel_tol=1e-9, abs_tol=1e-6)
        if row["health_factor_wad"] is not None:
            weighted = sum(value * bps / 1e4 for (_, bps), value in worth.items())
            health = int.from_bytes(row["health_factor_wad"], "big") / 1e18
            # Aave 3.0 rounds the average threshold down to a basis point, of 78 % at least.
            assert health * (1 - _CLOSE) <= weighted / debt + 1e-9
            assert weighted / debt <= health * (1 + 1e-4 / 0.78) + 1e-9


# venue-cascade-2
@given(SEED, st.floats(-0.4, 0.1), st.floats(50.0, 3000.0))
@properties
def test_where_nobody_owes_what_has_a_curve_the_ends_are_the_least_and_greatest_fixed_points(
    seed: int, shock: float, reach: float
) -> None:
    read = evaluated(altered(seed, owes_eth=False))
    curves = {"ETH": DepthCurve(((0.0, 1.0), (reach, 0.3)))}
    found = simulate_cascade(*read, curves, {"ETH": shock})
    book = as_reference(read, curves, {"ETH": shock})
    points = list(fixed_points(*book))
    assert found.kind is BracketKind.FIXED_POINTS
    for one in found.assets:
        assert near(one.price_low, float(min(point[one.asset] for point in points)))
        assert near(one.price_high, float(max(point[one.asset] for point in points)))
    losses = [float(bad_debt(*book, point)) for point in points]
    size = 1.0 + sum(account.debt for account in book[0])
    assert found.bad_debt_least == pytest.approx(min(losses), abs=1e-9 * size)
    assert found.bad_debt_most == pytest.approx(max(losses), abs=1e-9 * size)


# venue-cascade-3
@given(SEED, st.floats(-0.4, 0.4), st.floats(50.0, 3000.0))
@properties
def test_every_fixed_point_is_in_the_bracket(seed: int, shock: float, reach: float) -> None:
    read = evaluated(altered(seed))
    curve = DepthCurve(((-reach, 1.5), (0.0, 1.0), (reach, 0.3)))
    curves, shocks = {"ETH": curve, "USDC": curve}, {"ETH": shock}
    found = simulate_cascade(*read, curves, shocks)
    for point in fixed_points(*as_reference(read, curves, shocks)):
        assert holds(found, point)


def test_the_recorded_demo_comes_to_rest_where_the_reference_does() -> None:
    read = evaluated(recorded())
    rested = 0
    for shock in (0.0, -0.05, -0.1, -0.3):
        found = simulate_cascade(*read, {"ETH": ETH_CURVE}, {"ETH": shock})
        accounts, market = as_reference(read, {"ETH": ETH_CURVE}, {"ETH": shock})
        steps = comes_to_rest(accounts, market, [0] * len(accounts), 100)
        if steps is not None:
            rested += 1
            assert holds(found, prices_after(accounts, market, steps))
    assert rested


def test_the_recorded_demo_without_those_who_owe_ether_ends_as_the_reference_does() -> None:
    whole = VenueMarket(*evaluated(recorded()))
    kept = [one.account for one in whole.holdings if "ETH" not in one.owed]
    read = evaluated(only(recorded(), kept))
    for shock in (0.0, -0.05, -0.1, -0.3):
        found = simulate_cascade(*read, {"ETH": ETH_CURVE}, {"ETH": shock})
        accounts, market = as_reference(read, {"ETH": ETH_CURVE}, {"ETH": shock})
        assert found.kind is BracketKind.FIXED_POINTS
        due = {one.account: (one.steps_least, one.steps_most) for one in found.due}
        named = [one.account for one in VenueMarket(*read).holdings]
        for begin, end in ((0, 0), (2, 1)):
            steps = comes_to_rest(accounts, market, [begin] * len(accounts), 100)
            assert steps is not None
            assert [due.get(account, (0, 0))[end] for account in named] == list(steps)


def test_who_is_due_now_is_who_the_venue_says_is_due() -> None:
    read = evaluated(recorded())
    calm = simulate_cascade(*read, {}, {})
    wad = {
        read[1].rows.account_ids[r["account"]]: r["health_factor_wad"]
        for r in read[1].venue_accounts
    }
    due = [a for a, factor in wad.items() if factor and int.from_bytes(factor, "big") < 10**18]
    assert [one.account for one in calm.due] == due
    assert due
    assert all(one.steps_least == one.steps_most for one in calm.due)
    assert calm.accounts == len(wad)
    assert calm.flags == (
        "no curve of BTC, ETH, PYUSD, USDC: sales do not move the price, and what is owed of it "
        "is money",
    )


def test_wrapped_tokens_are_counted_in_what_they_wrap_and_fall_with_it() -> None:
    account = accounts_at(ONE)[0]
    snapshot = with_facts(
        only(recorded(), []), [holding(account, {WSTETH: 10 * 10**18}, {USDC: 19_000 * 10**6})]
    )
    read = evaluated(snapshot)
    (one,) = VenueMarket(*read).holdings
    (((asset, threshold_bps), units),) = one.collateral.items()
    assert (asset, threshold_bps) == ("ETH", 8100)
    assert units == pytest.approx(10 * 2472.09 / 2102.16, rel=1e-3)
    found = simulate_cascade(*read, {"ETH": DepthCurve(((0.0, 1.0), (100.0, 0.0)))}, {"ETH": -0.3})
    assert [(one.account, one.steps_most) for one in found.due] == [(account, 2)]
    (ether,) = [one for one in found.assets if one.asset == "ETH"]
    assert ether.sold_least == pytest.approx(units)
    assert ether.price_high == pytest.approx(0.7 * 2102.16 * (1 - units / 100))


def test_one_market_takes_the_sales_of_all_venues() -> None:
    both = [accounts_at(ONE)[0], accounts_at(OTHER)[0]]
    made = [holding(account, {WETH: 10 * 10**18}, {USDC: 18_000 * 10**6}) for account in both]
    curves = {"ETH": DepthCurve(((0.0, 1.0), (100.0, 0.5)))}
    alone, together = (
        simulate_cascade(*evaluated(with_facts(only(recorded(), []), some)), curves, {"ETH": -0.01})
        for some in (made[1:], made)
    )
    # At 93 % the second venue's account is safe until the first's sale lowers the price.
    assert alone.due == ()
    assert {one.account for one in together.due} == set(both)


def test_no_depth_and_a_fall_to_nothing() -> None:
    read = evaluated(recorded())
    gone = simulate_cascade(*read, {"ETH": NO_DEPTH}, {"ETH": -1.0})
    (ether,) = [one for one in gone.assets if one.asset == "ETH"]
    assert (ether.price_shocked, ether.price_low, ether.price_high) == (0.0, 0.0, 0.0)
    worthless = simulate_cascade(*read, {"ETH": NO_DEPTH}, {"ETH": -0.01})
    (ether,) = [one for one in worthless.assets if one.asset == "ETH"]
    assert ether.price_low == 0.0
    everything = simulate_cascade(*read, {}, dict.fromkeys(("BTC", "ETH", "PYUSD", "USDC"), -1.0))
    # What is owed is worth nothing either.
    assert everything.due == ()
    assert everything.bad_debt_least == everything.bad_debt_most == 0.0


def test_identical_accounts_fall_together() -> None:
    made = [
        holding(account, {WETH: 10 * 10**18}, {USDC: 17_000 * 10**6})
        for account in accounts_at(ONE)
    ]
    read = evaluated(with_facts(only(recorded(), []), made))
    curves = {"ETH": DepthCurve(((0.0, 1.0), (10.0 * len(made), 0.0)))}
    found = simulate_cascade(*read, curves, {})
    (ether,) = [one for one in found.assets if one.asset == "ETH"]
    assert (ether.price_low, ether.price_high) == (0.0, ether.price_before)
    assert {(one.steps_least, one.steps_most) for one in found.due} == {(0, 2)}
    assert len(found.due) == len(made)
    assert found.bad_debt_least == 0.0
    assert found.bad_debt_most == pytest.approx(17_000.0 * len(made), rel=1e-3)


def test_negative_equity_everywhere_is_all_due_and_all_counted() -> None:
    made = [
        holding(account, {WETH: 10**18}, {USDC: 9_000 * 10**6})
        for account in (*accounts_at(ONE), *accounts_at(OTHER))
    ]
    read = evaluated(with_facts(only(recorded(), []), made))
    found = simulate_cascade(*read, {"ETH": DepthCurve(((0.0, 1.0), (1e4, 0.9)))}, {})
    assert {(one.steps_least, one.steps_most) for one in found.due} == {(2, 2)}
    assert len(found.due) == len(made)
    owed = sum(units for one in VenueMarket(*read).holdings for units in one.owed.values())
    (ether,) = [one for one in found.assets if one.asset == "ETH"]
    worth = ether.price_low * ether.sold_most
    assert found.bad_debt_least == found.bad_debt_most == pytest.approx(owed - worth, rel=1e-9)


def test_what_was_not_read_is_left_out_and_told() -> None:
    account, huge, reverting, *_ = accounts_at(ONE)
    made = [holding(huge, {WETH: 10**47}, {}), holding(reverting, {WETH: 10**60}, {})]
    few = with_facts(only(recorded(), [account]), made)
    found = simulate_cascade(*evaluated(few), {"ETH": ETH_CURVE}, {})
    assert found.accounts == 1
    out = [flag for flag in found.flags if "is left out" in flag]
    assert f"{huge} is left out: amounts above 1e+24" in out
    assert f"{reverting} is left out: the venue's own arithmetic overflows for it" in out
    assert f"{accounts_at(OTHER)[0]} is left out: not read yet" in out
    assert len(out) == len(accounts_of(recorded())) - 1


def test_a_chain_that_is_cut_off_counts_as_it_was_and_is_told() -> None:
    snapshot = recorded()
    chains = tuple(
        replace(chain, condition=Condition.LAGGING) if chain.chain == "eip155:31337" else chain
        for chain in snapshot.chains
    )
    read = evaluated(replace(snapshot, chains=chains))
    found = simulate_cascade(*read, {}, {})
    height = next(c.block.height for c in chains if c.chain == "eip155:31337" and c.block)
    assert any(f"LAGGING: its accounts are as of block {height}" in flag for flag in found.flags)
    assert found.accounts == len(accounts_of(snapshot))


def test_before_anything_is_read_there_is_nothing_to_fall() -> None:
    read = evaluated(only(recorded(), []))
    found = simulate_cascade(*read, {"ETH": ETH_CURVE}, {"ETH": -0.5})
    assert (found.accounts, found.due, found.bad_debt_most) == (0, (), 0.0)
    assert found.kind is BracketKind.FIXED_POINTS
    nothing = evaluated(replace(recorded(), facts={kind: {} for kind in recorded().facts}))
    with pytest.raises(InvalidArgumentError, match="no lending account has ETH; there are: none"):
        simulate_cascade(*nothing, {}, {"ETH": -0.5})


@pytest.mark.parametrize(
    ("curves", "shocks", "passes_max", "message"),
    [
        ({}, {"DOGE": -0.1}, 9, "shocks: no .* has DOGE; there are: BTC, ETH, PYUSD, USDC"),
        ({"DOGE": ETH_CURVE}, {}, 9, "curves: no .* has DOGE; there are: BTC, ETH, PYUSD, USDC"),
        ({}, {"ETH": -1.01}, 9, r"shocks: -1\.01 of ETH is not in \[-1, 1e\+06\]"),
        ({}, {"ETH": math.nan}, 9, "shocks: nan of ETH"),
        ({}, {"ETH": math.inf}, 9, "shocks: inf of ETH"),
        ({"ETH": DepthCurve(())}, {}, 9, r"curves: of ETH: knots\.knots_end"),
        ({"ETH": DepthCurve(((0.0, 0.9),))}, {}, 9, "is 0.9 where nothing is sold"),
        ({"ETH": DepthCurve(((0.0, 1.0), (1.0, math.nan)))}, {}, 9, r"of ETH: .* row 1: NaN"),
        ({}, {}, 0, "passes_max: 0 is not above 0"),
    ],
)
def test_what_cannot_be_simulated_is_refused_by_name(
    curves: Mapping[str, DepthCurve], shocks: Mapping[str, float], passes_max: int, message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        simulate_cascade(*evaluated(recorded()), curves, shocks, passes_max)


def test_prices_that_are_zero_or_absurd_end_no_cascade() -> None:
    """Random tapes have them: what has no price counts nothing, and is told."""
    unpriced = 0
    for seed in range(9):
        every = list(snapshots(lending_tapes.Market(Random(seed)).tape(15, PARAMETERS)))
        for snapshot in every[::5]:
            read = snapshot, Engine().evaluate(snapshot)
            prices = VenueMarket(*read).prices
            curves = dict.fromkeys(prices, DepthCurve(((0.0, 1.0), (1e3, 0.1))))
            for own in ({}, curves):
                found = simulate_cascade(*read, own, {})
                assert [one.asset for one in found.assets] == list(prices)
                unpriced += any("has no price: it counts nothing" in one for one in found.flags)
    assert unpriced > 5
