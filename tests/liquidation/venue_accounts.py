"""Random accounts of the venues beside Aave v3, and the same as the reference takes them."""

import dataclasses
from fractions import Fraction
from random import Random

from xmargin.engine.liquidation import (
    AaveV4Account,
    AaveV4Side,
    DriftAccount,
    DriftPosition,
    DydxV4Account,
    DydxV4Position,
    EulerAccount,
)
from xmargin.reference import lending_auctions as auctions
from xmargin.reference import perp_liquidation as perps

WAD = 10**18
ALL = 2**256 - 1


def dydx_account(random: Random) -> DydxV4Account:
    """Longs and shorts with equity from well below zero to just above the requirement."""
    positions = tuple(
        DydxV4Position(
            quantums=random.choice([-1, 1]) * int(10 ** random.uniform(2, 11)),
            price=int(10 ** random.uniform(4, 10)),
            exponent=random.randint(-9, -4),
            initial_margin_ppm=random.choice([20_000, 50_000, 100_000, 1_000_000]),
            maintenance_fraction_ppm=random.choice([500_000, 600_000, 1_000_000]),
        )
        for _ in range(random.randint(1, 4))
    )
    held = [perp_of(position) for position in positions]
    value = sum(perp.value(perp.size) for perp in held)
    required = sum(perp.requirement(perp.size) for perp in held)
    equity = int(required * random.uniform(-0.6, 1.05))
    return DydxV4Account(
        quote=equity - value,
        positions=positions,
        bankruptcy_adjustment_ppm=random.choice([1_000_000, 2_000_000]),
        spread_to_maintenance_ppm=random.choice([1, 100_000, 1_000_000]),
        fee_max_ppm=random.choice([0, 5_000, 100_000]),
    )


def perp_of(position: DydxV4Position) -> perps.Perp:
    return perps.Perp(
        position.quantums,
        Fraction(10) ** position.exponent * position.price,
        position.initial_margin_ppm,
        position.maintenance_fraction_ppm,
    )


def dydx_referred(account: DydxV4Account, at: int, size: int) -> perps.Closed:
    parameters = (
        account.bankruptcy_adjustment_ppm,
        account.spread_to_maintenance_ppm,
        account.fee_max_ppm,
    )
    held = [perp_of(position) for position in account.positions]
    return perps.dydx_close(account.quote, held, at, size, parameters)


def health_wad(equity: int, requirement: int) -> int | None:
    return max(equity, 0) * 10**18 // requirement if requirement else None


def drift_account(random: Random) -> DriftAccount:
    """Perps with equity from below zero to just above the requirement."""
    positions = tuple(
        DriftPosition(
            base=random.choice([-1, 1]) * int(10 ** random.uniform(5, 14)),
            price=int(10 ** random.uniform(4, 11)),
            maintenance_ratio=random.choice([300, 500, 1_000]),
            size_factor=random.choice([0, 50, 1_000]),
            liquidator_fee=random.choice([0, 5_000, 10_000, 60_000]),
            fund_fee_max=random.choice([0, 5_000, 20_000]),
            step=random.choice([1, 1_000, 10**6, 10**9]),
        )
        for _ in range(random.randint(1, 3))
    )
    account = DriftAccount(
        cash=0,
        positions=positions,
        buffer_ratio=random.choice([0, 200]),
        initial_share=random.choice([0, 1_000, 10_000]),
        duration_slots=random.choice([0, 150]),
        elapsed_slots=random.randint(0, 200),
        margin_freed=random.choice([0, 10**6, 10**9]),
        quote_price=random.choice([10**6, 990_000, 1_010_000]),
    )
    value, required, _ = drift_standing(account)
    return dataclasses.replace(account, cash=int(required * random.uniform(-0.5, 1.05)) - value)


def drift_perps(account: DriftAccount) -> list[perps.DriftPerp]:
    return [
        perps.DriftPerp(
            p.base, p.price, p.maintenance_ratio, p.size_factor, p.liquidator_fee,
            p.fund_fee_max, p.step,
        )
        for p in account.positions
    ]  # fmt: skip


def drift_standing(account: DriftAccount) -> tuple[int, int, int]:
    held = drift_perps(account)
    return perps.drift_standing(account.cash, held, account.quote_price, account.buffer_ratio)


def drift_referred(account: DriftAccount, at: int, base_max: int) -> tuple[int, perps.Closed]:
    terms = perps.DriftTerms(
        account.quote_price, account.buffer_ratio, account.initial_share,
        account.duration_slots, account.elapsed_slots, account.margin_freed,
    )  # fmt: skip
    return perps.drift_close(account.cash, drift_perps(account), at, base_max, terms)


def v4_account(random: Random) -> AaveV4Account:
    """One collateral against one debt, health from 0.5 to just above one, any size."""
    usd = 10 ** random.uniform(2, 7)
    factor = random.choice([7_000, 8_000, 9_000])
    other = random.choice([0.0, 0.3])
    weighted = usd * factor / 1e4 * (1 + other)
    health = random.uniform(0.5, 1.02)
    debt = weighted / health
    other_debt = random.choice([0.0, 0.4]) * debt
    return AaveV4Account(
        collateral=_side(random, usd),
        debt=_side(random, debt - other_debt),
        factor_bps=factor,
        bonus_max_bps=random.choice([10_000, 10_500, 10_900]),
        fee_bps=random.choice([0, 1_000, 10_000]),
        target_wad=random.choice([WAD, 105 * WAD // 100, 124 * WAD // 100]),
        bonus_max_health_wad=random.choice([8, 9]) * WAD // 10,
        bonus_factor_bps=random.choice([0, 3_000, 10_000]),
        other_weighted=int(usd * factor * other * 1e8),
        other_debt_base=int(other_debt * 1e8),
        has_other_collateral=other > 0,
        debt_to_cover=random.choice([ALL, ALL, 1_000, 10**9]),
    )


def _side(random: Random, usd: float) -> AaveV4Side:
    decimals, price = random.choice([6, 8, 18]), int(10 ** random.uniform(7, 12))
    return AaveV4Side(int(usd * 1e8 / price * 10**decimals), decimals, price)


def v4_of(account: AaveV4Account) -> auctions.V4:
    def side(one: AaveV4Side) -> auctions.Side:
        return auctions.Side(one.amount, Fraction(one.price_base, 10**one.decimals))

    return auctions.V4(
        collateral=side(account.collateral),
        debt=side(account.debt),
        other_weighted=Fraction(account.other_weighted, 10**4),
        other_debt=account.other_debt_base,
        has_other_collateral=account.has_other_collateral,
        factor=Fraction(account.factor_bps, 10**4),
        bonus_max_bps=account.bonus_max_bps,
        fee=Fraction(account.fee_bps, 10**4),
        target=Fraction(account.target_wad, WAD),
        bonus_max_health=Fraction(account.bonus_max_health_wad, WAD),
        bonus_factor=Fraction(account.bonus_factor_bps, 10**4),
        cover=account.debt_to_cover,
    )


def euler_account(random: Random) -> EulerAccount:
    """Health from 0.5 to just above one; LTVs above and below its square."""
    value = int(10 ** random.uniform(6, 24))
    ltv = random.choice([5_000, 8_000, 9_300])
    adjusted = value * ltv // 10_000 + random.choice([0, value // 3])
    liability_value = max(1, int(adjusted / random.uniform(0.5, 1.02)))
    return EulerAccount(
        liability=int(10 ** random.uniform(3, 20)),
        liability_value=liability_value,
        adjusted_value=adjusted,
        collateral=int(10 ** random.uniform(3, 20)),
        collateral_value=value,
        ltv_bps=ltv,
        discount_max_bps=random.choice([0, 1_500, 2_000]),
    )


def euler_referred(account: EulerAccount) -> auctions.Moved:
    """All that may be repaid."""
    return auctions.euler_liquidation(
        (account.liability, account.liability_value),
        (account.collateral, account.collateral_value),
        account.adjusted_value,
        account.discount_max_bps,
    )
