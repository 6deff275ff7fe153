"""Which endpoint a chain is read from, and how the chain is said to stand.

Without a quorum a chain's reader follows one endpoint at a time. When that one fails the next is
tried, and only when each failed in a row is the chain called unreachable, invalid or lagging.

With a quorum it follows all of them at once, and there is nobody to fall back to: without operators
enough that agree, nothing is told.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from xmargin.config import ChainConfig, EndpointConfig
from xmargin.errors import EndpointError
from xmargin.model import BlockRef, ChainId, ChainStatus, Condition, Observation
from xmargin.reading.base import ClockMs, Sink

_LOG = logging.getLogger(__name__)
_PAUSE_S_MIN: Final = 0.25
_PAUSE_S_MAX: Final = 10.0


class Source(Protocol):
    """What a chain is read from: an endpoint, or a quorum of several."""

    redacted: str

    def take_doubts(self) -> str:
        """What is held against single endpoints as of a block that is told."""
        ...

    def fault(self, what: str, condition: Condition = Condition.UNREACHABLE) -> EndpointError:
        """An error about it."""
        ...


class FailoverReader(ABC):
    """A :class:`xmargin.reading.base.ChainReader` over several endpoints.

    ``heads_told`` counts the heads told; whoever follows an endpoint counts them up.
    """

    def __init__(self, config: ChainConfig, clock_ms: ClockMs) -> None:
        self.chain: ChainId = config.id
        self.head_age_ms_max = config.head_age_ms_max
        self.heads_told = 0
        self._config = config
        self._clock_ms = clock_ms
        self._status: ChainStatus | None = None
        self._last_fault = ""

    @abstractmethod
    async def _follow(self, config: EndpointConfig, sink: Sink, *, last_resort: bool) -> None:
        """Tell one endpoint's heads until it fails; an old head is put up with as last resort.

        Raises:
            EndpointError: the endpoint failed, or is late (see :class:`Patience`).
        """

    @abstractmethod
    async def _follow_quorum(self, sink: Sink) -> None:
        """Tell the heads that a quorum of the endpoints agrees on, until none agrees any more.

        Raises:
            EndpointError: too few operators can be read, or they contradict each other.
        """

    # --- Endpoints ----------------------------------------------------------------------------

    async def run(self, sink: Sink) -> None:
        """Read until cancelled; endpoints are tried in order, with pauses that grow.

        The chain is called unreachable, invalid or lagging only when each endpoint failed since
        the last head told; while another endpoint than the first serves, an OK status says why.
        With a quorum it is called so as soon as there is none.

        Raises:
            XmarginError: whatever ``sink`` raises; never an endpoint's fault.
        """
        followed = self._to_follow(sink)
        failures, index, pause_s = 0, 0, _PAUSE_S_MIN
        while True:
            told_before = self.heads_told
            try:
                await followed[index](failures + 1 >= len(followed))
            except EndpointError as error:
                if self.heads_told > told_before:
                    failures, pause_s = 0, _PAUSE_S_MIN
                failures += 1
                self._note(error)
                if failures >= len(followed):
                    await self._tell_status(_status_of(error), sink)
            index = (index + 1) % len(followed)
            if failures >= len(followed):
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _PAUSE_S_MAX)

    def _to_follow(self, sink: Sink) -> Sequence[Callable[[bool], Awaitable[None]]]:
        """What to follow one after the other; each is told whether it is the last resort."""
        if self._config.quorum > 1:
            return [lambda _: self._follow_quorum(sink)]

        def one(endpoint: EndpointConfig) -> Callable[[bool], Awaitable[None]]:
            return lambda last: self._follow(endpoint, sink, last_resort=last)

        return [one(endpoint) for endpoint in self._config.endpoints]

    def _note(self, error: EndpointError) -> None:
        if error.message != self._last_fault:
            _LOG.warning("%s", error.message)
        self._last_fault = error.message

    # --- Status -------------------------------------------------------------------------------

    def _status_at(self, source: Source, head: BlockRef) -> ChainStatus:
        """How the chain stands once ``head`` is told; of a quorum an OK names who is not in it."""
        doubts = source.take_doubts()
        if self.is_old(head):
            reason = f"its head is older than {self.head_age_ms_max} ms"
            return ChainStatus(Condition.LAGGING, reason, source.redacted)
        if self._config.quorum > 1:
            return ChainStatus(Condition.OK, doubts, source.redacted)
        on_first = source.redacted == self._config.endpoints[0].redacted
        reason = "" if on_first else self._last_fault
        return ChainStatus(Condition.OK, reason, source.redacted)

    def is_old(self, head: BlockRef) -> bool:
        """Whether a head is older than the chain's heads may be."""
        return self._clock_ms() - 1000 * head.time_s > self.head_age_ms_max

    async def _tell_status(self, status: ChainStatus, sink: Sink) -> None:
        """Told when it changes, not with every head: reasons carry no numbers that move."""
        if status == self._status:
            return
        self._status = status
        await sink([Observation(status, self._clock_ms(), self.chain, None, "reader")])


class Patience:
    """How long one endpoint may go without news, and whether its heads may be old."""

    def __init__(self, reader: FailoverReader, source: Source, *, last_resort: bool) -> None:
        self._reader = reader
        self._source = source
        self._puts_up_with_old_heads = last_resort
        self._news_s = _now_s()

    def judge(self, head: BlockRef | None) -> None:
        """Take note of a head that was told, or (``None``) that there was none to tell.

        Raises:
            EndpointError: the chain lags here, and another endpoint may be better.
        """
        now_s = _now_s()
        if head is not None:
            self._news_s = now_s
            self._puts_up_with_old_heads |= not self._reader.is_old(head)
            if not self._puts_up_with_old_heads:
                raise self._source.fault(
                    f"its head is older than {self._reader.head_age_ms_max} ms", Condition.LAGGING
                )
        elif 1000 * (now_s - self._news_s) > self._reader.head_age_ms_max:
            raise self._source.fault(
                f"no new block within {self._reader.head_age_ms_max} ms", Condition.LAGGING
            )


def _now_s() -> float:
    """The event loop's own clock, which is what its pauses and timeouts go by."""
    return asyncio.get_running_loop().time()


def _status_of(error: EndpointError) -> ChainStatus:
    condition = Condition(error.metadata["condition"])
    return ChainStatus(condition, error.message, error.metadata["endpoint"])
