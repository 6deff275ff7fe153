"""The unified margin in exact fractions, written from ``docs/margin-model.md``."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property

from xmargin.reference.book import Base, Book, Portfolio
from xmargin.reference.contingencies import CONTINGENCIES, Holding, Stock
from xmargin.reference.positions import Counting, Position, positions_of, reverts
from xmargin.reference.scenarios import Factors, Model, Scenario
from xmargin.reference.unified_history import GroupTail, History

_ZERO = Fraction(0)
_ONE = Fraction(1)
COMPONENTS = ("scenario_loss", *CONTINGENCIES)
_NO_COMPONENTS = dict.fromkeys(COMPONENTS, _ZERO)


@dataclass(frozen=True, slots=True)
class Requirement:
    """What one kind of margin asks for (USD).

    ``scenario`` is the index of the one that binds, ``excesses`` what each would leave;
    ``components`` sum to the margin. The tail of the history, if there is one, is the last of
    them; ``tail_day`` is its worst day, ``decided_by`` how near (USD) another tail is.
    """

    margin: Fraction = _ZERO
    grid_loss: Fraction = _ZERO
    historical_es: Fraction | None = None
    components: Mapping[str, Fraction] = field(default_factory=lambda: dict(_NO_COMPONENTS))
    scenario: int | None = None
    excesses: tuple[Fraction, ...] = ()
    tail_day: int | None = None
    decided_by: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one position does for its portfolio (USD); ``value`` is at the mark."""

    value: Fraction | None
    collateral_value: Fraction = _ZERO
    maintenance: Fraction = _ZERO
    initial: Fraction = _ZERO


@dataclass(frozen=True, slots=True)
class Margin:
    """The numbers of a portfolio (USD)."""

    equity: Fraction
    collateral_value: Fraction
    maintenance: Requirement
    initial: Requirement
    gross_debt: Fraction
    oracle_confidence: Fraction

    @property
    def maintenance_excess(self) -> Fraction:
        """Collateral value less maintenance margin."""
        return self.collateral_value - self.maintenance.margin

    @property
    def initial_excess(self) -> Fraction:
        """Collateral value less initial margin."""
        return self.collateral_value - self.initial.margin

    @property
    def health_factor(self) -> Fraction | None:
        """Collateral value ÷ maintenance margin, ``None`` when nothing is required."""
        margin = self.maintenance.margin
        return self.collateral_value / margin if margin else None


@dataclass(frozen=True, slots=True)
class PortfolioMargin:
    """The unified truth of one portfolio; ``margin`` is ``None`` when it is refused."""

    portfolio: str
    margin: Margin | None
    owes: bool
    held: bool
    partial: bool
    positions: tuple[Position, ...]
    contributions: tuple[Contribution, ...]


class _Group:
    """Positions that net with one another: all reachable chains, or one that is cut off."""

    def __init__(
        self, book: Book, positions: Iterable[Position], model: Model, *, cut_off: bool
    ) -> None:
        self.book = book
        self._components: dict[tuple[str, Factors], dict[str, Fraction]] = {}
        self.cut_off = cut_off
        self.positions = list(positions)
        self.net: dict[str, Fraction] = {}
        for position in self.positions:
            units = position.units or _ZERO
            self.net[position.token] = self.net.get(position.token, _ZERO) + units
        kept_of_base: dict[str, Fraction] = {}
        for token in self.priced_tokens:
            base = self._base_name(token)
            kept_of_base[base] = kept_of_base.get(base, _ZERO) + self.kept(token)
        self.price = {base: _end(book.bases[base], kept) for base, kept in kept_of_base.items()}
        self.value_of_base = {base: kept * self.price[base] for base, kept in kept_of_base.items()}
        self.oracle_confidence = sum(
            (kept * book.bases[base].mark for base, kept in kept_of_base.items()), _ZERO
        ) - sum(self.value_of_base.values(), _ZERO)
        holdings = [self._holding(p) for p in self.positions if p.token in self.priced_tokens]
        self.stock = Stock(holdings, model.contingencies, cut_off=cut_off)
        self._tail: GroupTail | None = None

    def tail(self, history: History) -> GroupTail:
        """The tail of the group's own net positions."""
        if self._tail is None:
            net: dict[str, Fraction] = {}
            for base, value in self.value_of_base.items():
                asset = self.book.bases[base].asset
                net[asset] = net.get(asset, _ZERO) + value
            self._tail = history.tail(net)
        return self._tail

    def _holding(self, position: Position) -> Holding:
        base, token = self.base(position.token), position.token
        return Holding(
            token=token,
            asset=base.asset,
            chain=position.chain,
            venue_kind=position.venue_kind,
            wrapped=self.book.tokens[token].wrapped,
            units=position.units or _ZERO,
            share=self.share(token),
            low=base.low,
            token_price=_end(base, self.net[token]),
            value=self.value(position),
        )

    def _base_name(self, token: str) -> str:
        return self.book.tokens[token].base or ""

    def base(self, token: str) -> Base:
        return self.book.bases[self._base_name(token)]

    @property
    def priced_tokens(self) -> list[str]:
        return [token for token in self.net if self.base(token).usable]

    def share(self, token: str) -> Fraction:
        """What the haircut leaves of a token: all of it where it is net owed."""
        return _ONE - self.book.tokens[token].haircut if self.net[token] > 0 else _ONE

    def kept(self, token: str) -> Fraction:
        return self.net[token] * self.share(token)

    @cached_property
    def collateral_value(self) -> Fraction:
        return sum(self.value_of_base.values(), _ZERO)

    @property
    def equity(self) -> Fraction:
        return sum((self.net[t] * self.base(t).mark for t in self.priced_tokens), _ZERO)

    @property
    def gross_debt(self) -> Fraction:
        owed = (p for p in self.positions if p.debt and self.base(p.token).usable)
        return sum((-(p.units or _ZERO) * self.base(p.token).mark for p in owed), _ZERO)

    def pnl(self, scenario: Scenario) -> Fraction:
        return sum(
            (
                value * scenario.relative_move(self.book.bases[base].asset)
                for base, value in self.value_of_base.items()
            ),
            _ZERO,
        )

    def stressed(self, scenario: Scenario, factors: Factors) -> Fraction:
        """V_s."""
        return self.after(scenario, factors, CONTINGENCIES)

    def after(self, scenario: Scenario, factors: Factors, contingencies: Iterable[str]) -> Fraction:
        """What is left after the scenario and some contingencies, as far as it may count."""
        charged = sum((self.stock.charge(n, factors) for n in contingencies), _ZERO)
        return self.capped(self.collateral_value + factors.loss * self.pnl(scenario) - charged)

    def components(self, scenario: Scenario, factors: Factors) -> dict[str, Fraction]:
        """What each takes, one after the other; they sum to all that is taken."""
        key = scenario.name, factors  # the tail's name is no scenario's of the grid
        if key not in self._components:
            self._components[key] = self._component_parts(scenario, factors)
        return self._components[key]

    def _component_parts(self, scenario: Scenario, factors: Factors) -> dict[str, Fraction]:
        left = [self.capped(self.collateral_value)]
        left += [
            self.after(scenario, factors, CONTINGENCIES[:count])
            for count in range(len(CONTINGENCIES) + 1)
        ]
        return {name: left[at] - left[at + 1] for at, name in enumerate(COMPONENTS)}

    def capped(self, value: Fraction) -> Fraction:
        """``value`` as it may count: a chain that is cut off can only cost."""
        return min(_ZERO, value) if self.cut_off else value

    def contribution(self, position: Position, scenario: Scenario, factors: Factors) -> Fraction:
        """The position's part in the requirement, contingencies included."""
        if position.token not in self.priced_tokens:
            return _ZERO
        charged = self.components(scenario, factors)
        parts = self.stock.parts(self._holding(position))
        buffers = sum(
            (
                charged[name] * parts[name] / self.stock.amounts[name]
                for name in CONTINGENCIES
                if self.stock.amounts[name]
            ),
            _ZERO,
        )
        return buffers + self._loss_part(position, scenario, factors)

    def _loss_part(self, position: Position, scenario: Scenario, factors: Factors) -> Fraction:
        value = self.value(position)
        relative = scenario.relative_move(self.base(position.token).asset)
        after = value + factors.loss * value * relative
        if not self.cut_off:
            return value - after
        before_counts = self.collateral_value < 0
        after_counts = self.after(scenario, factors, ()) < 0
        return (value if before_counts else _ZERO) - (after if after_counts else _ZERO)

    def value(self, position: Position) -> Fraction:
        """The position's collateral value; zero in a base without a price."""
        if position.token not in self.priced_tokens:
            return _ZERO
        price = self.price[self._base_name(position.token)]
        return (position.units or _ZERO) * self.share(position.token) * price

    def collateral_part(self, position: Position) -> Fraction:
        """The position's part in the portfolio's collateral value."""
        counts = not self.cut_off or self.collateral_value < 0
        return self.value(position) if counts else _ZERO


def _end(base: Base, quantity: Fraction) -> Fraction:
    """The end of the price range that hurts."""
    return base.low if quantity > 0 else base.high


def margin_of(
    book: Book, portfolio: Portfolio, model: Model, history: History | None = None
) -> PortfolioMargin:
    """The unified truth of one portfolio; without a history the grid stands alone."""
    positions = positions_of(book, portfolio)
    groups = _groups(book, positions, model)
    refused = _is_refused(book, portfolio, positions, groups)
    owns_unpriced = any(
        group.net[t] > 0 and not group.base(t).usable for group in groups for t in group.net
    )
    rests_on_hold = any(
        group.net[t] != 0 and group.base(t).usable and group.base(t).held
        for group in groups
        for t in group.net
    )
    owes = refused or any(p.debt and p.units for group in groups for p in group.positions)
    margin = None if refused else _margin(groups, model, history, owes=owes)
    return PortfolioMargin(
        portfolio=portfolio.id,
        margin=margin,
        owes=owes,
        held=owns_unpriced or rests_on_hold,
        partial=owns_unpriced or _has_unread_part(book, portfolio, positions),
        positions=tuple(positions),
        contributions=tuple(_contributions(book, positions, groups, margin, model, history)),
    )


def _nets(book: Book, position: Position) -> bool:
    return (
        position.counting is not Counting.LOOKED_THROUGH
        and position.units is not None
        and book.tokens[position.token].base is not None
    )


def _groups(book: Book, positions: list[Position], model: Model) -> list[_Group]:
    netted = [p for p in positions if _nets(book, p)]
    reachable = _Group(book, (p for p in netted if not book.cut_off[p.chain]), model, cut_off=False)
    chains = sorted({p.chain for p in netted if book.cut_off[p.chain]})
    return [
        reachable,
        *(_Group(book, (p for p in netted if p.chain == c), model, cut_off=True) for c in chains),
    ]


def _is_refused(
    book: Book, portfolio: Portfolio, positions: list[Position], groups: list[_Group]
) -> bool:
    owes_unknown = any(
        p.debt and p.amount and p.counting is Counting.EXCLUDED and not _nets(book, p)
        for p in positions
    )
    owes_unpriced = any(
        group.net[t] < 0 and not group.base(t).usable for group in groups for t in group.net
    )
    users = [account.aave for account in portfolio.accounts if account.aave is not None]
    return owes_unknown or owes_unpriced or any(reverts(book, user) for user in users)


def _has_unread_part(book: Book, portfolio: Portfolio, positions: list[Position]) -> bool:
    at_fault = any(
        p.units is None and p.amount and p.counting is Counting.EXCLUDED for p in positions
    )
    return at_fault or any(book.cut_off[account.chain] for account in portfolio.accounts)


def _margin(groups: list[_Group], model: Model, history: History | None, *, owes: bool) -> Margin:
    def requirement(factors: Factors) -> Requirement:
        return _requirement(groups, model, history, factors) if owes else Requirement()

    return Margin(
        equity=sum((group.capped(group.equity) for group in groups), _ZERO),
        collateral_value=sum((group.capped(group.collateral_value) for group in groups), _ZERO),
        maintenance=requirement(model.maintenance),
        initial=requirement(model.initial),
        gross_debt=sum((group.gross_debt for group in groups), _ZERO),
        oracle_confidence=sum(
            (g.oracle_confidence for g in groups if not g.cut_off or g.collateral_value < 0), _ZERO
        ),
    )


_Stress = Callable[[_Group], tuple[Scenario, Factors]]
"""What each group is held against: the same scenario for all, or each one's own tail."""


def _stresses(model: Model, history: History | None, factors: Factors) -> list[_Stress]:
    """The scenarios of the grid, then the tail."""

    def of_grid(scenario: Scenario) -> _Stress:
        return lambda _: (scenario, factors)

    stresses = [of_grid(scenario) for scenario in model.scenarios]
    if history is not None:
        of_tail = replace(factors, loss=factors.shortfall)
        stresses.append(lambda group: (group.tail(history).scenario, of_tail))
    return stresses


def _requirement(
    groups: list[_Group], model: Model, history: History | None, factors: Factors
) -> Requirement:
    collateral = sum((group.capped(group.collateral_value) for group in groups), _ZERO)
    stresses = _stresses(model, history, factors)
    excesses = tuple(
        sum((group.stressed(*stress(group)) for group in groups), _ZERO) for stress in stresses
    )

    def losses(at: int) -> dict[str, Fraction]:
        of_groups = [group.components(*stresses[at](group)) for group in groups]
        return {name: sum((g[name] for g in of_groups), _ZERO) for name in COMPONENTS}

    def worst_of(count: int) -> int:
        return min(range(count), key=excesses.__getitem__)

    worst, worst_of_grid = worst_of(len(excesses)), worst_of(len(model.scenarios))
    tails = [] if history is None else [group.tail(history) for group in groups]
    deepest = min(zip(groups, tails, strict=False), key=_tail_pnl, default=None)
    return Requirement(
        margin=collateral - excesses[worst],
        grid_loss=losses(worst_of_grid)["scenario_loss"],
        historical_es=losses(len(stresses) - 1)["scenario_loss"] if tails else None,
        components=losses(worst),
        scenario=worst,
        excesses=excesses,
        tail_day=None if deepest is None else deepest[1].worst_day,
        decided_by=min((t.decided_by for t in tails if t.decided_by is not None), default=None),
    )


def _tail_pnl(one: tuple[_Group, GroupTail]) -> Fraction:
    group, tail = one
    return group.pnl(tail.scenario)


def _contributions(  # noqa: PLR0917 - what a portfolio is and what it is held against
    book: Book,
    positions: list[Position],
    groups: list[_Group],
    margin: Margin | None,
    model: Model,
    history: History | None,
) -> Iterable[Contribution]:
    group_of: Mapping[int, _Group] = {id(p): group for group in groups for p in group.positions}
    for position in positions:
        value = _marked_value(book, position)
        group = group_of.get(id(position))
        if margin is None or group is None:
            yield Contribution(value)
            continue

        def part(
            requirement: Requirement,
            factors: Factors,
            position: Position = position,
            group: _Group = group,
        ) -> Fraction:
            if requirement.scenario is None:
                return _ZERO
            stress = _stresses(model, history, factors)[requirement.scenario]
            return group.contribution(position, *stress(group))

        yield Contribution(
            value=value,
            collateral_value=group.collateral_part(position),
            maintenance=part(margin.maintenance, model.maintenance),
            initial=part(margin.initial, model.initial),
        )


def _marked_value(book: Book, position: Position) -> Fraction | None:
    name = book.tokens[position.token].base
    if name is None or position.units is None or not book.bases[name].usable:
        return None
    return position.units * book.bases[name].mark
