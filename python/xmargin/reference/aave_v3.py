"""Aave v3 in exact integers, written from the Solidity sources of each release.

3.0.x: core 1.19.3; 3.6: aave-v3-origin 3.6.0.
"""

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


def exponential_interest(rate: int, seconds: int) -> int:
    """MathUtils.calculateCompoundedInterest since 3.6: 1 + x + x²/2 + x³/6, in ray."""
    x = uint256(rate * uint256(seconds)) // SECONDS_PER_YEAR
    bracket = uint256(x // 2 + ray_mul(x, x // 6))
    return uint256(RAY + x + ray_mul(x, bracket))


def normalized_income(reserve: Reserve, now_s: int) -> int:
    """ReserveLogic.getNormalizedIncome, in ray."""
    if reserve.updated_at_s == now_s:
        return reserve.liquidity_index
    growth = linear_interest(reserve.liquidity_rate, now_s - reserve.updated_at_s)
    return ray_mul(growth, reserve.liquidity_index)


def normalized_debt(reserve: Reserve, now_s: int, release: str = "3.0") -> int:
    """ReserveLogic.getNormalizedDebt, in ray."""
    if reserve.updated_at_s == now_s:
        return reserve.variable_borrow_index
    compounded = exponential_interest if release == "3.6" else compounded_interest
    growth = compounded(reserve.variable_borrow_rate, now_s - reserve.updated_at_s)
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


def holding(pool: Pool, position: AavePosition) -> int:
    """The supply in token units, in the rounding of the pool's release."""
    reserve = pool.reserves[position.reserve]
    if pool.release == "3.0":
        return supply_balance(reserve, position, pool.timestamp_s)
    index = normalized_income(reserve, pool.timestamp_s)
    return uint256(position.supply_scaled * index) // RAY


def owing(pool: Pool, position: AavePosition) -> int:
    """The debt in token units, in the rounding of the pool's release."""
    reserve = pool.reserves[position.reserve]
    if pool.release == "3.0":
        return debt_balance(reserve, position, pool.timestamp_s)
    index = normalized_debt(reserve, pool.timestamp_s, pool.release)
    variable = _ceiling(uint256(position.variable_debt_scaled * index), RAY)
    return uint256(variable + stable_debt_balance(position, pool.timestamp_s))


def _ceiling(a: int, b: int) -> int:
    return -(-a // b)


def _value_base(reserve: Reserve, amount: int, emode: EMode | None, *, is_up: bool = False) -> int:
    price = reserve.price_base
    if emode is not None and emode.price_base != 0:
        price = emode.price_base
    unit: int = 10**reserve.decimals % 2**256  # computed unchecked
    value = uint256(amount * price)
    return _ceiling(value, unit) if is_up else value // unit


def _collateral(pool: Pool, user: AaveUser) -> Iterator[_Collateral]:
    for position in user.positions:
        reserve = pool.reserves[position.reserve]
        has_no_threshold = pool.release == "3.0" and reserve.liquidation_threshold_bps == 0
        if not position.as_collateral or has_no_threshold:
            continue
        emode = _emode_of(pool, user, position.reserve)
        ratios = reserve if emode is None else emode
        yield _Collateral(
            value_base=_value_base(reserve, holding(pool, position), emode),
            ltv_bps=ratios.ltv_bps if _lends(pool, position.reserve, emode) else 0,
            liquidation_threshold_bps=ratios.liquidation_threshold_bps,
        )


def _emode_of(pool: Pool, user: AaveUser, number: int) -> EMode | None:
    """The user's eMode if the reserve belongs to it."""
    if user.emode == 0:
        return None
    emode = pool.emodes[user.emode]
    if pool.release == "3.0":
        return emode if pool.reserves[number].emode == user.emode else None
    return emode if number in emode.collateral else None


def _lends(pool: Pool, number: int, emode: EMode | None) -> bool:
    """Whether a loan to value counts at all (ValidationLogic.getUserReserveLtv)."""
    if pool.release == "3.0":
        return pool.reserves[number].ltv_bps != 0
    return emode is None or number not in emode.ltvzero


def _debts(pool: Pool, user: AaveUser) -> Iterator[int]:
    for position in user.positions:
        if position.borrowing:
            reserve = pool.reserves[position.reserve]
            emode = _emode_of(pool, user, position.reserve)
            is_up = pool.release == "3.6"
            yield _value_base(reserve, owing(pool, position), emode, is_up=is_up)


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
    if pool.release == "3.0":
        lent = percent_mul(total, ltv)
        health = wad_div(percent_mul(total, threshold), debt) if debt else None
    else:
        lent = uint256(total * ltv) // BASIS_POINTS
        health = wad_div(weighted_threshold, debt) // BASIS_POINTS if debt else None
    return AccountData(
        collateral_base=total,
        debt_base=debt,
        available_borrows_base=max(lent - debt, 0),
        liquidation_threshold_bps=threshold,
        ltv_bps=ltv,
        health_factor_wad=health,
    )
