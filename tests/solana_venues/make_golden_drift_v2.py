"""Writes what Drift's SDK says of made users, and of the real ones where they are there.

Run ``python -m tests.solana_venues.make_golden_drift_v2`` (needs Node and npm) and read the
difference before it is committed. Users, markets and prices are made here from a seed; the SDK's
own coder writes their bytes, so the golden file tests decoder and rule together.
"""

import base64
import json
import random
from typing import Any

from tests.solana_venues import captures, sdk
from tests.solana_venues.drift_golden import GOLDEN, QUOTE_ONE, VENUE
from tests.solana_venues.packing import key, packed
from xmargin.testbed import packages
from xmargin.venues import drift_v2
from xmargin.venues.layouts import drift_v2 as layouts

SEED = 20_261_121
USERS = 120
SPOT_INDEXES = range(10)
PERP_INDEXES = (0, 1, 2, 4, 7, 16, 18, 20, 30, 31, 32)
PREDICTION, SETTLED, HIGH_LEVERAGE = 30, 31, 32

Values = dict[str, Any]


def spot_market(index: int, dice: random.Random) -> Values:
    """Market 0 is the quote; others have other decimals, weights and size factors."""
    is_quote = index == 0
    initial = 10_000 if is_quote else dice.randrange(0, 9_500)
    maintenance = 10_000 if is_quote else dice.randrange(initial, 9_900)
    debt_maintenance = 10_000 if is_quote else dice.randrange(10_100, 12_000)
    debt_initial = 10_000 if is_quote else dice.randrange(debt_maintenance, 15_000)
    return {
        "pubkey": drift_v2.spot_market_address(index),
        "oracle": key(dice),
        "mint": key(dice),
        "marketIndex": index,
        "decimals": 6 if is_quote else dice.choice([5, 6, 8, 9, 9, 12]),
        "status": "active",
        "oracleSource": "quoteAsset" if is_quote else "pythPull",
        "depositBalance": str(dice.randrange(10**13, 10**17)),
        "cumulativeDepositInterest": str(dice.randrange(10**10, 2 * 10**10)),
        "cumulativeBorrowInterest": str(dice.randrange(10**10, 3 * 10**10)),
        "initialAssetWeight": initial,
        "maintenanceAssetWeight": maintenance,
        "initialLiabilityWeight": debt_initial,
        "maintenanceLiabilityWeight": debt_maintenance,
        "imfFactor": 0 if is_quote else dice.choice([0, 50, 3_000, 10_000]),
        "scaleInitialAssetWeightStart": "0" if is_quote else str(dice.choice([0, 10**9, 10**13])),
    }


def perp_market(index: int, dice: random.Random) -> Values:
    maintenance = dice.randrange(100, 2_000)
    initial = dice.randrange(maintenance + 1, 4_000)
    is_high = index == HIGH_LEVERAGE
    status = "settlement" if index == SETTLED else "active"
    return {
        "pubkey": drift_v2.perp_market_address(index),
        "marketIndex": index,
        "status": status,
        "contractType": "prediction" if index == PREDICTION else "perpetual",
        "expiryPrice": str(dice.randrange(1, 10**9)) if index == SETTLED else "0",
        "imfFactor": dice.choice([0, 100, 1_000, 20_000]),
        "marginRatioInitial": initial,
        "marginRatioMaintenance": maintenance,
        "highLeverageMarginRatioInitial": initial // 3 + 1 if is_high else 0,
        "highLeverageMarginRatioMaintenance": maintenance // 3 + 1 if is_high else 0,
        "unrealizedPnlInitialAssetWeight": dice.choice([0, 5_000, 10_000]),
        "unrealizedPnlMaintenanceAssetWeight": dice.choice([8_000, 10_000]),
        "amm": {
            "oracle": key(dice),
            "oracleSource": "pythLazer",
            "cumulativeFundingRateLong": str(dice.randrange(-(10**12), 10**12)),
            "cumulativeFundingRateShort": str(dice.randrange(-(10**12), 10**12)),
        },
    }


def user(number: int, dice: random.Random) -> Values:
    mode = dice.choice(["default", "default", "highLeverage", "highLeverageMaintenance"])
    spots = dice.sample(SPOT_INDEXES[1:], dice.randrange(0, 5))
    perps = dice.sample(PERP_INDEXES, dice.randrange(0, 5))
    return {
        "authority": key(dice),
        "subAccountId": number % 3,
        "marginMode": mode,
        "spotPositions": [quote_position(dice), *(spot_position(at, dice) for at in spots)],
        "perpPositions": [perp_position(at, dice) for at in perps],
    }


def quote_position(dice: random.Random) -> Values:
    is_borrow = dice.random() < 0.2
    return {
        "scaledBalance": str(dice.randrange(10**4, 10**14)),
        "marketIndex": 0,
        "balanceType": "borrow" if is_borrow else "deposit",
    }


def spot_position(index: int, dice: random.Random) -> Values:
    has_orders = dice.random() < 0.3
    return {
        "scaledBalance": str(dice.randrange(10**5, 10 ** dice.randrange(6, 15))),
        "marketIndex": index,
        "balanceType": dice.choice(["deposit", "deposit", "borrow"]),
        "openBids": str(dice.randrange(0, 10**11)) if has_orders else "0",
        "openAsks": str(-dice.randrange(0, 10**11)) if has_orders else "0",
        "openOrders": dice.randrange(1, 5) if has_orders else 0,
    }


def perp_position(index: int, dice: random.Random) -> Values:
    base = dice.choice([-1, 0, 1, 1, -1]) * dice.randrange(10**5, 10 ** dice.randrange(6, 14))
    orders = dice.random() < 0.4
    isolated = dice.random() < 0.2
    return {
        "marketIndex": index,
        "baseAssetAmount": str(base),
        "quoteAssetAmount": str(dice.randrange(-(10**8), 10**8)),
        "lastCumulativeFundingRate": str(dice.randrange(-(10**12), 10**12)),
        "openBids": str(dice.randrange(0, 10**12)) if orders else "0",
        "openAsks": str(-dice.randrange(0, 10**12)) if orders else "0",
        "openOrders": dice.randrange(1, 5) if orders else 0,
        "maxMarginRatio": dice.choice([0, 0, 2_500]),
        "positionFlag": 1 if isolated else 0,
        "isolatedPositionScaledBalance": str(dice.randrange(1, 10**13)) if isolated else "0",
    }


def scenario(dice: random.Random) -> Values:
    spot_prices = {at: str(dice.randrange(1, 10 ** dice.randrange(2, 11))) for at in SPOT_INDEXES}
    perp_prices = {at: str(dice.randrange(1, 10 ** dice.randrange(2, 11))) for at in PERP_INDEXES}
    spot_prices[0] = str(QUOTE_ONE)
    perp_prices[PREDICTION] = "370000"
    there = captures.FOLDER.is_dir()
    return {
        "layouts": {
            layout.name: {"discriminator": layout.discriminator.hex(), "length": layout.length}
            for layout in (layouts.USER, layouts.SPOT_MARKET, layouts.PERP_MARKET)
        },
        "spotMarkets": [spot_market(at, dice) for at in SPOT_INDEXES],
        "perpMarkets": [perp_market(at, dice) for at in PERP_INDEXES],
        "spotPrices": spot_prices,
        "perpPrices": perp_prices,
        "users": [user(number, dice) for number in range(USERS)],
        "captured": [
            base64.b64encode(data).decode() for data, _ in (captures.drift_users() if there else [])
        ],
    }


def main() -> None:
    made = scenario(random.Random(SEED))
    answer = sdk.run(packages.DRIFT_SDK, "drift_v2.cjs", made)
    for given, said in zip(made["users"], answer["users"], strict=True):
        said["account"] = f"{VENUE}/{given['authority']}/{given['subAccountId']}"
    answer |= {"spotPrices": made["spotPrices"], "perpPrices": made["perpPrices"]}
    for table in ("spotMarkets", "perpMarkets"):
        answer[table] = [packed(text) for text in answer[table]]
    for said in answer["users"]:
        said["bytes"] = packed(said["bytes"])
    GOLDEN.write_text(json.dumps(answer, indent=1) + "\n")


if __name__ == "__main__":
    main()
