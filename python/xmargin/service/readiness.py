"""``grpc.health.v1``: SERVING while there is a view and its clock keeps up with ours."""

import asyncio

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio

from xmargin.errors import XmarginError
from xmargin.reading.base import ClockMs
from xmargin.spine import Spine

SERVICES = ("", "xmargin.v1.MarginService", "xmargin.v1.LiquidationService")

_CHECK_S = 0.25
_TICKS_MISSED_MAX = 5
_VIEW_AGE_MS_MAX = 5_000


class Readiness:
    """Keeps the health service's word about every service name true."""

    def __init__(self, spine: Spine, clock_ms: ClockMs, clock_tick_ms: int) -> None:
        self.servicer = health_aio.HealthServicer()
        self._spine = spine
        self._clock_ms = clock_ms
        # Ticks renew the view at least this often; a few late ones are load, more are a fault.
        self._view_age_ms_max = max(_VIEW_AGE_MS_MAX, _TICKS_MISSED_MAX * clock_tick_ms)

    def serving(self) -> bool:
        """Whether a view exists whose clock and ours agree: not too old, nor from the future."""
        try:
            view = self._spine.view
        except XmarginError:  # logged where it arose: the newest snapshot has no view
            return False
        return view is not None and (
            abs(self._clock_ms() - view.metadata.now_ms) <= self._view_age_ms_max
        )

    async def publish(self) -> None:
        """Tell the state once."""
        states = health_pb2.HealthCheckResponse
        state = states.SERVING if self.serving() else states.NOT_SERVING
        for service in SERVICES:
            await self.servicer.set(service, state)

    async def run(self) -> None:
        """Tell the state again and again, until cancelled."""
        while True:
            await self.publish()
            await asyncio.sleep(_CHECK_S)
