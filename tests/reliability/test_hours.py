"""Simulated hours of seeded faults over a recorded chain: no figure is wrong without a flag."""

import os
import random
import sys
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import cast

import pytest

from tests.evm.actions import everything, send_ether
from tests.evm.harness import CHAIN, settings
from tests.reliability.episodes import Episode, Tally, few_portfolios, read_truth
from tests.reliability.simulated_time import run
from xmargin.testbed import chainlink
from xmargin.testbed.anvil import Transaction
from xmargin.testbed.evm_chain import EvmChain
from xmargin.testbed.faults_evm import BALANCE_OF, GET_ETH_BALANCE, LATEST_ROUND_DATA, Lie
from xmargin.testbed.market import scripted_steps
from xmargin.testbed.markets import EVM_PRICES
from xmargin.testbed.portfolios import PORTFOLIO_BY_ID
from xmargin.testbed.recorded import RecordedChain
from xmargin.testbed.world import Testbed

pytestmark = pytest.mark.chains

BLOCK_S = 120
BLOCKS_A_ROUND = 10
OWNERS = ("p22-emode-mixed", "p28-no-debt-aave", "p10-venue-liquidatable-rich-solana", "p31-empty")
SHORT_BLOCKS, SHORT_EPISODES = 40, 3
LONG_BLOCKS, LONG_HOURS = 240, 1_000


async def live(core: EvmChain, blocks: int) -> tuple[int, int]:
    """So many blocks a minute apart: prices move, owners act. The first and the last number."""
    node = core.node
    time_s = int((await core.w3.eth.get_block("latest"))["timestamp"])
    first = await node.block_number() + 1
    acts, steps, draw = await everything(core), scripted_steps(), random.Random(5)
    for number in range(blocks):
        time_s += BLOCK_S
        await node.rpc("evm_setNextBlockTimestamp", time_s)
        if number % BLOCKS_A_ROUND == 0:
            prices = steps[(number // BLOCKS_A_ROUND) % len(steps)].prices_usd
            rounds = [(core.aave.feeds[base], prices[base]) for base in EVM_PRICES]
            await chainlink.submit_rounds(node, node.admin, rounds)
        elif number % BLOCKS_A_ROUND == 5 and acts:
            await node.send(acts.pop(0))
        elif draw.random() < 0.3:
            await node.send([some_transfer(core, draw)])
        else:
            await node.mine()
    return first, await node.block_number()


def some_transfer(core: EvmChain, draw: random.Random) -> Transaction:
    owner = PORTFOLIO_BY_ID[draw.choice(OWNERS)].evm_address
    if draw.random() < 0.5:
        return send_ether(core.node.admin, owner, draw.randrange(10**15, 10**18))
    return core.aave.mint("WETH", owner, Decimal(draw.randrange(1, 5)), owner)


def lies(core: EvmChain) -> tuple[Lie, ...]:
    """About one account, and the one price that would make a lie about it pay."""
    owner = PORTFOLIO_BY_ID[OWNERS[1]].evm_address.lower()
    feed = core.aave.feeds["ETH"].proxy.address.lower()
    return (
        Lie(owner, BALANCE_OF),
        Lie(owner, GET_ETH_BALANCE),
        Lie(feed, LATEST_ROUND_DATA, word=1, times=3),
    )


@pytest.fixture
async def lived(testbed: Testbed, request: pytest.FixtureRequest) -> AsyncIterator[RecordedChain]:
    core = testbed.evm[CHAIN]
    first, last = await live(core, cast(int, request.param))
    chain = RecordedChain(core.node.http_url, first, last)
    yield chain
    chain.close()


def play(testbed: Testbed, chain: RecordedChain, seeds: range, hours: float) -> Tally:
    registry = few_portfolios(settings(testbed)[1], OWNERS)
    truth = run(read_truth(chain, registry))
    told_lies, tally = lies(testbed.evm[CHAIN]), Tally()
    began_s = time.monotonic()
    for seed in seeds:
        run(Episode(chain, truth, told_lies, seed).play(tally))
        assert not tally.wrong, tally.wrong[:10]
        if seed % 5 == 0 and hours > 10:
            print(f"{time.monotonic() - began_s:,.0f} s: {tally}", file=sys.stderr)
        if tally.hours >= hours:
            break
    return tally


@pytest.mark.parametrize("lived", [SHORT_BLOCKS], indirect=True)
def test_some_hours(testbed: Testbed, lived: RecordedChain) -> None:
    tally = play(testbed, lived, range(SHORT_EPISODES), 1_000)
    assert tally.heads > 30
    assert tally.healths > 30
    assert tally.prices > 30
    # Faults enough to lose quorums, and not so many that nothing is ever served.
    assert tally.minutes["OK"] > 0.2 * tally.minutes.total()
    assert tally.minutes["OK"] < tally.minutes.total()


@pytest.mark.parametrize("lived", [SHORT_BLOCKS // 3], indirect=True)
def test_what_the_quorum_keeps_out_would_be_seen(testbed: Testbed, lived: RecordedChain) -> None:
    """The same faults, believed from whoever answers: figures are wrong, and no flag says so."""
    registry = few_portfolios(settings(testbed)[1], OWNERS)
    truth, tally = run(read_truth(lived, registry)), Tally()
    for seed in range(1, 13):
        run(Episode(lived, truth, lies(testbed.evm[CHAIN]), seed, shape=(1, 1, 1)).play(tally))
        if tally.wrong:
            return
    raise AssertionError(f"twelve seeds of faults, and no wrong figure: {tally}")


@pytest.mark.long
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("lived", [LONG_BLOCKS], indirect=True)
def test_a_thousand_hours(testbed: Testbed, lived: RecordedChain) -> None:
    hours = float(os.environ.get("XMARGIN_SIMULATED_HOURS", LONG_HOURS))
    began_s = time.monotonic()
    first = int(os.environ.get("XMARGIN_FIRST_SEED", "0"))  # so that several may share the hours
    tally = play(testbed, lived, range(first, first + 1_000), hours)
    with open(os.environ.get("XMARGIN_RELIABILITY_REPORT", os.devnull), "a") as report:
        print(f"{time.monotonic() - began_s:,.0f} s: {tally}", file=report)
    assert tally.hours >= hours
