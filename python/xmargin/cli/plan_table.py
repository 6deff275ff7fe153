"""The table of liquidation plans."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.text import Text

from xmargin.cli import formats
from xmargin.cli.sheet import Cell, Sheet
from xmargin.cli.tables import flags_text, venue_name
from xmargin.model import address_of
from xmargin.v1 import liquidation_service_pb2 as pb

_STYLES = {
    pb.PLAN_VERDICT_NOT_DUE: formats.GOOD,
    pb.PLAN_VERDICT_PROPOSED: formats.WATCH,
    pb.PLAN_VERDICT_TOXIC: formats.BAD,
    pb.PLAN_VERDICT_REFUSED: formats.BAD,
}


def plans_table(plans: Sequence[pb.LiquidationPlan], names: Mapping[str, str]) -> RenderableType:
    """One row a venue account; below it what is not as it should be."""
    if not plans:
        return Text("nothing of it is at a venue that lends", formats.CALM)
    headings = (
        *("venue~", "account", "rule", "verdict", "health>", "after>"),
        *("repays>", "seizes>", "fee>"),
    )
    rows = [_row(plan, names) for plan in plans]
    flags = [flag for plan in plans for flag in plan.flags]
    title = f"{plans[0].portfolio}, liquidations by the venues' own rules"
    sheet = Sheet(title, headings, rows)
    return Group(sheet, *(_remarks(plan, names) for plan in plans), flags_text(flags))


def liquidation_prices_table(
    prices: Sequence[pb.LiquidationPrice], names: Mapping[str, str]
) -> RenderableType:
    """Where the status of accounts changes, each price by itself, all others as they are."""
    rows = [
        _price_row(one, names) for one in prices if one.HasField("below") or one.HasField("above")
    ]
    if not rows:
        return Text("no single price changes a status", formats.CALM)
    headings = ("venue~", "account", "price of~", "now>", "changes below>", "away>",
                "changes above>", "away>")  # fmt: skip
    return Sheet("venue prices at which the status changes, USD", headings, rows)


def _price_row(one: pb.LiquidationPrice, names: Mapping[str, str]) -> list[Cell]:
    now = formats.decimal(one.price)
    below = formats.decimal(one.below.high) if one.HasField("below") else None
    above = formats.decimal(one.above.low) if one.HasField("above") else None
    return [
        venue_name(one.account, names),
        formats.short_address(address_of(one.account)),
        ", ".join(map(formats.short_address, one.symbols)),
        formats.price(now),
        *_away(now, below),
        *_away(now, above),
    ]


def _away(now: Decimal, price: Decimal | None) -> tuple[Cell, Cell]:
    if price is None:
        return "-", "-"
    return formats.price(price), f"{price / now - 1:+.1%}" if now else "-"


def _row(plan: pb.LiquidationPlan, names: Mapping[str, str]) -> list[Cell]:
    legs = plan.legs
    moved = (legs.repay, legs.seize, legs.protocol_fee) if plan.HasField("legs") else ()
    return [
        venue_name(plan.account, names),
        formats.short_address(address_of(plan.account)),
        f"{plan.rule} {plan.release}",
        plan_verdict(plan.verdict),
        _factor(plan, "health_before"),
        _after(plan),
        *([quantity(one) for one in moved] or ["-"] * 3),
    ]


def _factor(plan: pb.LiquidationPlan, field: str) -> Text:
    known = plan.HasField(field)  # type: ignore[arg-type]
    return formats.health_factor(formats.decimal(getattr(plan, field)) if known else None)


def _after(plan: pb.LiquidationPlan) -> Text:
    if plan.HasField("legs") and not plan.HasField("health_after"):
        return Text("no debt", formats.GOOD)
    if not plan.HasField("legs"):
        return Text("-", formats.CALM)
    return _factor(plan, "health_after")


def plan_verdict(verdict: "pb.PlanVerdict.ValueType") -> Text:
    """Whether to liquidate, in its colour; nothing where it is not said."""
    if verdict == pb.PLAN_VERDICT_UNSPECIFIED:
        return Text("-", formats.CALM)
    name = formats.words(pb.PlanVerdict.Name(verdict), "PLAN_VERDICT_")
    return Text(name, _STYLES.get(verdict, formats.UNSURE))


def about(units: Decimal) -> str:
    """A quantity to three digits, or whole."""
    return f"{units:,.0f}" if units >= 100 else f"{units:.3g}"


def closed_leg(leg: pb.ClosedLeg) -> str:
    """What a portfolio's plan closes of an asset, for people."""
    side = formats.words(pb.LegSide.Name(leg.side), "LEG_SIDE_")
    return f"{side} {about(formats.decimal(leg.amount))} {formats.short_address(leg.asset)}"


def quantity(amount: pb.TokenAmount) -> str:
    """So much of a token, for people."""
    units = formats.amount(formats.decimal(amount.amount))
    return f"{units} {formats.short_address(amount.symbol)}"


def _remarks(plan: pb.LiquidationPlan, names: Mapping[str, str]) -> RenderableType:
    """Why a due account is not proposed, and what is written off. The unread have their flags."""
    name = f"{venue_name(plan.account, names)} {formats.short_address(address_of(plan.account))}"
    lines = [f"{name} writes off {quantity(lost)}" for lost in plan.legs.deficits]
    if plan.verdict in (pb.PLAN_VERDICT_TOXIC, pb.PLAN_VERDICT_REFUSED):
        lines.insert(0, f"{name} is not proposed: {plan.why}")
    return Group(*(Text(line, formats.BAD) for line in lines))
