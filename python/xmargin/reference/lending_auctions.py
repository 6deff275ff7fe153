"""Aave v4, Euler v2 and Derive liquidations, written from their published formulas.

aave/aave-v4 ``LiquidationLogic.sol``; euler-vault-kit ``Liquidation.sol``; derivexyz/v2-core
``DutchAuction.sol``.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

WAD = 10**18
DUST = 1_000 * 10**8


@dataclass(frozen=True, slots=True)
class Moved:
    """Repaid and seized, the protocol's part, and the debt written off."""

    repaid: int
    seized: int
    fee: int
    deficit: int = 0


@dataclass(frozen=True, slots=True)
class Side:
    """An amount of a token and the value of its smallest unit."""

    amount: int
    unit_value: Fraction


@dataclass(frozen=True, slots=True)
class V4:
    """An Aave v4 account against one collateral and one debt; ratios as fractions."""

    collateral: Side
    debt: Side
    other_weighted: Fraction
    other_debt: int
    has_other_collateral: bool
    factor: Fraction
    bonus_max_bps: int
    fee: Fraction
    target: Fraction
    bonus_max_health: Fraction
    bonus_factor: Fraction
    cover: int


def v4_health_wad(account: V4, collateral: int, debt: int) -> int | None:
    """Health of given amounts."""
    owed = account.other_debt + ceil(debt * account.debt.unit_value)
    if owed == 0:
        return None
    guarded = floor(collateral * account.collateral.unit_value) * account.factor
    return floor((guarded + account.other_weighted) / owed * WAD)


def v4_bonus_bps(account: V4, health_wad: int) -> int:
    """Largest where health is lowest, linear from there to one."""
    health = Fraction(health_wad, WAD)
    if health <= account.bonus_max_health:
        return account.bonus_max_bps
    most = account.bonus_max_bps - 10**4
    least = floor(most * account.bonus_factor)
    return 10**4 + least + floor((most - least) * (1 - health) / (1 - account.bonus_max_health))


def v4_liquidation(account: V4) -> Moved | None:
    """What a liquidation as far as the target moves; ``None`` where it would leave dust."""
    held, owed = account.collateral.amount, account.debt.amount
    health_wad = v4_health_wad(account, held, owed) or 0
    bonus_bps = v4_bonus_bps(account, health_wad)
    bonus, health = Fraction(bonus_bps, 10**4), Fraction(health_wad, WAD)
    penalty = Fraction(ceil(bonus * account.factor * WAD), WAD)
    repaid = min(owed, account.cover)
    if penalty < account.target:
        all_debt = account.other_debt + ceil(owed * account.debt.unit_value)
        missing = all_debt * (account.target - health) / (account.target - penalty)
        repaid = min(repaid, ceil(missing / account.debt.unit_value))
    if floor((owed - repaid) * account.debt.unit_value) < DUST:
        repaid = owed
    price = account.debt.unit_value * bonus / account.collateral.unit_value
    taken = floor(repaid * price)
    left = floor(max(held - taken, 0) * account.collateral.unit_value)
    if taken > held or (taken < held and left < DUST and repaid < owed):
        taken, repaid = held, min(ceil(held / price), owed)
    if repaid > account.cover:
        return None
    fee = ceil(taken * account.fee * (bonus - 1) / bonus)
    ends = taken == held and not account.has_other_collateral
    return Moved(repaid, taken - fee, fee, owed - repaid if ends else 0)


def euler_liquidation(
    owed: tuple[int, int], held_of: tuple[int, int], adjusted: int, cap_bps: int
) -> Moved:
    """All that may be repaid, at the discount of the account's health; pairs: amount and value."""
    (liability, liability_value), (held, held_value) = owed, held_of
    factor_wad = max(WAD * adjusted // liability_value, WAD * (10**4 - cap_bps) // 10**4)
    if held_value == 0:
        return Moved(0, held, 0)
    taken_value = liability_value * WAD // factor_wad
    repaid_value = liability_value
    if held_value < taken_value:
        taken_value, repaid_value = held_value, held_value * factor_wad // WAD
    return Moved(repaid_value * liability // liability_value, taken_value * held // held_value, 0)


@dataclass(frozen=True, slots=True)
class Auction:
    """Derive's parameters: shares as fractions, times in seconds."""

    start: Fraction
    cutoff: Fraction
    fast_s: int
    slow_s: int
    insolvent_s: int
    buffer: Fraction


def derive_discount(auction: Auction, elapsed_s: int) -> Fraction:
    """The share of the mark asked at a time.

    In the slow part the contract drops what cutoff × seconds has beyond whole seconds.
    """
    if elapsed_s < auction.fast_s:
        return auction.start - (auction.start - auction.cutoff) * Fraction(
            elapsed_s, auction.fast_s
        )
    if elapsed_s >= auction.fast_s + auction.slow_s:
        return Fraction(0)
    slow = floor(auction.cutoff * (elapsed_s - auction.fast_s))
    return auction.cutoff - Fraction(slow, auction.slow_s)


def derive_share_max(
    auction: Auction, mark: int, maintenance: int, reserved: int, discount: Fraction
) -> Fraction:
    """The most that may be taken, without rounding."""
    buffer = min(maintenance - (mark - maintenance) * auction.buffer, Fraction(0))
    return buffer / (buffer - mark * discount - reserved * (1 - discount))


def derive_insolvent_bid(auction: Auction, mark: int, maintenance: int, elapsed_s: int) -> Fraction:
    """What taking the whole of an insolvent account costs: not positive."""
    part = min(Fraction(elapsed_s, auction.insolvent_s), Fraction(1))
    return mark + (maintenance - mark) * part
