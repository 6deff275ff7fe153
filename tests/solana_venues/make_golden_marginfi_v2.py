"""Writes what marginfi's client says of made accounts.

Run ``python -m tests.solana_venues.make_golden_marginfi_v2`` (needs Node and npm) and read the
difference before it is committed. The client's own coder writes the bytes.
"""

import json
import random
from decimal import Context, Decimal
from typing import Any

from tests.solana_venues import sdk
from tests.solana_venues.marginfi_golden import GOLDEN, GRID
from tests.solana_venues.packing import key, packed
from xmargin.testbed import packages
from xmargin.venues import marginfi_v2
from xmargin.venues.layouts import marginfi_v2 as layouts

SEED = 20_261_121
ACCOUNTS = 120
TAGS = (501, 1571, 1572, 619, 57481, 57482, 871, 872)
"""The tags that the client knows."""
_EXACT = Context(prec=60)

Values = dict[str, Any]


def wrapped(bits: int) -> Values:
    return {"value": list(bits.to_bytes(16, "little", signed=True))}


def near(dice: random.Random, low: float, high: float) -> int:
    """An I80F48 between two numbers, with all its bits drawn."""
    return dice.randrange(int(low * GRID), int(high * GRID))


def bank(at: int, dice: random.Random) -> Values:
    address = key(dice)
    init = near(dice, 0.0, 0.9)
    debt_maint = near(dice, 1.0, 1.5)
    is_isolated = at == 0
    weights = {
        "assetWeightInit": wrapped(0 if is_isolated else init),
        "assetWeightMaint": wrapped(0 if is_isolated else near(dice, init / GRID, 1.0)),
        "liabilityWeightInit": wrapped(near(dice, debt_maint / GRID, 2.0)),
        "liabilityWeightMaint": wrapped(debt_maint),
    }
    price = 10 ** dice.uniform(-4, 5)
    limit = dice.choice([0, 0, 10**4, 10**8])
    now = price_bits(price, dice)
    # The client discounts a bank over its limit at the price now, the program at the weighted one.
    weighted = now if limit else price_bits(price * dice.uniform(0.9, 1.1), dice)
    return {
        "address": address,
        "weighted": weighted,
        "now": now,
        "values": {
            "mint": key(dice),
            "mintDecimals": dice.choice([5, 6, 6, 8, 9, 9]),
            "assetShareValue": wrapped(near(dice, 1.0, 1.6)),
            "liabilityShareValue": wrapped(near(dice, 1.0, 2.5)),
            "liquidityVault": marginfi_v2.vault_of(address),
            "totalAssetShares": wrapped(dice.randrange(10**9, 10**16) * GRID),
            "config": {
                **weights,
                "operationalState": "operational",
                "riskTier": "isolated" if is_isolated else "collateral",
                "totalAssetValueInitLimit": str(limit),
                "oracleSetup": "pythPushOracle",
            },
            "emode": {
                # The client knows debts by their bank's tag, the program by bank: one each.
                "emodeTag": 0 if is_isolated else TAGS[at - 1],
                "emodeConfig": {"entries": [] if is_isolated else entries(dice)},
            },
        },
    }


def entries(dice: random.Random) -> list[Values]:
    tags = sorted(dice.sample(TAGS, dice.choice([0, 3, 6, 8])))
    made = []
    for tag in tags:
        init = near(dice, 0.5, 0.9)
        maint = near(dice, init / GRID, 0.98)
        entry = {"assetWeightInit": wrapped(init), "assetWeightMaint": wrapped(maint)}
        made.append({"collateralBankEmodeTag": tag, **entry})
    return made


def price_bits(price: float, dice: random.Random) -> list[int]:
    return [int(price * GRID), int(price * dice.uniform(0, 0.05) * GRID)]


def exact(bits: int) -> str:
    """The decimal of an I80F48, all its digits."""
    return format(_EXACT.divide(Decimal(bits), Decimal(GRID)), "f")


def account(banks: list[Values], dice: random.Random) -> Values:
    held = dice.sample(banks, dice.randrange(1, 8))
    # Banks that name no tags end all emode: most accounts owe to those that do.
    owes = {one["address"] for one in held[1:] if dice.random() < 0.4}
    balances = [balance(one, is_debt=one["address"] in owes, dice=dice) for one in held]
    return {
        "address": key(dice),
        "values": {"authority": key(dice), "lendingAccount": {"balances": balances}},
    }


def balance(of: Values, *, is_debt: bool, dice: random.Random) -> Values:
    shares = wrapped(dice.randrange(GRID, 10 ** dice.randrange(4, 14) * GRID))
    side = "liabilityShares" if is_debt else "assetShares"
    return {"active": 1, "bankPk": of["address"], side: shares}


def main() -> None:
    dice = random.Random(SEED)
    banks = [bank(at, dice) for at in range(len(TAGS) + 1)]
    accounts = [account(banks, dice) for _ in range(ACCOUNTS)]
    layout_of = {layout.name: layout for layout in (layouts.MARGINFI_ACCOUNT, layouts.BANK)}
    scenario = {
        "layouts": {
            name: {"discriminator": layout.discriminator.hex(), "length": layout.length}
            for name, layout in layout_of.items()
        },
        "banks": [{**one, **{at: decimal(one[at]) for at in ("weighted", "now")}} for one in banks],
        "accounts": accounts,
    }
    answer = sdk.run(packages.MARGINFI_CLIENT, "marginfi_v2.cjs", scenario)
    made = [
        {key: one[key] for key in ("address", "weighted", "now")} | {"bytes": packed(text)}
        for one, text in zip(banks, answer["banks"], strict=True)
    ]
    said = [one | {"bytes": packed(one["bytes"])} for one in answer["accounts"]]
    GOLDEN.write_text(json.dumps({"banks": made, "accounts": said}, indent=1) + "\n")


def decimal(bits: list[int]) -> dict[str, str]:
    return {"price": exact(bits[0]), "confidence": exact(bits[1])}


if __name__ == "__main__":
    main()
