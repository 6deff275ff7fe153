"""Aave 3.6 as it is served equals the real contract, to the last unit, at the same block."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hexbytes import HexBytes
from web3.exceptions import Web3Exception

from tests.chains.aave_v3_6 import (
    AGE_S,
    CHAIN_ID,
    GEMS,
    OWNERS,
    STAKED,
    SYMBOLS,
    VENUE,
    ZOO,
    Zoo,
    open_zoo,
    units,
)
from tests.chains.running import Running, running_on
from tests.chains.test_venue_truth import we_say
from xmargin.engine.aave_v3_limits import room_under_caps
from xmargin.engine.lending_order import VenueStatus
from xmargin.engine.venue_levels import Venues, reserve_key
from xmargin.errors import DecodeError
from xmargin.model import LiquidationPlan, PlanVerdict, VenueSpec
from xmargin.reads import EvmCall, Rediscover
from xmargin.snapshot import Snapshot
from xmargin.spine import snapshot_of
from xmargin.tape.log import read_tape
from xmargin.testbed.anvil import Anvil, Transaction
from xmargin.testbed.errors import TransactionError
from xmargin.testbed.portfolios import evm_address
from xmargin.venues import aave_v3
from xmargin.venues.aave_v3_releases import V3_0, V3_6, recognised
from xmargin.venues.base import EvmAccess
from xmargin.view import View
from xmargin.world import World

pytestmark = pytest.mark.chains

DAY_S = 86_400


@pytest.fixture(scope="module")
async def opened() -> AsyncIterator[Zoo]:
    async with await Anvil.start(CHAIN_ID, genesis_age_s=AGE_S) as node:
        yield await open_zoo(node)


@pytest.fixture
async def zoo(opened: Zoo) -> AsyncIterator[Zoo]:
    snapshot = await opened.node.snapshot()
    yield opened
    await opened.node.rpc("evm_revert", snapshot)


def account_of(owner: str) -> str:
    return f"{VENUE}/{evm_address(owner).lower()}"


async def view_of(zoo: Zoo, running: Running) -> View:
    return await running.reached({f"eip155:{CHAIN_ID}": await zoo.node.block_number()})


async def assert_equal(zoo: Zoo, running: Running) -> dict[str, int]:
    """Hold all accounts of the newest view to the contract; their health factors."""
    view = await view_of(zoo, running)
    block = view.metadata.as_of[0].block
    assert block is not None
    factors = {}
    for owner in OWNERS:
        said = await zoo.says(owner, block.hash)
        (health,) = view.health(owner.replace(" ", "-")).accounts
        assert not health.fault, health.fault
        assert we_say(health) == said, owner
        followed = running.spine.venue_watch.health(account_of(owner))
        assert followed.health_factor_wad == health.health_factor_wad, owner
        is_due = said[5] < 10**18
        status = VenueStatus.LIQUIDATABLE if is_due else VenueStatus.SAFE
        assert followed.status is status, owner
        factors[owner] = said[5]
    assert running.spine.venue_watch.audit() == []
    return factors


async def prices(zoo: Zoo, **usd: str) -> None:
    await zoo.market.set_prices({symbol: Decimal(price) for symbol, price in usd.items()})


async def test_every_account_equals_its_contract_whatever_the_pool_is_set_to(
    zoo: Zoo, tmp_path: Path
) -> None:
    steps: Sequence[Sequence[Transaction]] = [
        [zoo.configure("setAssetLtvzeroInEMode", "WBTC", GEMS, True)],
        [zoo.configure("setAssetBorrowableInEMode", "USDC", STAKED, False)],
        [zoo.configure("setReserveLtvzero", "WETH", True)],
        [zoo.configure("setReserveFreeze", "wstETH", True)],
        [zoo.configure("setReservePause", "WBTC", True)],
        [zoo.configure("setAssetCollateralInEMode", "WBTC", GEMS, False)],
        [zoo.configure("setDebtCeiling", "ISO", 100)],
        [zoo.configure("setEModeCategory", STAKED, 7100, 7200, 10700, "")],
        [zoo.configure("configureReserveAsCollateral", "USDC", 1000, 2000, 11000)],
    ]
    seen = set()
    async with running_on(zoo.config(tmp_path / "a.tape"), tmp_path / "a.tape") as running:
        seen |= set((await assert_equal(zoo, running)).items())
        for seconds in (1, 12, DAY_S):
            await zoo.pass_time(seconds)
            seen |= set((await assert_equal(zoo, running)).items())
        for step in steps:
            await zoo.node.send(step)
            await zoo.pass_time(3 * 3600)
            seen |= set((await assert_equal(zoo, running)).items())
        for usd in ({"WETH": "2590.31"}, {"wstETH": "2923.4", "GEM": "7.7"}, {"WBTC": "91234.5"}):
            await prices(zoo, **usd)
            await zoo.pass_time(DAY_S)
            seen |= set((await assert_equal(zoo, running)).items())
    assert len(seen) > 100
    assert sum(factor < 10**18 for _, factor in seen) >= 10


async def test_accounts_that_act_are_followed_by_their_logs(zoo: Zoo, tmp_path: Path) -> None:
    owner, other = evm_address("eth"), evm_address("plain")
    asset = zoo.asset
    acts = [
        zoo.on_pool(owner, "repay", asset("WETH"), 10**18, 2, owner),
        zoo.on_pool(other, "setUserEMode", 0),
        zoo.on_pool(other, "borrow", asset("WBTC"), 1, 2, 0, other),
        zoo.on_pool(other, "withdraw", asset("WETH"), 3, other),
        zoo.on_pool(evm_address("isolated"), "borrow", asset("USDC"), 7, 2, 0,
                    evm_address("isolated")),
    ]  # fmt: skip
    await zoo.node.send(
        [
            zoo.on_token("WETH", owner, "mint", owner, 10**18),
            zoo.on_token("WETH", owner, "approve", zoo.market.pool.address, 10**18),
        ]
    )
    async with running_on(zoo.config(tmp_path / "a.tape"), tmp_path / "a.tape") as running:
        await assert_equal(zoo, running)
        for act in acts:
            await zoo.node.send([act])
            await assert_equal(zoo, running)


# --- Plans ------------------------------------------------------------------------------------

CRASH = {"WETH": "2300", "wstETH": "2555.5", "WBTC": "68000", "GEM": "6.1", "ISO": "11"}
SWING = {"WETH": "3390", "wstETH": "2000.01", "WBTC": "81000", "ISO": "13.3"}


def due(view: View) -> list[LiquidationPlan]:
    plans = [plan for one in view.portfolio_ids for plan in view.plans.of_portfolio(one)]
    assert all(plan.release == "3.6" for plan in plans)
    return [plan for plan in plans if plan.verdict is not PlanVerdict.NOT_DUE]


async def planned(zoo: Zoo, tape: Path) -> tuple[list[LiquidationPlan], str, int]:
    """The plans as of a block yet to come, the state before it, and its time."""
    before = await zoo.node.snapshot()
    at_s = (await zoo.node.w3.eth.get_block("latest"))["timestamp"] + 5
    await zoo.node.rpc("evm_setNextBlockTimestamp", at_s)
    await zoo.node.mine()
    async with running_on(zoo.config(tape), tape) as running:
        return due(await view_of(zoo, running)), before, at_s


async def call(zoo: Zoo, plan: LiquidationPlan) -> dict[str, int]:
    """The plan's call by the admin: what its event says."""
    assert plan.legs is not None
    pair = (zoo.asset(leg.symbol) for leg in (plan.legs.seize, plan.legs.repay))
    args = *pair, evm_address(plan.portfolio.replace("-", " ")), plan.legs.debt_to_cover, False
    [receipt] = await zoo.node.send([zoo.on_pool(zoo.node.admin, "liquidationCall", *args)])
    event = zoo.market.pool.events.LiquidationCall()
    [log] = [one for one in receipt["logs"] if one["topics"][0] == "0x" + event.topic.lower()[-64:]]
    words = [int(log["data"][2 + 64 * n : 66 + 64 * n], 16) for n in range(2)]
    return {"repaid": words[0], "seized": words[1]}


@pytest.mark.parametrize("usd", [CRASH, SWING], ids=["crash", "swing"])
async def test_every_plan_moves_what_the_contract_moves(
    zoo: Zoo, tmp_path: Path, usd: dict[str, str]
) -> None:
    await zoo.node.send([zoo.configure("setReserveFreeze", "WBTC", True)])
    await prices(zoo, **usd)
    plans, before, at_s = await planned(zoo, tmp_path / "a.tape")
    assert len(plans) >= 3
    for plan in plans:
        assert plan.legs is not None, plan
        await zoo.node.rpc("evm_revert", before)
        before = await zoo.node.snapshot()
        await zoo.node.rpc("evm_setNextBlockTimestamp", at_s)
        done = await call(zoo, plan)
        head = await zoo.node.w3.eth.get_block("latest")
        assert head["timestamp"] == at_s
        said = await zoo.says(plan.portfolio.replace("-", " "), head["hash"].hex())
        assert plan.legs.repay.amount == scaled(plan.legs.repay.symbol, done["repaid"])
        assert plan.legs.seize.amount == scaled(plan.legs.seize.symbol, done["seized"])
        after = None if said[1] == 0 else Decimal(f"{said[5]}E-18")
        assert plan.health_after == after, plan
        for lost in plan.legs.deficits:
            deficit = zoo.market.pool.functions.getReserveDeficit(zoo.asset(lost.symbol))
            assert lost.amount == scaled(lost.symbol, await deficit.call())


def scaled(symbol: str, amount: int) -> Decimal:
    """Smallest units in whole tokens."""
    return Decimal(f"{amount}E-{ZOO[symbol].decimals}")


async def refuses(zoo: Zoo, owner: str, collateral: str, debt: str) -> bool:
    """Whether the contract liquidates nothing of an account for this pair."""
    pool = zoo.market.pool.functions
    pair = zoo.asset(collateral), zoo.asset(debt)
    call = pool.liquidationCall(*pair, evm_address(owner), 2**256 - 1, False)
    try:
        await call.call({"from": zoo.node.admin})
    except Exception as reverted:
        return "revert" in str(reverted).lower() or "0x" in str(reverted)
    return False


HALTS: dict[str, Callable[[Zoo], list[Transaction]]] = {
    "paused collateral": lambda zoo: [zoo.configure("setReservePause", "WETH", True)],
    "paused debt": lambda zoo: [zoo.configure("setReservePause", "USDC", True)],
    "in a grace period": lambda zoo: [zoo.configure("setReservePause", "WETH", False, 3600)],
}


@pytest.mark.parametrize("halt", HALTS)
async def test_what_the_pool_does_not_liquidate_no_plan_repays_or_seizes(
    zoo: Zoo, tmp_path: Path, halt: str
) -> None:
    await prices(zoo, **CRASH)
    await zoo.node.send(HALTS[halt](zoo))
    plans, _, _ = await planned(zoo, tmp_path / "a.tape")
    stopped = "USDC" if halt == "paused debt" else "WETH"
    touched = [
        leg.symbol for plan in plans if plan.legs for leg in (plan.legs.repay, plan.legs.seize)
    ]
    assert touched, "others can be liquidated"
    assert stopped not in touched
    (plain,) = [plan for plan in plans if plan.portfolio == "plain"]
    assert plain.verdict is PlanVerdict.REFUSED
    assert "paused" in plain.why
    assert await refuses(zoo, "plain", "WETH", "USDC")


# --- What the pool forbids or limits ----------------------------------------------------------


def notes_of(view: View, owner: str) -> str:
    (health,) = view.health(owner.replace(" ", "-")).accounts
    return "; ".join(health.notes)


async def test_what_a_pool_forbids_is_said_of_the_accounts_it_concerns(
    zoo: Zoo, tmp_path: Path
) -> None:
    async with running_on(zoo.config(tmp_path / "a.tape"), tmp_path / "a.tape") as running:
        view = await view_of(zoo, running)
        assert notes_of(view, "plain") == ""
        assert "isolated on ISO: 5000.00 of 6000.00 USD" in notes_of(view, "isolated")
        # GEM has no loan to value but in its eMode.
        assert notes_of(view, "gems") == ""
        await zoo.node.send(
            [
                zoo.configure("setReserveFreeze", "WBTC", True),
                zoo.configure("setReservePause", "wstETH", True),
                zoo.configure("setReservePause", "WETH", False, 600),
                zoo.configure("setAssetLtvzeroInEMode", "GEM", GEMS, True),
                zoo.configure("setAssetBorrowableInEMode", "USDC", STAKED, False),
                zoo.configure("setDebtCeiling", "ISO", 500_000),
            ]
        )
        view = await view_of(zoo, running)
    assert "WBTC is frozen" in notes_of(view, "shorts")
    assert "wstETH is paused" in notes_of(view, "eth")
    assert "none of WETH is liquidated up to" in notes_of(view, "plain")
    assert "nothing can be borrowed against GEM" in notes_of(view, "gems")
    assert "nothing can be borrowed against WBTC" in notes_of(view, "gems and more")
    assert "no more USDC can be borrowed in eMode 3" in notes_of(view, "staked")
    assert "debt ceiling is reached" in notes_of(view, "isolated")


def newest_snapshot(tape: Path) -> Snapshot:
    """What a tape comes to."""
    world = World()
    for observation, _ in read_tape(tape):
        world.apply(observation)
    snapshot = snapshot_of(world)
    assert snapshot is not None
    return snapshot


async def test_room_under_a_cap_is_what_the_contract_takes_to_the_last_unit(
    zoo: Zoo, tmp_path: Path
) -> None:
    admin, asset = zoo.node.admin, zoo.asset("CAP")
    before = await zoo.node.snapshot()
    at_s = (await zoo.node.w3.eth.get_block("latest"))["timestamp"] + 7_777
    await zoo.node.rpc("evm_setNextBlockTimestamp", at_s)
    await zoo.node.mine()
    async with running_on(zoo.config(tmp_path / "a.tape"), tmp_path / "a.tape") as running:
        await view_of(zoo, running)
    snapshot = newest_snapshot(tmp_path / "a.tape")
    number = SYMBOLS.index("CAP")
    venues = Venues(snapshot)
    levels = venues.levels(())
    supply_index, debt_index = (levels[reserve_key(k, VENUE, number)] for k in ("supply", "debt"))
    assert supply_index
    assert debt_index
    room = room_under_caps(venues.reserves[VENUE, number], supply_index, debt_index)
    assert room.supply
    assert room.borrow
    acts: list[tuple[str, int, tuple[Any, ...]]] = [
        ("supply", room.supply, (admin, 0)),
        ("borrow", room.borrow, (2, 0, admin)),
    ]
    for function, most, rest in acts:
        for amount, fits in ((most, True), (most + 1, False)):
            await zoo.node.rpc("evm_revert", before)
            before = await zoo.node.snapshot()
            await zoo.node.rpc("evm_setNextBlockTimestamp", at_s)
            act = zoo.on_pool(admin, function, asset, amount, *rest)
            if fits:
                await zoo.node.send([act])
            else:
                with pytest.raises(TransactionError):
                    await zoo.node.send([act])


async def test_a_cap_that_is_reached_is_said(zoo: Zoo, tmp_path: Path) -> None:
    admin = zoo.node.admin
    supply = zoo.asset("CAP"), units("CAP", 100_000), admin, 0
    borrow = zoo.asset("CAP"), units("CAP", 50), 2, 0, admin
    await zoo.node.send(
        [
            zoo.configure("setSupplyCap", "CAP", 101_000),
            zoo.on_pool(admin, "supply", *supply),
            zoo.on_pool(admin, "borrow", *borrow),
            zoo.configure("setSupplyCap", "CAP", 100_900),
            zoo.configure("setBorrowCap", "CAP", 350),
        ]
    )
    async with running_on(zoo.config(tmp_path / "a.tape"), tmp_path / "a.tape") as running:
        view = await view_of(zoo, running)
    assert "the supply cap of CAP is reached" in notes_of(view, "two of each")
    assert "the borrow cap of CAP is reached" in notes_of(view, "two of each")


# --- Recognition ------------------------------------------------------------------------------


@pytest.mark.parametrize("revision", [4, 5, 6, 7, 8, 9, 11, 145])
def test_a_pool_of_another_release_is_refused_by_its_number(revision: int) -> None:
    pool, zero = "0x" + "ab" * 20, bytes(32)
    with pytest.raises(DecodeError, match=rf"POOL_REVISION {revision};"):
        recognised(pool, revision.to_bytes(32), iter([zero, zero]))


def test_releases_are_recognised_by_what_they_know() -> None:
    pool, zero = "0x" + "ab" * 20, bytes(32)
    ten = (10).to_bytes(32)
    assert recognised(pool, ten, iter([zero, zero])) is V3_6
    # Forks of 3.0 number as they like.
    assert recognised(pool, ten, iter([None, None])) is V3_0
    with pytest.raises(DecodeError):
        recognised(pool, ten, iter([zero, None]))


async def test_a_pool_whose_revision_changes_is_discovered_anew(zoo: Zoo) -> None:
    async def call(calls: Sequence[EvmCall]) -> Sequence[bytes | None]:
        return await asyncio.gather(*map(answer, calls))

    async def answer(one: EvmCall) -> bytes | None:
        to = zoo.node.w3.to_checksum_address(one.target)
        try:
            return bytes(await zoo.node.w3.eth.call({"to": to, "data": HexBytes(one.data)}))
        except Web3Exception:
            return None

    spec = VenueSpec(VENUE, "aave-v3", zoo.market.provider.address.lower())
    venue = await aave_v3.discover(
        spec, zoo.config(Path("none.tape")).registry(), EvmAccess(call, "")
    )
    (read,) = venue.block_reads()
    answers = list(await call(read.calls))
    assert len(read.decode(answers)) == len(SYMBOLS) + 3
    answers[3] = (11).to_bytes(32)
    with pytest.raises(Rediscover):
        read.decode(answers)
