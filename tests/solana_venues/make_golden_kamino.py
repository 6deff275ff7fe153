"""Writes what Kamino's SDK says of made obligations.

Run ``python -m tests.solana_venues.make_golden_kamino`` (needs Node and npm) and read the
difference before it is committed. The SDK's own layouts write the bytes.
"""

import json
import random
from decimal import Context, Decimal
from typing import Any

from tests.solana_venues import sdk
from tests.solana_venues.kamino_golden import GOLDEN, GRID
from tests.solana_venues.packing import key, packed
from xmargin.testbed import packages
from xmargin.venues import kamino
from xmargin.venues.solana_layout import key_bytes, program_address

SEED = 20_261_121
RESERVES = 10
OBLIGATIONS = 120
GROUPS = (1, 2, 5)
BESIDE = ("@kamino-finance/farms-sdk@3.2.24",)
_EXACT = Context(prec=60)
_WORD = 2**64

Values = dict[str, Any]


def words(number: int) -> list[str]:
    """A wide number as the program keeps it."""
    return [str(number >> 64 * at & (_WORD - 1)) for at in range(4)]


def rate(low: float, high: float, dice: random.Random) -> int:
    return dice.randrange(int(low * GRID), int(high * GRID))


def reserve(at: int, market: str, dice: random.Random) -> Values:
    address, decimals = key(dice), dice.choice([5, 6, 6, 8, 9])
    price_sf = int(10 ** dice.uniform(-4, 5) * GRID)
    available = dice.randrange(10**6, 10**15)
    borrowed = dice.randrange(0, 10**15) * GRID + dice.randrange(GRID)
    supply = int((available + borrowed // GRID) / dice.uniform(1.0, 1.4))
    ltv = dice.randrange(0, 80)
    # Every other reserve is in all groups; the group's debt is in the first, which is in none else.
    groups = list(GROUPS) if at % 2 == 0 else []
    seeds = [b"reserve_liq_supply", key_bytes(address)]
    return {
        "address": address,
        "price_sf": price_sf,
        "decimals": decimals,
        "values": {
            "version": "1",
            "lendingMarket": market,
            "liquidity": {
                "mintPubkey": key(dice),
                "supplyVault": program_address(seeds, kamino.PROGRAM),
                "totalAvailableAmount": str(available),
                "borrowedAmountSf": str(borrowed),
                "marketPriceSf": str(price_sf),
                "mintDecimals": str(decimals),
                "cumulativeBorrowRateBsf": {"value": words(rate(1.5, 3.0, dice))},
                "accumulatedProtocolFeesSf": str(dice.randrange(0, 10**5 * GRID)),
                "accumulatedReferrerFeesSf": str(dice.randrange(0, 10**4 * GRID)),
                "pendingReferrerFeesSf": str(dice.randrange(0, 10**3 * GRID)),
            },
            "collateral": {"mintTotalSupply": str(supply)},
            "config": {
                "loanToValuePct": ltv,
                "liquidationThresholdPct": dice.randrange(ltv, 90),
                "borrowFactorPct": str(dice.choice([100, 100, 125, 250])),
                "elevationGroups": groups,
            },
        },
    }


def market(debt_reserve: str, dice: random.Random) -> Values:
    groups: list[Values] = [{"id": 0} for _ in range(max(GROUPS))]
    for number in GROUPS:
        ltv = dice.randrange(80, 92)
        groups[number - 1] = {
            "id": number,
            "ltvPct": ltv,
            "liquidationThresholdPct": dice.randrange(ltv, 97),
            "debtReserve": debt_reserve,
        }
    return {
        "version": "1",
        "lendingMarketOwner": key(dice),
        "globalAllowedBorrowValue": str(10**18),
        "elevationGroups": groups,
    }


def obligation(address: str, reserves: list[Values], dice: random.Random) -> Values:
    group = dice.choice([0, 0, *GROUPS])
    debtor, *others = [one for one in reserves if one["values"]["config"]["elevationGroups"]]
    if group:
        held, owed = dice.sample(others, dice.randrange(1, len(others))), [debtor]
    else:
        held = dice.sample(reserves, dice.randrange(1, 8))
        owed = dice.sample(reserves, dice.randrange(0, 5))
    owner = key(dice)
    return {
        "address": kamino.obligation_address(owner, address),
        "values": {
            "tag": "0",
            "lendingMarket": address,
            "owner": owner,
            "elevationGroup": group,
            "deposits": [
                {
                    "depositReserve": one["address"],
                    "depositedAmount": str(dice.randrange(0, 10 ** dice.randrange(3, 14))),
                }
                for one in held
            ],
            "borrows": [borrow(one["address"], dice) for one in owed],
        },
    }


def borrow(address: str, dice: random.Random) -> Values:
    return {
        "borrowReserve": address,
        "cumulativeBorrowRateBsf": {"value": words(rate(1.0, 1.5, dice))},
        "borrowedAmountSf": str(dice.randrange(0, 10 ** dice.randrange(3, 13) * GRID)),
    }


def main() -> None:
    dice = random.Random(SEED)
    address = key(dice)
    reserves = [reserve(at, address, dice) for at in range(RESERVES)]
    obligations = [obligation(address, reserves, dice) for _ in range(OBLIGATIONS)]
    scenario = {
        "market": {"address": address, "values": market(reserves[0]["address"], dice)},
        "reserves": [{**one, "price": exact(one["price_sf"])} for one in reserves],
        "obligations": obligations,
    }
    answer = sdk.run(packages.KLEND_SDK, "kamino.cjs", scenario, BESIDE)
    said = {
        "market": {"address": address, "bytes": packed(answer["market"])},
        "reserves": [
            {"address": one["address"], "bytes": packed(text)}
            for one, text in zip(reserves, answer["reserves"], strict=True)
        ],
        "obligations": [one | {"bytes": packed(one["bytes"])} for one in answer["obligations"]],
    }
    GOLDEN.write_text(json.dumps(said, indent=1) + "\n")


def exact(bits: int) -> str:
    """The decimal of a fraction, all its digits."""
    return format(_EXACT.divide(Decimal(bits), Decimal(GRID)), "f")


if __name__ == "__main__":
    main()
