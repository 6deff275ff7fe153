"""When to look, with several endpoints: each announces its heads, and a liar cannot drown the rest.

What is announced is a hint and nothing more: a head is told once operators enough have it.
"""

import asyncio
from typing import Final, Self

from xmargin.chains.evm.endpoint import EvmEndpoint
from xmargin.chains.evm.heads import HeadWatch
from xmargin.chains.quorum import Member, Quorum
from xmargin.config import ChainConfig, EndpointConfig
from xmargin.errors import EndpointError

_RETRY_S_MIN: Final = 0.25
_RETRY_S_MAX: Final = 5.0


class Announcements:
    """The newest head of each endpoint of a quorum, to be tried in a fair order."""

    def __init__(
        self,
        chain: ChainConfig,
        quorum: Quorum[EvmEndpoint],
        endpoints: tuple[EndpointConfig, ...],
    ) -> None:
        self._chain = chain
        self._quorum = quorum
        self._watched = tuple(zip(quorum.members, endpoints, strict=True))
        self._newest: dict[Member[EvmEndpoint], str] = {}
        self._tried: dict[Member[EvmEndpoint], int] = dict.fromkeys(quorum.members, 0)
        self._faults: dict[str, EndpointError] = {}
        self._turns = 0
        self._hinted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._keep_watching(member, endpoint))
            for member, endpoint in self._watched
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def has_newer(self) -> bool:
        """Whether :meth:`next` would return at once."""
        return self._hinted.is_set()

    async def next(self) -> str:
        """The hash of a head not tried yet: of the endpoint whose turn was longest ago.

        Raises:
            EndpointError: fewer operators than the quorum can be read.
        """
        while not self._newest:
            await self._hinted.wait()
            self._quorum.require_reachable(self._faults)
        member = min(self._newest, key=lambda one: self._tried[one])
        self._turns += 1
        self._tried[member] = self._turns
        head = self._newest.pop(member)
        # Others that announced the same are answered with it.
        self._newest = {other: own for other, own in self._newest.items() if own != head}
        if not self._newest:
            self._hinted.clear()
        return head

    async def _keep_watching(self, member: Member[EvmEndpoint], endpoint: EndpointConfig) -> None:
        pause_s = _RETRY_S_MIN
        while True:
            try:
                await member.read(_nothing)
                async with HeadWatch(self._chain, member.endpoint, endpoint.ws_url) as heads:
                    while True:
                        head = await heads.next()
                        pause_s = _RETRY_S_MIN
                        self._faults.pop(member.endpoint.redacted, None)
                        self._newest[member] = head
                        self._hinted.set()
            except EndpointError as error:
                member.blame(error.message)
                self._faults[member.endpoint.redacted] = error
                self._newest.pop(member, None)
                self._wake_if_lost()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _RETRY_S_MAX)

    def _wake_if_lost(self) -> None:
        """Let :meth:`next` raise when operators too few are left."""
        try:
            self._quorum.require_reachable(self._faults)
        except EndpointError:
            self._hinted.set()
        else:
            if not self._newest:
                self._hinted.clear()


async def _nothing(_: EvmEndpoint) -> None:
    """Connecting is all."""
