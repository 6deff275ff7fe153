"""Perpetual v2: every figure of an account equals the contracts', to the last unit."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chains.running import running_on
from tests.evm_venues.perp_cases import (
    BOTH,
    LONG,
    MAKER,
    SHORT,
    TRADERS,
    WAD,
    Deployed,
    config,
    deployed,
)
from tests.evm_venues.reads import access_at, all_facts, registry_of
from xmargin import records
from xmargin.engine.venue_rules.perp_v2 import PerpV2Standing, perp_v2_standing
from xmargin.model import ACCOUNT_RECORD, HealthStatus, VenueRecord
from xmargin.model.perp_v2 import (
    ACCRUED_RECORD,
    COLLATERAL_RECORD,
    MARKET_RECORD,
    TERMS_RECORD,
    PerpV2Account,
    PerpV2Accrued,
    PerpV2Collateral,
    PerpV2Deposit,
    PerpV2Market,
    PerpV2Order,
    PerpV2Position,
    PerpV2Terms,
)
from xmargin.reads import EvmLog
from xmargin.reference.perp_v2 import Perp, Range, margins
from xmargin.reference.uniswap_ticks import sqrt_ratio_at
from xmargin.testbed.anvil import Anvil
from xmargin.testbed.perp_v2 import sent
from xmargin.venues import perp_v2
from xmargin.view import View


@pytest.fixture
async def perp(anvil: Anvil) -> Deployed:
    return await deployed(anvil)


async def standings(perp: Deployed, block: int) -> dict[str, tuple[PerpV2Account, PerpV2Standing]]:
    """All watched accounts at a block, by trader."""
    node = perp.perp.node
    registry = registry_of(node, perp.spec, perp.accounts)
    facts = await all_facts(perp_v2, perp.spec, registry, access_at(node, block))
    by_key = {(one.record, one.key): one for one in facts if isinstance(one, VenueRecord)}
    assert not any(one.fault for one in by_key.values())
    terms = records.read(by_key[TERMS_RECORD, ""], PerpV2Terms)
    markets = {k: records.read(one, PerpV2Market) for (r, k), one in by_key.items()
               if r == MARKET_RECORD}  # fmt: skip
    collaterals = {k: records.read(one, PerpV2Collateral) for (r, k), one in by_key.items()
                   if r == COLLATERAL_RECORD}  # fmt: skip
    found = {}
    for trader in TRADERS:
        account = records.read(by_key[ACCOUNT_RECORD, perp.account(trader)], PerpV2Account)
        accrued = records.read(by_key[ACCRUED_RECORD, perp.account(trader)], PerpV2Accrued)
        standing = perp_v2_standing(account, accrued, terms, markets, collaterals)
        found[trader] = account, standing
    return found


async def assert_equal_to_contracts(perp: Deployed) -> int:
    """At the head; how many accounts can be liquidated."""
    block, due = await perp.perp.node.block_number(), 0
    for trader, (account, ours) in (await standings(perp, block)).items():
        said = await perp.says(trader, block)
        assert ours.maintenance.collateral == said["account_value"]
        assert ours.maintenance.requirement == said["maintenance"]
        assert ours.debt == said["debt"]
        assert ours.free // 10**12 == said["free"]
        counted = ours.initial.collateral - ours.debt * 62_500 // 10**6
        assert counted // 10**12 == said["free_at_maintenance"]
        assert sum(one.value + one.quote for one in ours.markets) == said["unrealized"]
        marks = await perp.marks(trader, block)
        for position, value in zip(account.positions, ours.markets, strict=True):
            assert (value.mark, value.position, value.value) == marks[position.base_token]
        due += ours.is_liquidatable
    return due


async def test_pv1_every_figure_equals_the_contracts_as_prices_move_and_funding_runs(
    perp: Deployed,
) -> None:
    bed, draw = perp.perp, Random(3)
    await assert_equal_to_contracts(perp)
    due = 0
    for factor in ("1.01", "0.98", "0.95", "0.94", "0.93"):
        await bed.node.rpc("evm_increaseTime", draw.randrange(1, 7_200))
        for symbol in bed.markets:
            price = (Decimal(2_500) if symbol == "ETH" else Decimal(61_000)) * Decimal(factor)
            await bed.set_price(symbol, price)
        due += await assert_equal_to_contracts(perp)
        trader = draw.choice((SHORT, BOTH))
        quote = draw.choice((20 * WAD, 13 * WAD + 5))
        act = bed.open_position(trader, "ETH", is_short=draw.random() < 0.5, quote=quote)
        fall = bed.open_position(MAKER, "ETH", is_short=True, quote=400_000 * WAD)
        await bed.node.send([act, fall])
        await bed.node.rpc("evm_increaseTime", draw.randrange(1, 900))
        await bed.node.mine()
        due += await assert_equal_to_contracts(perp)
    await bed.node.rpc("evm_increaseTime", 1_800)
    await bed.node.mine()
    due += await assert_equal_to_contracts(perp)
    found = await standings(perp, await bed.node.block_number())
    assert found[MAKER][1].markets
    assert found[LONG][0].positions
    assert due > 0


async def test_pv2_a_withdrawal_of_just_the_free_collateral_passes_and_one_unit_more_reverts(
    perp: Deployed,
) -> None:
    node, bed = perp.perp.node, perp.perp
    block = await node.block_number()
    usdc = bed.tokens["USDC"].address
    for trader, (_, ours) in (await standings(perp, block)).items():
        free = min(ours.free, max(ours.settlement, 0)) // 10**12
        for amount, passes in ((free, True), (free + 1, False)):
            if not amount:
                continue
            call = sent(trader, bed.vault, "withdraw", usdc, amount)
            request = {"from": call.sender, "to": call.to, "data": call.data}
            answer = await node.w3.provider.make_request("eth_call", [request, hex(block)])  # type: ignore[arg-type]
            assert ("error" not in answer) is passes


async def test_pv3_a_log_names_the_traders_that_it_moved(perp: Deployed) -> None:
    node, bed = perp.perp.node, perp.perp
    registry = registry_of(node, perp.spec, perp.accounts)
    access = access_at(node, await node.block_number())
    venue = await perp_v2.discover(perp.spec, registry, access)
    await node.send(bed.deposit(SHORT, "USDC", 10**6)[:1])
    for trader, act in (
        (LONG, bed.open_position(LONG, "ETH", is_short=True, quote=100 * WAD)),
        (MAKER, bed.add_liquidity(MAKER, "ETH", (80_000, 81_000), (10**17, 0))),
        (SHORT, bed.deposit(SHORT, "USDC", 10**6)[2]),
    ):
        [receipt] = await node.send([act])
        logs = [
            EvmLog(one["address"].lower(), tuple(one["topics"]), bytes.fromhex(one["data"][2:]))
            for one in receipt["logs"]
            if one["address"].lower() in venue.log_addresses
        ]
        touched = {unit for log in logs for unit in venue.touched(log)}
        assert touched == {(perp.account(trader),)}


async def test_pv4_a_market_that_is_paused_takes_down_those_who_are_in_it_alone(
    perp: Deployed, tmp_path: Path
) -> None:
    node, bed = perp.perp.node, perp.perp
    tape = tmp_path / "a.tape"
    await node.send([sent(node.admin, bed.markets["BTC"].base, "pause")])
    async with running_on(config(perp, tape), tape) as xmargin:
        view = await xmargin.at_block(node.chain, await node.block_number())
    faults = {one.account: one.fault for one in view.health("everyone").accounts}
    in_btc = {perp.account(trader) for trader in (MAKER, SHORT, BOTH)}
    assert {account for account, fault in faults.items() if fault} == in_btc
    assert all("paused or closed" in faults[account] for account in in_btc)


async def test_pv7_a_release_whose_mark_price_is_another_is_found_out(
    perp: Deployed, tmp_path: Path
) -> None:
    node, tape = perp.perp.node, tmp_path / "a.tape"
    await node.rpc("evm_increaseTime", 3_000)
    await perp.perp.set_price("ETH", Decimal(2_525))
    async with running_on(config(replace(perp, spot_twap_s="15"), tape), tape) as xmargin:
        view = await xmargin.at_block(node.chain, await node.block_number())
    faults = {one.account: one.fault for one in view.health("everyone").accounts}
    assert "another release; see spot_twap_s" in faults[perp.account(LONG)]
    assert not faults[perp.account(TRADERS[-1])]


async def test_pv5_what_is_served_equals_the_contracts_at_every_block(
    perp: Deployed, tmp_path: Path
) -> None:
    bed, node = perp.perp, perp.perp.node
    tape, due = tmp_path / "a.tape", 0
    async with running_on(config(perp, tape), tape) as xmargin:
        for quote in (1_000, 1_500_000, 700_000, 1):
            await bed.set_price("ETH", Decimal(2_360))
            await node.send([bed.open_position(MAKER, "ETH", is_short=True, quote=quote * WAD)])
            await node.rpc("evm_increaseTime", 1_800)
            await bed.set_price("ETH", Decimal(2_360))
            block = await node.block_number()
            view = await xmargin.at_block(node.chain, block)
            due += await assert_served_equals_contracts(perp, view, block)
    assert due > 0


async def assert_served_equals_contracts(perp: Deployed, view: View, block: int) -> int:
    """Hold all accounts of a view to the contracts; how many of them can be liquidated."""
    served = {one.account: one for one in view.health("everyone").accounts}
    due = 0
    for trader in TRADERS:
        ours, said = served[perp.account(trader)], await perp.says(trader, block)
        assert not ours.fault
        assert ours.counted_base == said["account_value"]
        assert ours.requirement_base == said["maintenance"]
        assert ours.available_borrows_base // 10**12 == said["free"]
        is_due = said["account_value"] < said["maintenance"]
        assert (ours.status is HealthStatus.LIQUIDATABLE) is is_due
        legs = {leg.token: leg.amount for leg in view.standings[perp.account(trader)].legs}
        marks = await perp.marks(trader, block)
        for base, (_, size, _) in marks.items():
            assert legs.get(f"{perp.perp.node.chain}/perp:perp-v2.{base}", 0) == size
        due += is_due
    return due


# --- Against the reference ----------------------------------------------------------------------

AMOUNTS = st.integers(-(10**26), 10**26)
PRICES = st.integers(10**15, 10**24)
SQRTS = st.integers(2**90, 2**110)


@st.composite
def perps(draw: st.DrawFn) -> tuple[PerpV2Market, PerpV2Position]:
    """A market and a position in it, with up to two orders."""
    index = draw(PRICES)
    premium = draw(st.integers(-(index // 2), index // 2))
    sqrt_premium = draw(st.integers(2**96, 2**110))
    market = PerpV2Market(
        draw(SQRTS), draw(SQRTS), draw(SQRTS), sqrt_premium, index,
        max((sqrt_premium**2 * WAD >> 192) - premium, 0), mark_price=0,
    )  # fmt: skip
    orders = tuple(
        PerpV2Order(
            draw(st.integers(0, 10**24)), lower * 200, (lower + width) * 200,
            draw(st.integers(0, 10**24)), draw(st.integers(0, 10**24)),
        )
        for lower, width in draw(
            st.lists(st.tuples(st.integers(-300, 1_200), st.integers(1, 300)), max_size=2)
        )
    )  # fmt: skip
    return market, PerpV2Position("", draw(AMOUNTS), draw(AMOUNTS), orders)


@given(
    st.lists(perps(), max_size=3),
    st.integers(-(10**15), 10**15),
    st.integers(0, 10**24),
    st.integers(0, 10**6),
)
def test_pv6_the_core_equals_the_reference(
    held: list[tuple[PerpV2Market, PerpV2Position]], balance: int, deposit: int, ratio: int
) -> None:
    terms = PerpV2Terms("usdc", 6, 100_000, 62_500)
    bases = [f"base{number}" for number in range(len(held))]
    account = PerpV2Account(
        balance,
        tuple(
            PerpV2Position(base, one.size, one.open_notional, one.orders)
            for base, (_, one) in zip(bases, held, strict=True)
        ),
        (PerpV2Deposit("weth", deposit),),
    )
    accrued = PerpV2Accrued(-7, 11, 13)
    markets = {base: market for base, (market, _) in zip(bases, held, strict=True)}
    weth = PerpV2Collateral("weth", 18, 2_500 * 10**8 + 1, 8, ratio)
    ours = perp_v2_standing(account, accrued, terms, markets, {"weth": weth})
    expected = margins(
        [_reference(market, position) for market, position in held],
        balance * 10**12 - 7 + 11 - 13,
        [(deposit * weth.price // 10**8, ratio)],
        (terms.im_ratio, terms.mm_ratio),
    )
    assert ours.maintenance.collateral == expected.account_value // 10**12 * 10**12
    assert ours.maintenance.requirement == expected.maintenance
    assert ours.collateral == expected.collateral
    assert ours.initial.requirement == expected.initial
    assert ours.initial.collateral == min(expected.collateral, expected.account_value)


def _reference(market: PerpV2Market, position: PerpV2Position) -> Perp:
    averages = (market.sqrt_spot_twap_x96, market.sqrt_market_twap_x96,
                market.sqrt_premium_twap_x96)  # fmt: skip
    ranges = [
        Range(one.liquidity, sqrt_ratio_at(one.lower_tick), sqrt_ratio_at(one.upper_tick),
              one.base_debt, one.quote_debt)
        for one in position.orders
    ]  # fmt: skip
    return Perp(
        market.sqrt_price_x96, averages, market.index_price, market.index_premium_twap,
        position.size, position.open_notional, ranges,
    )  # fmt: skip
