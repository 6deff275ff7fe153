"""A due portfolio in the model's own numbers: its positions, what they are charged, its problem."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from xmargin.engine.columns import Rows
from xmargin.engine.evaluate import Engine, Evaluation
from xmargin.engine.portfolio_legs import (
    Charges,
    Holding,
    Market,
    Problem,
    Stresses,
    Subject,
    hopeless_of,
    legs_of,
    money_of,
    problem_of,
)
from xmargin.engine.unified_grid import Moves, loss_factor, scenario_moves, without_scenarios
from xmargin.engine.what_if import Alone, Closing, Moved, Wallet, wallets_for
from xmargin.errors import EngineError
from xmargin.model import Counting, TokenId, TokenState, chain_of
from xmargin.snapshot import Snapshot

_COUNTED = list(Counting).index(Counting.COUNTED)
_STEP = 1e-3
"""Of a leg, beside a plan."""


@dataclass(frozen=True, slots=True)
class Case:
    """A portfolio ready to be planned: ``alone``, its row of the evaluation, what may be closed."""

    alone: Alone
    row: Mapping[str, Any]
    subject: Subject
    stresses: Stresses
    wallets: tuple[Wallet, ...]

    def cost(self, fractions: Sequence[float]) -> float:
        """What closing these fractions of the legs costs (USD)."""
        legs = self.subject.legs
        return sum(leg.cost.of(f) for leg, f in zip(legs, fractions, strict=True))


class Cases:
    """The cases of one snapshot. Everything that can be is asked of the core."""

    def __init__(self, snapshot: Snapshot, evaluation: Evaluation, market: Market) -> None:
        self._snapshot = snapshot
        self._evaluation = evaluation
        self._market = market
        # Each remembers what it was made of, so one for each kind of question.
        self._engine, self._of_tails, self._of_charges = Engine(), Engine(), Engine()

    def of(self, alone: Alone, row: Mapping[str, Any]) -> Case | None:
        """The case of a portfolio; ``None`` where no leg of it can be traded."""
        holdings = self._holdings(alone)
        money = money_of(holdings, self._moves, self._market)
        legs = () if money is None else legs_of(holdings, money, self._market)
        if money is None or not legs:
            return None
        stresses = Stresses(
            names=self._evaluation.scenarios,
            moves=self._moves,
            loss_factor=loss_factor(self._snapshot.parameters.content),
            cut_off_loss=self._cut_off_loss(alone),
            has_tail=any(one.tail for one in holdings),
        )
        subject = Subject(row["equity"], holdings, money, legs)
        wallets = tuple(wallets_for(self._snapshot, alone.spec, money))
        return Case(alone, row, subject, stresses, wallets)

    def problem(self, case: Case, charges: Charges) -> Problem:
        """The leg plan to be solved, contingencies being charged so."""
        return problem_of(case.subject, case.stresses, charges, self._market)

    def hopeless(self, case: Case) -> Problem:
        """What is infeasible whatever trading costs and contingencies charge."""
        return hopeless_of(case.subject, case.stresses, self._market)

    def moved(self, case: Case, fractions: Sequence[float]) -> Moved:
        """What closing these fractions of the legs moves."""
        closing = Closing(case.subject, self._market, case.wallets)
        return closing.of(fractions, case.cost(fractions))

    def tangent(self, case: Case, fractions: Sequence[float]) -> Charges | None:
        """The contingencies about a plan, by what the core charges a little beside it.

        ``None`` where nothing is owed there: then nothing is required, which no line continues.
        """
        here = self._charged_after(case, fractions)
        if here is None:
            return None
        slopes = []
        for leg, fraction in enumerate(fractions):
            step = _STEP if fraction < 1 / 2 else -_STEP
            beside = [*fractions[:leg], fraction + step, *fractions[leg + 1 :]]
            there = self._charged_after(case, beside)
            if there is None:
                return None
            slopes.append((there - here) / step)
        left = sum(slope * (1 - f) for slope, f in zip(slopes, fractions, strict=True))
        return Charges(tuple(-slope for slope in slopes), here + left)

    def _charged_after(self, case: Case, fractions: Sequence[float]) -> float | None:
        """All contingencies at initial margin on reachable chains after a plan."""
        cut_off = {chain.chain for chain in self._snapshot.chains if chain.cut_off}
        after = case.alone.after(
            self.moved(case, fractions), lambda account: chain_of(account) not in cut_off
        )
        (row,) = self._of_charges.evaluate(_quiet(after, with_history=False)).portfolios
        charged: float | None = row["initial_margin"] if row["owes"] else None
        return charged

    @cached_property
    def _moves(self) -> tuple[Moves, ...]:
        rows = self._evaluation.rows
        assets = {rows.asset_of_base.get(base, base) for base in rows.bases}
        parameters = self._snapshot.parameters.content
        return scenario_moves(parameters, assets, self._evaluation.scenarios)

    def _holdings(self, alone: Alone) -> tuple[Holding, ...]:
        """The positions that count, each with the parts that the core gives it."""
        snapshot = alone.snapshot()
        evaluation = self._engine.evaluate(snapshot)
        charges = self._contributions(self._of_charges, snapshot, with_history=False)
        tails = charges
        if snapshot.returns is not None:
            tails = self._contributions(self._of_tails, snapshot, with_history=True)
        return tuple(
            self._holding(evaluation.rows, row, charge, tail - charge)
            for row, charge, tail in zip(evaluation.positions, charges, tails, strict=True)
            if row["counting"] == _COUNTED and any(row["amount"])
        )

    def _contributions(
        self, engine: Engine, snapshot: Snapshot, *, with_history: bool
    ) -> list[float]:
        """What each position contributes to initial margin when no scenario moves anything."""
        asked = _quiet(snapshot, with_history=with_history)
        return [row["initial_contribution"] for row in engine.evaluate(asked).positions]

    def _holding(self, rows: Rows, row: Mapping[str, Any], charged: float, tail: float) -> Holding:
        spec = rows.token_specs[rows.token_ids[row["token"]]]
        return Holding(
            account=rows.account_ids[row["account"]],
            token=spec.id,
            base=spec.price,
            asset=spec.asset,
            debt=row["debt"],
            amount=int.from_bytes(row["amount"], "big"),
            decimals=self._decimals_of(spec.id),
            collateral=row["collateral_value"],
            charged=charged,
            tail=tail,
        )

    def _decimals_of(self, token: TokenId) -> int:
        state = self._snapshot.facts["token"][("token", token)]
        if not isinstance(state, TokenState):
            raise EngineError(f"the fact of {token} is no state of a token")
        return state.decimals

    def _cut_off_loss(self, alone: Alone) -> float:
        """The most that chains which cannot be reached cost in one scenario."""
        cut_off = {chain.chain for chain in self._snapshot.chains if chain.cut_off}
        if not any(chain_of(account) in cut_off for account in alone.spec.accounts):
            return 0.0
        there = alone.snapshot(lambda account: chain_of(account) in cut_off)
        (row,) = Engine().evaluate(there).portfolios
        return max(0.0, -(row["initial_excess"] or 0.0))


def _quiet(snapshot: Snapshot, *, with_history: bool) -> Snapshot:
    parameters = snapshot.parameters
    content = without_scenarios(parameters.content, with_history=with_history)
    returns = snapshot.returns if with_history else None
    return replace(snapshot, parameters=replace(parameters, content=content), returns=returns)
