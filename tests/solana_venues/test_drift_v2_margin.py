"""Drift v2's margins: the core, an independent reference, and the venue's own SDK."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cache
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.solana_venues import captures, drift_golden
from tests.solana_venues.drift_golden import QUOTE_ONE, VENUE, Golden
from xmargin.engine.venue_rules.door import MarginKind, MarginSum
from xmargin.engine.venue_rules.drift_v2 import DriftV2Margin, drift_v2_margin
from xmargin.errors import EngineError, ParameterError
from xmargin.model.drift_v2 import (
    DriftV2PerpMarket,
    DriftV2PerpPosition,
    DriftV2SpotMarket,
    DriftV2SpotPosition,
    DriftV2User,
)
from xmargin.reads import SolanaAccount
from xmargin.reference import drift_v2 as reference
from xmargin.venues import drift_v2


@cache
def golden() -> Golden:
    return drift_golden.load()


def of_core(user: DriftV2User, kind: MarginKind, *, strict: bool = False) -> DriftV2Margin:
    said = golden()
    return drift_v2_margin(
        user, said.spot_markets, said.perp_markets, said.prices, kind=kind, strict=strict
    )


def market(
    spots: Mapping[int, DriftV2SpotMarket],
    perps: Mapping[int, DriftV2PerpMarket],
    prices: Mapping[tuple[str, str], int],
    kind: MarginKind,
    *,
    strict: bool,
) -> reference.Market:
    def priced(one: DriftV2SpotMarket | DriftV2PerpMarket) -> int:
        return prices[one.oracle, one.oracle_source]

    return reference.Market(
        spot=spots,
        perp=perps,
        spot_prices={number: priced(one) for number, one in spots.items()},
        perp_prices={number: priced(one) for number, one in perps.items()},
        is_initial=kind is MarginKind.INITIAL,
        is_strict=strict,
    )


def golden_market(kind: MarginKind, *, strict: bool = False) -> reference.Market:
    said = golden()
    spots = {one.market_index: one for one in said.spot_markets}
    perps = {one.market_index: one for one in said.perp_markets}
    return market(spots, perps, said.prices, kind, strict=strict)


def in_numbers(margin: DriftV2Margin) -> tuple[Any, ...]:
    def pair(one: MarginSum) -> tuple[int, int]:
        return one.collateral, one.requirement

    return pair(margin.cross), {at: pair(one) for at, one in margin.isolated}


def of_reference(user: DriftV2User, within: reference.Market) -> tuple[Any, ...]:
    cross, isolated = reference.standings(user, within)
    pairs = {at: (one.collateral, one.requirement) for at, one in isolated.items()}
    return (cross.collateral, cross.requirement), pairs


def real_users() -> list[tuple[int, DriftV2User]]:
    users = []
    for at, (data, expected) in enumerate(captures.drift_users()):
        account = f"{VENUE}/{expected['authority']}/{expected['sub']}"
        read = SolanaAccount(drift_v2.user_address(account), 1, drift_v2.PROGRAM, data)
        users.append((at, drift_v2.user_of(account, read)))
    return [(at, user) for at, user in users if not user.fault]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("kind", MarginKind)
def test_the_core_is_the_reference_to_the_unit(kind: MarginKind, strict: bool) -> None:
    within = golden_market(kind, strict=strict)
    for user, _ in golden().users:
        try:
            said = of_reference(user, within)
        except reference.RefusedError:
            with pytest.raises(EngineError):
                of_core(user, kind, strict=strict)
        else:
            assert in_numbers(of_core(user, kind, strict=strict)) == said


# --- The SDK ------------------------------------------------------------------------------------


def sdk_bound(user: DriftV2User, within: reference.Market) -> int:
    """How far the SDK's roundings are from the program's.

    The program rounds values of debts and of orders away from the user, the SDK towards zero; and
    it values what is left after a fill once, where the program adds two rounded values. One unit
    of value is worth its weight.
    """
    return sum(_spot_bound(each, within) for each in user.spot_positions)


def _spot_bound(position: DriftV2SpotPosition, within: reference.Market) -> int:
    spot = within.spot[position.market_index]
    is_debt = position.balance_type == "borrow"
    if not (is_debt or position.open_bids or position.open_asks):
        return 0
    interest = spot.cumulative_borrow_interest + spot.cumulative_deposit_interest
    tokens_max = position.scaled_balance * interest // 10 ** (19 - spot.decimals) + 1
    size = tokens_max + position.open_bids - position.open_asks
    weight = ceil(Fraction(reference.debt_weight(spot, size, within), 10_000))
    return weight if not (position.open_bids or position.open_asks) else 2 * weight + 1


def profits_are_capped(user: DriftV2User, within: reference.Market, *, isolated: bool) -> bool:
    """Whether the program counts less of a profit than the SDK, which knows no cap of 100."""
    capped = [
        reference.perp_standing(user, each, within).collateral == reference.HUNDRED_DOLLARS
        for each in user.perp_positions
        if each.is_isolated == isolated
    ]
    return any(capped)


def check_against_sdk(user: DriftV2User, said: dict[str, Any], kind: MarginKind) -> None:
    ours, within = of_core(user, kind), golden_market(kind)
    bound = sdk_bound(user, within)
    collateral, requirement = map(int, said["cross"])
    cross = ours.cross
    if not profits_are_capped(user, within, isolated=False):
        free = cross.collateral - cross.requirement
        assert abs(free - (collateral - requirement)) <= bound
        if not any(each.open_orders for each in user.spot_positions):
            assert cross.collateral == collateral
    if not any(each.open_orders for each in user.spot_positions):
        assert 0 <= cross.requirement - requirement <= bound
    isolated = {at: (one.collateral, one.requirement) for at, one in ours.isolated}
    told = {int(at): (int(one), int(other)) for at, one, other in said["isolated"]}
    assert isolated.keys() == told.keys()
    assert [other for _, other in isolated.values()] == [other for _, other in told.values()]
    if not profits_are_capped(user, within, isolated=True):
        assert isolated == told


@pytest.mark.parametrize("kind", MarginKind)
def test_made_users_have_the_margins_that_the_sdk_says(kind: MarginKind) -> None:
    exact = 0
    for user, said in golden().users:
        assert user.fault == ""
        check_against_sdk(user, said[kind.value], kind)
        exact += sdk_bound(user, golden_market(kind)) == 0
    assert exact >= 30


def is_refused(user: DriftV2User, kind: MarginKind) -> bool:
    """Balances that are less than a token unit in the made markets, which the SDK overlooks."""
    try:
        reference.standings(user, golden_market(kind))
    except reference.RefusedError:
        return True
    return False


@captures.needed
@pytest.mark.parametrize("kind", MarginKind)
def test_real_users_have_the_margins_that_the_sdk_says(kind: MarginKind) -> None:
    users = [(at, user) for at, user in real_users() if not is_refused(user, kind)]
    assert len(users) >= 40
    for at, user in users:
        check_against_sdk(user, golden().captured[at][kind.value], kind)


# --- By hand ------------------------------------------------------------------------------------

USDC = DriftV2SpotMarket(
    venue=VENUE,
    market_index=0,
    mint="",
    decimals=6,
    oracle="usdc",
    oracle_source="quote_asset",
    status="active",
    asset_tier="collateral",
    pool_id=0,
    deposit_balance=10**15,
    cumulative_deposit_interest=10**10,
    cumulative_borrow_interest=10**10,
    initial_asset_weight=10_000,
    maintenance_asset_weight=10_000,
    initial_liability_weight=10_000,
    maintenance_liability_weight=10_000,
    imf_factor=0,
    scale_initial_asset_weight_start=0,
    last_oracle_price_twap_5min=990_000,
    updated_at_s=0,
)
SOL = replace(
    USDC,
    market_index=1,
    decimals=9,
    oracle="sol",
    initial_asset_weight=8_000,
    maintenance_asset_weight=9_000,
    initial_liability_weight=12_000,
    maintenance_liability_weight=11_000,
    last_oracle_price_twap_5min=110 * QUOTE_ONE,
)
SOL_PERP = DriftV2PerpMarket(
    venue=VENUE,
    market_index=0,
    oracle="sol",
    oracle_source="quote_asset",
    status="active",
    contract_type="perpetual",
    contract_tier="a",
    pool_id=0,
    quote_spot_market_index=0,
    expiry_price=0,
    margin_ratio_initial=1_000,
    margin_ratio_maintenance=500,
    high_leverage_ratio_initial=200,
    high_leverage_ratio_maintenance=100,
    imf_factor=0,
    pnl_initial_asset_weight=5_000,
    pnl_maintenance_asset_weight=10_000,
    pnl_imf_factor=0,
    pnl_max_imbalance=0,
    cumulative_funding_rate_long=0,
    cumulative_funding_rate_short=0,
    net_base_amount=0,
    net_quote_amount=0,
    last_oracle_price=100 * QUOTE_ONE,
)
PRICES = {("usdc", "quote_asset"): QUOTE_ONE, ("sol", "quote_asset"): 100 * QUOTE_ONE}
NOBODY = DriftV2User(f"{VENUE}/nobody", "default", 0, 0, False, False, (), (), "")
LONG = DriftV2PerpPosition(0, 10 * 10**9, -900 * QUOTE_ONE, 0, 0, 0, 0, 0, False, 0)


def deposit(number: int, scaled: int, **changes: Any) -> DriftV2SpotPosition:
    return replace(DriftV2SpotPosition(number, "deposit", scaled, 0, 0, 0), **changes)


def margin(user: DriftV2User, kind: MarginKind, *, strict: bool = False) -> DriftV2Margin:
    return drift_v2_margin(user, [USDC, SOL], [SOL_PERP], PRICES, kind=kind, strict=strict)


def both(user: DriftV2User, **options: bool) -> list[tuple[int, int]]:
    kinds = (MarginKind.INITIAL, MarginKind.MAINTENANCE)
    sums = [margin(user, kind, **options).cross for kind in kinds]
    dollars = [(one.collateral / QUOTE_ONE, one.requirement / QUOTE_ONE) for one in sums]
    return [(round(one), round(other)) for one, other in dollars]


def test_deposits_and_debts_count_at_their_weights() -> None:
    held = (deposit(0, 50 * 10**9), deposit(1, 10 * 10**9))
    assert both(replace(NOBODY, spot_positions=held)) == [(50 + 800, 0), (50 + 900, 0)]
    owed = (deposit(0, 50 * 10**9), deposit(1, 10 * 10**9, balance_type="borrow"))
    assert both(replace(NOBODY, spot_positions=owed)) == [(50, 1_200), (50, 1_100)]


def test_profit_of_a_perp_counts_up_to_a_hundred_for_initial_margin() -> None:
    won = replace(NOBODY, perp_positions=(LONG,))
    assert both(won) == [(50, 100), (100, 50)]
    more = replace(won, perp_positions=(replace(LONG, quote_amount=-500 * QUOTE_ONE),))
    assert both(more) == [(100, 100), (500, 50)]
    lost = replace(won, perp_positions=(replace(LONG, quote_amount=-1_100 * QUOTE_ONE),))
    assert both(lost) == [(-100, 100), (-100, 50)]


def test_a_strict_margin_takes_the_worse_of_price_and_mean() -> None:
    held = replace(NOBODY, spot_positions=(deposit(1, 10 * 10**9),))
    assert both(held, strict=True) == both(held)
    owed = replace(NOBODY, spot_positions=(deposit(1, 10 * 10**9, balance_type="borrow"),))
    assert both(owed, strict=True) == [(0, 1_320), (0, 1_210)]


def test_orders_count_as_filled_on_the_worse_side() -> None:
    bids = deposit(1, 10 * 10**9, open_bids=5 * 10**9, open_orders=1)
    assert both(replace(NOBODY, spot_positions=(bids,))) == [(1_200, 500), (1_350, 500)]
    perp = replace(LONG, open_asks=-30 * 10**9, open_orders=2)
    assert both(replace(NOBODY, perp_positions=(perp,))) == [(50, 200), (100, 100)]


def test_high_leverage_lowers_the_ratios_of_markets_that_have_it() -> None:
    modes = {
        "high_leverage": [(50, 20), (100, 10)],
        "high_leverage_maintenance": [(50, 100), (100, 10)],
    }
    for mode, said in modes.items():
        assert both(replace(NOBODY, margin_mode=mode, perp_positions=(LONG,))) == said


def test_an_isolated_position_stands_for_itself() -> None:
    alone = replace(LONG, is_isolated=True, isolated_scaled_balance=20 * 10**9)
    user = replace(NOBODY, perp_positions=(alone,), spot_positions=(deposit(0, 7 * 10**9),))
    found = margin(user, MarginKind.MAINTENANCE)
    assert found.cross == MarginSum(7 * QUOTE_ONE, 0, None)
    assert found.isolated == ((0, MarginSum(120 * QUOTE_ONE, 50 * QUOTE_ONE, 24 * 10**17)),)


def test_funding_not_settled_is_paid_by_longs() -> None:
    paying = replace(SOL_PERP, cumulative_funding_rate_long=2 * 10**9)
    found = drift_v2_margin(
        replace(NOBODY, perp_positions=(LONG,)),
        [USDC],
        [paying],
        PRICES,
        kind=MarginKind.MAINTENANCE,
    )
    assert found.cross.collateral == (100 - 20) * QUOTE_ONE


def test_what_the_program_refuses_is_refused_with_the_reason() -> None:
    foreign = replace(NOBODY, pool_id=2, perp_positions=(LONG,))
    with pytest.raises(EngineError, match="another pool"):
        margin(foreign, MarginKind.INITIAL)
    elsewhere = replace(NOBODY, spot_positions=(deposit(3, 1),))
    with pytest.raises(EngineError, match="market 3 is missing"):
        margin(elsewhere, MarginKind.INITIAL)
    dust = replace(NOBODY, spot_positions=(deposit(0, 1),))
    with pytest.raises(EngineError, match="less than one token unit"):
        margin(dust, MarginKind.INITIAL)
    with pytest.raises(EngineError, match="no price of quote_asset oracle usdc"):
        drift_v2_margin(dust, [USDC], [], {}, kind=MarginKind.INITIAL)
    with pytest.raises(ParameterError, match="margin_mode"):
        margin(replace(NOBODY, margin_mode="other"), MarginKind.INITIAL)


# --- Any account --------------------------------------------------------------------------------

SIZES = st.integers(0, 2**40) | st.integers(0, 2**20)
SIGNED = st.integers(-(2**40), 2**40)
RATIOS = st.integers(0, 20_000)
FACTORS = st.sampled_from([0, 1, 500, 30_000])

SPOTS = st.builds(
    replace,
    st.sampled_from([USDC, SOL]),
    pool_id=st.sampled_from([0, 0, 0, 1]),
    deposit_balance=SIZES,
    cumulative_deposit_interest=st.integers(10**9, 10**11),
    cumulative_borrow_interest=st.integers(10**9, 10**11),
    initial_asset_weight=RATIOS,
    maintenance_asset_weight=RATIOS,
    initial_liability_weight=RATIOS,
    maintenance_liability_weight=RATIOS,
    imf_factor=FACTORS,
    scale_initial_asset_weight_start=SIZES,
    last_oracle_price_twap_5min=st.integers(-1, 10**9),
)
PERPS = st.builds(
    replace,
    st.just(SOL_PERP),
    status=st.sampled_from(["active", "settlement"]),
    contract_type=st.sampled_from(["perpetual", "prediction"]),
    expiry_price=st.integers(-5, 10**9),
    margin_ratio_initial=RATIOS,
    margin_ratio_maintenance=RATIOS,
    high_leverage_ratio_initial=RATIOS,
    high_leverage_ratio_maintenance=RATIOS,
    imf_factor=FACTORS,
    pnl_initial_asset_weight=RATIOS,
    pnl_maintenance_asset_weight=RATIOS,
    pnl_imf_factor=FACTORS,
    pnl_max_imbalance=SIZES,
    cumulative_funding_rate_long=SIGNED,
    cumulative_funding_rate_short=SIGNED,
    net_base_amount=SIGNED,
    net_quote_amount=SIGNED,
    last_oracle_price=st.integers(-1, 10**9),
)
SPOT_POSITIONS = st.builds(
    DriftV2SpotPosition,
    st.sampled_from([0, 1]),
    st.sampled_from(["deposit", "borrow"]),
    SIZES,
    SIZES,
    SIZES.map(lambda size: -size),
    st.integers(0, 32),
)
PERP_POSITIONS = st.builds(
    DriftV2PerpPosition,
    st.just(0),
    SIGNED,
    SIGNED,
    SIGNED,
    SIZES,
    SIZES.map(lambda size: -size),
    st.integers(0, 32),
    RATIOS,
    st.booleans(),
    SIZES,
)
USERS = st.builds(
    replace,
    st.just(NOBODY),
    pool_id=st.sampled_from([0, 0, 0, 1]),
    margin_mode=st.sampled_from(["default", "high_leverage", "high_leverage_maintenance"]),
    max_margin_ratio=RATIOS,
    spot_positions=st.lists(SPOT_POSITIONS, max_size=3).map(tuple),
    perp_positions=st.lists(PERP_POSITIONS, max_size=1).map(tuple),
)


@given(
    user=USERS,
    spots=st.tuples(SPOTS, SPOTS),
    perp=PERPS,
    kind=st.sampled_from(MarginKind),
    strict=st.booleans(),
    prices=st.tuples(st.integers(-1, 10**9), st.integers(-1, 10**9)),
)
def test_any_user_has_the_margin_of_the_reference_or_is_refused_by_both(
    *,
    user: DriftV2User,
    spots: tuple[DriftV2SpotMarket, DriftV2SpotMarket],
    perp: DriftV2PerpMarket,
    kind: MarginKind,
    strict: bool,
    prices: tuple[int, int],
) -> None:
    numbered = {at: replace(one, market_index=at) for at, one in enumerate(spots)}
    told = {("usdc", "quote_asset"): prices[0], ("sol", "quote_asset"): prices[1]}
    within = market(numbered, {0: perp}, told, kind, strict=strict)
    try:
        said = of_reference(user, within)
    except (reference.RefusedError, ZeroDivisionError):
        with pytest.raises(EngineError):
            drift_v2_margin(user, spots_of(numbered), [perp], told, kind=kind, strict=strict)
        return
    found = drift_v2_margin(user, spots_of(numbered), [perp], told, kind=kind, strict=strict)
    assert in_numbers(found) == said


def spots_of(numbered: dict[int, DriftV2SpotMarket]) -> list[DriftV2SpotMarket]:
    return list(numbered.values())
