"""Slots and changes: what is announced, what is swept, what a lost socket loses, what it costs."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from solders.pubkey import Pubkey

from tests.solana.harness import Followed, endpoint, follow, registry_of, token_of, wallet_key
from xmargin.model import Condition
from xmargin.testbed.faults import Fault
from xmargin.testbed.proxy import ChainProxy
from xmargin.testbed.solana_vm import SolanaVm

pytestmark = pytest.mark.chains

COVERED = 20


def crowd(size: int) -> list[Pubkey]:
    return [wallet_key(f"crowd {number}") for number in range(size)]


def sorted_by_account(owners: list[Pubkey]) -> list[Pubkey]:
    return sorted(owners, key=str)


async def slots_until_told(vm: SolanaVm, followed: Followed, owner: Pubkey, lamports: int) -> int:
    """Change a balance; how many heads it took to be told."""
    heads = len(followed.heads)
    await vm.set_balances_lamports({owner: lamports})
    sol = token_of(vm, "SOL")
    await followed.until(lambda: followed.balance(owner, sol).amount == lamports)
    return len(followed.heads) - heads


async def listening(followed: Followed, proxy: ChainProxy, subscriptions: int) -> None:
    """Wait until the reader has so many account subscriptions and the first slots after them."""
    await followed.until(lambda: proxy.calls["accountSubscribe"] >= subscriptions)
    await followed.told(Condition.OK)
    await followed.slots(3)


def sockets(vm: SolanaVm, proxy: ChainProxy, **changes: Any) -> dict[str, Any]:
    """HTTP straight to the VM, the WebSocket through the proxy."""
    rows = [endpoint(vm.http_url, proxy.ws_url)]
    return {"endpoints": rows, "subscriptions_max": COVERED} | changes


async def test_an_announced_change_is_told_at_once_and_any_other_within_a_sweep(
    vm: SolanaVm,
) -> None:
    owners = sorted_by_account(crowd(500))
    covered, uncovered = owners[0], owners[400]
    proxy = await ChainProxy.start(vm.http_url, vm.ws_url)
    async with proxy, follow(vm, registry_of(vm, *owners), **sockets(vm, proxy)) as followed:
        await listening(followed, proxy, COVERED)
        # 2,000 balances, of which about 190 a slot are read again whatever happens.
        assert await slots_until_told(vm, followed, covered, 11_000_000) <= 4
        assert await slots_until_told(vm, followed, covered, 12_000_000) <= 4
        assert await slots_until_told(vm, followed, uncovered, 13_000_000) <= 14


async def test_no_change_is_lost_with_a_dropped_socket(vm: SolanaVm) -> None:
    owners = sorted_by_account(crowd(60))
    proxy = await ChainProxy.start(vm.http_url, vm.ws_url)
    async with proxy, follow(vm, registry_of(vm, *owners), **sockets(vm, proxy)) as followed:
        await listening(followed, proxy, COVERED)
        proxy.set_fault(Fault.DROP)
        heads = len(followed.heads)
        changed = {owner: 20_000_000 + n for n, owner in enumerate(owners[:5] + owners[-5:])}
        await vm.set_balances_lamports(changed)
        await followed.until(lambda: len(followed.heads) >= heads + 2)
        proxy.set_fault(Fault.NONE)
        await listening(followed, proxy, 2 * COVERED)
        sol = token_of(vm, "SOL")
        for owner, lamports in changed.items():
            assert followed.balance(owner, sol).amount == lamports
        assert await slots_until_told(vm, followed, owners[0], 30_000_000) <= 4
    assert {status.condition for status in followed.statuses} == {Condition.OK}


async def test_a_socket_that_falls_silent_is_left_and_slots_are_polled(vm: SolanaVm) -> None:
    proxy = await ChainProxy.start(vm.http_url, vm.ws_url)
    changes = sockets(vm, proxy, poll_ms=200)
    async with proxy, follow(vm, registry_of(vm, wallet_key("quiet")), **changes) as followed:
        await followed.slots(3)
        assert proxy.calls["slotSubscribe"] == 1
        proxy.set_fault(Fault.HANG)
        await followed.slots(8)
        proxy.set_fault(Fault.NONE)
        await followed.until(lambda: proxy.calls["slotSubscribe"] >= 2)
        await followed.slots(3)
    assert {status.condition for status in followed.statuses} == {Condition.OK}


async def test_without_a_websocket_slots_are_polled(vm: SolanaVm) -> None:
    rows = [endpoint(vm.http_url, None)]
    owner = wallet_key("polled")
    changes: dict[str, Any] = {"endpoints": rows, "poll_ms": 200}
    async with follow(vm, registry_of(vm, owner), **changes) as followed:
        await followed.told(Condition.OK)
        assert await slots_until_told(vm, followed, owner, 9_000_000) <= 3


async def test_a_frozen_chain_grows_old_and_comes_back(vm: SolanaVm) -> None:
    async with follow(vm, registry_of(vm), request_timeout_ms=500) as followed:
        await followed.told(Condition.OK)
        vm.pause()
        try:
            status = await followed.told(Condition.UNREACHABLE)
            assert "no answer within 500 ms" in status.reason
        finally:
            vm.resume()
        await followed.told(Condition.OK)
        await followed.slots(2)


async def calls_of_a_slot(vm: SolanaVm, wallets: int) -> dict[str, int]:
    proxy = await ChainProxy.start(vm.http_url, vm.ws_url)
    registry = registry_of(vm, *crowd(wallets))
    async with proxy, follow(vm, registry, **sockets(vm, proxy)) as followed:
        await followed.told(Condition.OK)
        await followed.until(lambda: proxy.calls["slotSubscribe"] >= 1)
        await followed.slots(4)
        seen = []
        for _ in range(6):
            await followed.slots(1)
            await asyncio.sleep(0.05)
            seen.append(dict(followed.reader.calls_last_slot))
    assert all(calls == seen[0] for calls in seen)
    return seen[0]


async def test_calls_a_slot_do_not_grow_with_the_accounts(
    vm: SolanaVm, record_property: Callable[[str, object], None]
) -> None:
    few, many = await calls_of_a_slot(vm, 24), await calls_of_a_slot(vm, 1_000)
    record_property("calls_per_slot_24_wallets", few)
    record_property("calls_per_slot_1000_wallets", many)
    assert few == many == {"getMultipleAccounts": 2, "getBlock": 1, "getSlot": 1}
