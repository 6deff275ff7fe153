"""The whole service inside another program: spine, intake and server in this event loop."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from xmargin.config import ServiceConfig
from xmargin.reading.base import ClockMs
from xmargin.service.intake import ReaderPlan
from xmargin.service.server import serve
from xmargin.spine import Spine


@asynccontextmanager
async def embedded_service(
    service: ServiceConfig, spine: Spine, readers: Sequence[ReaderPlan], clock_ms: ClockMs
) -> AsyncIterator[str]:
    """Serve while the block lasts; gives the address listened on.

    Raises:
        XmarginError: what :func:`~xmargin.service.server.serve` raised.
    """
    stop = asyncio.Event()
    bound: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        serve(service, spine, readers, stop=stop, on_bound=bound.set_result, clock_ms=clock_ms)
    )
    try:
        await _either(bound, serving)
        if bound.done():
            yield bound.result()
    finally:
        stop.set()
        await serving


async def _either(*futures: asyncio.Future[Any]) -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
