"""One chain that fails never stops the others, and is never silently good."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.chains.running import Running, running
from xmargin.config import Config, parse_config
from xmargin.model import Condition, HealthStatus, Verdict
from xmargin.testbed.faults import Fault
from xmargin.testbed.proxy import ChainProxy
from xmargin.testbed.pyth import PriceUpdate
from xmargin.testbed.world import Testbed
from xmargin.view import View

CORE = "eip155:31337"
FAST = "eip155:31338"


def condition(view: View, chain: str) -> Condition:
    return next(c.condition for c in view.metadata.as_of if c.chain == chain)


def height(view: View, chain: str) -> int:
    block = next(c.block for c in view.metadata.as_of if c.chain == chain)
    return -1 if block is None else block.height


def behind(bed: Testbed, tape: Path, proxy: ChainProxy) -> Config:
    """The testbed's configuration with the second chain behind a proxy."""
    text = bed.config_toml(tape=tape)
    node = bed.evm[FAST].node
    text = text.replace(node.http_url, proxy.http_url).replace(node.ws_url, proxy.ws_url)
    config = parse_config(text)
    chains = tuple(
        c.model_copy(update={"request_timeout_ms": 800, "poll_ms": 200}) for c in config.chains
    )
    return config.model_copy(update={"chains": chains})


async def proxied(bed: Testbed) -> ChainProxy:
    node, other = bed.evm[FAST].node, bed.evm[CORE].node
    return await ChainProxy.start(node.http_url, node.ws_url, other_chain_http_url=other.http_url)


async def others_go_on(bed: Testbed, xmargin: Running) -> View:
    await bed.evm[CORE].node.mine()
    wanted = await bed.evm[CORE].node.block_number()
    return await xmargin.until(lambda view: height(view, CORE) >= wanted)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault.HANG, {Condition.UNREACHABLE}),
        (Fault.DROP, {Condition.UNREACHABLE}),
        (Fault.HTTP_500, {Condition.UNREACHABLE}),
        (Fault.TRUNCATE, {Condition.INVALID, Condition.UNREACHABLE}),
        (Fault.OTHER_CHAIN, {Condition.INVALID}),
    ],
)
async def test_an_endpoint_that_fails_cuts_its_chain_off_and_no_other(
    testbed: Testbed, tmp_path: Path, fault: Fault, told: set[Condition]
) -> None:
    tape = tmp_path / "a.tape"
    async with (
        await proxied(testbed) as proxy,
        running(testbed, tape, behind(testbed, tape, proxy)) as xmargin,
    ):
        sound = await xmargin.caught_up(testbed)
        proxy.set_fault(fault)
        cut_off = await xmargin.until(lambda view: condition(view, FAST) in told)
        # Whatever it says from now on must not enter.
        await testbed.evm[FAST].node.mine(3)
        cut_off = await others_go_on(testbed, xmargin)
        assert height(cut_off, FAST) == height(sound, FAST)
        assert cut_off.metadata.partial
        assert any("31338" in flag or "fast" in flag.lower() for flag in cut_off.metadata.flags)
        rich_there = cut_off.health("p12-venue-liquidatable-rich-aave")
        assert rich_there.partial
        assert rich_there.status is HealthStatus.LIQUIDATABLE, "what is cut off meets no call"
        proxy.set_fault(Fault.NONE)
        await testbed.evm[FAST].node.mine()
        healed = await xmargin.until(lambda view: condition(view, FAST) is Condition.OK)
        assert healed.health("p12-venue-liquidatable-rich-aave").status is not (
            HealthStatus.LIQUIDATABLE
        )


async def test_a_chain_that_is_dead_from_the_start_is_unread_and_flagged(
    testbed: Testbed, tmp_path: Path
) -> None:
    tape = tmp_path / "a.tape"
    async with await proxied(testbed) as proxy:
        proxy.set_fault(Fault.DROP)
        async with running(testbed, tape, behind(testbed, tape, proxy)) as xmargin:
            view = await others_go_on(testbed, xmargin)
            view = await xmargin.until(lambda v: condition(v, FAST) is not Condition.UNREAD)
    assert height(view, FAST) == -1
    health = view.health("p02-healthy-btc")
    assert health.status is HealthStatus.UNKNOWN, "an account not read may hide any debt"
    assert health.partial
    assert health.flags
    fast = next(a for a in health.accounts if FAST in a.account)
    assert (fast.status, bool(fast.fault)) == (HealthStatus.REFUSED, True)


async def test_a_halted_chain_is_told_by_the_age_of_its_head(
    testbed: Testbed, tmp_path: Path
) -> None:
    tape = tmp_path / "a.tape"
    config = parse_config(testbed.config_toml(tape=tape, head_age_ms_max=4_000))
    async with running(testbed, tape, config) as xmargin:
        await testbed.mine()
        await xmargin.caught_up(testbed)
        view = await xmargin.until(lambda v: condition(v, FAST) is Condition.LAGGING)
    assert view.metadata.partial


async def test_sources_that_disagree_hold_and_nothing_is_liquidatable(
    testbed: Testbed, tmp_path: Path
) -> None:
    async with running(testbed, tmp_path / "a.tape") as xmargin:
        await xmargin.caught_up(testbed)
        price = testbed.market.prices_usd["ETH"] * Decimal("1.10")
        now_s = int((await testbed.evm[CORE].w3.eth.get_block("latest"))["timestamp"])
        slot = await testbed.solana.slot()
        update = PriceUpdate.of_price("ETH", price, publish_time_s=now_s, posted_slot=slot)
        await testbed.solana.post_update("ETH", update)
        view = await xmargin.until(
            lambda v: any(p.base == "ETH" and p.verdict is Verdict.HOLD for p in v.metadata.prices)
        )
    eth = next(p for p in view.metadata.prices if p.base == "ETH")
    assert eth.low <= eth.mark < eth.high
    short = view.health("p15-short-as-a-whole-eth")
    assert short.status is HealthStatus.HELD
    held = {p.id for p in testbed.portfolios if "eth" in p.id}
    assert not held & {entry.portfolio for entry in view.liquidations()}
