"""A Solana VM of this folder's own.

Surfpool stops answering after about a thousand account subscriptions in its life, ended ones
included; the tests here that subscribe must not use up the shared testbed's.
"""

from collections.abc import AsyncIterator

import pytest

from xmargin.testbed.solana_vm import SolanaVm


@pytest.fixture(scope="session")
async def vm() -> AsyncIterator[SolanaVm]:
    async with await SolanaVm.start() as own:
        yield own
