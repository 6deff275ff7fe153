"""Kamino's refresh of an obligation once more, from the program's sources.

Kamino-Finance/klend ``lending_market/lending_operations.rs``, ``state/reserve.rs``,
``state/obligation.rs``. Numbers are fractions; ``rounded`` puts each on the program's grid of
2^-60, or leaves it exact.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import TypeAlias

from xmargin.model.kamino import (
    KaminoBorrow,
    KaminoElevationGroup,
    KaminoMarket,
    KaminoObligation,
    KaminoReserve,
)

GRID = 2**60
LIMIT = 2**68

Rounding: TypeAlias = Callable[[Fraction], Fraction]


class RefusedError(Exception):
    """The program would not refresh the obligation."""


def on_grid(number: Fraction) -> Fraction:
    """Down to a multiple of 2^-60; the program's numbers end below 2^68."""
    if number >= LIMIT:
        raise RefusedError
    return Fraction(floor(number * GRID), GRID)


def exactly(number: Fraction) -> Fraction:
    """As it is."""
    return number


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh stores, in dollars."""

    deposited: Fraction
    borrowed: Fraction
    adjusted_debt: Fraction
    allowed: Fraction
    unhealthy: Fraction

    @property
    def is_liquidatable(self) -> bool:
        """Whether the debt is at least what is unhealthy, both over the deposits and rounded."""
        if not (self.deposited and self.adjusted_debt):
            return False
        debt, bound = self.adjusted_debt / self.deposited, self.unhealthy / self.deposited
        return floor(debt * GRID) >= floor(bound * GRID)


@dataclass(frozen=True, slots=True)
class Refresh:
    """One way of computing obligations of a market; prices in dollars by reserve."""

    market: KaminoMarket
    reserves: Mapping[str, KaminoReserve]
    prices: Mapping[str, Fraction]
    rounded: Rounding = on_grid

    def of(self, obligation: KaminoObligation) -> Refreshed:
        """The obligation's values."""
        group = self._group(obligation)
        debts = [
            (self._debt(one), self.reserves[one.reserve].borrow_factor_pct)
            for one in obligation.borrows
        ]
        values = [
            (self._deposit(self.reserves[one.reserve], one.amount), self.reserves[one.reserve])
            for one in obligation.deposits
        ]
        allowed = sum(
            (
                self._share(value, group.ltv_pct if group else reserve.loan_to_value_pct)
                for value, reserve in values
            ),
            Fraction(0),
        )
        unhealthy = sum(
            (
                self._share(value, (group or reserve).liquidation_threshold_pct)
                for value, reserve in values
            ),
            Fraction(0),
        )
        return Refreshed(
            deposited=sum((value for value, _ in values), Fraction(0)),
            borrowed=sum((value for value, _ in debts), Fraction(0)),
            adjusted_debt=sum(
                (self._share(value, 100 if group else max(100, factor)) for value, factor in debts),
                Fraction(0),
            ),
            allowed=min(allowed, Fraction(self.market.global_allowed_borrow_value)),
            unhealthy=unhealthy,
        )

    def _group(self, obligation: KaminoObligation) -> KaminoElevationGroup | None:
        number = obligation.elevation_group
        if number == 0:
            return None
        found = [one for one in self.market.elevation_groups if one.number == number]
        if not found or not (found[0].ltv_pct and found[0].liquidation_threshold_pct):
            raise RefusedError
        group = found[0]
        collateral = [one.reserve for one in obligation.deposits]
        debts = [one.reserve for one in obligation.borrows]
        if any(number not in self.reserves[one].elevation_groups for one in collateral + debts):
            raise RefusedError
        if group.debt_reserve in collateral or debts not in ([], [group.debt_reserve]):
            raise RefusedError
        return group

    def _share(self, value: Fraction, percent: int) -> Fraction:
        return self.rounded(value * self.rounded(Fraction(percent, 100)))

    def _deposit(self, reserve: KaminoReserve, amount: int) -> Fraction:
        fees = (
            reserve.protocol_fees_sf + reserve.referrer_fees_sf + reserve.pending_referrer_fees_sf
        )
        owned = reserve.available * GRID + reserve.borrowed_sf - fees
        if owned < 0:
            raise RefusedError
        tokens = Fraction(amount)
        if reserve.collateral_supply and owned:
            tokens = self.rounded(Fraction(amount * owned, reserve.collateral_supply * GRID))
        return self._value(reserve, tokens)

    def _debt(self, borrow: KaminoBorrow) -> Fraction:
        reserve = self.reserves[borrow.reserve]
        now, then = reserve.cumulative_borrow_rate_bsf, borrow.cumulative_borrow_rate_bsf
        if now < then:
            raise RefusedError
        tokens = Fraction(borrow.borrowed_sf, GRID)
        if now > then:
            tokens = self.rounded(tokens * now / then)
        return self._value(reserve, tokens)

    def _value(self, reserve: KaminoReserve, tokens: Fraction) -> Fraction:
        whole = self.rounded(tokens * self.prices[reserve.address])
        return self.rounded(whole / 10**reserve.decimals)
