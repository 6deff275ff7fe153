"""A portfolio's legs as a leg plan takes them: what each brings, loses and costs to close.

Signs and proofs: ``docs/liquidation.md``, "Portfolios". All amounts are USD.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from xmargin.engine.cascade import DepthCurve
from xmargin.engine.plan import Leg, LegPlan, PlanKind, plan_legs
from xmargin.engine.trade_cost import ImpactLaws, Markdowns, TradeCost, purchase, sale
from xmargin.engine.unified_grid import Moves
from xmargin.model import AccountId, JudgedPrice, LegSide, TokenId, Verdict

MONEY_ROW = "money at hand"
TAIL_ROW = "historical ES"
REST = "rest"
OWNED = ", money owned"

_NOMINAL_SPREAD = 1e-6
_NEGLIGIBLE = 1e-5
"""An interior solution closes a grain of what it would leave, and leaves one of what it closes."""

_ROUNDING = 1e-13


@dataclass(frozen=True, slots=True)
class Holding:
    """A position that counts on reachable chains.

    ``amount`` is in smallest units, ``collateral`` its part of the collateral value. What
    ``is_stuck`` its venue lets nobody withdraw or repay.
    """

    account: AccountId
    token: TokenId
    base: str
    asset: str
    debt: bool
    amount: int
    decimals: int
    collateral: float
    is_stuck: bool = False

    @property
    def units(self) -> Fraction:
        """Signed, in token units."""
        return Fraction(-self.amount if self.debt else self.amount, 10**self.decimals)


@dataclass(frozen=True, slots=True)
class PortfolioLeg:
    """All net-owned (or net-owed) tokens of one asset that are not money.

    ``units`` of the asset are worth ``value`` where they are traded: sold at the low end of the
    price range, bought back at the high end. ``share`` is the part the market takes at all, and
    ``cost`` is that of closing this part.
    """

    asset: str
    side: LegSide
    holdings: tuple[Holding, ...]
    units: float
    value: float
    share: float
    cost: TradeCost

    @property
    def name(self) -> str:
        """Unique in a portfolio."""
        return f"{self.side.value.lower()} {self.asset}"

    @property
    def brings(self) -> float:
        """The cash that closing what can be closed brings; negative where it is bought back."""
        sign = 1 if self.side is LegSide.SELL else -1
        return sign * self.share * self.value


@dataclass(frozen=True, slots=True)
class Row:
    """One stress: the loss of each leg, and of what is not closed, in dollars of repaid money.

    ``dollar`` is what one is worth in the stress. The row that keeps the plan within the money at
    hand has none: margin does not bind it.
    """

    name: str
    losses: tuple[float, ...]
    rest: float
    dollar: float | None = None

    def with_buffer(self, buffer: float) -> "Row":
        """The row where so much stressed value (USD) is to be left."""
        return self if self.dollar is None else replace(self, rest=self.rest + buffer / self.dollar)


@dataclass(frozen=True, slots=True)
class Problem:
    """A leg plan to be solved. ``equity`` is the portfolio's own."""

    equity: float
    legs: tuple[PortfolioLeg, ...]
    rows: tuple[Row, ...]

    def stressed_value(self, fractions: Sequence[float]) -> float:
        """What the rows say that a plan leaves in the worst stress."""
        cost = sum(leg.cost.of(f) for leg, f in zip(self.legs, fractions, strict=True))
        return min(
            row.dollar * (self.equity - cost - row.rest - _open(row.losses, fractions))
            for row in self.rows
            if row.dollar is not None
        )


def _open(losses: Sequence[float], fractions: Sequence[float]) -> float:
    """The loss of what is not closed."""
    return sum((1 - f) * loss for f, loss in zip(fractions, losses, strict=True))


@dataclass(frozen=True, slots=True)
class Solution:
    """What was solved, with the answer: legs in order, the rest last (its fraction is 0)."""

    legs: tuple[Leg, ...]
    losses: tuple[tuple[float, ...], ...]
    plan: LegPlan


@dataclass(frozen=True, slots=True)
class Market:
    """What things trade for: judged prices, depth, and the model's own law where there is none."""

    prices: Mapping[str, JudgedPrice]
    depth: Mapping[str, DepthCurve]
    laws: ImpactLaws | None

    def cost(
        self, asset: str, side: LegSide, units: float, value: float
    ) -> tuple[float, TradeCost]:
        """The part of a leg that the market takes, and what trading that part costs at most."""
        if asset not in self.depth:
            known = TradeCost(0.0, 0.0) if self.laws is None else self.laws.fit(asset, value)
            return 1.0, known if known.of(1.0) else TradeCost(_NOMINAL_SPREAD * value, 0.0)
        side_of: Markdowns = (sale if side is LegSide.SELL else purchase)(self.depth[asset])
        share = min(1.0, side_of.amount_max / units) if units else 0.0
        return share, side_of.fit(share * units, value / units) if share else TradeCost(0.0, 0.0)

    def note(self, asset: str) -> str:
        """What the cost of an asset rests on where no depth is known."""
        if asset in self.depth:
            return ""
        if self.laws is None or not self.laws.fit(asset, 1.0).of(1.0):
            return (
                f"no depth curve of {asset}: its cost is not known; a millionth of what is traded "
                "stands for it, so that no more is closed than needed"
            )
        return f"no depth curve of {asset}: its cost is the parameter file's own impact law"

    def is_tradable(self, base: str) -> bool:
        """Whether anything may be traded at the price of a base."""
        return self.prices[base].verdict not in (Verdict.HOLD, Verdict.REFUSE)

    def price(self, base: str, *, owed: bool) -> Fraction:
        """The end of the range that hurts."""
        judged = self.prices[base]
        return Fraction(judged.high if owed else judged.low)


def net_units(holdings: Iterable[Holding]) -> dict[TokenId, Fraction]:
    """What is net owned (or, negative, owed) of each token."""
    net: dict[TokenId, Fraction] = {}
    for one in holdings:
        net[one.token] = net.get(one.token, Fraction(0)) + one.units
    return net


def money_of(holdings: Sequence[Holding], moves: Sequence[Moves], market: Market) -> str | None:
    """The base that everything is sold for, and debts are repaid with.

    Of the bases that the portfolio holds or owes at a believed price, nothing of it stuck: the one
    whose asset the grid moves least; of equals the one of which most is owed; then the one it has
    most of; then by name.
    """

    def key(base: str) -> tuple[float, float, float, str]:
        own = [one for one in holdings if one.base == base]
        owed = sum(-one.collateral for one in own if one.debt)
        held = sum(one.collateral for one in own if not one.debt)
        return _deepest_move(own[0].asset, moves), -owed, -held, base

    stuck = {one.base for one in holdings if one.is_stuck}
    bases = {one.base for one in holdings if market.is_tradable(one.base)} - stuck
    return min(bases, key=key, default=None)


def _deepest_move(asset: str, moves: Sequence[Moves]) -> float:
    return max(abs(moved.get(asset, 0.0)) for moved in moves)


def legs_of(holdings: Sequence[Holding], money: str, market: Market) -> tuple[PortfolioLeg, ...]:
    """The legs in order of asset and side, those that the market takes nothing of too.

    A token of which anything is stuck is left as it is.
    """
    net = net_units(holdings)
    stuck = {one.token for one in holdings if one.is_stuck}
    parts: dict[tuple[str, LegSide], list[Holding]] = {}
    for one in holdings:
        is_closable = one.token not in stuck and market.is_tradable(one.base)
        if one.base != money and net[one.token] and is_closable:
            side = LegSide.SELL if net[one.token] > 0 else LegSide.BUY
            parts.setdefault((one.asset, side), []).append(one)
    return tuple(_leg(asset, side, own, market) for (asset, side), own in sorted(parts.items()))


def _leg(asset: str, side: LegSide, own: Sequence[Holding], market: Market) -> PortfolioLeg:
    is_bought = side is LegSide.BUY
    net = net_units(own)
    base_of = {one.token: one.base for one in own}
    worth = sum(
        (abs(net[token]) * market.price(base_of[token], owed=is_bought) for token in net),
        Fraction(0),
    )
    # An asset's own base prices its units, where there is one: wstETH is counted in ETH.
    known = asset in market.prices and market.is_tradable(asset)
    unit = market.price(asset if known else min(base_of.values()), owed=is_bought)
    units, value = float(worth / unit), float(worth)
    share, cost = market.cost(asset, side, units, value)
    return PortfolioLeg(asset, side, tuple(own), units, value, share, cost)


@dataclass(frozen=True, slots=True)
class Stresses:
    """The grid that a portfolio is held against, at the loss factor of initial margin.

    ``cut_off_loss`` is what chains that cannot be reached cost at most, in any of its scenarios.
    """

    names: Sequence[str]
    moves: Sequence[Moves]
    loss_factor: float
    cut_off_loss: float


@dataclass(frozen=True, slots=True)
class Subject:
    """A portfolio to be planned: its equity, positions, money (a base) and legs."""

    equity: float
    holdings: tuple[Holding, ...]
    money: str
    legs: tuple[PortfolioLeg, ...]

    @property
    def own_money(self) -> list[Holding]:
        """The positions in money."""
        return [one for one in self.holdings if one.base == self.money]

    def free_to_trade(self) -> "Subject":
        """The same where trading costs nothing."""
        free = TradeCost(0.0, 0.0)
        return replace(self, legs=tuple(replace(leg, cost=free) for leg in self.legs))


@dataclass(frozen=True, slots=True)
class Tangent:
    """What is not linear in the model, by a line that touches it at one plan.

    ``legs`` are the contingencies of each leg, of which 1 - f stay, ``rest`` what they are without.
    ``tail`` is the part of each asset that the historical shortfall takes; ``None`` without one.
    Contingencies and shortfall are convex in what is held, so that the line is never above them.
    """

    legs: tuple[float, ...]
    rest: float
    tail: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class _Stress:
    """What each position (by place) and a dollar of repaid money are worth in a scenario."""

    name: str
    worth: tuple[float, ...]
    dollar: float


def problem_of(
    subject: Subject, stresses: Stresses, tangents: Sequence[Tangent], market: Market
) -> Problem:
    """Σ (1 - f) loss ≤ equity - cost in each row: the stressed value is not negative.

    There is a row for each stress, tangent and line that money is worth.
    """
    rows = [
        replace(row, name=f"{row.name}, tangent {number}" if number > 1 else row.name)
        for number, tangent in enumerate(tangents, start=1)
        for row in _rows(subject, stresses, tangent, market)
    ]
    return Problem(subject.equity, subject.legs, (*rows, _money_row(subject, market)))


def _rows(subject: Subject, stresses: Stresses, tangent: Tangent, market: Market) -> Iterator[Row]:
    """Every stress with money repaid, and where its price has a range, with money owned too.

    What is owed counts at the high end and what is owned at the low one: money is worth the less
    of the two lines, so that the stressed value is not negative if it is not on either.
    """
    low, high = (float(market.price(subject.money, owed=owed)) for owed in (False, True))
    for stress in _repaid(subject, stresses, tangent):
        yield _row(subject, stress, tangent, stresses.cut_off_loss)
        if low < high:
            owned = _owned(subject, stress, low / high)
            yield _row(subject, owned, tangent, stresses.cut_off_loss)


def _repaid(subject: Subject, stresses: Stresses, tangent: Tangent) -> Iterator[_Stress]:
    assets = {one.asset for one in subject.holdings}
    for name, moved in zip(stresses.names, stresses.moves, strict=True):
        kept = {asset: 1 + stresses.loss_factor * moved.get(asset, 0.0) for asset in assets}
        yield _stress(subject, name, kept)
    if tangent.tail is not None:
        yield _stress(subject, TAIL_ROW, {a: 1 - tangent.tail.get(a, 0.0) for a in assets})


def _stress(subject: Subject, name: str, kept: Mapping[str, float]) -> _Stress:
    worth = tuple(one.collateral * kept[one.asset] for one in subject.holdings)
    return _Stress(name, worth, kept[subject.own_money[0].asset])


def _owned(subject: Subject, stress: _Stress, part: float) -> _Stress:
    """The same stress where a dollar of cash becomes money owned, which counts for ``part``."""
    own = subject.own_money
    is_owed = sum(one.collateral for one in own) < 0
    worth = tuple(
        value * part if is_owed and one.base == subject.money else value
        for value, one in zip(stress.worth, subject.holdings, strict=True)
    )
    return _Stress(f"{stress.name}{OWNED}", worth, stress.dollar * part)


def _row(subject: Subject, stress: _Stress, tangent: Tangent, out_of_reach: float) -> Row:
    """Losses against the cash that closing brings, in repaid dollars."""
    legs = subject.legs
    dollar = max(stress.dollar, _NOMINAL_SPREAD)  # where a stress leaves nothing of money itself
    place = {id(one): row for row, one in enumerate(subject.holdings)}
    worth = [leg.share * sum(stress.worth[place[id(one)]] for one in leg.holdings) for leg in legs]
    losses = tuple(
        leg.brings - (value - charged) / dollar
        for leg, value, charged in zip(legs, worth, tangent.legs, strict=True)
    )
    rest = sum(stress.worth) - sum(worth) - tangent.rest - out_of_reach
    brought = sum(leg.brings for leg in legs)
    return Row(stress.name, losses, subject.equity - brought - rest / dollar, dollar)


def _money_row(subject: Subject, market: Market) -> Row:
    """What is bought back and all costs are paid out of what is sold and the money owned."""
    owned = sum((one.units for one in subject.own_money if not one.debt), Fraction(0))
    at_hand = float(owned * market.price(subject.money, owed=False))
    brings = tuple(leg.brings for leg in subject.legs)
    return Row(MONEY_ROW, brings, subject.equity - sum(brings) - at_hand)


def solve(problem: Problem, buffer: float) -> Solution:
    """The cheapest plan that leaves at least ``buffer`` of stressed value, with its certificate.

    What is not closed is one leg more, whose spread is so much that closing it would relieve no
    scenario; it is left as it is.
    """
    rest = [row.with_buffer(buffer).rest for row in problem.rows]
    matrix = tuple((*row.losses, left) for row, left in zip(problem.rows, rest, strict=True))
    legs = (
        *(Leg(leg.name, leg.cost.spread, leg.cost.impact) for leg in problem.legs),
        _rest(rest),
    )
    plan = _plan(problem.equity, legs, matrix)
    if plan.kind is PlanKind.PLAN:
        plan = _without_grains(problem.equity, legs, matrix, plan)
    return Solution(legs, matrix, plan)


def _plan(equity: float, legs: Sequence[Leg], losses: Sequence[Sequence[float]]) -> LegPlan:
    return plan_legs(equity=equity, loss_share_max=1.0, legs=legs, losses=losses)


def _without_grains(
    equity: float, legs: Sequence[Leg], losses: Sequence[Sequence[float]], plan: LegPlan
) -> LegPlan:
    """The same under the same bound, with next to nothing made nothing, and nearly all made all.

    What is closed whole is paid for beforehand, what is not closed joins the rest, and the other
    legs are planned again.
    """
    found = plan.fractions[:-1]
    whole = {leg for leg, f in enumerate(found) if f > 1 - _NEGLIGIBLE}
    partly = [leg for leg, f in enumerate(found) if _NEGLIGIBLE < f <= 1 - _NEGLIGIBLE]
    paid = sum(legs[leg].spread + legs[leg].impact for leg in whole)
    left = [leg for leg in range(len(legs)) if leg not in whole and leg not in partly]
    fewer = [(*(row[leg] for leg in partly), sum(row[leg] for leg in left)) for row in losses]
    rest = _rest([row[-1] for row in fewer])
    again = _plan(
        equity - paid - _ROUNDING * (abs(equity) + paid),
        (*(legs[leg] for leg in partly), rest),
        fewer,
    )
    if again.kind is not PlanKind.PLAN:
        return _with_fractions(legs, plan, (*found, 0.0))
    closed = dict(zip(partly, again.fractions, strict=False)) | dict.fromkeys(whole, 1.0)
    return _with_fractions(legs, plan, tuple(closed.get(leg, 0.0) for leg in range(len(legs))))


def _rest(losses: Sequence[float]) -> Leg:
    """What is not closed, at a spread at which closing it relieves no scenario."""
    return Leg(REST, max(0.0, *losses) * (1 + 1e-9), 0.0)


def _with_fractions(legs: Sequence[Leg], plan: LegPlan, fractions: tuple[float, ...]) -> LegPlan:
    cost = sum(
        TradeCost(leg.spread, leg.impact).of(f) for leg, f in zip(legs, fractions, strict=True)
    )
    return LegPlan(plan.kind, fractions, cost, plan.multipliers, min(plan.bound, cost))
