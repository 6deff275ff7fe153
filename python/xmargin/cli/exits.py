"""Exit codes: what a cron job or a script learns without reading the output.

When several hold, the one that demands most wins: LIQUIDATABLE is certain and urgent; then
PARTIAL, since what was not read may hide anything; then MARGIN_CALL. Data that is stale, partial,
held or refused therefore never exits 0.
"""

from collections.abc import Iterable
from enum import IntEnum

from xmargin.errors import InvalidArgumentError, XmarginError
from xmargin.v1 import liquidation_service_pb2 as liquidation_pb
from xmargin.v1 import margin_report_pb2 as pb

VIEW_AGE_MS_MAX = 15_000


class ExitCode(IntEnum):
    """The codes, by number; :func:`worst` orders them by urgency."""

    HEALTHY = 0
    ERROR = 1
    USAGE = 2
    MARGIN_CALL = 3
    LIQUIDATABLE = 4
    PARTIAL = 5


_URGENCY = (ExitCode.HEALTHY, ExitCode.MARGIN_CALL, ExitCode.PARTIAL, ExitCode.LIQUIDATABLE)

_OF_STATUS = {
    pb.HEALTH_STATUS_NO_DEBT: ExitCode.HEALTHY,
    pb.HEALTH_STATUS_HEALTHY: ExitCode.HEALTHY,
    pb.HEALTH_STATUS_MARGIN_CALL: ExitCode.MARGIN_CALL,
    pb.HEALTH_STATUS_LIQUIDATABLE: ExitCode.LIQUIDATABLE,
}


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """The most urgent of ``codes``; HEALTHY when there is none."""
    return max(codes, key=_URGENCY.index, default=ExitCode.HEALTHY)


def of_portfolio(health: pb.PortfolioHealth) -> ExitCode:
    """By the portfolio's status, its accounts' at their venues, and whether it was read whole."""
    statuses = (health.status, *(account.status for account in health.accounts))
    # HELD, REFUSED, UNKNOWN and statuses of a newer server are no figure to rely on.
    codes = [_OF_STATUS.get(status, ExitCode.PARTIAL) for status in statuses]
    if health.partial:
        codes.append(ExitCode.PARTIAL)
    return worst(codes)


_OF_PLAN = {
    liquidation_pb.PLAN_VERDICT_NOT_DUE: ExitCode.HEALTHY,
    liquidation_pb.PLAN_VERDICT_PROPOSED: ExitCode.LIQUIDATABLE,
    liquidation_pb.PLAN_VERDICT_TOXIC: ExitCode.LIQUIDATABLE,
    liquidation_pb.PLAN_VERDICT_REFUSED: ExitCode.LIQUIDATABLE,
}


def of_verdict(verdict: "liquidation_pb.PlanVerdict.ValueType") -> ExitCode:
    """LIQUIDATABLE for what is due, whether or not anything should be done."""
    return _OF_PLAN.get(verdict, ExitCode.PARTIAL)


def of_plan(plan: liquidation_pb.LiquidationPlan) -> ExitCode:
    """LIQUIDATABLE for an account that is due, whether or not anything should be done."""
    code = of_verdict(plan.verdict)
    return worst([code, ExitCode.PARTIAL]) if plan.flags else code


def of_view_age(metadata: pb.ViewMetadata, now_ms: int) -> ExitCode:
    """PARTIAL for a view whose clock stands still."""
    stale = now_ms - metadata.now_ms > VIEW_AGE_MS_MAX
    return ExitCode.PARTIAL if stale else ExitCode.HEALTHY


def of_view(metadata: pb.ViewMetadata, now_ms: int) -> ExitCode:
    """PARTIAL for a view that is stale or lacks any part."""
    return ExitCode.PARTIAL if metadata.partial else of_view_age(metadata, now_ms)


def exit_code_of_error(error: XmarginError) -> ExitCode:
    """USAGE for what the caller wrote wrongly, else ERROR."""
    return ExitCode.USAGE if isinstance(error, InvalidArgumentError) else ExitCode.ERROR
