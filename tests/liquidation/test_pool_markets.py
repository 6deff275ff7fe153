"""Which pools are depth, of which asset, and what says so."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.spine.examples import (
    CHAIN,
    OTHER,
    OTHER_USDC,
    OTHER_WALLET,
    REGISTRY,
    USDC,
    WALLET,
    WETH,
    block,
    block_facts,
    committed,
)
from xmargin.engine import Engine
from xmargin.engine.market_depth import Markets
from xmargin.engine.pools import pool_depth
from xmargin.errors import EngineError
from xmargin.model import (
    AaveV3Reserve,
    AssetDepth,
    Condition,
    DepthKnot,
    Fact,
    LiquidationTerms,
    Observation,
    TokenBalance,
    TokenSpec,
    TokenState,
    VenueRecord,
    VenueSpec,
    Verdict,
)
from xmargin.model.uniswap_v3 import POOL_RECORD, UniswapV3Pool, UniswapV3Tick
from xmargin.params import load_parameters
from xmargin.records import market_fault, market_record
from xmargin.snapshot import Snapshot
from xmargin.spine import snapshot_of, view_of
from xmargin.tape.position import START
from xmargin.view import View
from xmargin.world import World

VENUE, TWIN = f"uniswap-v3@{CHAIN}", f"swaps@{CHAIN}"
OTHER_VENUE = f"uniswap-v3@{OTHER}"
OTHER_WETH = f"{OTHER}/erc20:0x" + "04" * 20
BOUND_BPS = 200
ACTIVE, BONUS_BPS = 1 << 56, 10_500
LIQUIDITY = 10**17
"""About 2,000 ether from the price to nothing."""


def pool(
    number: int,
    tokens: tuple[str, str] = (WETH, USDC),
    *,
    price: Decimal = Decimal(2_500),
    liquidity: int = LIQUIDITY,
) -> UniswapV3Pool:
    """Liquidity as of a whole range; ``price`` in dollars, of 6 decimals, for an ether."""
    sqrt_price = int((price * Decimal("1e-12")).sqrt() * 2**96)
    return UniswapV3Pool(
        address=f"0x{number:040x}",
        token0=tokens[0],
        token1=tokens[1],
        fee=500,
        tick_spacing=10,
        sqrt_price_x96=sqrt_price,
        tick=int((price * Decimal("1e-12")).ln() / Decimal("1.0001").ln()) - 1,
        liquidity=liquidity,
        ticks=(UniswapV3Tick(-887_270, liquidity), UniswapV3Tick(887_270, -liquidity)),
        window_low=-887_272,
        window_high=887_272,
    )


def told(one: UniswapV3Pool, venue: str = VENUE) -> VenueRecord:
    return market_record(venue, POOL_RECORD, one.address, one)


def snapshot(
    pools: Sequence[VenueRecord],
    *,
    here: Sequence[Fact] | None = None,
    parameters: str = "unified-v1",
    terms: LiquidationTerms | None = None,
) -> Snapshot:
    """Two chains, both read, with an ether at 2,500 USD and pools."""
    kinds = [VenueSpec(venue, "uniswap-v3") for venue in (TWIN, VENUE, OTHER_VENUE)]
    registry = replace(
        REGISTRY,
        tokens=(*REGISTRY.tokens, TokenSpec(OTHER_WETH, "WETH", "ETH", "ETH")),
        venues=(*REGISTRY.venues, *kinds),
        venue_price_bps_max=BOUND_BPS,
    )
    world = World()
    own: tuple[Fact, ...] = (registry, load_parameters(parameters), *([terms] if terms else []))
    for one in own:
        world.apply(Observation(one, 0))
    facts = [*(block_facts(1) if here is None else here)]
    beyond: list[Fact] = [
        *(TokenBalance(OTHER_WALLET, token, 0, "") for token in (OTHER_WETH, OTHER_USDC)),
        TokenState(OTHER_WETH, 18, "WETH", ""),
        TokenState(OTHER_USDC, 6, "USDC", ""),
    ]
    facts += [one for one in pools if one.venue != OTHER_VENUE]
    beyond += [one for one in pools if one.venue == OTHER_VENUE]
    for found, chain in ((facts, CHAIN), (beyond, OTHER)):
        for seen in committed(found, block(1), chain):
            world.apply(seen)
    made = snapshot_of(world)
    assert made is not None
    return made


def sold(found: Snapshot) -> float:
    """All that is ever sold of ether."""
    return Markets(found).own_curves()["ETH"].knots[-1][0]


def flags(found: Snapshot) -> list[str]:
    return [flag for flag in Markets(found).flags if "no depth" in flag]


def test_pools_of_a_chain_add_up_and_of_several_chains_the_deepest_counts() -> None:
    one, other = pool(1), pool(2)
    alone = sold(snapshot([told(one)]))
    assert alone > 100
    both = snapshot([told(one), told(other)])
    assert sold(both) == pytest.approx(2 * alone)
    assert "depth of ETH is that of Uniswap v3 pools" in Markets(both).notes(["ETH"])["ETH"]
    beyond = told(pool(3, (OTHER_WETH, OTHER_USDC), liquidity=3 * LIQUIDITY), OTHER_VENUE)
    three = snapshot([told(one), told(other), beyond])
    assert sold(three) == pytest.approx(3 * alone)
    assert OTHER in Markets(three).notes(["ETH"])["ETH"]


def test_a_pool_under_two_venues_is_one() -> None:
    one = pool(1)
    assert sold(snapshot([told(one), told(one, TWIN)])) == sold(snapshot([told(one)]))


def test_the_curve_is_of_the_guarded_price_and_not_of_the_pools_own() -> None:
    dear, cheap = (snapshot([told(pool(1, price=Decimal(p)))]) for p in (2_520, 2_480))
    curves = [Markets(one).own_curves()["ETH"] for one in (dear, cheap)]
    first = [next(m for s, m in curve.knots if s > 0) for curve in curves]
    assert first[0] > 0.99
    assert first[1] <= 0.992, "who pays 0.8 % less never pays the whole price"
    assert curves[0].knots[-1][0] > curves[1].knots[-1][0]


def test_curves_written_by_hand_win() -> None:
    by_hand = AssetDepth(
        "ETH", (DepthKnot(Decimal(0), Decimal(1)), DepthKnot(Decimal(7), Decimal("0.9")))
    )
    found = snapshot([told(pool(1))], terms=LiquidationTerms(depth=(by_hand,)))
    assert Markets(found).own_curves()["ETH"].knots == ((0.0, 1.0), (7.0, 0.9))
    assert Markets(found).flags == ()


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (market_fault(VENUE, POOL_RECORD, "0x1", "slot0() failed"), "slot0() failed"),
        (told(pool(1, price=Decimal(2_440))), "outside the judged range"),
        (told(pool(1, price=Decimal(2_560))), "outside the judged range"),
        (told(pool(1, (WETH, "eip155:31337/erc20:0x09"))), "is not configured"),
        (told(pool(1, (USDC, USDC))), "has to be money"),
        (told(pool(1, (WETH, WETH))), "has to be money"),
        (told(replace(pool(1), sqrt_price_x96=0)), "contradicts itself"),
        (told(replace(pool(1), fee=10**6)), "contradicts itself"),
        (told(replace(pool(1), tick_spacing=0)), "tick_spacing"),
        (told(pool(1, liquidity=10**40)), "liquidity"),
        (told(pool(1, liquidity=10**37)), "depth of ETH"),
    ],
)
def test_what_is_not_believed_is_not_used_and_said(record: VenueRecord, why: str) -> None:
    alone = snapshot([record])
    assert "ETH" not in Markets(alone).own_curves()
    [flag] = flags(alone)
    assert why in flag
    beside = snapshot([record, told(pool(2))])
    assert sold(beside) == sold(snapshot([told(pool(2))]))


def test_a_pool_on_a_chain_that_is_cut_off_is_not_used() -> None:
    found = snapshot([told(pool(1))])
    chains = tuple(replace(chain, condition=Condition.LAGGING) for chain in found.chains)
    lagging = replace(found, chains=chains)
    assert Markets(lagging).own_curves() == {}
    assert "LAGGING" in flags(lagging)[0]


@pytest.mark.parametrize("base", ["ETH", "USDC"])
@pytest.mark.parametrize("verdict", [Verdict.HOLD, Verdict.REFUSE])
def test_without_believed_prices_a_pool_is_not_used(base: str, verdict: Verdict) -> None:
    found = snapshot([told(pool(1))])
    judged = {**found.prices, base: replace(found.prices[base], verdict=verdict)}
    doubtful = replace(found, prices=judged)
    assert Markets(doubtful).own_curves() == {}
    assert len(flags(doubtful)) == 1


def test_a_token_that_excluded_itself_has_no_depth() -> None:
    here: list[Fact] = [f for f in block_facts(1) if not isinstance(f, TokenState)]
    here += [TokenState(WETH, 18, "WETH", ""), TokenState(USDC, 0, "", "says nothing")]
    assert "says nothing" in flags(snapshot([told(pool(1))], here=here))[0]


def owing(dollars: int) -> list[Fact]:
    """One ether at Aave against so many dollars, and nothing of either elsewhere."""
    facts: list[Fact] = [
        replace(one, configuration=one.configuration | ACTIVE | BONUS_BPS << 32)
        if isinstance(one, AaveV3Reserve)
        else one
        for one in block_facts(1, debt=dollars * 10**6)
    ]
    return [*facts, TokenBalance(WALLET, WETH, 0, "")]


def test_plans_order_and_cascade_use_the_pools_and_say_so() -> None:
    def view(*pools: VenueRecord) -> View:
        return view_of(snapshot(pools, here=owing(2_200)), Engine(), START)

    shallow, without = view(told(pool(1, liquidity=10**13))), view()
    note = "depth of ETH is that of Uniswap v3 pools"
    assert any(note in flag for flag in shallow.metadata.flags)
    depths = [one.ranking.certificates[0].depth["ETH"] for one in (shallow, without)]
    assert depths[0] < 1 < depths[1]
    ends = [one.cascade({"ETH": -0.01}, 100) for one in (shallow, without)]
    assert any(note in flag for flag in ends[0].flags)
    assert not any(note in flag for flag in ends[1].flags)
    lows = [next(a.price_low for a in end.assets if a.asset == "ETH") for end in ends]
    assert lows[0] < lows[1]
    plans = [one.portfolio_plans.of("alice") for one in (shallow, without)]
    assert any(note in flag for flag in plans[0].flags)
    assert any("impact law" in flag for flag in plans[1].flags)


def test_a_pool_that_was_read_less_far_takes_no_more_from_there() -> None:
    narrow = replace(pool(2), window_low=pool(2).tick // 2560 * 2560)
    depth = pool_depth([pool(1), narrow], WETH, asset="ETH", decimals=18)
    alone = pool_depth([pool(1)], WETH, asset="ETH", decimals=18)
    ends = [one.knots[-1].sold for one in (depth, alone)]
    assert Decimal(1) < ends[0] / ends[1] < 2
    with pytest.raises(EngineError, match="no pool"):
        pool_depth([], WETH, asset="ETH", decimals=18)
