"""Free lunches in the mechanism's prices: told alike by both engines, and where they are."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.grid.books import BASE, QUOTE, books, confidences, every_rule, expiries, parameters
from tests.grid.test_agreement import lenient
from xmargin.engine.grid import grid_evaluation
from xmargin.model.derivatives import (
    GridArbitrage,
    GridAsset,
    GridExpiry,
    GridInstrument,
    GridMarket,
)
from xmargin.reference.chain_arbitrage import arbitrage as reference

Place = tuple[int, str, str, float]


def core(content: str, market: GridMarket) -> list[GridArbitrage]:
    return list(grid_evaluation(content, market, []).arbitrage)


def place(one: GridArbitrage) -> Place:
    return one.expiry, one.scenario, one.kind, one.strike


def scale(market: GridMarket) -> float:
    """The largest price there is, far scenarios included."""
    strikes = [i.strike for i in market.instruments if i.strike is not None]
    forwards = [e.forward_fixed + 5 * e.forward_variable for e in market.expiries]
    return max(1.0, *strikes, *forwards)


@st.composite
def chains(draw: st.DrawFn) -> GridMarket:
    """Two or three expiries with up to five strikes, calls and puts, vols of their own or not."""
    asset = GridAsset("BTC", 60_000.0, draw(confidences))
    terms = draw(st.lists(expiries([asset]), min_size=2, max_size=3))
    if draw(st.booleans()):
        # Calendars are looked for where nothing of the forwards is fixed yet.
        terms = [
            replace(e, forward_fixed=0.0, forward_variable=e.forward_fixed + e.forward_variable)
            for e in terms
        ]
    moneyness = st.sampled_from([0.2, 0.7, 0.9, 1.0, 1.1, 1.5, 4.0])
    listed = []
    for row, expiry in enumerate(terms):
        forward = expiry.forward_fixed + expiry.forward_variable
        for at in sorted(draw(st.sets(moneyness, min_size=1, max_size=5))):
            kinds = draw(st.sampled_from([("call",), ("put",), ("call", "put")]))
            for kind in kinds:
                vol = draw(st.sampled_from([None, None, None, 0.05, 0.6, 3.0]))
                name = f"{row} {at} {kind}"
                strike = round(at * forward)
                listed.append(GridInstrument(name, kind, expiry=row, strike=strike, vol=vol))
    return GridMarket([asset], terms, listed)


@lenient
@given(market=st.one_of(chains(), books().map(lambda book: book[0])))
def test_g15_core_and_reference_find_the_same_free_lunches(market: GridMarket) -> None:
    for content in (every_rule(), parameters(QUOTE)):
        # Between the tolerance and this, the two engines' roundings decide.
        least = 1e-10 * scale(market)
        ours = {place(one): one.amount for one in core(content, market)}
        theirs = {place(one): one.amount for one in reference(content, market)}
        for one in ours.keys() ^ theirs.keys():
            assert max(ours.get(one, 0.0), theirs.get(one, 0.0)) < least
        shared = [one for one in theirs if one in ours]
        assert [ours[one] for one in shared] == pytest.approx(
            [theirs[one] for one in shared], rel=1e-9, abs=least
        )


@lenient
@given(market=chains(), seed=st.randoms(use_true_random=False))
def test_g16_the_order_of_instruments_changes_no_free_lunch(
    market: GridMarket,
    seed: st.randoms,  # type: ignore[valid-type]
) -> None:
    shuffled = list(market.instruments)
    seed.shuffle(shuffled)  # type: ignore[attr-defined]
    other = replace(market, instruments=shuffled)
    assert core(every_rule(), other) == core(every_rule(), market)


def flat(*strikes: float, vol: float = 0.6) -> GridMarket:
    listed = [
        GridInstrument(f"{kind} {strike}", kind, expiry=0, strike=strike, vol=vol)
        for strike in strikes
        for kind in ("call", "put")
    ]
    return GridMarket([GridAsset("BTC", 100.0)], [GridExpiry(0, 0.25, 0.0, 100.0)], listed)


@pytest.mark.parametrize("name", [QUOTE, BASE])
def test_flat_vols_are_free_in_every_scenario_of_the_packaged_parameters_but_the_skews(
    name: str,
) -> None:
    found = core(parameters(name), flat(*(float(strike) for strike in range(10, 400, 5))))
    assert {one.scenario for one in found} <= {"vol linear", "vol abs"}


def test_a_skew_without_a_cap_is_found_by_both_engines_at_its_strike() -> None:
    skew = {"kind": "skew", "wings": "signed", "cap_base": "3", "cap_slope": "0", "width": "0"}
    skew |= {"vol_base": "0", "vol_slope": "0", "log_moneyness_min": "0.1"}
    content = parameters(
        QUOTE, vol_rules={"steep": skew}, scenarios=[{"moves": [], "vols": ["steep"]}]
    )
    # The vol quadruples from 100 to 110.5 and stays there: the call at 105 costs more than at 100.
    market = flat(100.0, 105.0, 110.0, 111.0, 150.0)
    found = core(content, market)
    assert {one.scenario for one in found} == {"vol steep"}
    assert ("slope", 105.0) in {(one.kind, one.strike) for one in found}
    assert [place(one) for one in found] == [place(one) for one in reference(content, market)]
