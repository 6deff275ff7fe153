"""Morpho Blue's interest and health once more, from its documentation and contract, in fractions.

Whole numbers are made of exact fractions only where the contract does (``floor``, ``ceil``).
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor

WAD = 10**18
PRICE_SCALE = 10**36
VIRTUAL_ASSETS = 1
VIRTUAL_SHARES = 10**6


@dataclass(frozen=True, slots=True)
class Loan:
    """A market: totals, and fee, rate, LLTV and price in their own units."""

    supply_assets: int
    supply_shares: int
    borrow_assets: int
    borrow_shares: int
    updated_at_s: int
    fee_wad: int
    borrow_rate_wad: int
    lltv_wad: int
    price: int

    def at(self, time_s: int) -> "Loan":
        """With interest added."""
        once = self.borrow_rate_wad * (time_s - self.updated_at_s)
        twice = floor(Fraction(once, WAD) * once / 2)
        thrice = floor(Fraction(twice, WAD) * once / 3)
        interest = floor(Fraction(self.borrow_assets * (once + twice + thrice), WAD))
        fee = floor(Fraction(interest * self.fee_wad, WAD))
        paid = self.supply_assets + interest - fee + VIRTUAL_ASSETS
        minted = floor(Fraction(fee, paid) * (self.supply_shares + VIRTUAL_SHARES))
        return replace(
            self,
            supply_assets=self.supply_assets + interest,
            supply_shares=self.supply_shares + minted,
            borrow_assets=self.borrow_assets + interest,
            updated_at_s=time_s,
        )

    def supplied(self, shares: int) -> int:
        """What supply shares stand for, rounded down."""
        of_all = Fraction(shares, self.supply_shares + VIRTUAL_SHARES)
        return floor(of_all * (self.supply_assets + VIRTUAL_ASSETS))

    def owed(self, shares: int) -> int:
        """What debt shares stand for, rounded up."""
        of_all = Fraction(shares, self.borrow_shares + VIRTUAL_SHARES)
        return ceil(of_all * (self.borrow_assets + VIRTUAL_ASSETS))

    def borrowable(self, collateral: int) -> int:
        """What collateral can secure, rounded down twice."""
        quoted = floor(Fraction(collateral * self.price, PRICE_SCALE))
        return floor(Fraction(quoted * self.lltv_wad, WAD))
