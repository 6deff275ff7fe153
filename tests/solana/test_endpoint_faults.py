"""Endpoints that fail, lie or lag: told as such, believed in nothing, and others take over."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.solana.harness import endpoint, follow, registry_of, token_of, wallet_key
from tests.solana.lagging import LaggingRpc
from xmargin.model import Condition
from xmargin.testbed import pyth
from xmargin.testbed.faults import Fault
from xmargin.testbed.proxy import ChainProxy
from xmargin.testbed.solana_vm import SolanaVm

pytestmark = pytest.mark.chains

TIMEOUT_MS = 400
ELSEWHERE = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"
FAULTS = [
    (Fault.HANG, Condition.UNREACHABLE, "no answer within 400 ms"),
    (Fault.DROP, Condition.UNREACHABLE, "the connection broke"),
    (Fault.HTTP_500, Condition.UNREACHABLE, "HTTP 500"),
    (Fault.TRUNCATE, Condition.INVALID, "the answer is not JSON"),
]


@pytest.fixture
async def proxy(vm: SolanaVm) -> AsyncIterator[ChainProxy]:
    async with await ChainProxy.start(vm.http_url, vm.ws_url) as one:
        yield one


def through(*proxies: ChainProxy) -> dict[str, Any]:
    rows = [endpoint(p.http_url, p.ws_url, f"proxy-{i}") for i, p in enumerate(proxies)]
    return {"endpoints": rows, "request_timeout_ms": TIMEOUT_MS}


@pytest.mark.parametrize(("fault", "condition", "why"), FAULTS)
async def test_nothing_a_broken_endpoint_says_is_told(
    vm: SolanaVm, proxy: ChainProxy, fault: Fault, condition: Condition, why: str
) -> None:
    proxy.set_fault(fault)
    async with follow(vm, registry_of(vm), **through(proxy)) as followed:
        status = await followed.told(condition)
    assert why in status.reason
    assert status.endpoint == f"proxy-0 ({proxy.http_url})"
    assert not followed.heads
    assert not followed.facts()


@pytest.mark.parametrize(("fault", "condition", "why"), FAULTS)
async def test_an_endpoint_that_breaks_midway_is_told_and_comes_back(
    vm: SolanaVm, proxy: ChainProxy, fault: Fault, condition: Condition, why: str
) -> None:
    owner = wallet_key(f"midway {fault}")
    async with follow(vm, registry_of(vm, owner), **through(proxy)) as followed:
        await followed.told(Condition.OK)
        proxy.set_fault(fault)
        status = await followed.told(condition)
        assert why in status.reason
        heads = len(followed.heads)
        await vm.set_balances_lamports({owner: 5_000_000})
        assert len(followed.heads) == heads
        proxy.set_fault(Fault.NONE)
        await followed.told(Condition.OK)
        assert followed.balance(owner, token_of(vm, "SOL")).amount == 5_000_000


async def test_an_endpoint_of_another_chain_is_told_and_not_read(vm: SolanaVm) -> None:
    registry = registry_of(vm)
    chain = registry.chains[0].__class__(ELSEWHERE, "else", registry.chains[0].kind, 60_000)
    registry = registry.__class__((chain,), (), (), (), ())
    async with follow(vm, registry, id=ELSEWHERE) as followed:
        status = await followed.told(Condition.INVALID)
    assert f"is an endpoint of {vm.chain}, not of {ELSEWHERE}; fix its URL" in status.reason
    assert not followed.heads


async def test_the_chain_is_checked_again_at_every_reconnect(vm: SolanaVm) -> None:
    async with await SolanaVm.start() as other:
        proxy = await ChainProxy.start(vm.http_url, vm.ws_url, other_chain_http_url=other.http_url)
        async with proxy, follow(vm, registry_of(vm), **through(proxy)) as followed:
            await followed.told(Condition.OK)
            proxy.set_fault(Fault.HTTP_500)
            await followed.told(Condition.UNREACHABLE)
            heads = len(followed.heads)
            proxy.set_fault(Fault.OTHER_CHAIN)
            status = await followed.told(Condition.INVALID)
            assert f"is an endpoint of {other.chain}" in status.reason
            assert len(followed.heads) == heads


async def test_a_second_endpoint_takes_over_and_the_first_ones_fault_is_told(
    vm: SolanaVm, proxy: ChainProxy
) -> None:
    second = await ChainProxy.start(vm.http_url, vm.ws_url)
    async with second, follow(vm, registry_of(vm), **through(proxy, second)) as followed:
        await followed.told(Condition.OK)
        proxy.set_fault(Fault.HTTP_500)
        await followed.until(lambda: followed.statuses[-1].endpoint.startswith("proxy-1"))
        await followed.slots(2)
    assert {status.condition for status in followed.statuses} == {Condition.OK}
    assert "proxy-0" in followed.statuses[-1].reason
    assert "HTTP 500" in followed.statuses[-1].reason


async def test_what_is_printed_of_an_endpoint_holds_no_key(
    vm: SolanaVm, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "k3y-of-the-house"  # noqa: S105
    keyed = [
        endpoint(f"http://127.0.0.1:1/{secret}", None, "shut"),
        endpoint(f"{vm.http_url}/{secret}", f"ws://127.0.0.1:1/{secret}", "keyed"),
    ]
    async with follow(vm, registry_of(vm), endpoints=keyed) as followed:
        await followed.until(lambda: "WebSocket" in caplog.text and bool(followed.statuses))
    assert secret not in repr(followed.batches)
    assert secret not in caplog.text


# --- Lagging --------------------------------------------------------------------------------------


def of(rpc: LaggingRpc, vm: SolanaVm) -> dict[str, Any]:
    return {"endpoints": [endpoint(rpc.http_url, vm.ws_url, "lagging")]}


@pytest.mark.parametrize(
    ("keeps_min_context_slot", "why"), [(False, "answers as of slot"), (True, "has not reached")]
)
async def test_a_node_behind_what_was_seen_is_refused_whether_it_says_so_or_not(
    vm: SolanaVm, keeps_min_context_slot: bool, why: str
) -> None:
    async with LaggingRpc(vm.http_url) as rpc, follow(vm, registry_of(vm), **of(rpc, vm)) as one:
        await one.told(Condition.OK)
        await one.slots(2)
        rpc.keeps_min_context_slot = keeps_min_context_slot
        rpc.slots_behind = 1_000
        status = await one.told(Condition.LAGGING)
        assert why in status.reason
        heads = len(one.heads)
        rpc.slots_behind = 0
        await one.told(Condition.OK)
        await one.slots(1)
    slots = one.slots_told
    assert slots == sorted(set(slots))
    assert len(slots) > heads


async def test_a_lag_of_moments_is_waited_out_without_a_word(vm: SolanaVm) -> None:
    async with LaggingRpc(vm.http_url) as rpc, follow(vm, registry_of(vm), **of(rpc, vm)) as one:
        await one.slots(5)
        rpc.keeps_min_context_slot = True
        rpc.slots_behind = 2
        await one.slots(3)
        rpc.slots_behind = 0
        await one.slots(2)
    assert {status.condition for status in one.statuses} == {Condition.OK}


WALLETS = 60  # with four tokens each: three batches


async def test_batches_of_different_slots_are_asked_again_until_they_agree(vm: SolanaVm) -> None:
    owners = [wallet_key(f"crowd {n}") for n in range(WALLETS)]
    late = max(str(owner) for owner in owners)  # in the last batch, without the feeds
    async with LaggingRpc(vm.http_url) as rpc:
        late_calls = 0

        def lags(keys: list[str]) -> bool:
            nonlocal late_calls
            late_calls += late in keys
            return late in keys and late_calls % 2 == 0

        async with follow(vm, registry_of(vm, *owners), **of(rpc, vm)) as followed:
            await followed.told(Condition.OK)
            rpc.lags, rpc.slots_behind = lags, 1
            asked = late_calls
            heads = len(followed.heads)
            await followed.slots(8)
            assert late_calls - asked > len(followed.heads) - heads
    for batch in followed.batches:
        assert len({observation.block for observation in batch}) == 1
    assert {status.condition for status in followed.statuses} == {Condition.OK}


async def test_a_batch_that_cannot_keep_up_is_told_of_a_later_slot_and_until_then_the_chain_lags(
    vm: SolanaVm,
) -> None:
    owners = [wallet_key(f"crowd {n}") for n in range(WALLETS)]
    late = max(str(owner) for owner in owners)  # in the last batch, without the feeds
    async with LaggingRpc(vm.http_url) as rpc:
        rpc.lags = lambda keys: late in keys
        rpc.keeps_min_context_slot = True
        async with follow(vm, registry_of(vm), **of(rpc, vm)) as before:
            await before.slots(3)  # so that the proxy has a past to answer with
        rpc.slots_behind = 5
        async with follow(vm, registry_of(vm, *owners), **of(rpc, vm)) as followed:
            status = await followed.told(Condition.LAGGING)
            assert "accounts are still to be read" in status.reason
            await followed.slots(3)
            assert len(followed.world.facts("feed")) == len(pyth.FEED_IDS)
            assert Condition.OK not in {status.condition for status in followed.statuses}
            rpc.slots_behind = 0
            await followed.told(Condition.OK)
            assert len(followed.world.facts("balance")) == 4 * WALLETS
    for batch in followed.batches:
        assert len({observation.block for observation in batch}) == 1


async def test_a_socket_of_another_chain_is_told_by_its_slots(vm: SolanaVm) -> None:
    async with await SolanaVm.start() as other:
        await other.rpc("surfnet_timeTravel", {"absoluteSlot": 100_000})
        mixed = [endpoint(vm.http_url, other.ws_url, "mixed")]
        async with follow(vm, registry_of(vm), endpoints=mixed) as followed:
            status = await followed.told(Condition.INVALID)
    assert "its WebSocket is at slot 100" in status.reason
    assert "give both of one chain" in status.reason
