"""Hyperliquid's rule against its own published figures, and against a second computation."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hyperliquid import published
from tests.hyperliquid.published import CAPTURED, DOCUMENTED, VENUE, needs_capture
from xmargin import records
from xmargin.engine.venue_rules.hyperliquid import (
    liquidation_prices,
    maintenance_margin,
    margin_parts,
    standings,
)
from xmargin.errors import DecodeError
from xmargin.model import BlockRef, TokenSpec, VenueRecord, VenueSetting, VenueSpec
from xmargin.model.hyperliquid import (
    HyperliquidAccount,
    HyperliquidMarket,
    HyperliquidPosition,
    HyperliquidSummary,
    HyperliquidTier,
)
from xmargin.model.standings import VenueCase, VenueLeg, VenueStanding
from xmargin.reference import hyperliquid as reference
from xmargin.venues.hyperliquid import account_of

USDC = "hyper:mainnet/token:0x6d1e7cde53ba9467b783cb7c530ce054"
MICRO = Fraction(1, 10**6)


def case(*told: VenueRecord, quote: str = USDC) -> VenueCase:
    return VenueCase(
        venue=VenueSpec(VENUE, "hyperliquid", "", (VenueSetting("quote", quote),)),
        accounts=tuple(one.key for one in told if one.record == "account"),
        records={(one.record, one.key): one for one in told},
        prices={},
        tokens={USDC: TokenSpec(USDC, "USDC", "USDC", "USDC")},
        block=BlockRef(1, "", "", 1),
    )


def standing(state: HyperliquidAccount, markets: dict[str, HyperliquidMarket]) -> VenueStanding:
    told = [records.market_record(VENUE, "market", one.coin, one) for one in markets.values()]
    return standings(case(records.account_record(state.account, state), *told))[state.account]


# --- Published figures ----------------------------------------------------------------------------


@needs_capture
def test_the_captured_liquidation_prices_come_out_to_their_last_digit() -> None:
    state = account_of(published.captured_state(), CAPTURED)
    ours = liquidation_prices(state, published.captured_markets(), maintenance_moves=False)
    said = published.said_prices(state)
    assert len(said) == 12
    assert ours == said
    assert sum(price is not None for price in ours.values()) == 5


@needs_capture
def test_the_captured_account_stands_as_the_venue_said() -> None:
    answer = published.captured_state()
    state = account_of(answer, CAPTURED)
    stands = standing(state, published.captured_markets())
    assert Decimal(stands.collateral).scaleb(-6) == Decimal("1182.312496")
    assert Decimal(stands.available).scaleb(-6) == Decimal(answer["withdrawable"])
    assert Decimal(stands.requirement).scaleb(-6) == Decimal("34.348153")
    assert stands.counted == stands.collateral
    assert stands.health_factor_wad == 1_182_312_496 * 10**18 // 34_348_153
    assert not stands.is_liquidatable
    worth = sum(
        (one.value.copy_sign(one.size) for one in state.positions), start=state.whole.raw_usd
    )
    assert worth == state.whole.account_value
    assert stands.legs[0] == VenueLeg("hyper:mainnet/perp:hyperliquid.BTC", -785)
    assert stands.legs[-1] == VenueLeg(USDC, 86_549_602)


def test_the_documented_isolated_position_ends_at_the_documented_price() -> None:
    """And today's formula is needed for it: maintenance margin moves with the price."""
    state, markets = published.documented(), published.documented_markets()
    assert liquidation_prices(state, markets) == {"ETH": Decimal("2866.26936529")}
    at_rest = liquidation_prices(state, markets, maintenance_moves=False)
    assert at_rest != published.said_prices(state)


def test_an_isolated_position_stands_by_itself() -> None:
    stands = standing(published.documented(), published.documented_markets())
    assert (stands.counted, stands.requirement) == (4_967_826, 1_000_276)
    assert stands.collateral == 13_109_482_328
    assert stands.available == 13_104_514_502
    assert stands.health_factor_wad == 4_967_826 * 10**18 // 1_000_276
    assert stands.unit == "USDC"
    assert stands.legs == (
        VenueLeg("hyper:mainnet/perp:hyperliquid.ETH", 335),
        VenueLeg(USDC, 13_009_454_678),
    )


@pytest.mark.parametrize(
    ("value", "maintenance"),
    [("100000000", "1250000"), ("150000000", "1875000"), ("200000000", "3125000")],
)
def test_maintenance_margin_goes_by_tiers_and_is_continuous(value: str, maintenance: str) -> None:
    """Mainnet's BTC: 40 times up to 150 M, then 20 times with a deduction of 1.875 M."""
    held = HyperliquidPosition("BTC", Decimal(1), Decimal(value), 20, None, None)
    margin = maintenance_margin(held, published.documented_markets()["BTC"])
    assert Decimal(margin).scaleb(-6) == Decimal(maintenance)


# --- At the edge, and wrong -----------------------------------------------------------------------


def one_position(raw_usd: str, value: str = "100") -> HyperliquidAccount:
    """Long one unit at 50 times, in shared margin."""
    worth = Decimal(raw_usd) + Decimal(value)
    sums = HyperliquidSummary(worth, Decimal(value), Decimal(raw_usd), Decimal(5))
    held = HyperliquidPosition("ETH", Decimal(1), Decimal(value), 20, None, None)
    return HyperliquidAccount(DOCUMENTED, 1, sums, sums, None, Decimal(0), (held,))


@pytest.mark.parametrize(
    ("raw_usd", "is_due", "health_wad"),
    [
        ("-98.999999", False, 1_000_001 * 10**12),
        ("-99", False, 10**18),
        ("-99.000001", True, 999_999 * 10**12),
        ("-100", True, 0),
        ("-120", True, 0),
    ],
)
def test_an_account_is_due_below_its_maintenance_margin(
    raw_usd: str, is_due: bool, health_wad: int
) -> None:
    stands = standing(one_position(raw_usd), published.documented_markets())
    assert stands.is_liquidatable is is_due
    assert stands.health_factor_wad == health_wad
    assert stands.debt == max(0, -stands.counted)


def test_without_a_position_nothing_is_required() -> None:
    state = replace(one_position("50"), positions=())
    stands = standing(state, {})
    assert stands.health_factor_wad is None
    assert not stands.is_liquidatable
    assert stands.legs == (VenueLeg(USDC, 50_000_000),)


def test_what_is_wrong_with_an_account_is_its_own_fault_alone() -> None:
    markets = [
        records.market_record(VENUE, "market", one.coin, one)
        for one in published.documented_markets().values()
    ]
    sound = published.documented()
    faulty = f"{VENUE}/0x" + "0f" * 20
    stands = standings(
        case(
            *markets,
            records.account_record(DOCUMENTED, sound),
            records.account_fault(faulty, "withdrawable: expected a decimal"),
        )
    )
    assert not stands[DOCUMENTED].fault
    assert stands[faulty].fault == "withdrawable: expected a decimal"


ETH = published.documented_markets()["ETH"]
NONSENSE = (
    replace(ETH, tiers=()),
    replace(ETH, tiers=(HyperliquidTier(Decimal(0), 0),)),
    replace(ETH, tiers=(HyperliquidTier(Decimal(10**9), 5),)),
    replace(ETH, size_decimals=-1),
    replace(ETH, size_decimals=10**6),
)


@pytest.mark.parametrize("market", NONSENSE)
def test_a_market_that_makes_no_sense_costs_those_in_it_and_no_other(
    market: HyperliquidMarket,
) -> None:
    held = one_position("-50")
    free = replace(held, account=held.account[:-1] + "f", positions=())
    cross = replace(held.cross, account_value=held.cross.raw_usd)
    free = replace(free, cross=cross, whole=cross)
    told = (
        records.account_record(held.account, held),
        records.account_record(free.account, free),
        records.market_record(VENUE, "market", "ETH", market),
    )
    found = standings(case(*told))
    assert found[held.account].fault
    assert not found[free.account].fault


def test_an_amount_with_more_digits_than_any_has_is_refused() -> None:
    held = one_position("-50")
    endless = Decimal("9" * 40 + "." + "0" * 60 + "1")
    cross = replace(held.cross, account_value=endless)
    told = standing(replace(held, cross=cross), {"ETH": ETH})
    assert "is no amount" in told.fault


def test_a_market_that_was_not_read_leaves_no_figures() -> None:
    assert (
        "HyperliquidMarket that it rests on was not read"
        in standing(published.documented(), {}).fault
    )


def test_a_maintenance_margin_that_the_tables_do_not_give_is_refused() -> None:
    said = replace(published.documented(), cross_maintenance=Decimal("0.5"))
    fault = standing(said, published.documented_markets()).fault
    assert fault == (
        "the venue says that its cross maintenance margin is 0.5; its margin tables give 0.000000"
    )


def test_a_size_finer_than_its_market_is_refused() -> None:
    state = published.documented()
    finer = replace(state.positions[0], size=Decimal("0.03351"))
    fault = standing(replace(state, positions=(finer,)), published.documented_markets()).fault
    assert fault == "0.03351 has more than 4 decimals"


def test_a_quote_that_is_no_known_token_leaves_no_figures() -> None:
    state = records.account_record(DOCUMENTED, replace(one_position("1"), positions=()))
    stands = standings(case(state, quote="hyper:mainnet/token:0x00"))[DOCUMENTED]
    assert stands.fault == f"settings.quote of {VENUE} is not in [[tokens]]"


# --- Any account ----------------------------------------------------------------------------------

COINS = ("A", "B", "C", "D")


@st.composite
def any_markets(draw: st.DrawFn) -> dict[str, HyperliquidMarket]:
    def tiers() -> tuple[HyperliquidTier, ...]:
        count = draw(st.integers(1, 4))
        highest = st.integers(1, 10**6)
        bounds = sorted(draw(st.sets(highest, min_size=count - 1, max_size=count - 1)))
        leverages = sorted(
            draw(st.lists(st.integers(1, 100), min_size=count, max_size=count)), reverse=True
        )
        steps = zip([0, *bounds], leverages, strict=True)
        return tuple(HyperliquidTier(Decimal(low), leverage) for low, leverage in steps)

    return {coin: HyperliquidMarket(VENUE, coin, 4, tiers()) for coin in COINS}


def usd(low: int, high: int) -> st.SearchStrategy[Decimal]:
    return st.integers(low, high).map(lambda units: Decimal(units).scaleb(-6))


@st.composite
def any_state(draw: st.DrawFn) -> HyperliquidAccount:
    held = []
    for coin in draw(st.sets(st.sampled_from(COINS), min_size=1)):
        size = draw(st.integers(-(10**8), 10**8).filter(bool))
        value = draw(usd(1, 10**13))
        own = draw(st.none() | usd(-(10**13), 10**13))
        held.append(HyperliquidPosition(coin, Decimal(size).scaleb(-4), value, 1, own, None))
    held.sort(key=lambda one: one.coin)

    def summary(positions: list[HyperliquidPosition], raw_usd: Decimal) -> HyperliquidSummary:
        worth = sum((one.value.copy_sign(one.size) for one in positions), start=raw_usd)
        notional = sum((one.value for one in positions), start=Decimal(0))
        return HyperliquidSummary(worth, notional, raw_usd, Decimal(0))

    shared = draw(usd(-(10**13), 10**13))
    own = sum((one.isolated_raw_usd or Decimal(0) for one in held), start=Decimal(0))
    cross = summary([one for one in held if one.isolated_raw_usd is None], shared)
    whole = summary(held, shared + own)
    return HyperliquidAccount(DOCUMENTED, 1, whole, cross, None, Decimal(0), tuple(held))


@settings(max_examples=200, deadline=None)
@given(any_state(), any_markets())
def test_any_account_stands_as_the_second_computation_says(
    state: HyperliquidAccount, markets: dict[str, HyperliquidMarket]
) -> None:
    twice = reference.parts(state, markets, reference.marks(state))
    ours = margin_parts(state, markets)
    assert len(ours) == len(twice)
    for part in ours:
        name = reference.part_of(part.positions[0]) if part.positions else ""
        value, _ = twice[name]
        assert part.value * MICRO == value
        assert part.maintenance * MICRO == sum(
            reference.rounded_down(reference.maintenance(Fraction(one.value), markets[one.coin]))
            for one in part.positions
        )
    stands = standing(state, markets)
    needing = [part for part in ours if part.maintenance]
    assert stands.is_liquidatable == any(part.value < part.maintenance for part in needing)
    if needing:
        least = min(max(Fraction(0), Fraction(p.value, p.maintenance)) for p in needing)
        assert stands.health_factor_wad == int(least * 10**18)


@settings(max_examples=200, deadline=None)
@given(any_state(), any_markets())
def test_at_its_liquidation_price_a_position_leaves_exactly_its_maintenance_margin(
    state: HyperliquidAccount, markets: dict[str, HyperliquidMarket]
) -> None:
    for coin, price in liquidation_prices(state, markets).items():
        (held,) = (one for one in state.positions if one.coin == coin)
        at = reference.marks(state) | {coin: Fraction(price or 0)}
        value, needed = reference.parts(state, markets, at)[reference.part_of(held)]
        # One rounding of the price, and one of each position's maintenance margin.
        size = abs(Fraction(held.size))
        slack = size * Fraction(1, 10**8) + len(state.positions) * MICRO
        if price is not None:
            assert abs(value - needed) <= slack
        else:  # at a price of zero a long still stands, or a short is due already
            assert value >= needed - slack if held.size > 0 else value <= needed + slack


def test_any_amount_with_more_than_six_decimals_is_refused() -> None:
    state = one_position("1", "100.0000001")
    with pytest.raises(DecodeError, match="more than 6 decimals"):
        margin_parts(state, published.documented_markets())
