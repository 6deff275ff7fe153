"""Writes the golden vectors of cascades: small books with all their fixed points, found by trial.

Run ``python -m tests.liquidation.make_golden_cascades`` and read the difference. Prices are
rational; they are written as the nearest floats.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from tests.liquidation.cascades import example
from xmargin.reference.cascade import fixed_points

GOLDEN = Path(__file__).parent / "golden" / "cascades.json"
_SELLING, _BUYING = range(16), range(100, 112)
_SHARING = range(200, 208)


def rows() -> list[dict[str, Any]]:
    made = []
    for seed in (*_SELLING, *_BUYING, *_SHARING):
        assets = ("ETH", "BTC") if seed in _SHARING else ()
        accounts, market = example(seed, buys=seed in _BUYING, assets=assets)
        found = fixed_points(accounts, market)
        made.append(
            {
                "accounts": [dataclasses.asdict(account) for account in accounts],
                "market": dataclasses.asdict(market),
                "fixed_points": [
                    {name: float(price) for name, price in prices.items()} for prices in found
                ],
            }
        )
    return made


def content() -> str:
    return json.dumps(rows(), indent=1) + "\n"


if __name__ == "__main__":
    GOLDEN.write_text(content(), "utf-8")
