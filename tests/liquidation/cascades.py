"""Random lending books with depth curves, for the engine and for the reference."""

from collections.abc import Sequence
from random import Random

from xmargin.engine.cascade import (
    CascadeBracket,
    CloseStep,
    DepthCurve,
    LendingAccount,
    LendingAsset,
    LendingBook,
    PositionKind,
)
from xmargin.reference.cascade import Account, Market

Example = tuple[list[Account], Market]


def example(
    seed: int, accounts: int = 5, buys: bool = False, assets: Sequence[str] = ()
) -> Example:
    """Healths around one; curves from deep to none; one close step or two.

    One kind an asset, or kinds of the ``assets`` given.
    """
    random = Random(seed)
    names = [f"A{number}" for number in range(random.randint(1, 3))]
    asset_of = {name: name for name in names}
    if assets:
        names = [f"K{number}" for number in range(random.randint(2, 5))]
        asset_of = {name: random.choice(assets) for name in names}
    asset_prices = {a: random.uniform(0.5, 2.0) for a in dict.fromkeys(asset_of.values())}
    prices = {name: asset_prices[asset_of[name]] for name in names}
    weights = {name: random.choice([0.0, 0.5, 0.8, 1.0]) for name in names}
    made = []
    for _ in range(accounts):
        held = {n: random.uniform(1, 100) for n in names if random.random() < 0.7}
        if buys and len(held) > 1 and random.random() < 0.5:
            owed = random.choice(sorted(held))
            held[owed] *= -0.4
        covers = sum(q * weights[n] * prices[n] for n, q in held.items() if q > 0)
        debt = random.choice([0.0, 50.0, covers / random.uniform(0.8, 1.3)])
        made.append(Account(held, debt))
    total = sum(abs(q) for account in made for q in account.positions.values()) + 1.0
    curves = {asset: _curve(random, total) for asset in asset_prices}
    steps = random.choice([[(1.0, 1.0)], [(1.0, 0.5), (0.95, 1.0)], [(0.9, 0.25)]])
    factors = {name: random.choice([1.0, 1.2]) for name in names}
    return made, Market(asset_prices, curves, weights, factors, steps, asset_of)


def _curve(random: Random, total: float) -> list[tuple[float, float]]:
    reach, fall = total * random.uniform(0.1, 1.5), random.uniform(0.05, 1.0)
    floor = 1.0 - fall
    smooth = [(-reach, 1.0 + fall), (0.0, 1.0), (reach / 2, 1.0 - fall / 3), (reach, floor)]
    jump = [(0.0, 1.0), (reach / 3, 1.0), (reach / 3, (1.0 + floor) / 2), (reach, floor)]
    none = [(0.0, 1.0), (0.0, 0.0)]
    return random.choice([smooth, smooth, smooth, jump, none, [(0.0, 1.0)]])


def loaded(accounts: Sequence[Account], market: Market, threads: int = 1) -> LendingBook:
    made = [LendingAccount(account.positions, account.debt) for account in accounts]
    anchors = {asset: max(price, 1e-3) for asset, price in market.prices.items()}
    if list(market.asset_of) != list(market.prices):
        kinds = {
            kind: PositionKind(asset, market.weights[kind], market.factors[kind])
            for kind, asset in market.asset_of.items()
        }
        return LendingBook.of_kinds(anchors, kinds, made, threads)
    assets = {
        name: LendingAsset(market.weights[name], anchor, market.factors[name])
        for name, anchor in anchors.items()
    }
    return LendingBook(assets, made, threads)


def bracketed(
    accounts: Sequence[Account], market: Market, passes_max: int = 10_000, threads: int = 1
) -> CascadeBracket:
    return loaded(accounts, market, threads).cascade(
        market.prices,
        {name: DepthCurve(tuple(knots)) for name, knots in market.curves.items()},
        [CloseStep(health, part) for health, part in market.steps],
        passes_max,
    )
