"""The golden file of Kamino's SDK, as accounts of ours."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.solana_venues.packing import unpacked
from xmargin.model.kamino import KaminoMarket, KaminoObligation, KaminoReserve
from xmargin.reads import SolanaAccount
from xmargin.venues import kamino

GOLDEN = Path(__file__).parent / "golden/kamino.json"
VENUE = "kamino@solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"
GRID = 2**60


@dataclass(frozen=True, slots=True)
class Golden:
    """Reserves and market as read, and what the SDK said of obligations."""

    market: KaminoMarket
    reserves: tuple[KaminoReserve, ...]
    obligations: tuple[tuple[KaminoObligation, dict[str, Any]], ...]


def document() -> dict[str, Any]:
    """The file as it stands."""
    said: dict[str, Any] = json.loads(GOLDEN.read_text())
    return said


def load() -> Golden:
    """Decode every account of the file."""
    said = document()
    market = kamino.market_of(VENUE, _placed(said["market"]))
    reserves = [kamino.reserve_of(VENUE, _placed(one)) for one in said["reserves"]]
    obligations = [
        (kamino.obligation_of(f"{VENUE}/{one['address']}", _placed(one)), one)
        for one in said["obligations"]
    ]
    return Golden(market, tuple(reserves), tuple(obligations))


def _placed(one: dict[str, str]) -> SolanaAccount:
    return SolanaAccount(one["address"], 1, kamino.PROGRAM, unpacked(one["bytes"]))
