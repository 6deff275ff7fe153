"""Morpho Blue: interest and health equal the contract's and the reference's, to the last unit."""

from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chains.running import running_on
from tests.evm_venues.morpho_cases import MARKETS, OWNERS, Deployed, config, deployed
from tests.evm_venues.reads import access_at, all_facts, registry_of
from xmargin import records
from xmargin.engine.venue_rules import VENUE_RULES
from xmargin.engine.venue_rules.morpho_blue import MorphoBlueStanding, morpho_blue_standing
from xmargin.model import ACCOUNT_RECORD, BlockRef, HealthStatus, TokenSpec
from xmargin.model.morpho_blue import (
    MARKET_RECORD,
    MorphoBlueMarket,
    MorphoBluePosition,
    market_of,
)
from xmargin.model.standings import VenueCase
from xmargin.reads import EvmLog
from xmargin.reference.morpho_blue import Loan
from xmargin.testbed import chainlink
from xmargin.testbed.anvil import Anvil
from xmargin.venues import morpho_blue
from xmargin.view import View


@pytest.fixture
async def morpho(anvil: Anvil) -> Deployed:
    return await deployed(anvil, seed=5)


async def standings(
    morpho: Deployed, block: int
) -> dict[str, tuple[MorphoBluePosition, MorphoBlueMarket, MorphoBlueStanding]]:
    """All watched positions at a block, by account."""
    node = morpho.morpho.node
    registry = registry_of(node, morpho.spec, morpho.accounts)
    facts = await all_facts(morpho_blue, morpho.spec, registry, access_at(node, block))
    by_key = {(fact.record, fact.key): fact for fact in facts}
    time_s = (await node.w3.eth.get_block(block))["timestamp"]
    found = {}
    for account in morpho.accounts:
        position = records.read(by_key[ACCOUNT_RECORD, account], MorphoBluePosition)
        market = records.read(by_key[MARKET_RECORD, market_of(account)], MorphoBlueMarket)
        standing = morpho_blue_standing(market, position, block_time_s=time_s)
        found[account] = position, market, standing
    return found


async def assert_equal_to_contract(morpho: Deployed) -> None:
    """At the head."""
    block = await morpho.morpho.node.block_number()
    found = await standings(morpho, block)
    for number in range(len(MARKETS)):
        for owner in OWNERS:
            _, _, ours = found[morpho.account(owner, number)]
            balances, assets = await morpho.says(number, owner, block)
            totals = ours.supply_assets, ours.supply_shares, ours.borrow_assets, ours.borrow_shares
            assert totals == balances
            assert (ours.supplied, ours.margin.requirement) == assets


async def test_mb1_what_is_supplied_and_owed_equals_the_contract_at_every_block(
    morpho: Deployed,
) -> None:
    node, draw = morpho.morpho.node, Random(7)
    for _ in range(5):
        await node.rpc("evm_increaseTime", draw.choice((1, 13, 86_400, 30 * 86_400)))
        number = draw.randrange(len(MARKETS))
        params, owner = morpho.morpho.markets[number], draw.choice(OWNERS)
        acts = (("repay", params, draw.randrange(1, 10**5), 0, owner, b""),
                ("withdraw", params, draw.randrange(1, 10**5), 0, owner, owner),
                ("accrueInterest", params))  # fmt: skip
        await node.send([morpho.morpho.on_morpho(owner, *draw.choice(acts))])
        await assert_equal_to_contract(morpho)
        await node.rpc("evm_increaseTime", draw.randrange(1, 10**6))
        await node.mine()  # interest that nothing has added yet
        await assert_equal_to_contract(morpho)


async def test_mb2_just_so_much_collateral_can_be_taken_out_as_leaves_the_debt_secured(
    morpho: Deployed,
) -> None:
    block = await morpho.morpho.node.block_number()
    found = await standings(morpho, block)
    time_s = (await morpho.morpho.node.w3.eth.get_block(block))["timestamp"]
    for number, params in enumerate(morpho.morpho.markets):
        for owner in OWNERS:
            position, market, ours = found[morpho.account(owner, number)]
            assert ours.is_healthy
            low, high = 0, position.collateral
            while low < high:  # the least collateral that our rule finds healthy
                middle = (low + high) // 2
                less = MorphoBluePosition(0, position.borrow_shares, middle)
                if morpho_blue_standing(market, less, block_time_s=time_s).is_healthy:
                    high = middle
                else:
                    low = middle + 1
            free = position.collateral - low
            take = ("withdrawCollateral", params)
            assert not await morpho.reverts(block, owner, *take, free, owner, owner)
            refused = await morpho.reverts(block, owner, *take, free + 1, owner, owner)
            assert "insufficient collateral" in refused


async def test_mb3_the_price_at_which_it_may_be_liquidated_is_the_contracts_to_the_last_digit(
    morpho: Deployed,
) -> None:
    node, bed = morpho.morpho.node, morpho.morpho
    params, owner = bed.markets[0], OWNERS[0]
    position, market, _ = (await standings(morpho, await node.block_number()))[
        morpho.account(owner, 0)
    ]
    cents = Decimal("0.00000001")
    time_s = (await node.w3.eth.get_block("latest"))["timestamp"]
    await node.rpc("evm_increaseTime", 86_400)

    async def state_at(price: Decimal) -> tuple[bool, str]:
        await chainlink.submit_rounds(node, node.admin, [(bed.feeds["WETH"], price)])
        block = await node.block_number()
        _, _, ours = (await standings(morpho, block))[morpho.account(owner, 0)]
        call = ("liquidate", params, owner, 0, 1, b"")
        return ours.is_healthy, await morpho.reverts(block, OWNERS[1], *call)

    debt = Decimal(morpho_blue_standing(market, position, block_time_s=time_s).margin.requirement)
    guess = debt * 10**12 / position.collateral / Decimal("0.86") * Decimal("0.9998")
    low, high = (guess * Decimal("0.99")).quantize(cents), (guess * Decimal("1.01")).quantize(cents)
    seen = set()
    while high - low > cents:
        middle = ((low + high) / 2).quantize(cents)
        healthy, refusal = await state_at(middle)
        assert healthy is ("position is healthy" in refusal)
        assert healthy or refusal == ""
        seen.add(healthy)
        low, high = (low, middle) if healthy else (middle, high)
    assert seen == {True, False}


async def test_mb4_a_log_names_the_positions_that_it_moved_and_no_other(morpho: Deployed) -> None:
    node, bed = morpho.morpho.node, morpho.morpho
    registry = registry_of(node, morpho.spec, morpho.accounts)
    access = access_at(node, await node.block_number())
    venue = await morpho_blue.discover(morpho.spec, registry, access)
    owner, params = OWNERS[2], bed.markets[1]
    [receipt] = await node.send([bed.on_morpho(owner, "repay", params, 10, 0, owner, b"")])
    logs = [
        EvmLog(one["address"].lower(), tuple(one["topics"]), bytes.fromhex(one["data"][2:]))
        for one in receipt["logs"]
        if one["address"].lower() == bed.morpho.address.lower()
    ]
    touched = {unit for log in logs for unit in venue.touched(log)}
    assert touched == {(morpho.account(owner, 1),)}


async def test_mb5_an_oracle_that_fails_takes_down_its_own_market_alone(morpho: Deployed) -> None:
    node, bed = morpho.morpho.node, morpho.morpho
    await node.rpc("anvil_setCode", bed.markets[0][2], "0xfe")
    registry = registry_of(node, morpho.spec, morpho.accounts)
    access = access_at(node, await node.block_number())
    facts = await all_facts(morpho_blue, morpho.spec, registry, access)
    broken = market_of(morpho.account(OWNERS[0], 0))
    assert {fact.key for fact in facts if fact.fault} == {broken}
    by_key = {(fact.record, fact.key): fact for fact in facts}
    block = BlockRef(1, "", "", 2**33)
    tokens = {
        f"{node.chain}/erc20:{contract.address.lower()}": TokenSpec("", symbol, symbol, symbol)
        for symbol, contract in bed.tokens.items()
    }
    case = VenueCase(morpho.spec, tuple(morpho.accounts), by_key, {}, tokens, block)
    for account, standing in VENUE_RULES["morpho-blue"](case).items():
        assert bool(standing.fault) is (market_of(account) == broken), standing.fault


# --- Against the reference ----------------------------------------------------------------------

TOTALS = st.integers(0, 10**30)
WADS = st.integers(0, 10**18)


@st.composite
def cases(draw: Any) -> tuple[MorphoBlueMarket, MorphoBluePosition, int]:
    """Markets of any size and age, with one position."""
    supply_shares, borrow_shares = draw(TOTALS), draw(TOTALS)
    market = MorphoBlueMarket(
        "loan", 18, "collateral",
        supply_assets=draw(TOTALS), supply_shares=supply_shares,
        borrow_assets=draw(TOTALS), borrow_shares=borrow_shares,
        updated_at_s=1_700_000_000, fee_wad=draw(st.integers(0, 10**18 // 4)),
        borrow_rate_wad=draw(st.integers(0, 10**12)), lltv_wad=draw(WADS),
        price=draw(st.integers(0, 10**40)),
    )  # fmt: skip
    position = MorphoBluePosition(
        draw(st.integers(0, supply_shares)), draw(st.integers(0, borrow_shares)),
        draw(st.integers(0, 10**30)),
    )  # fmt: skip
    return market, position, 1_700_000_000 + draw(st.integers(0, 10**7))


@given(cases())
def test_mb6_the_core_equals_the_reference(
    case: tuple[MorphoBlueMarket, MorphoBluePosition, int],
) -> None:
    market, position, now_s = case
    names = Loan.__dataclass_fields__
    loan = Loan(**{name: getattr(market, name) for name in names}).at(now_s)
    ours = morpho_blue_standing(market, position, block_time_s=now_s)
    assert ours.supply_assets == loan.supply_assets
    assert ours.supply_shares == loan.supply_shares
    assert ours.borrow_assets == loan.borrow_assets
    assert ours.supplied == loan.supplied(position.supply_shares)
    owed, borrowable = loan.owed(position.borrow_shares), loan.borrowable(position.collateral)
    assert (ours.margin.collateral, ours.margin.requirement) == (borrowable, owed)
    assert ours.is_healthy is (owed <= borrowable or position.borrow_shares == 0)


@given(cases(), st.integers(0, 10**7))
def test_mb7_a_debt_never_shrinks_and_a_supply_never_falls_by_waiting(
    case: tuple[MorphoBlueMarket, MorphoBluePosition, int], wait_s: int
) -> None:
    market, position, now_s = case
    now = morpho_blue_standing(market, position, block_time_s=now_s)
    later = morpho_blue_standing(market, position, block_time_s=now_s + wait_s)
    assert later.margin.requirement >= now.margin.requirement
    assert later.supplied >= now.supplied
    assert later.margin.collateral == now.margin.collateral


# --- Served ---------------------------------------------------------------------------------------


async def test_mb8_what_is_served_equals_the_contract_at_every_block(
    morpho: Deployed, tmp_path: Path
) -> None:
    node, bed, draw = morpho.morpho.node, morpho.morpho, Random(11)
    tape = tmp_path / "a.tape"
    due = 0
    async with running_on(config(morpho, tape), tape) as xmargin:
        for turn in range(6):
            await node.rpc("evm_increaseTime", draw.randrange(1, 10**6))
            if turn == 3:
                fall = [(bed.feeds["WETH"], Decimal(500))]
                await chainlink.submit_rounds(node, node.admin, fall)
            else:
                owner, number = draw.choice(OWNERS), draw.randrange(len(MARKETS))
                act = ("repay", bed.markets[number], 10**4, 0, owner, b"")
                await node.send([bed.on_morpho(owner, *act)])
            block = await node.block_number()
            view = await xmargin.at_block(node.chain, block)
            due += await assert_served_equals_contract(morpho, view, block)
    assert due > 0


async def assert_served_equals_contract(morpho: Deployed, view: View, block: int) -> int:
    """Hold all positions of a view to the contract; how many of them can be liquidated."""
    served = {one.account: one for one in view.health("everyone").accounts}
    listed = {entry.account for entry in view.liquidations()}
    due = 0
    for number, params in enumerate(morpho.morpho.markets):
        for owner in OWNERS:
            account = morpho.account(owner, number)
            ours = served[account]
            _, (supplied, owed) = await morpho.says(number, owner, block)
            assert (ours.fault, ours.requirement_base) == ("", owed)
            legs = {leg.token: leg.amount for leg in view.standings[account].legs}
            assert legs[f"{morpho.morpho.node.chain}/erc20:{params[0].lower()}"] == supplied - owed
            call = ("liquidate", params, owner, 0, 1, b"")
            refusal = await morpho.reverts(block, OWNERS[1], *call)
            assert (ours.status is HealthStatus.LIQUIDATABLE) is (refusal == "")
            assert (account in listed) is (refusal == "")
            due += refusal == ""
    return due
