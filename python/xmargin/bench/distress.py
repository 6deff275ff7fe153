"""Distressed lending markets, liquidated in one order after another on the same price paths.

Every order gets the same loans, prices, depth and block limit; only who comes first differs. The
model by which ours expects bad debt knows the variance of prices, but neither their fat tails nor
that every second market falls.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import erf, exp, log, sqrt
from random import Random

from xmargin.engine.fleet import DistressedAccount, order_fleet

_BLOCKS = 6
# Most blocks are calm, some wild: factors on the vol, and how often the second.
_CALM, _WILD, _WILD_SHARE = 0.7, 3.0, 0.2
_FALLS = (0.0, -0.3)
_COMMON_SHARE = 0.5
# dYdX v4: spread to maintenance margin ratio and bankruptcy adjustment of its fillable price.
_SPREAD_TO_MAINTENANCE, _BANKRUPTCY_ADJUSTMENT = 0.1, 1.0
_BLOCK_SPACE = "block"


@dataclass(frozen=True, slots=True)
class Asset:
    """``vol``: of a block's log return; ``depth``: value sold in a block; ``cost``: of a sale."""

    weight: float
    vol: float
    depth: float
    cost: float


@dataclass(slots=True)
class Loan:
    """Collateral by asset, in units, against a debt in money."""

    id: int
    collateral: dict[str, float]
    debt: float


@dataclass(frozen=True, slots=True)
class Market:
    """Assets at their prices; how many liquidations fit in a block."""

    assets: Mapping[str, Asset]
    prices: Mapping[str, float]
    block_loans_max: int

    def values(self, loan: Loan) -> dict[str, float]:
        """Value of each collateral."""
        return {name: units * self.prices[name] for name, units in loan.collateral.items()}

    def weighted(self, loan: Loan) -> float:
        """Collateral value times maintenance weight."""
        return sum(v * self.assets[name].weight for name, v in self.values(loan).items())

    def cost_of(self, values: Mapping[str, float]) -> float:
        """What selling such values costs."""
        return sum(value * self.assets[name].cost for name, value in values.items())


Order = Callable[[Market, Sequence[Loan]], list[int]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """In money, over all blocks."""

    bad_debt: float
    cost: float
    debt: float


def by_priced_depth(market: Market, loans: Sequence[Loan], trust: float = 1.0) -> list[int]:
    """Ours: bad debt avoided per priced unit of depth; block space is depth too.

    ``trust`` is the part of the true deviation that the expectation of bad debt uses.
    """
    accounts = [_distressed(market, place, loan, trust) for place, loan in enumerate(loans)]
    depth = {name: asset.depth for name, asset in market.assets.items()}
    plan = order_fleet(accounts, {**depth, _BLOCK_SPACE: float(market.block_loans_max)})
    return [reason.id for reason in plan.reasons]


def lowest_health_first(market: Market, loans: Sequence[Loan]) -> list[int]:
    """Weighted collateral by debt, ascending: what most keepers and rankings do."""
    return sorted(
        range(len(loans)), key=lambda row: (market.weighted(loans[row]) / loans[row].debt, row)
    )


def largest_first(_market: Market, loans: Sequence[Loan]) -> list[int]:
    """Debt, descending: what pays a liquidator most."""
    return sorted(range(len(loans)), key=lambda row: (-loans[row].debt, row))


def by_dydx_key(market: Market, loans: Sequence[Loan]) -> list[int]:
    """By dYdX v4's key: how far the fillable price is from the oracle's, then by size."""

    def key(row: int) -> tuple[float, float, int]:
        values = market.values(loans[row])
        value = sum(values.values())
        maintenance = sum(v * (1 - market.assets[name].weight) for name, v in values.items())
        bankruptcy = _BANKRUPTCY_ADJUSTMENT * (1 - (value - loans[row].debt) / maintenance)
        ratio = min(1.0, max(0.0, bankruptcy))
        return -ratio * _SPREAD_TO_MAINTENANCE * maintenance / value, -value, row

    return sorted(range(len(loans)), key=key)


ORDERS: Mapping[str, Order] = {
    "by priced depth": by_priced_depth,
    "the same, deviation thought half": partial(by_priced_depth, trust=0.5),
    "lowest health first": lowest_health_first,
    "largest first": largest_first,
    "dYdX's key": by_dydx_key,
}


def simulate(seed: int, order: Order, loans_count: int = 300) -> Outcome:
    """One market from its first block to its last, under one order."""
    random = Random(seed)  # noqa: S311 - a simulation
    assets = _random_assets(random, loans_count)
    prices = dict.fromkeys(assets, 1.0)
    loans = [_random_loan(random, number, assets) for number in range(loans_count)]
    debt = sum(loan.debt for loan in loans)
    fall = random.choice(_FALLS)
    block_loans_max = random.choice([loans_count // 20, loans_count // 4, loans_count])
    bad_debt = cost = 0.0
    for _ in range(_BLOCKS):
        _move(random, assets, prices, fall)
        market = Market(assets, prices, block_loans_max)
        due = [loan for loan in loans if loan.debt > 0 and market.weighted(loan) < loan.debt]
        lost, spent = _block(market, due, order)
        bad_debt, cost = bad_debt + lost, cost + spent
    left = (loan.debt - sum(market.values(loan).values()) for loan in loans)
    return Outcome(bad_debt + sum(max(0.0, short) for short in left), cost, debt)


def compare(seeds: Sequence[int], loans_count: int = 300) -> dict[str, Outcome]:
    """All orders, summed over the same markets."""
    totals = {}
    for name, order in ORDERS.items():
        outcomes = [simulate(seed, order, loans_count) for seed in seeds]
        totals[name] = Outcome(
            sum(one.bad_debt for one in outcomes),
            sum(one.cost for one in outcomes),
            sum(one.debt for one in outcomes),
        )
    return totals


def _random_assets(random: Random, loans_count: int) -> dict[str, Asset]:
    return {
        f"A{number}": Asset(
            weight=random.uniform(0.65, 0.9),
            vol=random.uniform(0.01, 0.08),
            depth=loans_count * 10 ** random.uniform(1.5, 3.0),
            cost=random.uniform(0.001, 0.02),
        )
        for number in range(6)
    }


def _random_loan(random: Random, number: int, assets: Mapping[str, Asset]) -> Loan:
    held = random.sample(sorted(assets), random.choice([1, 1, 2]))
    size = 10 ** random.uniform(2, 5) / len(held)
    weighted = sum(size * assets[name].weight for name in held)
    return Loan(number, dict.fromkeys(held, size), weighted * random.uniform(0.8, 1.15))


def _move(
    random: Random, assets: Mapping[str, Asset], prices: dict[str, float], fall: float
) -> None:
    """A common factor, which may tend to fall, and an own one."""
    wildness = _WILD if random.random() < _WILD_SHARE else _CALM
    common = random.gauss(fall, 1.0)
    for name, asset in assets.items():
        own = random.gauss(0.0, 1.0)
        shock = sqrt(_COMMON_SHARE) * common + sqrt(1 - _COMMON_SHARE) * own
        prices[name] *= exp(wildness * asset.vol * shock)


def _block(market: Market, due: Sequence[Loan], order: Order) -> tuple[float, float]:
    """Liquidates in the order given while depth and block space last: bad debt and cost."""
    left = {name: asset.depth for name, asset in market.assets.items()}
    bad_debt = cost = 0.0
    space = market.block_loans_max
    for row in order(market, due):
        loan = due[row]
        values = market.values(loan)
        share = min([1.0, *(left[name] / value for name, value in values.items() if value > 0)])
        if space == 0 or share < 1e-6:
            continue
        space -= 1
        for name, value in values.items():
            left[name] = max(0.0, left[name] - share * value)
            loan.collateral[name] *= 1 - share
        spent = share * market.cost_of(values)
        cost += spent
        loan.debt -= share * sum(values.values()) - spent
        if share == 1.0:
            bad_debt += max(0.0, loan.debt)
            loan.debt = 0.0
    return bad_debt, cost


def _distressed(market: Market, place: int, loan: Loan, trust: float) -> DistressedAccount:
    values = market.values(loan)
    spent = market.cost_of(values)
    lost_now = max(0.0, loan.debt - sum(values.values()) + spent)
    return DistressedAccount(
        place,
        bad_debt_expected=_expected_bad_debt(market, loan, trust),
        cost=lost_now + spent,
        depth_used={**values, _BLOCK_SPACE: 1.0},
    )


def _expected_bad_debt(market: Market, loan: Loan, trust: float) -> float:
    """E max(0, debt - collateral) of a lognormal collateral without drift: Black's put."""
    values = market.values(loan)
    value = sum(values.values())
    own = [v * market.assets[name].vol for name, v in values.items()]
    variance = _COMMON_SHARE * sum(own) ** 2 + (1 - _COMMON_SHARE) * sum(v * v for v in own)
    wildness = _WILD_SHARE * _WILD**2 + (1 - _WILD_SHARE) * _CALM**2
    deviation = trust * sqrt(variance * wildness * _BLOCKS) / value
    d = (log(value / loan.debt) + deviation**2 / 2) / deviation
    put = loan.debt * _normal(deviation - d) - value * _normal(-d)
    # What is left of rounding where both terms are far larger.
    return put if put > 1e-9 * value else 0.0


def _normal(x: float) -> float:
    return 0.5 * (1 + erf(x / sqrt(2)))
