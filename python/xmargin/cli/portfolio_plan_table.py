"""The tables of a portfolio's own plan: what to close, how, and how good the plan is."""

from collections.abc import Mapping
from decimal import Decimal

from google.type.decimal_pb2 import Decimal as DecimalMessage
from rich.console import Group, RenderableType
from rich.text import Text

from xmargin.cli import formats
from xmargin.cli.plan_table import plan_verdict
from xmargin.cli.sheet import Cell, Sheet
from xmargin.cli.tables import flags_text, venue_name
from xmargin.model import address_of
from xmargin.v1 import liquidation_service_pb2 as pb
from xmargin.v1 import margin_report_pb2 as report_pb


def portfolio_plan_table(plan: pb.PortfolioPlan, names: Mapping[str, str]) -> RenderableType:
    """The verdict; with a plan its legs, moves and certificate."""
    verdict = Text(f"{plan.portfolio} as a whole: ", "bold")
    verdict.append_text(plan_verdict(plan.verdict)).append(f"  {plan.why}", formats.CALM)
    if not plan.legs:
        return Group("", verdict, flags_text(plan.flags))
    return Group(
        "", verdict, _legs(plan), _moves(plan, names), _proof(plan), flags_text(plan.flags)
    )


def _legs(plan: pb.PortfolioPlan) -> Sheet:
    headings = ("asset~", "side", "part>", "units>", "value>", "costs at most>")
    rows: list[list[Cell]] = [
        [
            leg.asset,
            formats.words(pb.LegSide.Name(leg.side), "LEG_SIDE_"),
            f"{_number(leg.fraction):.1%}",
            formats.amount(_number(leg.amount)),
            formats.signed_money(_number(leg.value)),
            f"{_number(leg.cost):,.2f}",
        ]
        for leg in plan.legs
    ]
    return Sheet(f"what to close against {plan.money}, USD", headings, rows)


def _moves(plan: pb.PortfolioPlan, names: Mapping[str, str]) -> Sheet:
    headings = ("venue~", "account", "token", "side", "change>")
    rows: list[list[Cell]] = [
        [
            venue_name(move.account, names),
            formats.short_address(address_of(move.account)),
            formats.short_address(move.symbol),
            "owed" if move.side == report_pb.POSITION_SIDE_DEBT else "held",
            formats.amount(_number(move.change)),
        ]
        for move in plan.moves
    ]
    return Sheet("the same by account", headings, rows)


def _proof(plan: pb.PortfolioPlan) -> Text:
    """Cost and bound, and what the model says before and after."""
    health = [
        formats.health_factor(_number(factor) if is_known else None).plain
        for factor, is_known in (
            (plan.health_factor_before, plan.HasField("health_factor_before")),
            (plan.health_factor_after, plan.HasField("health_factor_after")),
        )
    ]
    before, after = map(_number, (plan.initial_excess_before, plan.initial_excess_after))
    return Text(
        f"costs {_number(plan.cost):,.2f} USD, no plan of this problem less than "
        f"{_number(plan.cost_bound):,.2f}; initial excess {before:,.0f} -> {after:,.0f}, health "
        f"{health[0]} -> {health[1]} by the model itself, asked {plan.evaluations} times",
        formats.CALM,
    )


def _number(message: DecimalMessage) -> Decimal:
    return formats.decimal(message)
