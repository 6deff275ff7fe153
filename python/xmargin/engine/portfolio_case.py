"""A due portfolio in the model's own numbers: its positions, what they are charged, its problem."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from xmargin.engine.aave_v3_facts import is_stopped
from xmargin.engine.columns import Rows
from xmargin.engine.evaluate import Engine, Evaluation
from xmargin.engine.portfolio_legs import (
    Holding,
    Market,
    PortfolioLeg,
    Problem,
    Stresses,
    Subject,
    Tangent,
    legs_of,
    money_of,
    problem_of,
)
from xmargin.engine.unified_grid import Moves, loss_factor, scenario_moves, without_scenarios
from xmargin.engine.what_if import Alone, Closing, Moved, Wallet, wallets_for
from xmargin.errors import EngineError
from xmargin.model import (
    AaveV3Reserve,
    Counting,
    TokenId,
    TokenState,
    VenueId,
    chain_of,
    venue_of,
)
from xmargin.snapshot import Snapshot

_COUNTED = list(Counting).index(Counting.COUNTED)
_STEP = 1e-3
"""Of a leg, beside a plan."""


@dataclass(frozen=True, slots=True)
class Case:
    """A portfolio ready to be planned, its row of the evaluation, and all its legs.

    The subject has those of them that can be traded.
    """

    alone: Alone
    row: Mapping[str, Any]
    legs: tuple[PortfolioLeg, ...]
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
        """The case of a portfolio; ``None`` where it has nothing at a believed price."""
        holdings = self._holdings(alone)
        money = money_of(holdings, self._moves, self._market)
        if money is None:
            return None
        legs = legs_of(holdings, money, self._market)
        stresses = Stresses(
            names=self._evaluation.scenarios,
            moves=self._moves,
            loss_factor=loss_factor(self._snapshot.parameters.content),
            cut_off_loss=self._cut_off_loss(alone),
        )
        return Case(
            alone=alone,
            row=row,
            legs=legs,
            subject=Subject(
                row["equity"], holdings, money, tuple(leg for leg in legs if leg.share > 0)
            ),
            stresses=stresses,
            wallets=tuple(wallets_for(self._snapshot, alone.spec, money)),
        )

    def problem(self, case: Case, tangents: Sequence[Tangent]) -> Problem:
        """The leg plan to be solved, the model being what these lines say."""
        return problem_of(case.subject, case.stresses, tangents, self._market)

    def uncharged_problem(self, case: Case, *, costs_counted: bool) -> Problem:
        """The same with no contingency charged and nothing lost on chains out of reach.

        What is infeasible then is so in the model. Without ``costs_counted`` trading is free too.
        """
        subject = case.subject if costs_counted else case.subject.free_to_trade()
        reachable = replace(case.stresses, cut_off_loss=0.0)
        problem = problem_of(subject, reachable, [self.uncharged(case)], self._market)
        rows = (replace(row, name=f"{row.name}, nothing charged") for row in problem.rows)
        return replace(problem, rows=tuple(rows))

    def moved(self, case: Case, fractions: Sequence[float]) -> Moved:
        """What closing these fractions of the legs moves."""
        closing = Closing(case.subject, self._market, case.wallets)
        return closing.of(fractions, case.cost(fractions))

    def tangent(self, case: Case, fractions: Sequence[float]) -> Tangent | None:
        """What the model charges about a plan, by what the core charges a little beside it.

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
        return Tangent(tuple(-slope for slope in slopes), here + left, self._tail(case, fractions))

    def uncharged(self, case: Case) -> Tangent:
        """A line that charges nothing; the tail is that of the portfolio as it is."""
        legs = len(case.subject.legs)
        return Tangent((0.0,) * legs, 0.0, self._tail(case, [0.0] * legs))

    def _charged_after(self, case: Case, fractions: Sequence[float]) -> float | None:
        """All contingencies at initial margin on reachable chains after a plan."""
        asked = _quiet(self._reachable_after(case, fractions), with_history=False)
        (row,) = self._of_charges.evaluate(asked).portfolios
        charged: float | None = row["initial_margin"] if row["owes"] else None
        return charged

    def _tail(self, case: Case, fractions: Sequence[float]) -> dict[str, float] | None:
        """The part of each asset that the shortfall takes; of one no longer there, nothing."""
        if self._snapshot.returns is None:
            return None
        after = self._reachable_after(case, fractions)
        charged = self._of_charges.evaluate(_quiet(after, with_history=False))
        with_tail = self._of_tails.evaluate(_quiet(after, with_history=True))
        rows = with_tail.rows
        return {
            rows.token_specs[rows.token_ids[both["token"]]].asset: (
                both["initial_contribution"] - one["initial_contribution"]
            )
            / one["collateral_value"]
            for one, both in zip(charged.positions, with_tail.positions, strict=True)
            if one["counting"] == _COUNTED and one["collateral_value"]
        }

    def _reachable_after(self, case: Case, fractions: Sequence[float]) -> Snapshot:
        cut_off = {chain.chain for chain in self._snapshot.chains if chain.cut_off}
        return case.alone.after(
            self.moved(case, fractions), lambda account: chain_of(account) not in cut_off
        )

    @cached_property
    def _moves(self) -> tuple[Moves, ...]:
        rows = self._evaluation.rows
        assets = {rows.asset_of_base.get(base, base) for base in rows.bases}
        parameters = self._snapshot.parameters.content
        return scenario_moves(parameters, assets, self._evaluation.scenarios)

    def _holdings(self, alone: Alone) -> tuple[Holding, ...]:
        """The positions that count."""
        evaluation = self._engine.evaluate(alone.snapshot())
        return tuple(
            self._holding(evaluation.rows, row)
            for row in evaluation.positions
            if row["counting"] == _COUNTED and any(row["amount"])
        )

    def _holding(self, rows: Rows, row: Mapping[str, Any]) -> Holding:
        spec = rows.token_specs[rows.token_ids[row["token"]]]
        account = rows.account_ids[row["account"]]
        return Holding(
            account=account,
            token=spec.id,
            base=spec.price,
            asset=spec.asset,
            debt=row["debt"],
            amount=int.from_bytes(row["amount"], "big"),
            decimals=self._decimals_of(spec.id),
            collateral=row["collateral_value"],
            is_stuck=(venue_of(account), spec.id) in self._stopped,
        )

    @cached_property
    def _stopped(self) -> frozenset[tuple[VenueId, TokenId]]:
        """What lending venues have paused or deactivated."""
        reserves = self._snapshot.facts["aave-v3-reserve"].values()
        return frozenset(
            (one.venue, one.token)
            for one in reserves
            if isinstance(one, AaveV3Reserve) and is_stopped(one)
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
