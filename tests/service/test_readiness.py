import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.service.book import observed
from tests.service.conftest import Running
from xmargin.service.readiness import SERVICES

STATES = health_pb2.HealthCheckResponse


async def state(running: Running, service: str) -> int:
    stub = health_pb2_grpc.HealthStub(running.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
    return int(answer.status)


async def eventually(running: Running, service: str, wanted: int) -> None:
    async with asyncio.timeout(5):
        while await state(running, service) != wanted:  # noqa: ASYNC110 - it is asked over gRPC
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("service", SERVICES)
async def test_each_service_serves_from_the_first_view_on(running: Running, service: str) -> None:
    assert await state(running, service) == STATES.NOT_SERVING
    await running.spine.ingest(observed(1))
    await eventually(running, service, STATES.SERVING)


async def test_a_view_that_grows_old_is_not_served_as_well(running: Running) -> None:
    await running.spine.ingest(observed(1))
    await eventually(running, "", STATES.SERVING)
    running.clock.milliseconds += 6 * 10**9
    await eventually(running, "", STATES.NOT_SERVING)


async def test_an_unknown_service_is_not_found(running: Running) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await state(running, "xmargin.v1.NoSuchService")
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
