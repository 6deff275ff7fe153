"""The golden file of marginfi's client, as accounts of ours."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.solana_venues.packing import unpacked
from xmargin.engine.venue_rules.marginfi_v2 import MarginfiV2Price, MarginfiV2Prices
from xmargin.model.marginfi_v2 import MarginfiV2Account, MarginfiV2Bank
from xmargin.reads import SolanaAccount
from xmargin.venues import marginfi_v2

GOLDEN = Path(__file__).parent / "golden/marginfi_v2.json"
VENUE = "marginfi-v2@solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"
GRID = 2**48


@dataclass(frozen=True, slots=True)
class Golden:
    """Banks and prices as read, and what the client said of accounts."""

    banks: tuple[MarginfiV2Bank, ...]
    prices: Mapping[str, MarginfiV2Prices]
    accounts: tuple[tuple[MarginfiV2Account, dict[str, Any]], ...]


def document() -> dict[str, Any]:
    """The file as it stands."""
    said: dict[str, Any] = json.loads(GOLDEN.read_text())
    return said


def load() -> Golden:
    """Decode every account of the file."""
    said = document()
    banks = [
        marginfi_v2.bank_of(VENUE, _placed(one["bytes"], one["address"])) for one in said["banks"]
    ]
    prices = {
        one["address"]: MarginfiV2Prices(_price(one["weighted"]), _price(one["now"]))
        for one in said["banks"]
    }
    accounts = [
        (
            marginfi_v2.account_of(
                f"{VENUE}/{one['address']}", _placed(one["bytes"], one["address"])
            ),
            one,
        )
        for one in said["accounts"]
    ]
    return Golden(tuple(banks), prices, tuple(accounts))


def _price(bits: list[int]) -> MarginfiV2Price:
    return MarginfiV2Price(*bits)


def _placed(text: str, address: str) -> SolanaAccount:
    return SolanaAccount(address, 1, marginfi_v2.PROGRAM, unpacked(text))
