"""What a first, whole snapshot of many accounts costs in calls, counted at the endpoint."""

import os
from dataclasses import replace

import pytest

from tests.evm.harness import CHAIN, follow, settings, through
from tests.solana import harness as solana
from xmargin.model import Condition, chain_of
from xmargin.testbed.proxy import ChainProxy
from xmargin.testbed.world import Testbed

pytestmark = pytest.mark.chains

CALLS_MAX = 150
ACCOUNTS = 10_000
FEW = 600
READ_S = 600.0


async def evm_calls(testbed: Testbed, accounts: int) -> int:
    """Half of the accounts are wallets, half are borrowers of the Aave market."""
    await testbed.add_extra_owners(accounts // 2 - len(testbed.portfolios))
    whole = settings(testbed)[1]
    registry = replace(
        whole,
        portfolios=tuple(
            replace(p, accounts=tuple(a for a in p.accounts if chain_of(a) == CHAIN))
            for p in whole.portfolios
        ),
    )
    node = testbed.evm[CHAIN].node
    async with (
        await ChainProxy.start(node.http_url, node.ws_url) as proxy,
        follow(
            testbed, registry=registry, endpoints=through(proxy), request_timeout_ms=60_000
        ) as followed,
    ):
        await followed.until(lambda: bool(followed.heads), READ_S)
        first = followed.batches[-1]
        calls = proxy.calls.total() - proxy.calls["eth_subscribe"]
        assert sum(len(p.accounts) for p in registry.portfolios) == accounts
        lending = [o for o in first if type(o.fact).__name__ == "AaveV3Account"]
        assert len(lending) == accounts // 2
        assert not any(getattr(o.fact, "fault", "") for o in first)
        assert followed.status.condition is Condition.OK
    return calls


async def solana_calls(testbed: Testbed, addresses: int) -> int:
    """Until every address has been read; most are of token accounts that are not there."""
    vm = testbed.solana
    tokens_a_wallet = 4
    owners = [solana.wallet_key(f"one of many {n}") for n in range(addresses // tokens_a_wallet)]
    registry = solana.registry_of(vm, *owners)
    async with await ChainProxy.start(vm.http_url, vm.ws_url) as proxy:
        rows = [solana.endpoint(proxy.http_url, None)]
        async with solana.follow(
            vm, registry, endpoints=rows, request_timeout_ms=30_000
        ) as followed:
            await followed.until(
                lambda: any(s.condition is Condition.OK for s in followed.statuses), READ_S
            )
            calls = proxy.calls.total()
        assert len(followed.world.facts("balance")) == tokens_a_wallet * len(owners)
    return calls


def report(what: str, calls: int) -> None:
    with open(os.environ.get("XMARGIN_RELIABILITY_REPORT", os.devnull), "a") as told:
        print(f"{what}: {calls} calls", file=told)


async def test_some_accounts_take_their_part_of_the_calls(testbed: Testbed) -> None:
    assert await evm_calls(testbed, FEW) <= 30
    assert await solana_calls(testbed, FEW) <= 30


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_ten_thousand_accounts_of_an_evm_chain(testbed: Testbed) -> None:
    calls = await evm_calls(testbed, ACCOUNTS)
    report(f"a snapshot of {ACCOUNTS:,} accounts on an EVM chain", calls)
    assert calls <= CALLS_MAX


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_ten_thousand_addresses_of_a_solana_chain(testbed: Testbed) -> None:
    calls = await solana_calls(testbed, ACCOUNTS)
    report(f"a snapshot of {ACCOUNTS:,} addresses on a Solana chain", calls)
    assert calls <= CALLS_MAX
