"""Aave v3 accounts: random ones, and one account as engine and reference take it."""

from random import Random

from hypothesis import strategies as st

from xmargin.engine.liquidation import AaveV3Account, AaveV3EMode, AaveV3Reserve
from xmargin.reference.aave_v3_liquidation import Side

RAY = 10**27


def sides(account: AaveV3Account) -> tuple[Side, ...]:
    """The account as the reference takes it: what the eMode changes, changed."""
    return tuple(_side(account.release, r, account.emode) for r in account.reserves)


def _side(release: str, reserve: AaveV3Reserve, emode: AaveV3EMode | None) -> Side:
    # Until 3.4 a reserve without a threshold of its own is no collateral, in eMode either.
    counts = release == "3.6" or reserve.liquidation_threshold_bps != 0
    inside = emode is not None and reserve.emode == emode.category
    one = emode if emode is not None and inside else reserve
    return Side(
        decimals=reserve.decimals,
        price=(emode.price_base if emode and inside else 0) or reserve.price_base,
        threshold_bps=one.liquidation_threshold_bps,
        bonus_bps=one.bonus_bps,
        fee_bps=reserve.protocol_fee_bps,
        supply_scaled=reserve.supply_scaled,
        supply_index=reserve.supply_index,
        debt_scaled=reserve.debt_scaled,
        debt_index=reserve.debt_index,
        stable_debt=reserve.stable_debt,
        as_collateral=reserve.as_collateral and counts,
        borrowing=reserve.borrowing,
    )


@st.composite
def distressed(draw: st.DrawFn, release: str, reserves_max: int = 4) -> AaveV3Account:
    """Accounts below a health factor of one or not far above, of all sizes."""
    random = Random(draw(st.integers(0, 2**32)))
    count = draw(st.integers(2, reserves_max))
    rows = [_reserve(random, release) for _ in range(count)]
    # The first is collateral, the last debt; those between may be either, or both.
    held = [n == 0 or (n < count - 1 and random.random() < 0.5) for n in range(count)]
    owing = [n == count - 1 or (n > 0 and random.random() < 0.4) for n in range(count)]
    usd = 10 ** random.uniform(-1, 7)
    supplies = [random.uniform(0.2, 1) * usd * h for h in held]
    guarded = sum(
        s * r.liquidation_threshold_bps / 1e4 for s, r in zip(supplies, rows, strict=True)
    )
    owed = guarded / random.uniform(0.6, 1.02) / sum(owing)
    made = [
        _filled(random, row, supply, owed * owes, release)
        for row, supply, owes in zip(rows, supplies, owing, strict=True)
    ]
    emode = None
    if random.random() < 0.3:
        price = random.choice([0, made[0].price_base]) if release == "3.0" else 0
        emode = AaveV3EMode(1, 9500, 10100, price)
    return AaveV3Account(release, tuple(made), emode)


def _reserve(random: Random, release: str) -> AaveV3Reserve:
    return AaveV3Reserve(
        decimals=random.choice([2, 6, 8, 18]),
        price_base=int(10 ** random.uniform(6, 13)),
        liquidation_threshold_bps=random.choice([0, 6500, 7800, 8300, 9300]),
        bonus_bps=random.choice([10100, 10450, 10500, 11000, 12000]),
        protocol_fee_bps=random.choice([0, 1, 1000, 2000, 10000]),
        supply_index=RAY + random.randrange(RAY),
        debt_index=RAY + random.randrange(RAY),
        emode=random.choice([0, 1]),
    )


def _filled(
    random: Random, row: AaveV3Reserve, supplied_usd: float, owed_usd: float, release: str
) -> AaveV3Reserve:
    unit_usd = row.price_base / 1e8 / 10**row.decimals

    def scaled(usd: float, index: int) -> int:
        return int(usd / unit_usd) * RAY // index

    stable = random.choice([0, 0.3, 1]) if release == "3.0" else 0
    return AaveV3Reserve(
        decimals=row.decimals,
        price_base=row.price_base,
        liquidation_threshold_bps=row.liquidation_threshold_bps,
        bonus_bps=row.bonus_bps,
        protocol_fee_bps=row.protocol_fee_bps,
        supply_scaled=scaled(supplied_usd, row.supply_index),
        supply_index=row.supply_index,
        debt_scaled=scaled(owed_usd * (1 - stable), row.debt_index),
        debt_index=row.debt_index,
        stable_debt=int(owed_usd * stable / unit_usd),
        emode=row.emode,
        as_collateral=supplied_usd > 0,
        borrowing=owed_usd > 0,
    )
