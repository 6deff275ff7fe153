"""A reader that follows the shared testbed's first EVM chain while the test acts on it."""

from collections.abc import AsyncIterator

import pytest

from tests.evm.harness import CHAIN, Followed, follow
from xmargin.testbed.evm_chain import EvmChain
from xmargin.testbed.world import Testbed


@pytest.fixture
def core(testbed: Testbed) -> EvmChain:
    return testbed.evm[CHAIN]


@pytest.fixture
async def followed(testbed: Testbed) -> AsyncIterator[Followed]:
    async with follow(testbed) as one:
        yield one
