"""Aave v3.0.x in exact integers, written from its Solidity sources (core 1.19.3)."""

from collections.abc import Iterator
from dataclasses import dataclass

from xmargin.reference.book import AavePosition, AaveUser, EMode, Pool, Reserve

RAY = 10**27
WAD = 10**18
BASIS_POINTS = 10**4
SECONDS_PER_YEAR = 365 * 24 * 60 * 60
UINT256_MAX = 2**256 - 1


class RevertError(ArithmeticError):
    """The contract would revert here."""


def uint256(value: int) -> int:
    """``value`` if it fits an unsigned 256-bit integer, as Solidity's checked arithmetic asks."""
    if not 0 <= value <= UINT256_MAX:
        raise RevertError(f"{value} does not fit 256 bits")
    return value


def mul_half_up(a: int, b: int, unit: int) -> int:
    """Product of two fixed-point numbers, rounded half up."""
    return uint256(a * b + unit // 2) // unit


def ray_mul(a: int, b: int) -> int:
    """WadRayMath.rayMul."""
    return mul_half_up(a, b, RAY)


def wad_div(a: int, b: int) -> int:
    """WadRayMath.wadDiv."""
    if b == 0:
        raise RevertError("division by zero")
    return uint256(a * WAD + b // 2) // b


def percent_mul(value: int, bps: int) -> int:
    """PercentageMath.percentMul."""
    return mul_half_up(value, bps, BASIS_POINTS)


def linear_interest(rate: int, seconds: int) -> int:
    """MathUtils.calculateLinearInterest, in ray."""
    return uint256(RAY + uint256(rate * uint256(seconds)) // SECONDS_PER_YEAR)


def compounded_interest(rate: int, seconds: int) -> int:
    """MathUtils.calculateCompoundedInterest: four terms of the binomial, in ray."""
    if uint256(seconds) == 0:
        return RAY
    fewer, fewest = seconds - 1, max(seconds - 2, 0)
    squared = ray_mul(rate, rate) // SECONDS_PER_YEAR**2
    cubed = ray_mul(squared, rate) // SECONDS_PER_YEAR
    first = uint256(rate * seconds) // SECONDS_PER_YEAR
    second = uint256(seconds * fewer * squared) // 2
    third = uint256(seconds * fewer * fewest * cubed) // 6
    return uint256(RAY + first + second + third)


def normalized_income(reserve: Reserve, now_s: int) -> int:
    """ReserveLogic.getNormalizedIncome, in ray."""
    if reserve.updated_at_s == now_s:
        return reserve.liquidity_index
    growth = linear_interest(reserve.liquidity_rate, now_s - reserve.updated_at_s)
    return ray_mul(growth, reserve.liquidity_index)


def normalized_debt(reserve: Reserve, now_s: int) -> int:
    """ReserveLogic.getNormalizedDebt, in ray."""
    if reserve.updated_at_s == now_s:
        return reserve.variable_borrow_index
    growth = compounded_interest(reserve.variable_borrow_rate, now_s - reserve.updated_at_s)
    return ray_mul(growth, reserve.variable_borrow_index)


def supply_balance(reserve: Reserve, position: AavePosition, now_s: int) -> int:
    """AToken.balanceOf."""
    return ray_mul(position.supply_scaled, normalized_income(reserve, now_s))


def stable_debt_balance(position: AavePosition, now_s: int) -> int:
    """StableDebtToken.balanceOf."""
    if position.stable_debt_principal == 0:
        return 0
    seconds = now_s - position.stable_updated_at_s
    return ray_mul(
        position.stable_debt_principal, compounded_interest(position.stable_rate, seconds)
    )


def debt_balance(reserve: Reserve, position: AavePosition, now_s: int) -> int:
    """Variable plus stable debt (GenericLogic._getUserDebtInBaseCurrency)."""
    variable = position.variable_debt_scaled
    if variable != 0:
        variable = ray_mul(variable, normalized_debt(reserve, now_s))
    return uint256(variable + stable_debt_balance(position, now_s))


@dataclass(frozen=True, slots=True)
class AccountData:
    """Pool.getUserAccountData; the health factor is ``None`` without debt."""

    collateral_base: int
    debt_base: int
    available_borrows_base: int
    liquidation_threshold_bps: int
    ltv_bps: int
    health_factor_wad: int | None

    @property
    def is_liquidatable(self) -> bool:
        """Whether the venue liquidates now."""
        return self.health_factor_wad is not None and self.health_factor_wad < WAD


@dataclass(frozen=True, slots=True)
class _Collateral:
    value_base: int
    ltv_bps: int
    liquidation_threshold_bps: int


def _value_base(reserve: Reserve, amount: int, emode: EMode | None) -> int:
    price = reserve.price_base
    if emode is not None and emode.price_base != 0:
        price = emode.price_base
    unit: int = 10**reserve.decimals % 2**256  # computed unchecked
    return uint256(amount * price) // unit


def _collateral(pool: Pool, user: AaveUser) -> Iterator[_Collateral]:
    for position in user.positions:
        reserve = pool.reserves[position.reserve]
        if not position.as_collateral or reserve.liquidation_threshold_bps == 0:
            continue
        emode = _emode_of(pool, user, reserve)
        balance = supply_balance(reserve, position, pool.timestamp_s)
        ratios = reserve if emode is None else emode
        yield _Collateral(
            value_base=_value_base(reserve, balance, emode),
            ltv_bps=ratios.ltv_bps if reserve.ltv_bps != 0 else 0,
            liquidation_threshold_bps=ratios.liquidation_threshold_bps,
        )


def _emode_of(pool: Pool, user: AaveUser, reserve: Reserve) -> EMode | None:
    """The user's eMode if the reserve belongs to it."""
    if user.emode == 0 or reserve.emode != user.emode:
        return None
    return pool.emodes[user.emode]


def _debts(pool: Pool, user: AaveUser) -> Iterator[int]:
    for position in user.positions:
        if position.borrowing:
            reserve = pool.reserves[position.reserve]
            balance = debt_balance(reserve, position, pool.timestamp_s)
            yield _value_base(reserve, balance, _emode_of(pool, user, reserve))


def account_data(pool: Pool, user: AaveUser) -> AccountData:
    """GenericLogic.calculateUserAccountData and calculateAvailableBorrows.

    Raises:
        RevertError: where the contract would revert.
    """
    collateral = list(_collateral(pool, user))
    total = uint256(sum(c.value_base for c in collateral))
    debt = uint256(sum(_debts(pool, user)))
    weighted_ltv = uint256(sum(uint256(c.value_base * c.ltv_bps) for c in collateral))
    weighted_threshold = uint256(
        sum(uint256(c.value_base * c.liquidation_threshold_bps) for c in collateral)
    )
    ltv = weighted_ltv // total if total else 0
    threshold = weighted_threshold // total if total else 0
    return AccountData(
        collateral_base=total,
        debt_base=debt,
        available_borrows_base=max(percent_mul(total, ltv) - debt, 0),
        liquidation_threshold_bps=threshold,
        ltv_bps=ltv,
        health_factor_wad=wad_div(percent_mul(total, threshold), debt) if debt else None,
    )
