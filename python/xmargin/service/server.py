"""The gRPC server around one spine and its intake."""

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Sequence

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from xmargin.config import ServiceConfig
from xmargin.errors import ConfigError
from xmargin.reading.base import ClockMs
from xmargin.service.answers import Latest
from xmargin.service.intake import Intake, ReaderPlan
from xmargin.service.liquidations import LiquidationService
from xmargin.service.margin import MarginService
from xmargin.service.readiness import SERVICES, Readiness
from xmargin.service.running import until_first, wall_clock_ms
from xmargin.service.settling import settle
from xmargin.service.status import StatusInterceptor
from xmargin.spine import Spine
from xmargin.v1 import liquidation_service_pb2_grpc, margin_service_pb2_grpc

GRACE_S = 0.5

_log = logging.getLogger(__name__)


async def serve(
    service: ServiceConfig,
    spine: Spine,
    readers: Sequence[ReaderPlan],
    *,
    stop: asyncio.Event,
    on_bound: Callable[[str], None],
    clock_ms: ClockMs = wall_clock_ms,
) -> None:
    """Read and serve until ``stop`` is set; ``on_bound`` hears the address once it is listened on.

    Raises:
        ConfigError: ``service.listen`` cannot be bound.
        TapeError: the tape refuses; serving on would lose what is read.
    """
    readiness = Readiness(spine, clock_ms, service.clock_tick_ms)
    server = _server(spine, readiness)
    address = _bind(server, service.listen)
    await readiness.publish()
    await server.start()
    _log.info("listening on %s", address)
    on_bound(address)
    intake = Intake(spine, readers, service.clock_tick_ms, clock_ms)
    try:
        await until_first(stop.wait(), intake.run(), readiness.run(), settle(spine))
    finally:
        await readiness.servicer.enter_graceful_shutdown()
        await server.stop(GRACE_S)
        _log.info("stopped")


def _server(spine: Spine, readiness: Readiness) -> grpc.aio.Server:
    # Without so_reuseport=0 a second server on the same port would silently share its calls.
    server = grpc.aio.server(
        interceptors=(StatusInterceptor(),), options=(("grpc.so_reuseport", 0),)
    )
    latest = Latest(spine)
    margin_service_pb2_grpc.add_MarginServiceServicer_to_server(MarginService(latest), server)
    liquidation_service_pb2_grpc.add_LiquidationServiceServicer_to_server(
        LiquidationService(latest, spine), server
    )
    health_pb2_grpc.add_HealthServicer_to_server(readiness.servicer, server)
    names = (*SERVICES[1:], "grpc.health.v1.Health", reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    return server


def _bind(server: grpc.aio.Server, listen: str) -> str:
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise ConfigError(
            f"service.listen: {listen!r} is no address; write <host>:<port>, e.g. 127.0.0.1:50051",
            field="service.listen",
        )
    try:
        bound_port = server.add_insecure_port(listen)
    except RuntimeError:
        bound_port = 0
    if not bound_port:
        raise ConfigError(
            f"service.listen: cannot listen on {listen}; another program has the port or the "
            "host is not of this machine: choose another, or port 0 for a free one",
            field="service.listen",
        )
    if not _is_loopback(host):
        _log.warning(
            "listening on %s, which is not loopback: whoever reaches it reads every portfolio, "
            "for calls are neither encrypted nor authenticated",
            host,
        )
    return f"{host}:{bound_port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
