"""The golden file of Drift's SDK, as accounts of ours."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.solana_venues.packing import unpacked
from xmargin.model.drift_v2 import DriftV2PerpMarket, DriftV2SpotMarket, DriftV2User
from xmargin.reads import SolanaAccount
from xmargin.venues import drift_v2

GOLDEN = Path(__file__).parent / "golden/drift_v2.json"
VENUE = "drift-v2@solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"
QUOTE_ONE = 1_000_000


@dataclass(frozen=True, slots=True)
class Golden:
    """Markets and prices as read, and what the SDK said of users."""

    spot_markets: tuple[DriftV2SpotMarket, ...]
    perp_markets: tuple[DriftV2PerpMarket, ...]
    prices: Mapping[tuple[str, str], int]
    users: tuple[tuple[DriftV2User, dict[str, Any]], ...]
    captured: tuple[dict[str, Any], ...]


def document() -> dict[str, Any]:
    """The file as it stands."""
    said: dict[str, Any] = json.loads(GOLDEN.read_text())
    return said


def load() -> Golden:
    """Decode every account of the file."""
    said = document()
    spots = [
        drift_v2.spot_market_of(VENUE, _placed(text, drift_v2.spot_market_address(at)))
        for at, text in zip(map(int, said["spotPrices"]), said["spotMarkets"], strict=True)
    ]
    perps = [
        drift_v2.perp_market_of(VENUE, _placed(text, drift_v2.perp_market_address(at)))
        for at, text in zip(map(int, said["perpPrices"]), said["perpMarkets"], strict=True)
    ]
    prices = {
        (one.oracle, one.oracle_source): int(said["spotPrices"][str(one.market_index)])
        for one in spots
    } | {
        (one.oracle, one.oracle_source): int(said["perpPrices"][str(one.market_index)])
        for one in perps
    }
    users = [(_user(one["account"], one["bytes"]), one) for one in said["users"]]
    return Golden(tuple(spots), tuple(perps), prices, tuple(users), tuple(said["captured"]))


def _user(account: str, text: str) -> DriftV2User:
    return drift_v2.user_of(account, _placed(text, drift_v2.user_address(account)))


def _placed(text: str, address: str) -> SolanaAccount:
    return SolanaAccount(address, 1, drift_v2.PROGRAM, unpacked(text))
