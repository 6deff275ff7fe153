"""What Hyperliquid answered: a captured state of March 2023, and its documentation's example."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from xmargin.model.hyperliquid import HyperliquidAccount, HyperliquidMarket
from xmargin.venues.hyperliquid import account_of, markets_of

FOLDER = Path(__file__).resolve().parents[3] / "shared/data/chain/hyperliquid"

needs_capture = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="../shared with the captured state is absent"
)

CHAIN = "hyper:mainnet"
VENUE = f"hyperliquid@{CHAIN}"
CAPTURED_USER = "0x5e9ee1089755c3435139848e47e6635505d5a13a"
DOCUMENTED_USER = "0x" + "d0" * 20
CAPTURED = f"{VENUE}/{CAPTURED_USER}"
DOCUMENTED = f"{VENUE}/{DOCUMENTED_USER}"
CAPTURED_AT_MS = 1_679_940_322_000  # the answer's Date header; it has no time of its own

# hyperliquid.gitbook.io, "Retrieve user's perpetuals account summary".
DOCUMENTED_STATE: dict[str, Any] = {
    "assetPositions": [
        {
            "position": {
                "coin": "ETH",
                "cumFunding": {
                    "allTime": "514.085417",
                    "sinceChange": "0.0",
                    "sinceOpen": "0.0",
                },
                "entryPx": "2986.3",
                "leverage": {"rawUsd": "-95.059824", "type": "isolated", "value": 20},
                "liquidationPx": "2866.26936529",
                "marginUsed": "4.967826",
                "maxLeverage": 50,
                "positionValue": "100.02765",
                "returnOnEquity": "-0.0026789",
                "szi": "0.0335",
                "unrealizedPnl": "-0.0134",
            },
            "type": "oneWay",
        }
    ],
    "crossMaintenanceMarginUsed": "0.0",
    "crossMarginSummary": {
        "accountValue": "13104.514502",
        "totalMarginUsed": "0.0",
        "totalNtlPos": "0.0",
        "totalRawUsd": "13104.514502",
    },
    "marginSummary": {
        "accountValue": "13109.482328",
        "totalMarginUsed": "4.967826",
        "totalNtlPos": "100.02765",
        "totalRawUsd": "13009.454678",
    },
    "time": 1708622398623,
    "withdrawable": "13104.514502",
}
# The position's own maxLeverage, and a market with tiers as mainnet's ("Margin tiers").
DOCUMENTED_META: dict[str, Any] = {
    "universe": [
        {"name": "BTC", "szDecimals": 5, "maxLeverage": 40, "marginTableId": 56},
        {"name": "ETH", "szDecimals": 4, "maxLeverage": 50, "marginTableId": 50},
        {"name": "HPOS", "szDecimals": 0, "maxLeverage": 3, "onlyIsolated": True},
    ],
    "marginTables": [
        [50, {"description": "", "marginTiers": [{"lowerBound": "0.0", "maxLeverage": 50}]}],
        [
            56,
            {
                "description": "tiered 40x",
                "marginTiers": [
                    {"lowerBound": "0.0", "maxLeverage": 40},
                    {"lowerBound": "150000000.0", "maxLeverage": 20},
                ],
            },
        ],
    ],
}


def captured_answer(name: str) -> dict[str, Any]:
    """The body of a captured answer, as it was."""
    (first, *_) = json.loads((FOLDER / f"test_{name}.json").read_text())
    body: dict[str, Any] = first["response"]
    return body


def captured_state() -> dict[str, Any]:
    """With the time that answers had not yet."""
    return captured_answer("get_user_state") | {"time": CAPTURED_AT_MS}


def captured_markets() -> dict[str, HyperliquidMarket]:
    """Of July 2023: every coin's largest leverage was 50."""
    return {one.coin: one for one in markets_of(captured_answer("get_info"), VENUE)}


def documented() -> HyperliquidAccount:
    return account_of(DOCUMENTED_STATE, DOCUMENTED)


def documented_markets() -> dict[str, HyperliquidMarket]:
    return {one.coin: one for one in markets_of(DOCUMENTED_META, VENUE)}


def said_prices(state: HyperliquidAccount) -> dict[str, Decimal | None]:
    """The liquidation prices that the venue answered."""
    return {one.coin: one.liquidation_price for one in state.positions}
