"""Cascades of small books in exact rational arithmetic, by trying everything.

An outcome is given by how many close steps each account takes; it is a fixed point when its own
prices make the accounts take just these. Formulas: ``docs/liquidation.md``, "Cascade".
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, product

Knots = Sequence[tuple[float, float]]
Prices = Mapping[str, Fraction]


@dataclass(frozen=True, slots=True)
class Account:
    """Units by kind, owed if negative; debt in money."""

    positions: Mapping[str, float]
    debt: float


@dataclass(frozen=True, slots=True)
class Market:
    """By asset: price and depth curve. By kind: collateral weight, debt factor, and its asset.

    Steps: (health below, part).
    """

    prices: Mapping[str, float]
    curves: Mapping[str, Knots]
    weights: Mapping[str, float]
    factors: Mapping[str, float]
    steps: Sequence[tuple[float, float]]
    asset_of: Mapping[str, str]


def multiple_after(knots: Knots, sold: Fraction) -> Fraction:
    """Price after a net sale by the price before."""
    before = Fraction(knots[0][1])
    last: Fraction | None = None
    for amount, multiple in ((Fraction(a), Fraction(m)) for a, m in knots):
        if sold <= amount:
            if last is None:
                return multiple
            return before + (multiple - before) * (sold - last) / (amount - last)
        last, before = amount, multiple
    return before


def sale_cost(knots: Knots, price: float, sold: float) -> Fraction:
    """Price x (sold - integral of the multiple from 0 to sold), piece by piece."""
    exact = [(Fraction(amount), Fraction(multiple)) for amount, multiple in knots]
    low, high = min(Fraction(0), Fraction(sold)), max(Fraction(0), Fraction(sold))
    first, last = exact[0], exact[-1]
    whole = [(min(low, first[0]), first[1]), *exact, (max(high, last[0]), last[1])]
    area = Fraction(0)
    for (begin, before), (end, after) in pairwise(whole):
        left, right = max(begin, low), min(end, high)
        if left < right:
            slope = (after - before) / (end - begin)
            middle = before + slope * ((left + right) / 2 - begin)
            area += middle * (right - left)
    return Fraction(price) * abs((high - low) - area)


def steps_taken(account: Account, market: Market, prices: Prices) -> int:
    """How many of the close steps an account takes at some prices."""
    collateral, debt = Fraction(0), Fraction(account.debt)
    for kind, quantity in account.positions.items():
        value = Fraction(quantity) * prices[market.asset_of[kind]]
        if quantity >= 0:
            collateral += Fraction(market.weights[kind]) * value
        else:
            debt -= Fraction(market.factors[kind]) * value
    return sum(collateral < Fraction(health) * debt for health, _ in market.steps)


def prices_after(accounts: Sequence[Account], market: Market, steps: Sequence[int]) -> Prices:
    """Prices after everyone's sales, if they take so many steps each."""
    parts = [Fraction(0), *(Fraction(part) for _, part in market.steps)]
    sold = dict.fromkeys(market.prices, Fraction(0))
    for account, step in zip(accounts, steps, strict=True):
        for kind, quantity in account.positions.items():
            sold[market.asset_of[kind]] += Fraction(quantity) * parts[step]
    return {
        asset: Fraction(price) * multiple_after(market.curves[asset], sold[asset])
        for asset, price in market.prices.items()
    }


def fixed_points(accounts: Sequence[Account], market: Market) -> Iterator[Prices]:
    """All outcomes that are consistent with themselves: (steps + 1) to the accounts are tried."""
    for steps in product(range(len(market.steps) + 1), repeat=len(accounts)):
        prices = prices_after(accounts, market, steps)
        if all(
            steps_taken(account, market, prices) == step
            for account, step in zip(accounts, steps, strict=True)
        ):
            yield prices


def comes_to_rest(
    accounts: Sequence[Account], market: Market, steps: Sequence[int], rounds_max: int
) -> Sequence[int] | None:
    """The steps at which the plain iteration, begun at some steps, rests; none if it does not."""
    for _ in range(rounds_max):
        prices = prices_after(accounts, market, steps)
        after = [steps_taken(account, market, prices) for account in accounts]
        if after == list(steps):
            return steps
        steps = after
    return None


def bad_debt(accounts: Sequence[Account], market: Market, prices: Prices) -> Fraction:
    """Σ max(0, debt - collateral) at some prices."""

    def short(account: Account) -> Fraction:
        values = (Fraction(q) * prices[market.asset_of[k]] for k, q in account.positions.items())
        return max(Fraction(0), Fraction(account.debt) - sum(values, Fraction(0)))

    return sum(map(short, accounts), Fraction(0))
