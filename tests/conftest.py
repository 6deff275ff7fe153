"""Fixtures on real local chains, for every test of the project.

`testbed` is one running testbed for the whole session, handed to each test as at genesis: feeds at
the genesis prices and dated now, and both EVM chains rolled back when the test ends. It mines on
demand (`await testbed.mine()`; sending and `market.apply` mine by themselves), so nothing happens
behind a test's back. What a test writes on Solana stays, but for the prices: use keys of its own.

`anvil` is a bare chain of the test's own, mining on demand, in a tenth of a second.

Tests that use either carry the marker `chains`.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

# The chains' libraries take seconds to import: tests that need no chain do without.
if TYPE_CHECKING:
    from xmargin.testbed.anvil import Anvil
    from xmargin.testbed.world import Testbed

_CHAIN_FIXTURES = frozenset({"testbed", "anvil"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _CHAIN_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.chains)
    # What fails without a chain fails first.
    items.sort(key=lambda item: item.get_closest_marker("chains") is not None)


@pytest.fixture(scope="session")
async def session_testbed() -> "AsyncIterator[Testbed]":
    from xmargin.testbed.world import open_testbed

    async with open_testbed(block_time_s=None) as bed:
        yield bed


@pytest.fixture
async def testbed(session_testbed: "Testbed") -> "AsyncIterator[Testbed]":
    bed = session_testbed
    nodes = [chain.node for chain in bed.evm.values()]
    snapshots = await asyncio.gather(*(node.snapshot() for node in nodes))
    await bed.market.reset()
    yield bed
    bed.solana.resume()
    for node, snapshot in zip(nodes, snapshots, strict=True):
        node.resume()
        await node.stop_interval_mining()
        await node.revert(snapshot)
    bed.forget_extra_owners()


@pytest.fixture
async def anvil() -> "AsyncIterator[Anvil]":
    from xmargin.testbed.anvil import Anvil

    async with await Anvil.start(31337) as node:
        yield node
