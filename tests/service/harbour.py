"""A chain reader of another package: it tells what the file at its endpoint's path says."""

import asyncio
import json
from pathlib import Path
from urllib.parse import urlsplit

from xmargin import records
from xmargin.config import ChainConfig
from xmargin.errors import ConfigError
from xmargin.model import BlockRef, ChainHead, Fact, Observation, Registry
from xmargin.model.standings import HELD_RECORD, HeldLegs, VenueLeg
from xmargin.reading.base import ClockMs, Sink


class HarbourReader:
    """Each line of the file is a block: its time in seconds, and an account's balance."""

    def __init__(self, config: ChainConfig, registry: Registry, clock_ms: ClockMs) -> None:
        if not any(account.startswith("quay@") for account in _accounts(registry)):
            raise ConfigError("the harbour has no quay to read", field="portfolios")
        self.chain = config.id
        self._file = Path(urlsplit(config.endpoints[0].http_url).path)
        self._clock_ms = clock_ms
        self._account = _accounts(registry)[0]

    async def run(self, sink: Sink) -> None:
        for height, line in enumerate(self._file.read_text().splitlines(), start=1):
            time_s, amount = json.loads(line)
            block = BlockRef(height, f"0x{height}", f"0x{height - 1}", time_s)
            legs = HeldLegs((VenueLeg(f"{self.chain}/token:gold", amount),))
            venue = self._account.split("/")[0]
            facts: list[Fact] = [
                records.market_record(venue, HELD_RECORD, self._account, legs),
                ChainHead(height, height),
            ]
            now_ms = self._clock_ms()
            await sink([Observation(f, now_ms, self.chain, block, "harbour") for f in facts])
        await asyncio.Event().wait()


def _accounts(registry: Registry) -> list[str]:
    return [account for spec in registry.portfolios for account in spec.accounts]


def unmakeable(config: ChainConfig, registry: Registry, clock_ms: ClockMs) -> HarbourReader:
    raise ZeroDivisionError("of another's making")
