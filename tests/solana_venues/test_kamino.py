"""Kamino's accounts as the chain holds them, and their values by three computations."""

from dataclasses import replace
from fractions import Fraction
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.solana_venues import captures, kamino_golden
from tests.solana_venues.kamino_golden import GRID, VENUE, Golden
from xmargin.engine.venue_rules.kamino import KaminoMargin, kamino_margin
from xmargin.errors import DecodeError, EngineError
from xmargin.model.kamino import (
    KaminoBorrow,
    KaminoDeposit,
    KaminoElevationGroup,
    KaminoMarket,
    KaminoObligation,
    KaminoReserve,
)
from xmargin.reads import SolanaAccount
from xmargin.reference import kamino as reference
from xmargin.venues import kamino
from xmargin.venues.layouts import kamino as layouts
from xmargin.venues.solana_layout import decode

OBLIGATION = "marginfi/kamino_usdc_obligation"
RESERVE = "marginfi/kamino_usdc_reserve"
SDK_DIGITS = Fraction(1, 10**15)
"""The SDK computes decimals of twenty digits."""


# --- Decoding -----------------------------------------------------------------------------------


@captures.needed
def test_a_real_obligation_holds_what_is_published() -> None:
    read = captures.account(OBLIGATION)
    obligation = kamino.obligation_of(f"{VENUE}/{read.address}", read)
    assert obligation.fault == ""
    assert (obligation.slot, obligation.borrows) == (377_501_284, ())
    assert [one.amount for one in obligation.deposits] == [163_105_714_338]
    assert read.address == kamino.obligation_address(obligation.owner, obligation.market)
    values = decode(layouts.OBLIGATION, read)
    dollars = [values[name] / GRID for name in ("deposited_value_sf", "allowed_borrow_value_sf")]
    assert dollars == [175536.76717976958, 140429.41374381568]
    assert values["unhealthy_borrow_value_sf"] / GRID == 157983.09046179263


@captures.needed
def test_a_real_refresh_stored_what_the_rule_computes_of_its_value() -> None:
    values = decode(layouts.OBLIGATION, captures.account(OBLIGATION))
    deposited = Fraction(values["deposited_value_sf"], GRID)
    for percent, name in ((80, "allowed_borrow_value_sf"), (90, "unhealthy_borrow_value_sf")):
        share = reference.on_grid(Fraction(percent, 100))
        stored = Fraction(values[name], GRID)
        assert reference.on_grid(deposited * share) == stored


@captures.needed
def test_a_real_stale_obligation_is_valued_by_its_reserve_not_by_what_it_stores() -> None:
    obligation_read, reserve_read = captures.account(OBLIGATION), captures.account(RESERVE)
    obligation = kamino.obligation_of(f"{VENUE}/{obligation_read.address}", obligation_read)
    reserve = kamino.reserve_of(VENUE, reserve_read)
    stored = decode(layouts.OBLIGATION, obligation_read)
    assert stored["is_stale"] == 1, "something was deposited after the values were stored"
    market = KaminoMarket(VENUE, obligation.market, "", False, 2**64 - 1, ())
    found = kamino_margin(obligation, market, [reserve])
    # 163,105.714338 collateral units at 1.1622328 USDC each, at 0.99989052.
    assert found.deposited_sf / GRID == pytest.approx(163105.714338 * 1.1622328 * 0.99989052)
    assert found.deposited_sf > stored["deposited_value_sf"]
    assert (reserve.loan_to_value_pct, reserve.liquidation_threshold_pct) == (80, 90)
    assert found.maintenance.collateral / found.deposited_sf == pytest.approx(0.9)
    assert found.maintenance.health_wad is None


@captures.needed
def test_content_of_another_address_is_refused() -> None:
    obligation, reserve = captures.account(OBLIGATION), captures.account(RESERVE)
    moved = replace(obligation, address=reserve.address)
    assert "belongs elsewhere" in kamino.obligation_of(f"{VENUE}/{moved.address}", moved).fault
    assert "belongs at" in kamino.obligation_of(f"{VENUE}/{reserve.address}", obligation).fault
    assert kamino.obligation_of(f"{VENUE}/{reserve.address}", None).fault.startswith("there is no")
    at = {field.name: field.at for field in layouts.RESERVE.fields}
    foreign = bytearray(reserve.data)
    foreign[at["mint"]] ^= 1
    with pytest.raises(DecodeError, match="the reserve's vault"):
        kamino.reserve_of(VENUE, replace(reserve, data=bytes(foreign)))
    newer = bytearray(reserve.data)
    newer[at["version"]] = 2
    with pytest.raises(DecodeError, match="is of version 2; only 1 is known"):
        kamino.reserve_of(VENUE, replace(reserve, data=bytes(newer)))


@captures.needed
@given(data=st.data())
@pytest.mark.parametrize("name", [OBLIGATION, RESERVE])
def test_no_flipped_bit_truncation_or_extension_crashes(name: str, data: st.DataObject) -> None:
    read = captures.account(name)
    spoilt = bytearray(read.data)
    # Most of an account is padding: half of the bits are of its first part.
    bits = st.integers(0, 8 * 400) | st.integers(0, len(spoilt) * 8 - 1)
    for at in data.draw(st.lists(bits, max_size=8)):
        spoilt[at // 8] ^= 1 << at % 8
    length = data.draw(st.one_of(st.just(len(spoilt)), st.integers(0, len(spoilt) + 64)))
    changed = replace(read, data=bytes(spoilt[:length]).ljust(length, b"\0"))
    if name == RESERVE:
        try:
            kamino.reserve_of(VENUE, changed)
        except DecodeError:
            return
    elif kamino.obligation_of(f"{VENUE}/{read.address}", changed).fault:
        return
    assert length == len(read.data)


def test_a_market_of_another_version_is_refused() -> None:
    data = layouts.LENDING_MARKET.discriminator.ljust(layouts.LENDING_MARKET.length, b"\0")
    with pytest.raises(DecodeError, match="is of version 0"):
        kamino.market_of(VENUE, SolanaAccount(VENUE, 1, kamino.PROGRAM, data))


# --- Values -------------------------------------------------------------------------------------


@cache
def golden() -> Golden:
    return kamino_golden.load()


def refresh(
    market: KaminoMarket, reserves: tuple[KaminoReserve, ...], rounded: reference.Rounding
) -> reference.Refresh:
    prices = {one.address: Fraction(one.price_sf, GRID) for one in reserves}
    return reference.Refresh(market, {one.address: one for one in reserves}, prices, rounded)


def in_dollars(found: KaminoMargin) -> reference.Refreshed:
    assert found.initial.requirement == found.maintenance.requirement
    return reference.Refreshed(
        deposited=Fraction(found.deposited_sf, GRID),
        borrowed=Fraction(found.borrowed_sf, GRID),
        adjusted_debt=Fraction(found.initial.requirement, GRID),
        allowed=Fraction(found.initial.collateral, GRID),
        unhealthy=Fraction(found.maintenance.collateral, GRID),
    )


def test_made_obligations_have_the_values_of_the_reference_and_of_the_sdk() -> None:
    said = golden()
    in_groups = liquidatable = 0
    for obligation, told in said.obligations:
        assert obligation.fault == ""
        found = kamino_margin(obligation, said.market, said.reserves)
        on_grid = refresh(said.market, said.reserves, reference.on_grid).of(obligation)
        assert in_dollars(found) == on_grid
        assert found.is_liquidatable == on_grid.is_liquidatable
        exact = refresh(said.market, said.reserves, reference.exactly).of(obligation)
        for name in ("deposited", "borrowed", "adjusted_debt", "allowed", "unhealthy"):
            ours, theirs = getattr(exact, name), Fraction(told[name])
            assert abs(ours - theirs) <= SDK_DIGITS * max(ours, Fraction(1))
        in_groups += obligation.elevation_group != 0
        liquidatable += found.is_liquidatable
    assert in_groups >= 30
    assert 20 <= liquidatable <= len(said.obligations) - 20


def test_another_price_may_be_given() -> None:
    said = golden()
    obligation = next(one for one, _ in said.obligations if one.deposits and not one.borrows)
    twice = {one.address: 2 * one.price_sf for one in said.reserves}
    stored = kamino_margin(obligation, said.market, said.reserves)
    doubled = kamino_margin(obligation, said.market, said.reserves, twice)
    assert abs(doubled.deposited_sf - 2 * stored.deposited_sf) <= len(obligation.deposits)
    with pytest.raises(EngineError, match="no price of reserve"):
        kamino_margin(obligation, said.market, said.reserves, {})


def test_what_is_missing_or_of_another_market_is_said() -> None:
    said = golden()
    obligation = next(one for one, _ in said.obligations if one.deposits)
    with pytest.raises(EngineError, match="was not given, or is of another market"):
        kamino_margin(obligation, said.market, [])
    with pytest.raises(EngineError, match="the obligation is of market"):
        kamino_margin(obligation, replace(said.market, address="other"), said.reserves)
    raised = replace(obligation, elevation_group=7)
    with pytest.raises(EngineError, match="no elevation group 7"):
        kamino_margin(raised, said.market, said.reserves)


# --- Any obligation -----------------------------------------------------------------------------

PERCENTS = st.integers(0, 100)
NUMBERS = st.sampled_from([0, 1, 2])
WIDE = st.integers(0, 2**90) | st.integers(0, 2**64)
RATES = st.integers(GRID // 2, 8 * GRID)


def reserve(at: int) -> st.SearchStrategy[KaminoReserve]:
    return st.builds(
        KaminoReserve,
        venue=st.just(VENUE),
        address=st.just(f"reserve{at}"),
        market=st.just("market"),
        mint=st.just(""),
        decimals=st.integers(0, 12),
        status=st.just(0),
        available=st.integers(0, 2**40),
        borrowed_sf=WIDE,
        protocol_fees_sf=st.integers(0, 2**60),
        referrer_fees_sf=st.just(0),
        pending_referrer_fees_sf=st.integers(0, 2**40),
        collateral_supply=st.integers(0, 2**40),
        cumulative_borrow_rate_bsf=RATES,
        price_sf=st.integers(0, 2**76),
        price_updated_at_s=st.just(0),
        loan_to_value_pct=PERCENTS,
        liquidation_threshold_pct=PERCENTS,
        borrow_factor_pct=st.integers(0, 500),
        elevation_groups=st.sampled_from([(), (1,), (1, 2)]),
        slot=st.just(0),
    )


def group(number: int) -> st.SearchStrategy[KaminoElevationGroup]:
    names = st.integers(0, 3).map("reserve{}".format)
    return st.builds(KaminoElevationGroup, st.just(number), PERCENTS, PERCENTS, names)


MARKETS = st.builds(
    KaminoMarket,
    venue=st.just(VENUE),
    address=st.just("market"),
    owner=st.just(""),
    emergency_mode=st.booleans(),
    global_allowed_borrow_value=st.integers(0, 2**40) | st.just(2**64 - 1),
    elevation_groups=st.tuples(group(1), group(2)),
)
OBLIGATIONS = st.builds(
    KaminoObligation,
    account=st.just(f"{VENUE}/x"),
    market=st.just("market"),
    owner=st.just(""),
    tag=st.just(0),
    elevation_group=NUMBERS,
    deposits=st.lists(
        st.builds(KaminoDeposit, st.integers(0, 2).map("reserve{}".format), st.integers(0, 2**40)),
        max_size=3,
    ).map(tuple),
    borrows=st.lists(
        st.builds(KaminoBorrow, st.integers(0, 2).map("reserve{}".format), WIDE, RATES),
        max_size=2,
    ).map(tuple),
    slot=st.just(0),
    fault=st.just(""),
)


@given(
    obligation=OBLIGATIONS, market=MARKETS, reserves=st.tuples(reserve(0), reserve(1), reserve(2))
)
def test_any_obligation_has_the_values_of_the_reference_or_is_refused_by_both(
    obligation: KaminoObligation, market: KaminoMarket, reserves: tuple[KaminoReserve, ...]
) -> None:
    try:
        said = refresh(market, reserves, reference.on_grid).of(obligation)
    except reference.RefusedError:
        with pytest.raises(EngineError):
            kamino_margin(obligation, market, reserves)
        return
    if max(said.deposited, said.adjusted_debt) >= 2**66:
        return  # sums this large do not fit what we answer with
    found = kamino_margin(obligation, market, reserves)
    assert in_dollars(found) == said
    assert found.is_liquidatable == said.is_liquidatable
