"""What to close of portfolios that are below maintenance margin in the unified truth.

A plan is found as a leg plan over a linear picture of the model, and is proposed only after the
model itself has evaluated the portfolio as the plan leaves it (``docs/liquidation.md``).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from types import MappingProxyType
from typing import Any

from xmargin.engine.cascade import DepthCurve
from xmargin.engine.components import money as usd
from xmargin.engine.components import optional_money, scaled
from xmargin.engine.evaluate import Engine, Evaluation
from xmargin.engine.plan import PlanKind
from xmargin.engine.portfolio_case import Case, Cases
from xmargin.engine.portfolio_legs import Market, Problem, Solution, Tangent, solve
from xmargin.engine.trade_cost import ImpactLaws, check_curve
from xmargin.engine.what_if import Alone, Moved
from xmargin.errors import EngineError, PortfolioNotFoundError
from xmargin.model import (
    AccountId,
    CertifiedLeg,
    CertifiedScenario,
    ClosedLeg,
    PlanCertificate,
    PlanMove,
    PlanVerdict,
    PortfolioId,
    PortfolioPlan,
    PositionSide,
    Verdict,
    chain_of,
)
from xmargin.snapshot import Snapshot

EVALUATIONS_MAX = 8
"""How often the model is asked before the cheapest plan that it agreed to is taken, or none."""

_EXCESS_TOLERATED = 1e-6
"""A plan is near enough when it leaves less than this part of the shortfall unused."""

_TANGENTS_MAX = 4

_SLOPE_MIN = 0.1
"""Beyond it two plans are on two sides of a kink, and say nothing of a third."""

_WAD = 10**18


@dataclass(frozen=True, slots=True)
class _Tried:
    """A plan of a problem, and what the model says of the portfolio after it."""

    problem: Problem
    solution: Solution
    buffer: float
    moved: Moved
    evaluation: Evaluation

    @property
    def row(self) -> Mapping[str, Any]:
        return self.evaluation.portfolios[0]

    @property
    def excess(self) -> float:
        """Initial excess afterwards, at most.

        What could not be paid is owed: a dollar of debt takes no more than two of stressed value.
        """
        excess: float | None = self.row["initial_excess"]
        unpaid = min(0.0, float(self.moved.unplaced))
        return float("-inf") if excess is None else excess + 2 * unpaid

    @property
    def cost(self) -> float:
        return self.solution.plan.value


@dataclass(frozen=True, slots=True)
class _Lines:
    """Lines for what is not linear in the model, and the problem they make."""

    tangents: tuple[Tangent, ...]
    problem: Problem


@dataclass(slots=True)
class _Search:
    """The cheapest plan that the model agreed to."""

    best: _Tried | None = None
    evaluations: int = 0

    def add(self, tried: _Tried) -> None:
        self.evaluations += 1
        if tried.excess >= 0 and (self.best is None or tried.cost < self.best.cost):
            self.best = tried


class PortfolioPlans:
    """The plans of one snapshot, each computed when it is first asked for."""

    def __init__(
        self,
        snapshot: Snapshot,
        evaluation: Evaluation,
        depth: Mapping[str, DepthCurve],
        depth_notes: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Plans over a snapshot.

        Args:
            snapshot: what was evaluated.
            evaluation: of this snapshot.
            depth: by asset, what selling units of it does to its price. Where there is none, the
                cost is that of the parameter file's impact law, and the plan says so.
            depth_notes: by asset, what a plan says of where its curve is from.

        Raises:
            EngineError: a depth curve is none; the message names its asset.
        """
        for asset, curve in depth.items():
            check_curve(curve, asset)
        self._snapshot = snapshot
        self._evaluation = evaluation
        self._depth_notes = depth_notes
        self._market = Market(snapshot.prices, depth, ImpactLaws.of(snapshot.parameters.content))
        self._cases = Cases(snapshot, evaluation, self._market)
        self._engine = Engine()
        self._plans: dict[PortfolioId, PortfolioPlan] = {}

    def of(self, portfolio_id: PortfolioId) -> PortfolioPlan:
        """What to close so that the portfolio meets initial margin again.

        Raises:
            PortfolioNotFoundError: there is no such portfolio.
        """
        if portfolio_id not in self._rows:
            raise PortfolioNotFoundError(
                f"no portfolio {portfolio_id!r}; list the {len(self._rows)} there are",
                portfolio_id=portfolio_id,
            )
        if portfolio_id not in self._plans:
            self._plans[portfolio_id] = self._plan(self._rows[portfolio_id])
        return self._plans[portfolio_id]

    @cached_property
    def _rows(self) -> dict[PortfolioId, int]:
        return {one: row for row, one in enumerate(self._evaluation.rows.portfolio_ids)}

    def _plan(self, number: int) -> PortfolioPlan:
        row = self._evaluation.portfolios[number]
        spec = self._snapshot.registry.portfolios[number]
        alone = Alone(self._snapshot, spec, self._evaluation.standings)
        verdict, why = self._standing(alone, row)
        if verdict is not None:
            return self._unplanned(alone, row, verdict, why)
        try:
            return self._due(alone, row)
        except EngineError as error:
            # Amounts that no market knows can stand on a tape from elsewhere.
            why = f"it is due, but cannot be planned: {error.message}"
            return self._unplanned(alone, row, PlanVerdict.UNKNOWN, why)

    def _due(self, alone: Alone, row: Mapping[str, Any]) -> PortfolioPlan:
        case = self._cases.of(alone, row)
        if case is None:
            return self._unplanned(alone, row, PlanVerdict.REFUSED, _NO_LEG)
        if not case.subject.legs:
            refused = self._unplanned(alone, row, PlanVerdict.REFUSED, _NO_LEG)
            return replace(refused, flags=(*refused.flags, *self._plan_flags(case)))
        proof = next(self._proofs(case), None)
        if proof is not None:
            return self._refused(case, *proof, evaluations=0)
        search = self._search(case)
        if search.best is None:
            return self._refused(case, *self._not_found(case), evaluations=search.evaluations)
        return self._proposed(case, search.best, search.evaluations)

    def _standing(self, alone: Alone, row: Mapping[str, Any]) -> tuple[PlanVerdict | None, str]:
        """Why no plan is to be made; no verdict where one is."""
        if row["refused"]:
            return PlanVerdict.UNKNOWN, "it may be due: no number of it is served"
        faults = self._evaluation.account_faults
        unread = [account for account in alone.spec.accounts if account in faults]
        if unread:
            return PlanVerdict.UNKNOWN, f"it may be due: {unread[0]}: {faults[unread[0]]}"
        if not row["owes"] or row["maintenance_excess"] >= 0:
            why = "maintenance margin is met" if row["owes"] else "it owes nothing"
            return PlanVerdict.NOT_DUE, why
        if row["held"]:
            return PlanVerdict.UNKNOWN, "it may be due: it rests on a price on hold or refused"
        return None, ""

    # --- Searching ----------------------------------------------------------------------------

    def _search(self, case: Case) -> _Search:
        """Solve, ask the model, and solve again with what it said, until it agrees."""
        shortfall = -case.row["initial_excess"]
        aim = _EXCESS_TOLERATED / 2 * shortfall
        lines = self._begin(case)
        search = _Search()
        buffer, solution = 0.0, solve(lines.problem, 0.0)
        before: _Tried | None = None
        while _is_plan(solution) and search.evaluations < EVALUATIONS_MAX:
            tried = self._try(case, lines.problem, solution, buffer)
            search.add(tried)
            if 0 <= tried.excess <= _EXCESS_TOLERATED * shortfall:
                break
            fractions = solution.plan.fractions[:-1]
            touching = self._touching(case, lines, fractions)
            for lines in touching:
                unsaid = lines.problem.stressed_value(fractions) - tried.excess
                buffer, solution = _solved(lines.problem, 0.0, unsaid + aim)
                if _is_plan(solution):
                    break
            if not touching:
                missing = (aim - tried.excess) / _slope(before, tried)
                buffer, solution = _solved(lines.problem, buffer, buffer + missing)
            before = tried
        return search

    def _begin(self, case: Case) -> _Lines:
        """The line at the portfolio as it is; where it leaves no plan, one that charges nothing."""
        here = self._cases.tangent(case, [0.0] * len(case.subject.legs))
        if here is not None:
            lines = _Lines((here,), self._cases.problem(case, (here,)))
            if _is_plan(solve(lines.problem, 0.0)):
                return lines
        uncharged = self._cases.uncharged(case)
        return _Lines((uncharged,), self._cases.problem(case, (uncharged,)))

    def _touching(self, case: Case, lines: _Lines, fractions: Sequence[float]) -> list[_Lines]:
        """The lines with that at a plan, and that one alone: together they may leave no plan.

        None when there are enough, or there is none.
        """
        if len(lines.tangents) >= _TANGENTS_MAX:
            return []
        here = self._cases.tangent(case, fractions)
        if here is None:
            return []
        sets = ((*lines.tangents, here), (here,))
        return [_Lines(one, self._cases.problem(case, one)) for one in sets]

    def _try(self, case: Case, problem: Problem, solution: Solution, buffer: float) -> _Tried:
        moved = self._cases.moved(case, solution.plan.fractions[:-1])
        after = self._engine.evaluate(case.alone.after(moved))
        return _Tried(problem, solution, buffer, moved, after)

    # --- Answers ------------------------------------------------------------------------------

    def _proposed(self, case: Case, tried: _Tried, evaluations: int) -> PortfolioPlan:
        plan = tried.solution.plan
        return replace(
            self._unplanned(case.alone, case.row, PlanVerdict.PROPOSED, _PROPOSED),
            money=case.subject.money,
            legs=tuple(_closed_legs(tried.problem, plan.fractions)),
            moves=tuple(self._moves(tried.moved)),
            cost=usd(plan.value),
            cost_bound=usd(plan.bound),
            gap=usd(plan.value - plan.bound),
            buffer=usd(tried.buffer),
            certificate=_certificate(tried.problem, tried.solution),
            initial_excess_after=usd(tried.excess),
            health_factor_after=optional_money(tried.row["health_factor"]),
            evaluations=evaluations,
            flags=(*self._flags(case.alone), *self._plan_flags(case), *self._flags_after(tried)),
        )

    def _refused(
        self, case: Case, why: str, certificate: PlanCertificate | None, *, evaluations: int
    ) -> PortfolioPlan:
        return replace(
            self._unplanned(case.alone, case.row, PlanVerdict.REFUSED, why),
            money=case.subject.money,
            certificate=certificate,
            evaluations=evaluations,
            flags=(*self._flags(case.alone), *self._plan_flags(case)),
        )

    def _proofs(self, case: Case) -> Iterator[tuple[str, PlanCertificate]]:
        """Why the model lets no plan pass, the strongest reason first, each with its proof."""
        for costs_counted, why in ((False, _HOPELESS), (True, _TOO_DEAR)):
            problem = self._cases.uncharged_problem(case, costs_counted=costs_counted)
            proof = solve(problem, 0.0)
            if proof.plan.kind is PlanKind.INFEASIBLE:
                yield why, replace(_certificate(problem, proof), costs_counted=costs_counted)

    def _not_found(self, case: Case) -> tuple[str, PlanCertificate | None]:
        """What can be proven where the search was in vain: that there is none along a line."""
        here = self._cases.tangent(case, [0.0] * len(case.subject.legs))
        if here is not None:
            problem = self._cases.problem(case, (here,))
            proof = solve(problem, 0.0)
            if proof.plan.kind is PlanKind.INFEASIBLE:
                return _NOT_FOUND, _certificate(problem, proof)
        return _UNDECIDED, None

    def _unplanned(
        self, alone: Alone, row: Mapping[str, Any], verdict: PlanVerdict, why: str
    ) -> PortfolioPlan:
        return PortfolioPlan(
            portfolio=alone.spec.id,
            verdict=verdict,
            why=why,
            money="",
            initial_excess_target=Decimal(0),
            legs=(),
            moves=(),
            cost=None,
            cost_bound=None,
            gap=None,
            buffer=None,
            certificate=None,
            initial_excess_before=optional_money(row["initial_excess"]),
            initial_excess_after=None,
            health_factor_before=optional_money(row["health_factor"]),
            health_factor_after=None,
            evaluations=0,
            flags=self._flags(alone),
        )

    def _moves(self, moved: Moved) -> Iterator[PlanMove]:
        rows = self._evaluation.rows
        for account, token, debt in sorted(moved.changes):
            change = moved.changes[account, token, debt]
            size = scaled(abs(change), moved.decimals[token])
            yield PlanMove(
                account=account,
                token=token,
                symbol=rows.token_specs[token].symbol,
                side=PositionSide.DEBT if debt else PositionSide.ASSET,
                change=size if change > 0 else -size,
            )

    # --- Flags --------------------------------------------------------------------------------

    def _flags(self, alone: Alone) -> tuple[str, ...]:
        """What of the portfolio is doubtful."""
        faults = self._evaluation.read_faults
        chains = {chain_of(account) for account in alone.spec.accounts}
        return (
            *(
                f"chain {chain.name} is {chain.condition}: nothing there is closed"
                for chain in self._snapshot.chains
                if chain.cut_off and chain.chain in chains
            ),
            *(faults[account] for account in alone.spec.accounts if account in faults),
        )

    def _plan_flags(self, case: Case) -> Iterator[str]:
        """What the plan's prices and costs rest on."""
        legs = case.legs
        for base in sorted({one.base for one in case.subject.holdings}):
            judged = self._snapshot.prices[base]
            if not self._market.is_tradable(base):
                yield f"price of {base} is {judged.verdict}: nothing of it is closed"
            elif judged.verdict is not Verdict.OK:
                yield f"price of {base} is {judged.verdict}: {'; '.join(judged.reasons)}"
        stuck = {(one.account, one.token) for one in case.subject.holdings if one.is_stuck}
        for account, token in sorted(stuck):
            symbol = self._evaluation.rows.symbol_of(token)
            yield f"{account}: {symbol} is paused or not active there: nothing of it is closed"
        for asset in sorted({leg.asset for leg in legs}):
            if note := self._market.note(asset) or self._depth_notes.get(asset):
                yield note
        for leg in legs:
            if leg.share < 1:
                yield f"{leg.name}: the market takes {leg.share:.4%} of it"

    def _flags_after(self, tried: _Tried) -> Iterator[str]:
        """What the plan leaves to be said."""
        if tried.moved.unplaced > 0:
            unplaced = float(tried.moved.unplaced)
            yield f"{unplaced:.2f} USD of what is sold have no wallet to be in and do not count"
        for account, wad in _venue_health(tried.evaluation):
            if wad is not None and wad < _WAD:
                yield f"{account}: venue health factor {scaled(wad, 18):.4f} after the plan"


_NO_LEG = "no plan: it has no leg that could be closed"
_PROPOSED = "below maintenance margin; the model says that the plan meets initial margin"
_HOPELESS = "no plan: whatever is closed, at no cost, initial margin is not met (proven)"
_TOO_DEAR = "no plan: at these costs none meets initial margin, whatever is charged (proven)"
_NOT_FOUND = (
    "no plan: at these costs, contingencies running on as they begin, there is none (proven); and "
    "none was found that the model says meets initial margin"
)
_UNDECIDED = "no plan: none was found that the model says meets initial margin"


def _is_plan(solution: Solution) -> bool:
    return solution.plan.kind is PlanKind.PLAN


def _slope(before: _Tried | None, now: _Tried) -> float:
    """How much excess a dollar of buffer makes: about one, by two plans of the same lines."""
    if before is None or before.problem is not now.problem or before.buffer == now.buffer:
        return 1.0
    slope = (now.excess - before.excess) / (now.buffer - before.buffer)
    return slope if _SLOPE_MIN <= slope <= 1 / _SLOPE_MIN else 1.0


def _solved(problem: Problem, buffer: float, wanted: float) -> tuple[float, Solution]:
    """The plan that leaves the buffer wanted; where there is none, one part of the way to it."""
    for part in (1.0, 0.5, 0.25):
        nearer = buffer + part * (wanted - buffer)
        solution = solve(problem, nearer)
        if _is_plan(solution):
            break
    return nearer, solution


def _venue_health(evaluation: Evaluation) -> Iterator[tuple[AccountId, int | None]]:
    for row in evaluation.venue_accounts:
        wad = row["health_factor_wad"]
        account = evaluation.rows.account_ids[row["account"]]
        yield account, None if wad is None else int.from_bytes(wad, "big")


def _closed_legs(problem: Problem, fractions: Sequence[float]) -> Iterator[ClosedLeg]:
    for leg, closed in zip(problem.legs, fractions, strict=False):
        if closed:
            part = closed * leg.share
            yield ClosedLeg(
                asset=leg.asset,
                side=leg.side,
                fraction=usd(part),
                amount=usd(part * leg.units),
                value=usd(part * leg.value),
                cost=usd(leg.cost.of(closed)),
            )


def _certificate(problem: Problem, solved: Solution) -> PlanCertificate:
    plan = solved.plan
    fractions = plan.fractions or (0.0,) * len(solved.legs)
    return PlanCertificate(
        is_plan=_is_plan(solved),
        equity=usd(problem.equity),
        loss_share_max=Decimal(1),
        legs=tuple(
            CertifiedLeg(leg.id, usd(leg.spread), usd(leg.impact), usd(fraction))
            for leg, fraction in zip(solved.legs, fractions, strict=True)
        ),
        scenarios=tuple(
            CertifiedScenario(row.name, tuple(map(usd, losses)), usd(multiplier))
            for row, losses, multiplier in zip(
                problem.rows, solved.losses, plan.multipliers, strict=True
            )
        ),
        value=usd(plan.value),
        bound=usd(plan.bound),
        costs_counted=True,
    )
