"""A lagging RPC node, made of a real one: see ``xmargin.testbed.faults_solana``."""

from collections import Counter
from typing import Self

from xmargin.testbed.faults import Fault
from xmargin.testbed.faults_solana import SolanaDeceit
from xmargin.testbed.proxy import ChainProxy


class LaggingRpc(SolanaDeceit):
    """A proxy whose account answers are as old as the deceit says; none at first."""

    def __init__(self, http_url: str) -> None:
        super().__init__()
        self._upstream = http_url
        self._proxy: ChainProxy | None = None

    async def __aenter__(self) -> Self:
        self._proxy = await ChainProxy.start(self._upstream, "", deceit=self)
        self._proxy.set_fault(Fault.LAG)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._proxy is not None:
            await self._proxy.stop()

    @property
    def http_url(self) -> str:
        assert self._proxy is not None
        return self._proxy.http_url

    @property
    def calls(self) -> Counter[str]:
        assert self._proxy is not None
        return self._proxy.calls
