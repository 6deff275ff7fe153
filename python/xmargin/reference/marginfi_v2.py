"""marginfi v2's weighted assets and liabilities once more, from the program's sources.

mrgnlabs/marginfi-v2 ``state/marginfi_account.rs``, ``state/bank.rs``, ``state/emode.rs``. Numbers
are fractions; ``rounded`` puts each on the program's grid of 2^-48, or leaves it exact.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import TypeAlias

from xmargin.model.marginfi_v2 import MarginfiV2Account, MarginfiV2Bank

GRID = 2**48

Rounding: TypeAlias = Callable[[Fraction], Fraction]


class RefusedError(Exception):
    """The program would not compute the account."""


def on_grid(number: Fraction) -> Fraction:
    """Down to a multiple of 2^-48."""
    return Fraction(floor(number * GRID), GRID)


def exactly(number: Fraction) -> Fraction:
    """As it is."""
    return number


@dataclass(frozen=True, slots=True)
class Quote:
    """What assets and liabilities count at; ``None``: stale."""

    low: Fraction
    high: Fraction


@dataclass(frozen=True, slots=True)
class Health:
    """One way of computing an account."""

    banks: Mapping[str, MarginfiV2Bank]
    quotes: Mapping[str, Quote | None]
    is_initial: bool
    rounded: Rounding = on_grid

    def of(self, account: MarginfiV2Account) -> tuple[Fraction, Fraction]:
        """Weighted assets and liabilities in dollars."""
        held = [(self.banks[one.bank], one) for one in account.balances]
        debts = [bank for bank, one in held if one.liability_shares >= GRID]
        assets, liabilities = Fraction(0), Fraction(0)
        for bank, one in held:
            owns, owes = one.asset_shares >= GRID, one.liability_shares >= GRID
            if owns and owes:
                raise RefusedError
            if owes:
                liabilities += self._liability(bank, Fraction(one.liability_shares, GRID))
            elif owns:
                assets += self._asset(bank, Fraction(one.asset_shares, GRID), debts)
        return assets, liabilities

    def _asset(
        self, bank: MarginfiV2Bank, shares: Fraction, debts: Sequence[MarginfiV2Bank]
    ) -> Fraction:
        quote = self.quotes[bank.address]
        is_reduced = self.is_initial and bank.operational_state == "reduce_only"
        if bank.risk_tier == "isolated" or is_reduced:
            return Fraction(0)
        if quote is None and self.is_initial:
            return Fraction(0)
        if quote is None or quote.low <= 0:
            raise RefusedError
        weight = self._asset_weight(bank, debts)
        if self.is_initial:
            weight = self.rounded(weight * self._discount(bank, quote.low))
        return self._value(bank, shares * Fraction(bank.asset_share_value, GRID), weight, quote.low)

    def _liability(self, bank: MarginfiV2Bank, shares: Fraction) -> Fraction:
        quote = self.quotes[bank.address]
        if quote is None or quote.high <= 0:
            raise RefusedError
        bits = bank.liability_weight_init if self.is_initial else bank.liability_weight_maint
        units = shares * Fraction(bank.liability_share_value, GRID)
        return self._value(bank, units, Fraction(bits, GRID), quote.high)

    def _value(
        self, bank: MarginfiV2Bank, units: Fraction, weight: Fraction, price: Fraction
    ) -> Fraction:
        weighted = self.rounded(self.rounded(units) * weight)
        return self.rounded(self.rounded(weighted * price) / 10**bank.decimals)

    def _asset_weight(self, bank: MarginfiV2Bank, debts: Sequence[MarginfiV2Bank]) -> Fraction:
        own = bank.asset_weight_init if self.is_initial else bank.asset_weight_maint
        granted = [self._granted(debt, bank.emode_tag) for debt in debts]
        named = [one for one in granted if one is not None]
        if not debts or len(named) < len(debts) or bank.emode_tag == 0:
            return Fraction(own, GRID)
        return Fraction(max(own, min(named)), GRID)

    def _granted(self, debt: MarginfiV2Bank, tag: int) -> int | None:
        entries = [entry for entry in debt.emode_entries if entry.collateral_tag == tag]
        if not entries:
            return None
        entry = entries[0]
        return entry.asset_weight_init if self.is_initial else entry.asset_weight_maint

    def _discount(self, bank: MarginfiV2Bank, price: Fraction) -> Fraction:
        limit = bank.total_asset_value_init_limit
        units = self.rounded(
            Fraction(bank.total_asset_shares, GRID) * Fraction(bank.asset_share_value, GRID)
        )
        value = self.rounded(self.rounded(units * price) / 10**bank.decimals)
        return self.rounded(limit / value) if limit and value > limit else Fraction(1)
