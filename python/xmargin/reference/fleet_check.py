"""Checks a fleet order, its plan and its bound in exact rational arithmetic.

Nothing of the solver is trusted: any prices of depth >= 0 prove a bound, and how they were found
does not matter. Formulas and proofs: ``docs/liquidation.md``, "Fleet order".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isinf

# Keys and amounts that the engine rounds; shares that it does not plan.
_ROUNDING = Fraction(1, 10**11)
_CRUMB = Fraction(2, 10**6)


@dataclass(frozen=True, slots=True)
class Account:
    """Money in one unit; depth used by asset."""

    id: int
    bad_debt_expected: float
    cost: float
    depth_used: Mapping[str, float]

    @property
    def benefit(self) -> Fraction:
        """Bad debt avoided: expected minus cost."""
        return Fraction(self.bad_debt_expected) - Fraction(self.cost)


@dataclass(frozen=True, slots=True)
class Ranked:
    """One rank as the engine gave it."""

    id: int
    key: float
    share: float
    batch: int | None


@dataclass(frozen=True, slots=True)
class Order:
    """The whole answer as the engine gave it."""

    ranks: Sequence[Ranked]
    price_of_depth: Mapping[str, float]
    avoided: float
    bound: float


def priced_depth(account: Account, prices: Mapping[str, float]) -> Fraction:
    """Σ price × depth used."""
    used = account.depth_used.items()
    return sum((Fraction(prices[a]) * Fraction(amount) for a, amount in used), Fraction(0))


def share_allowed(account: Account, depth: Mapping[str, float], parts: bool) -> Fraction:
    """The share of an account that depth allows when nobody else asks for it."""
    used = [(asset, Fraction(u)) for asset, u in account.depth_used.items() if u > 0]
    share = min([Fraction(1), *(Fraction(depth.get(asset, 0.0)) / u for asset, u in used)])
    return share if parts or share == 1 else Fraction(0)


def dual_value(
    accounts: Sequence[Account],
    depth: Mapping[str, float],
    prices: Mapping[str, float],
    parts: bool,
) -> Fraction:
    """Σ price × depth + Σ share allowed × max(0, benefit - priced depth): no plan avoids more."""
    if any(price < 0 for price in prices.values()):
        raise ValueError("a price of depth is negative")
    value = sum((Fraction(p) * Fraction(depth.get(a, 0.0)) for a, p in prices.items()), Fraction(0))
    for account in accounts:
        surplus = max(Fraction(0), account.benefit - priced_depth(account, prices))
        value += share_allowed(account, depth, parts) * surplus
    return value


def faults_of_order(
    accounts: Sequence[Account],
    depth: Mapping[str, float],
    order: Order,
    *,
    parts: bool,
    block_accounts_max: int,
) -> list[str]:
    """What is wrong with an answer: empty when all it says is so."""
    by_id = {account.id: account for account in accounts}
    if sorted(by_id) != sorted(rank.id for rank in order.ranks):
        return ["not every account is ranked once"]
    ranked = [by_id[rank.id] for rank in order.ranks]
    keys = [(-r.key, -a.benefit, a.id) for r, a in zip(order.ranks, ranked, strict=True)]
    avoided = sum(
        (Fraction(r.share) * a.benefit for r, a in zip(order.ranks, ranked, strict=True)),
        Fraction(0),
    )
    batches = [rank.batch for rank in order.ranks if rank.share > 0]
    checks = {
        "the order is another": keys != sorted(keys),
        "a key is another": not all(
            _is_key(r.key, a, order.price_of_depth)
            for r, a in zip(order.ranks, ranked, strict=True)
        ),
        "a batch is another": batches != [n // block_accounts_max for n in range(len(batches))]
        or any(rank.batch is not None for rank in order.ranks if rank.share == 0),
        "what is avoided is another": not _near(Fraction(order.avoided), avoided),
        "the bound is not proven": Fraction(order.bound)
        < dual_value(accounts, depth, order.price_of_depth, parts),
        "the plan exceeds the bound": avoided > Fraction(order.bound),
    }
    faults = [fault for fault, found in checks.items() if found]
    return faults + _faults_of_plan(ranked, order.ranks, depth, parts)


def _faults_of_plan(
    accounts: Sequence[Account], ranks: Sequence[Ranked], depth: Mapping[str, float], parts: bool
) -> list[str]:
    """Each in turn takes all that it wants and can have; depth is never exceeded."""
    left = {asset: Fraction(amount) for asset, amount in depth.items()}
    for account, rank in zip(accounts, ranks, strict=True):
        share = Fraction(rank.share)
        used = [(asset, Fraction(u)) for asset, u in account.depth_used.items() if u > 0]
        room = min([Fraction(1), *(left.get(asset, Fraction(0)) / u for asset, u in used)])
        wanted = room if account.benefit > 0 and (parts or room == 1) else Fraction(0)
        if share > wanted:
            return [f"account {account.id} takes more than is left, or than it should"]
        if share < wanted - _CRUMB:
            return [f"account {account.id} is passed over"]
        for asset, u in used:
            left[asset] = left.get(asset, Fraction(0)) - share * u
    return []


def _is_key(key: float, account: Account, prices: Mapping[str, float]) -> bool:
    priced = priced_depth(account, prices)
    if account.benefit == 0:
        return key == 0
    if priced == 0:
        return isinf(key) and (key > 0) == (account.benefit > 0)
    return _near(Fraction(key), account.benefit / priced)


def _near(found: Fraction, wanted: Fraction) -> bool:
    return abs(found - wanted) <= _ROUNDING * abs(wanted)
