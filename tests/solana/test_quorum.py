"""Operators of a Solana chain: what is told, they showed byte for byte at one slot."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from solders.pubkey import Pubkey

from tests.solana.harness import Followed, follow, registry_of, token_of, wallet_key
from xmargin.chains.solana import agreement
from xmargin.model import Condition
from xmargin.testbed import pyth
from xmargin.testbed.faults import Fault
from xmargin.testbed.faults_solana import SolanaDeceit
from xmargin.testbed.proxy import ChainProxy
from xmargin.testbed.solana_vm import SolanaVm

pytestmark = pytest.mark.chains

HONEST, LYING, DEAD = Fault.NONE, Fault.LIE, Fault.DROP
OWNER = wallet_key("quorum")
LAMPORTS = 7_000_000


@pytest.fixture
async def four(vm: SolanaVm) -> AsyncIterator[list[ChainProxy]]:
    await vm.set_balances_lamports({OWNER: LAMPORTS})
    lies_about = (str(OWNER), str(pyth.feed_account("SOL")))
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                await ChainProxy.start(vm.http_url, vm.ws_url, deceit=SolanaDeceit(lies_about))
            )
            for _ in range(4)
        ]


def operators(proxies: Sequence[ChainProxy], quorum: int, names: str = "abcd") -> dict[str, Any]:
    rows = [
        {"label": f"node-{i}", "http": proxy.http_url, "operator": names[i]}
        for i, proxy in enumerate(proxies)
    ]
    return {"endpoints": rows, "quorum": quorum, "request_timeout_ms": 3_000, "poll_ms": 100}


def lamports(followed: Followed, owner: Pubkey = OWNER) -> int:
    return followed.balance(owner, token_of(followed.vm, "SOL")).amount


@pytest.mark.parametrize(("count", "quorum"), [(3, 2), (4, 3)])
async def test_every_pattern_of_honest_and_lying_or_dead(
    vm: SolanaVm,
    four: list[ChainProxy],
    count: int,
    quorum: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(agreement, "SAMPLING_S", 0.3)
    patterns = {
        *itertools.product([HONEST, LYING], repeat=count),
        *itertools.product([HONEST, DEAD], repeat=count),
    }
    for pattern in sorted(patterns):
        for proxy, fault in zip(four, pattern, strict=False):
            proxy.set_fault(fault)
        seen = Counter(pattern)
        async with follow(vm, registry_of(vm, OWNER), **operators(four[:count], quorum)) as one:
            if max(seen[HONEST], seen[LYING]) >= quorum:
                await one.until(lambda one=one: bool(one.heads))  # type: ignore[misc]
                # With as many liars as the quorum there is no telling them from honest ones.
                truth = LAMPORTS if seen[HONEST] >= quorum else 2 * LAMPORTS
                assert lamports(one) == truth, pattern
            else:
                await one.until(lambda one=one: bool(one.statuses))  # type: ignore[misc]
                assert not one.heads, pattern
                assert one.status.condition in {Condition.INVALID, Condition.UNREACHABLE}


async def test_who_contradicts_is_named(vm: SolanaVm, four: list[ChainProxy]) -> None:
    four[1].set_fault(Fault.LIE)
    async with follow(vm, registry_of(vm, OWNER), **operators(four[:3], 2)) as followed:
        await followed.until(lambda: any("node-1" in status.reason for status in followed.statuses))
        assert {status.condition for status in followed.statuses} == {Condition.OK}
        assert "contradicts the quorum (accounts)" in followed.status.reason
        assert lamports(followed) == LAMPORTS


async def test_another_blockhash_is_another_bank(vm: SolanaVm, four: list[ChainProxy]) -> None:
    four[0].set_fault(Fault.FORK)
    async with follow(vm, registry_of(vm, OWNER), **operators(four[:2], 2)) as followed:
        status = await followed.told(Condition.INVALID)
        assert "answers differ (blockhash)" in status.reason
        assert not followed.heads
    async with follow(vm, registry_of(vm, OWNER), **operators(four[:3], 2)) as followed:
        await followed.slots(2)
        assert all(head.block is not None and head.block.hash for head in followed.heads)


async def test_a_change_is_told_once_the_quorum_shows_it(
    vm: SolanaVm, four: list[ChainProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal at different slots is not agreed on: who is far behind cannot take part."""
    monkeypatch.setattr(agreement, "SAMPLING_S", 0.5)
    async with follow(vm, registry_of(vm, OWNER), **operators(four[:2], 2)) as followed:
        await followed.slots(2)
        assert followed.status.condition is Condition.OK
        behind = SolanaDeceit()
        four[1].faulty._deceit = behind
        four[1].set_fault(Fault.LAG)
        await followed.slots(3)
        behind.slots_behind = 50
        await followed.told(Condition.LAGGING)
        await vm.set_balances_lamports({OWNER: LAMPORTS + 1})
        heads = len(followed.heads)
        await asyncio.sleep(0.5)
        assert len(followed.heads) == heads
        behind.slots_behind = 0
        await followed.told(Condition.OK)
        await followed.until(lambda: lamports(followed) == LAMPORTS + 1)


async def test_two_endpoints_of_one_operator_count_once(
    vm: SolanaVm, four: list[ChainProxy]
) -> None:
    four[2].set_fault(Fault.DROP)
    async with follow(vm, registry_of(vm, OWNER), **operators(four[:3], 2, "aab")) as followed:
        status = await followed.told(Condition.UNREACHABLE)
        assert "only 1 can be read, 2 must agree" in status.reason
        assert not followed.heads
