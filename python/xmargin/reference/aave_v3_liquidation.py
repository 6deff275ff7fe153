"""Aave v3's ``liquidationCall`` in exact integers, written from its Solidity sources.

Core 1.19.3 (3.0.2) and aave-v3-origin 3.6.0, ``LiquidationLogic.executeLiquidationCall``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from xmargin.reference.aave_v3 import RAY, WAD, RevertError, percent_mul, uint256, wad_div

BASIS_POINTS = 10**4
USD = 10**8


def _half_up(a: int, b: int, c: int) -> int:
    if c == 0:
        raise RevertError("division by zero")
    return uint256(a * b + c // 2) // c


def _down(a: int, b: int, c: int) -> int:
    if c == 0:
        raise RevertError("division by zero")
    return uint256(a * b) // c


def _up(a: int, b: int, c: int) -> int:
    whole = _down(a, b, c)
    return whole + (a * b % c != 0)


@dataclass(frozen=True, slots=True)
class Rounding:
    """How a release rounds: a × b ÷ c."""

    supply: Callable[[int, int, int], int]
    debt: Callable[[int, int, int], int]
    supply_scaled: Callable[[int, int, int], int]
    debt_scaled: Callable[[int, int, int], int]
    debt_value: Callable[[int, int, int], int]
    without_bonus: Callable[[int, int, int], int]


ROUNDING = {
    "3.0": Rounding(_half_up, _half_up, _half_up, _half_up, _down, _half_up),
    "3.6": Rounding(_down, _up, _up, _down, _up, _up),
}


@dataclass(frozen=True, slots=True)
class Side:
    """One reserve of the user: thresholds and bonus are those that hold in the user's eMode."""

    decimals: int
    price: int
    threshold_bps: int
    bonus_bps: int
    fee_bps: int
    supply_scaled: int = 0
    supply_index: int = RAY
    debt_scaled: int = 0
    debt_index: int = RAY
    stable_debt: int = 0
    as_collateral: bool = False
    borrowing: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What a call moves, and the account afterwards."""

    repaid: int
    seized: int
    fee: int
    deficits: dict[int, int]
    after: tuple[Side, ...]


class RefusedError(Exception):
    """The contract would revert, for this reason."""


def supply(release: str, side: Side) -> int:
    """AToken balance."""
    return ROUNDING[release].supply(side.supply_scaled, side.supply_index, RAY)


def variable_debt(release: str, side: Side) -> int:
    """Variable debt balance."""
    return ROUNDING[release].debt(side.debt_scaled, side.debt_index, RAY)


def debt(release: str, side: Side) -> int:
    """Variable and stable debt."""
    return variable_debt(release, side) + side.stable_debt


def _debt_value(release: str, side: Side, amount: int) -> int:
    return ROUNDING[release].debt_value(amount, side.price, 10**side.decimals)


def supply_value(side: Side, amount: int) -> int:
    """Of an amount of the reserve, in base currency."""
    return _down(amount, side.price, 10**side.decimals)


def totals(release: str, sides: tuple[Side, ...]) -> tuple[int, int, int | None]:
    """Collateral and debt in base currency, and the health factor."""
    held = [
        (supply_value(s, supply(release, s)), s.threshold_bps) for s in sides if s.as_collateral
    ]
    if release == "3.0":
        held = [(value, threshold) for value, threshold in held if threshold]
    owed = sum(_debt_value(release, s, debt(release, s)) for s in sides if s.borrowing)
    collateral = sum(value for value, _ in held)
    weighted = sum(value * threshold for value, threshold in held)
    if owed == 0:
        return collateral, owed, None
    if release == "3.6":
        return collateral, owed, wad_div(weighted, owed) // BASIS_POINTS
    average = weighted // collateral if collateral else 0
    return collateral, owed, wad_div(percent_mul(collateral, average), owed)


def _closable(release: str, health: int, all_debt: int, one: Side, other: Side) -> int:
    """The most of the debt that one call repays; ``one`` is the debt, ``other`` the collateral."""
    owed = debt(release, one)
    deep = health <= 95 * WAD // 100
    if release == "3.0":
        return owed if deep else percent_mul(owed, BASIS_POINTS // 2)
    value = _debt_value(release, one, owed)
    small = min(value, supply_value(other, supply(release, other))) < 2_000 * USD
    half = percent_mul(all_debt, BASIS_POINTS // 2)
    if deep or small or value <= half:
        return owed
    return int(half * 10**one.decimals // one.price)


def liquidation_call(
    release: str, sides: tuple[Side, ...], collateral: int, owing: int, cover: int
) -> Result:
    """``Pool.liquidationCall``.

    Raises:
        RefusedError: the contract's conditions are not met.
        RevertError: its arithmetic reverts.
    """
    total, all_debt, health = totals(release, sides)
    if health is None or health >= WAD:
        raise RefusedError("healthy")
    taken_of, paid_of = sides[collateral], sides[owing]
    if not taken_of.as_collateral or (release == "3.0" and taken_of.threshold_bps == 0):
        raise RefusedError("no collateral")
    owed, held = debt(release, paid_of), supply(release, taken_of)
    if owed == 0:
        raise RefusedError("no debt")
    repaid = min(cover, _closable(release, health, all_debt, paid_of, taken_of))
    units = 10**taken_of.decimals, 10**paid_of.decimals
    worth = uint256(paid_of.price * repaid * units[0]) // (taken_of.price * units[1])
    taken = percent_mul(worth, taken_of.bonus_bps)
    if taken > held:
        taken = held
        worth = uint256(taken_of.price * held * units[1]) // (paid_of.price * units[0])
        repaid = ROUNDING[release].without_bonus(worth, BASIS_POINTS, taken_of.bonus_bps)
    bonus = taken - _half_up(taken, BASIS_POINTS, taken_of.bonus_bps)
    fee = percent_mul(bonus, taken_of.fee_bps)
    if release == "3.6" and repaid < owed and taken < held:
        left = (
            _debt_value(release, paid_of, owed - repaid),
            supply_value(taken_of, held - taken),
        )
        if min(left) < 1_000 * USD:
            raise RefusedError("dust")
    ends = release == "3.6" and supply_value(taken_of, taken) == total
    return _settled(release, sides, (collateral, owing), (taken, repaid, fee), ends)


def _settled(
    release: str,
    sides: tuple[Side, ...],
    pair: tuple[int, int],
    amounts: tuple[int, int, int],
    ends: bool,
) -> Result:
    (collateral, owing), (taken, repaid, fee) = pair, amounts
    held = supply(release, sides[collateral])
    deficits = {}
    after = list(sides)
    if ends:
        for at, side in enumerate(sides):
            lost = debt(release, side) - (repaid if at == owing else 0)
            if (side.borrowing or at == owing) and lost:
                deficits[at] = lost
            if side.borrowing or at == owing:
                after[at] = replace(side, debt_scaled=0, borrowing=False)
    else:
        after[owing] = _repaid(release, sides[owing], repaid)
    side = after[collateral]
    left, fee = _seized(release, side, taken - fee, fee)
    after[collateral] = replace(
        side, supply_scaled=left, as_collateral=side.as_collateral and taken != held
    )
    return Result(repaid, taken - amounts[2], fee, deficits, tuple(after))


def _repaid(release: str, side: Side, amount: int) -> Side:
    variable = min(variable_debt(release, side), amount)
    scaled = ROUNDING[release].debt_scaled(variable, RAY, side.debt_index)
    stable = side.stable_debt - (amount - variable)
    if scaled == 0 and stable == side.stable_debt:
        raise RefusedError("nothing")
    left = uint256(side.debt_scaled - scaled)
    whole = left == 0 if release == "3.6" else amount == debt(release, side)
    return replace(
        side, debt_scaled=left, stable_debt=stable, borrowing=side.borrowing and not whole
    )


def _seized(release: str, side: Side, amount: int, fee: int) -> tuple[int, int]:
    """The scaled balance left, and the fee it still bears."""
    rounding = ROUNDING[release]
    scaled = rounding.supply_scaled(amount, RAY, side.supply_index)
    if scaled == 0:
        raise RefusedError("nothing")
    left = uint256(side.supply_scaled - scaled)
    fee_scaled = rounding.supply_scaled(fee, RAY, side.supply_index)
    if fee_scaled > left:
        return 0, rounding.supply(left, side.supply_index, RAY)
    return left - fee_scaled, fee
