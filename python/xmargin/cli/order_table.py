"""The table of the liquidation order: who first, what it avoids, and how."""

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from xmargin.cli import formats
from xmargin.cli.plan_table import about, closed_leg, plan_verdict
from xmargin.cli.sheet import Cell, Sheet
from xmargin.cli.tables import venue_name
from xmargin.v1 import liquidation_service_pb2 as pb

Order = Sequence[pb.LiquidationEntry]

_NAME_WIDTH = 20

_HEADINGS = (
    *("rank>", "portfolio~", "what~", "health>", "debt>"),
    *("verdict", "avoids>", "block>", "how~"),
)


def order_table(
    entries: Order,
    names: Mapping[str, str],
    certificates: Sequence[pb.FleetCertificate] = (),
    rows_max: int | None = None,
) -> RenderableType:
    """The liquidation order, first to liquidate on top; below it how good the order is."""
    if not entries:
        return Text("liquidation order: nothing is liquidatable", formats.GOOD)
    shown = entries[:rows_max]
    left_out = len(entries) - len(shown)
    note = f"and {left_out} more after these" if left_out else ""
    sheet = Sheet("liquidation order, USD", _HEADINGS, [_row(e, names) for e in shown], note)
    return Group(sheet, *(_certified(one, entries) for one in certificates))


def _row(entry: pb.LiquidationEntry, names: Mapping[str, str]) -> list[Cell]:
    has_factor = entry.HasField("health_factor")
    reason = entry.rank_reason if entry.HasField("rank_reason") else None
    return [
        str(entry.rank),
        _shortened(entry.portfolio),
        venue_name(entry.account, names) if entry.account else "as a whole",
        formats.health_factor(formats.decimal(entry.health_factor) if has_factor else None),
        formats.money(formats.decimal(entry.debt)),
        plan_verdict(entry.verdict),
        "-" if reason is None else formats.signed_money(formats.decimal(reason.bad_debt_avoided)),
        "-" if reason is None else _block(reason),
        _how(entry),
    ]


def _block(reason: pb.RankReason) -> str:
    """When there is room for it, and for which part where not for all."""
    if not reason.HasField("batch"):
        return "-"
    share = formats.decimal(reason.share)
    return str(reason.batch) if share == 1 else f"{reason.batch} ({share:.0%})"


def _shortened(name: str) -> str:
    """What the line says of the plan matters more than the end of a long name."""
    return name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 1]}…"


def _how(entry: pb.LiquidationEntry) -> Text:
    """What its plan moves; without one, why it is on the list."""
    if entry.portfolio_plan.legs:
        return Text(", ".join(map(closed_leg, entry.portfolio_plan.legs)))
    if entry.verdict == pb.PLAN_VERDICT_TOXIC:
        return Text("not to be done: it lowers health", formats.CALM)
    if not entry.HasField("plan") or not entry.plan.HasField("legs"):
        return Text(entry.portfolio_plan.why or entry.plan.why or entry.reason, formats.CALM)
    legs = entry.plan.legs
    return Text(f"{_about(legs.repay)} for {_about(legs.seize)}")


def _about(amount: pb.TokenAmount) -> str:
    """So much of a token; ``xmargin plan`` has all digits."""
    return f"{about(formats.decimal(amount.amount))} {formats.short_address(amount.symbol)}"


def _certified(certificate: pb.FleetCertificate, entries: Order) -> Text:
    """What the order avoids of the most that any could, and what depth is short of."""
    of_kind = [entry for entry in entries if entry.kind == certificate.kind]
    ordered = sum(entry.HasField("rank_reason") for entry in of_kind)
    avoided, bound = (
        formats.decimal(usd).quantize(1) for usd in (certificate.avoided, certificate.bound)
    )
    priced = {asset: formats.decimal(p) for asset, p in certificate.price_of_depth.items()}
    scarce = ", ".join(
        f"{asset} at {priced[asset]:.4g}" for asset in sorted(priced) if priced[asset]
    )
    depth = f"depth is short: {scarce} USD a unit" if scarce else "depth suffices"
    return Text(
        f"{ordered} venue accounts ordered: this order avoids {avoided:,f} USD of expected bad "
        f"debt, no order more than {bound:,f}; {depth}",
        formats.CALM,
    )
