"""Perpetual v2's margins once more, from its contracts, in fractions.

A number is cut to 18 decimals only where the contracts do; orders are evaluated from the formulas
of concentrated liquidity, with square root prices of ticks given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor, trunc
from statistics import median

WAD = 10**18
Q96 = 2**96
MILLION = 10**6


@dataclass(frozen=True, slots=True)
class Range:
    """Liquidity between two square root prices, and what it was given."""

    liquidity: int
    lower: int
    upper: int
    base_debt: int
    quote_debt: int

    def base(self, sqrt_price: int) -> int:
        """Base in it: what the price has not reached."""
        at = min(max(sqrt_price, self.lower), self.upper)
        scaled = floor(Fraction(self.liquidity * Q96 * (self.upper - at), self.upper))
        return scaled // at

    def quote(self, sqrt_price: int) -> int:
        """Quote in it: what the price has passed."""
        at = min(max(sqrt_price, self.lower), self.upper)
        return floor(Fraction(self.liquidity * (at - self.lower), Q96))


@dataclass(frozen=True, slots=True)
class Perp:
    """A market and a trader's part in it; averages over 15 s, market and premium interval."""

    sqrt_price: int
    averages: tuple[int, int, int]
    index: int
    index_average: int
    size: int
    open_notional: int
    ranges: Sequence[Range]

    @property
    def mark(self) -> int:
        """The middle of three prices."""
        now, market, premium = (_price(sqrt) for sqrt in self.averages)
        return int(median((now, market, self.index + premium - self.index_average)))

    @property
    def position(self) -> int:
        """Base owned beyond what was given; dust is none."""
        in_ranges = sum(one.base(self.sqrt_price) - one.base_debt for one in self.ranges)
        total = self.size + in_ranges
        return total if abs(total) >= 10 else 0

    @property
    def value(self) -> int:
        """At the mark."""
        return trunc(Fraction(self.position * self.mark, WAD))

    @property
    def quote(self) -> int:
        """Received less given."""
        return self.open_notional + sum(
            one.quote(self.sqrt_price) - one.quote_debt for one in self.ranges
        )

    @property
    def base_owed(self) -> int:
        """What is owed of base, at the mark, orders' debts included; never above zero."""
        owned = self.size - sum(one.base_debt for one in self.ranges)
        return trunc(Fraction(min(owned, 0) * self.mark, WAD))

    @property
    def taker_quote(self) -> int:
        """Quote without what is in orders."""
        return self.open_notional - sum(one.quote_debt for one in self.ranges)


def _price(sqrt: int) -> int:
    return floor(Fraction(floor(Fraction(sqrt * sqrt, Q96)) * WAD, Q96))


@dataclass(frozen=True, slots=True)
class Margins:
    """Account value, collateral and the two requirements."""

    account_value: int
    collateral: int
    initial: int
    maintenance: int


def margins(
    perps: Sequence[Perp], settlement: int, collateral_values: Sequence[tuple[int, int]],
    ratios: tuple[int, int],
) -> Margins:  # fmt: skip
    """An account of settlement money (18 decimals) and other collateral (value, ratio)."""
    initial, maintenance = ratios
    collateral = settlement + sum(value * ratio // MILLION for value, ratio in collateral_values)
    quotes = min(sum(one.taker_quote for one in perps), 0)
    debt = -(quotes + sum(one.base_owed for one in perps))
    return Margins(
        account_value=collateral + sum(one.value + one.quote for one in perps),
        collateral=collateral,
        initial=debt * initial // MILLION,
        maintenance=sum(abs(one.value) for one in perps) * maintenance // MILLION,
    )
