"""Endpoints that fail or lie: reported, believed in nothing, and the chain goes on elsewhere."""

import pytest

from tests.evm.actions import EMPTY, ONE
from tests.evm.harness import (
    CHAIN,
    OTHER_CHAIN,
    Followed,
    assert_same_facts,
    follow,
    follow_through_proxy,
    read_anew,
    settings,
    through,
)
from xmargin.config import EndpointConfig
from xmargin.model import Condition
from xmargin.testbed.evm_chain import EvmChain
from xmargin.testbed.faults import Fault
from xmargin.testbed.proxy import ChainProxy
from xmargin.testbed.world import Testbed

pytestmark = pytest.mark.chains

TIMEOUT_MS = 400
FAULTS = [
    (Fault.HANG, Condition.UNREACHABLE, "no answer within 400 ms"),
    (Fault.DROP, Condition.UNREACHABLE, "the connection broke"),
    (Fault.HTTP_500, Condition.UNREACHABLE, "HTTP 500"),
    (Fault.TRUNCATE, Condition.INVALID, "the answer is not JSON"),
    (Fault.OTHER_CHAIN, Condition.INVALID, f"is an endpoint of {OTHER_CHAIN}, not of {CHAIN}"),
]


def nothing_told_since(followed: Followed, heads: int) -> bool:
    return len(followed.heads) == heads


@pytest.mark.parametrize(("fault", "condition", "why"), FAULTS)
async def test_nothing_a_broken_endpoint_says_is_told(
    testbed: Testbed, fault: Fault, condition: Condition, why: str
) -> None:
    node = testbed.evm[CHAIN].node
    other = testbed.evm[OTHER_CHAIN].node
    async with await ChainProxy.start(
        node.http_url, node.ws_url, other_chain_http_url=other.http_url
    ) as proxy:
        proxy.set_fault(fault)
        async with follow(
            testbed, endpoints=through(proxy), request_timeout_ms=TIMEOUT_MS
        ) as followed:
            status = await followed.told(condition)
            assert why in status.reason
            assert status.endpoint == f"proxy-0 ({proxy.http_url})"
            assert not followed.facts()


@pytest.mark.parametrize(("fault", "condition", "why"), FAULTS)
async def test_an_endpoint_that_breaks_midway_is_told_and_comes_back(
    testbed: Testbed, core: EvmChain, fault: Fault, condition: Condition, why: str
) -> None:
    async with follow_through_proxy(testbed, request_timeout_ms=TIMEOUT_MS) as (followed, proxy):
        await followed.caught_up(testbed)
        assert followed.status.condition is Condition.OK
        proxy.set_fault(fault)
        heads = len(followed.heads)
        await core.node.send([core.aave.mint("WETH", EMPTY, ONE, EMPTY)])
        status = await followed.told(condition)
        assert why in status.reason
        assert nothing_told_since(followed, heads)
        proxy.set_fault(Fault.NONE)
        await followed.caught_up(testbed)
        assert (await followed.told(Condition.OK)).reason == ""
        assert_same_facts(followed, await read_anew(testbed))


async def test_a_second_endpoint_takes_over_and_the_first_ones_fault_is_told(
    testbed: Testbed, core: EvmChain
) -> None:
    first = await ChainProxy.start(core.node.http_url, core.node.ws_url)
    second = await ChainProxy.start(core.node.http_url, core.node.ws_url)
    async with first, second, follow(testbed, endpoints=through(first, second)) as followed:
        await followed.caught_up(testbed)
        first.set_fault(Fault.HTTP_500)
        await core.node.send([core.aave.mint("WETH", EMPTY, ONE, EMPTY)])
        await followed.caught_up(testbed)
        await followed.until(lambda: followed.status.endpoint.startswith("proxy-1"))
        assert {s.condition for s in followed.statuses} == {Condition.OK}
        assert "proxy-0" in followed.status.reason
        assert "HTTP 500" in followed.status.reason
        assert_same_facts(followed, await read_anew(testbed))


async def test_a_socket_of_another_chain_is_told(testbed: Testbed, core: EvmChain) -> None:
    (endpoint,) = settings(testbed)[0].endpoints
    other = testbed.evm[OTHER_CHAIN].node.ws_url
    mixed = EndpointConfig.model_validate(
        {"label": "mixed", "http": endpoint.http_url, "ws": other}
    )
    async with follow(testbed, endpoints=(mixed,)) as followed:
        status = await followed.told(Condition.INVALID)
        assert f"its WebSocket is of {OTHER_CHAIN}" in status.reason


async def test_a_chain_without_multicall3_is_told(testbed: Testbed) -> None:
    nowhere = "0x" + "11" * 20
    async with follow(testbed, multicall3=nowhere) as followed:
        status = await followed.told(Condition.INVALID)
        assert f"no Multicall3 at {nowhere}" in status.reason
        assert not followed.facts()


async def test_a_head_that_grows_old_is_told_as_lagging(testbed: Testbed, core: EvmChain) -> None:
    async with follow(testbed, head_age_ms_max=2_500) as followed:
        status = await followed.told(Condition.LAGGING)
        assert "no new block within 2500 ms" in status.reason
        await core.node.catch_up_with_wall_clock()
        await followed.told(Condition.OK)


async def test_what_is_printed_of_an_endpoint_holds_no_key(testbed: Testbed) -> None:
    secret = "k3y-of-the-house"  # noqa: S105
    url = testbed.evm[CHAIN].node.http_url
    keyed = EndpointConfig.model_validate({"label": "keyed", "http": f"{url}/{secret}"})
    closed = EndpointConfig.model_validate(
        {"label": "shut", "http": f"http://127.0.0.1:1/{secret}"}
    )
    async with follow(testbed, endpoints=(closed, keyed)) as followed:
        await followed.until(lambda: len(followed.statuses) > 0)
        assert secret not in repr(followed.batches)
