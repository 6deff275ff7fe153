"""Vaults, Pyth's contract and Uniswap pools as feeds, on real contracts on a local chain."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evm_venues.reads import access_at, told
from xmargin.errors import ConfigError
from xmargin.model import (
    BlockRef,
    ChainHead,
    ChainKind,
    ChainSpec,
    FeedRound,
    FeedSpec,
    Observation,
    PriceSpec,
    Registry,
    Verdict,
)
from xmargin.oracles.uniswap_v3 import TICK_MAX, price_at
from xmargin.params import load_parameters
from xmargin.reading.evm_state import EvmState
from xmargin.reading.feeds import EVM_FEED_KINDS, evm_feed_read
from xmargin.snapshot import cut
from xmargin.testbed import artifacts
from xmargin.testbed.anvil import Anvil, Transaction
from xmargin.testbed.calldata import call_data
from xmargin.testbed.pyth_evm import deploy_pyth
from xmargin.testbed.script import Script
from xmargin.testbed.solidity import compiled
from xmargin.testbed.uniswap import Pool, create_pool, deploy_uniswap
from xmargin.testbed.venue_packages import OPENZEPPELIN
from xmargin.world import World

FEED_ID = "ef0d8b6fda2ceba41da15d4095d1da392a0d2f8ed0c6c7bc0f4cfac8c280b56d"
ABSENT = "0x" + "ee" * 20
WAD = 10**18


async def read(node: Anvil, spec: FeedSpec) -> FeedRound:
    access = access_at(node, await node.block_number())
    (fact,) = await told(access, [evm_feed_read(spec)])
    assert isinstance(fact, FeedRound)
    return fact


def spec_of(kind: str, node: Anvil, address: str, **changes: Any) -> FeedSpec:
    spec = FeedSpec(f"{kind}@{node.chain}/{address.lower()}", "BASE", "QUOTE", 60, 5)
    return replace(spec, **changes)


async def tokens_of(node: Anvil, *decimals: int) -> list[Any]:
    erc20 = artifacts.aave("mocks/tokens/MintableERC20")
    script = await Script.begin(node, node.admin)
    tokens = [script.deploy(erc20, f"T{d}", f"T{d}", d) for d in decimals]
    await script.run()
    return tokens


# --- ERC-4626 -------------------------------------------------------------------------------------


@pytest.mark.parametrize("decimals", [6, 18])
async def test_a_vault_s_rate_is_what_its_shares_redeem_to_the_last_digit(
    anvil: Anvil, decimals: int
) -> None:
    (asset,) = await tokens_of(anvil, decimals)
    script = await Script.begin(anvil, anvil.admin)
    vault = script.deploy(
        compiled(OPENZEPPELIN, "Vaults.sol", ["Vault"])["Vault"], asset.address, "V"
    )
    amount = 1_000_003 * 10**decimals
    script.call(asset, "mint", anvil.admin, 3 * amount)
    script.call(asset, "approve", vault.address, 2**255)
    await script.run()
    spec = spec_of("erc4626", anvil, vault.address, quote_token=asset.address.lower())
    empty = await read(anvil, spec)
    assert (empty.answer, empty.exponent, empty.published_at_s) == (WAD, -18, 0)
    deposit = call_data(vault, "deposit", (amount, anvil.admin))
    earn = call_data(asset, "transfer", (vault.address, 123_456_789))
    for to, data in ((vault.address, deposit), (asset.address, earn)):
        await anvil.send([Transaction(anvil.admin, to, data, "step")])
    earned = await read(anvil, spec)
    assets, shares = (amount + 123_456_789 + 1), (amount + 1)  # OpenZeppelin's virtual ones
    assert earned.answer == assets * WAD // shares
    one = await vault.functions.convertToAssets(10**decimals).call()
    assert earned.answer * 10**decimals // WAD == one
    assert earned.description == f"{decimals} decimals for {spec.quote_token} of {decimals}"
    other = await read(anvil, replace(spec, quote_token=vault.address.lower()))
    assert other.fault == f"its asset is {spec.quote_token}, not {vault.address.lower()}"


# --- Pyth -----------------------------------------------------------------------------------------


async def test_pyth_s_contract_says_what_was_published_and_nothing_of_other_feeds(
    anvil: Anvil,
) -> None:
    pyth = await deploy_pyth(anvil)
    spec = spec_of("pyth-evm", anvil, pyth.contract.address, pyth_feed_id=FEED_ID)
    assert (await read(anvil, spec)).fault == "getPriceUnsafe() failed"
    await pyth.publish(FEED_ID, 2_500_00000000, 1_50000000, -8, 1_700_000_000)
    newest = await read(anvil, spec)
    assert newest == FeedRound(
        feed=spec.id,
        answer=2_500_00000000,
        confidence=1_50000000,
        exponent=-8,
        published_at_s=1_700_000_000,
        round_id=1_700_000_000,
        description=FEED_ID,
        verification="",
        source="",
        fault="",
    )
    assert (await read(anvil, replace(spec, pyth_feed_id="11" * 32))).fault
    await pyth.publish(FEED_ID, -7, 0, -8, 1_700_000_001)
    assert (await read(anvil, spec)).answer == -7


# --- Uniswap v3 -----------------------------------------------------------------------------------


class Watched:
    """A pool, and what its slot 0 and liquidity were from when on."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.seen: list[tuple[int, int, int]] = []

    async def step(self, wait_s: int, transactions: Sequence[Transaction]) -> None:
        """Transactions in a block of its own after so many seconds."""
        node = self.pool.uniswap.node
        await node.rpc("evm_increaseTime", wait_s)
        await (node.send(transactions) if transactions else node.mine())
        functions = self.pool.contract.functions
        _, tick, *_ = await functions.slot0().call()
        liquidity = await functions.liquidity().call()
        block = await node.rpc("eth_getBlockByNumber", "latest", False)
        self.seen.append((int(block["timestamp"], 16), tick, liquidity))

    def mean(self, span_s: int) -> tuple[int, Fraction]:
        """The mean tick, rounded down, and the harmonic mean liquidity, by what was seen."""
        now_s = self.seen[-1][0]
        ticks, inverse = 0, Fraction(0)
        for (from_s, tick, liquidity), (to_s, *_) in zip(self.seen, self.seen[1:], strict=False):
            held_s = to_s - max(from_s, now_s - span_s)
            if held_s > 0:
                ticks += tick * held_s
                inverse += Fraction(held_s, liquidity)
        return ticks // span_s, Fraction(span_s) / inverse


@pytest.fixture
async def watched(anvil: Anvil) -> Watched:
    """WETH and USDC at about 2,500, moved to and fro over an hour."""
    weth, usdc = await tokens_of(anvil, 18, 6)
    uniswap = await deploy_uniswap(anvil)
    forward = int(weth.address, 16) < int(usdc.address, 16)
    price = Fraction(2_500 * 10**6, 10**18) if forward else Fraction(10**18, 2_500 * 10**6)
    sqrt_price = int(float(price) ** 0.5 * 2**96)
    pool = await create_pool(uniswap, (weth, usdc), 3000, sqrt_price)
    watched = Watched(pool)
    admin = anvil.admin
    grow = call_data(pool.contract, "increaseObservationCardinalityNext", (30,))
    amounts = (10**21, 25 * 10**11) if forward else (25 * 10**11, 10**21)
    await anvil.send(pool.fund(admin, (100 * amounts[0], 100 * amounts[1])))
    await watched.step(1, [Transaction(admin, pool.contract.address, grow, "grow")])
    await watched.step(1, [pool.mint_position(admin, (-887_220, 887_220), amounts)])
    for number in range(6):
        zero_for_one = number % 3 != 2
        sold = amounts[0 if zero_for_one else 1] // 20
        swap = pool.swap(admin, zero_for_one=zero_for_one, amount_in=sold)
        await watched.step(240 + 37 * number, [swap])
    await watched.step(100, [])
    return watched


def pool_spec(watched: Watched, kind: str, base_decimals: int, **changes: Any) -> FeedSpec:
    pool = watched.pool
    zero, one = pool.token0.address.lower(), pool.token1.address.lower()
    weth_is_zero = int(watched.seen[-1][1]) < 0  # 2,500 × 10⁻¹² of token 1 for one of token 0
    weth, usdc = (zero, one) if weth_is_zero else (one, zero)
    base, quote = (weth, usdc) if base_decimals == 18 else (usdc, weth)
    node, address = pool.uniswap.node, pool.contract.address
    return spec_of(kind, node, address, base_token=base, quote_token=quote, **changes)


async def test_a_mean_price_is_that_of_the_ticks_seen_and_its_liquidity_the_harmonic_mean(
    watched: Watched,
) -> None:
    node = watched.pool.uniswap.node
    for twap_s in (60, 600, 1_500):
        tick, liquidity = watched.mean(twap_s)
        for base_decimals, other in ((18, 6), (6, 18)):
            spec = pool_spec(watched, "uniswap-v3-twap", base_decimals, twap_s=twap_s)
            newest = await read(node, spec)
            forward = spec.base_token == watched.pool.token0.address.lower()
            assert newest.fault == ""
            assert newest.answer == price_at(tick if forward else -tick, base_decimals - other)
            # The pool sums 2¹²⁸ × seconds ÷ liquidity, rounded down at each of its observations.
            assert newest.liquidity is not None
            assert abs(newest.liquidity - liquidity) <= liquidity**2 * 20 / (twap_s << 128) + 1
            assert newest.published_at_s == 0


async def test_a_pool_that_does_not_remember_so_far_back_is_at_fault(watched: Watched) -> None:
    node = watched.pool.uniswap.node
    oldest_s = watched.seen[-1][0] - watched.seen[0][0]
    spec = pool_spec(watched, "uniswap-v3-twap", 18, twap_s=600)
    assert not (await read(node, replace(spec, twap_age_s_min=oldest_s))).fault
    far = await read(node, replace(spec, twap_age_s_min=10 * oldest_s))
    assert far.fault == f"its pool does not remember {10 * oldest_s:,} s"


async def test_a_swap_moves_the_spot_at_once_and_the_mean_hardly(watched: Watched) -> None:
    node = watched.pool.uniswap.node
    spot, mean = (
        pool_spec(watched, "uniswap-v3-spot", 18),
        pool_spec(watched, "uniswap-v3-twap", 18, twap_s=600),
    )
    before, mean_before = await read(node, spot), await read(node, mean)
    sqrt_price, *_ = await watched.pool.contract.functions.slot0().call()
    ratio = Fraction(sqrt_price**2, 2**192)
    price = ratio if spot.base_token == watched.pool.token0.address.lower() else 1 / ratio
    assert before.answer == price * 10**12 * WAD // 1
    swap = watched.pool.swap(
        node.admin,
        zero_for_one=spot.base_token != watched.pool.token0.address.lower(),
        amount_in=25 * 10**11,
    )
    await watched.step(1, [swap])
    after, mean_after = await read(node, spot), await read(node, mean)
    assert after.answer > 2 * before.answer
    assert abs(mean_after.answer - mean_before.answer) < mean_before.answer // 50


async def test_a_pool_of_other_tokens_or_none_at_all_is_at_fault(watched: Watched) -> None:
    node = watched.pool.uniswap.node
    spec = pool_spec(watched, "uniswap-v3-twap", 18, twap_s=600)
    other = await read(node, replace(spec, quote_token=ABSENT))
    assert other.fault.startswith("its pool is of 0x")
    nowhere = replace(spec, id=f"uniswap-v3-twap@{node.chain}/{ABSENT}")
    assert (await read(node, nowhere)).fault


async def test_feeds_of_all_kinds_become_prices_of_one_snapshot(watched: Watched) -> None:
    """ETH by Pyth in dollars and by the pool in USDC, which Pyth prices: two sources that agree."""
    node = watched.pool.uniswap.node
    pyth = await deploy_pyth(node)
    mean = pool_spec(watched, "uniswap-v3-twap", 18, twap_s=600)
    mean = replace(mean, base="ETH", quote="USDC")
    usdc_id, eth_id = "aa" * 32, "bb" * 32
    address = pyth.contract.address

    def pyth_spec(base: str, feed_id: str) -> FeedSpec:
        feed = spec_of("pyth-evm", node, address, base=base, quote="USD", pyth_feed_id=feed_id)
        return replace(feed, id=f"{feed.id}/{base}")

    feeds = (mean, pyth_spec("ETH", eth_id), pyth_spec("USDC", usdc_id))
    in_usdc = Fraction((await read(node, mean)).answer, WAD)
    head = await node.rpc("eth_getBlockByNumber", "latest", False)
    head_s = int(head["timestamp"], 16)
    await pyth.publish(usdc_id, 87_000_000, 0, -8, head_s)
    await pyth.publish(eth_id, int(in_usdc * 87_000_000), 0, -8, head_s)
    block = await node.rpc("eth_getBlockByNumber", "latest", False)
    height, time_s = int(block["number"], 16), int(block["timestamp"], 16)
    chain = ChainSpec(node.chain, "local", ChainKind.EVM, 60_000)
    registry = Registry(
        (chain,), (), feeds, (), (), prices=(PriceSpec("ETH", sources_min=2, peg="USDC"),)
    )
    state = EvmState(node.chain, registry)
    access = access_at(node, height)
    await state.discover(access)
    facts, _ = await state.read_all(access)
    world, where = World(), BlockRef(height, block["hash"], block["parentHash"], time_s)
    told_at_ms = time_s * 1000
    world.apply(Observation(registry, told_at_ms))
    world.apply(Observation(load_parameters("unified-v1"), told_at_ms))
    for fact in (*facts, ChainHead(height, height)):
        world.apply(Observation(fact, told_at_ms, node.chain, where))
    prices = cut(world).prices
    assert (prices["USDC"].verdict, prices["USDC"].mark) == (Verdict.OK, Decimal("0.87"))
    eth = prices["ETH"]
    assert (eth.sources, eth.guards) == (2, ("peg",))
    assert [quote.origin for quote in eth.quotes] == ["pyth", "uniswap-v3"]
    assert abs(Fraction(eth.mark) - in_usdc * Fraction(87, 100)) < Fraction(1, 10**7)


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("erc4626", "quote_token"),
        ("pyth-evm", "pyth_feed_id"),
        ("uniswap-v3-twap", "twap_s"),
        ("uniswap-v3-spot", "base_token"),
        ("stork", "use one of"),
    ],
)
def test_a_feed_that_lacks_what_its_kind_needs_is_a_mistake_of_configuration(
    kind: str, key: str
) -> None:
    with pytest.raises(ConfigError, match=key):
        evm_feed_read(FeedSpec(f"{kind}@eip155:1/{ABSENT}", "B", "USD", 60, 5))


# --- Numbers --------------------------------------------------------------------------------------


@given(st.integers(-TICK_MAX, TICK_MAX), st.integers(-18, 18))
def test_g11_the_price_at_a_tick_is_exact_to_the_last_digit(tick: int, decimals: int) -> None:
    """G11: with p the price of a tick and q that of the next, 10,001 p and 10,000 q agree."""
    if abs(tick) == TICK_MAX:
        tick -= 1 if tick > 0 else -1
    here, next_up = price_at(tick, decimals), price_at(tick + 1, decimals)
    assert -10_001 < 10_000 * next_up - 10_001 * here < 10_001
    inverse = price_at(-tick, -decimals)
    assert here * inverse <= 10**36 < (here + 1) * (inverse + 1)


@given(
    st.sampled_from(sorted(EVM_FEED_KINDS)),
    st.lists(st.none() | st.binary(max_size=300), min_size=8, max_size=8),
)
def test_no_answers_whatever_raise(kind: str, answers: list[bytes | None]) -> None:
    spec = FeedSpec(
        f"{kind}@eip155:1/{ABSENT}",
        "B",
        "USD",
        60,
        5,
        pyth_feed_id=FEED_ID,
        base_token=ABSENT,
        quote_token="0x" + "dd" * 20,
        twap_s=600,
    )
    asked = evm_feed_read(spec)
    (fact,) = asked.decode(answers[: len(asked.calls)])
    assert isinstance(fact, FeedRound)
