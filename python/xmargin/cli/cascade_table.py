"""The tables of a cascade."""

from collections.abc import Mapping

from google.type.decimal_pb2 import Decimal as DecimalMessage
from rich.console import Group, RenderableType
from rich.text import Text

from xmargin.cli import formats
from xmargin.cli.sheet import Cell, Sheet
from xmargin.cli.tables import flags_text, venue_name
from xmargin.model import address_of
from xmargin.v1 import liquidation_service_pb2 as pb

_ENDS = {
    pb.CASCADE_KIND_FIXED_POINTS: "both ends are consistent outcomes: the worst and the mildest",
    pb.CASCADE_KIND_ENCLOSURE: "every consistent outcome is between the ends; some also buy",
    pb.CASCADE_KIND_UNFINISHED: "every consistent outcome is between the ends; not all passes done",
}


def cascade_table(answer: pb.SimulateCascadeResponse, names: Mapping[str, str]) -> RenderableType:
    """Prices in the end, what was sold, who is liquidated, and what stays unpaid."""
    return Group(
        _assets(answer),
        Text(_ENDS.get(answer.kind, "of a kind that this client does not know"), formats.CALM),
        _summary(answer),
        *([_accounts(answer, names)] if answer.accounts else []),
        flags_text(answer.flags),
    )


def _assets(answer: pb.SimulateCascadeResponse) -> Sheet:
    headings = (
        "asset~",
        "price>",
        "after shock>",
        "price, mildest>",
        "price, worst>",
        "units sold, mildest>",
        "units sold, worst>",
    )
    rows = [
        [
            one.asset,
            *(formats.price(formats.decimal(price)) for price in _prices(one)),
            *(formats.amount(formats.decimal(sold)) for sold in (one.sold_least, one.sold_most)),
        ]
        for one in answer.assets
    ]
    return Sheet("where prices come to rest, USD", headings, rows)


def _prices(one: pb.CascadeAsset) -> tuple[DecimalMessage, ...]:
    return one.price, one.price_shocked, one.price_high, one.price_low


def _summary(answer: pb.SimulateCascadeResponse) -> Text:
    least, most = (
        formats.decimal(end).quantize(1) for end in (answer.bad_debt_least, answer.bad_debt_most)
    )
    style = formats.BAD if most > 0 else formats.GOOD
    due = _between(f"{answer.due_least}", f"{answer.due_most}")
    bad_debt = _between(f"{least:,f}", f"{most:,f}")
    return Text(f"{due} accounts liquidated; bad debt {bad_debt} USD", style)


def _between(least: str, most: str) -> str:
    return most if least == most else f"{least} to {most}"


def _accounts(answer: pb.SimulateCascadeResponse, names: Mapping[str, str]) -> Sheet:
    left_out = answer.due_most - len(answer.accounts)
    note = f"the first by account id, and {left_out} more" if left_out else ""
    headings = ("portfolio~", "venue~", "account", "closed, mildest>", "worst>")
    rows: list[list[Cell]] = [
        [
            one.portfolio,
            venue_name(one.account, names),
            formats.short_address(address_of(one.account)),
            *(f"{formats.decimal(part):.0%}" for part in (one.part_least, one.part_most)),
        ]
        for one in answer.accounts
    ]
    return Sheet("liquidated at the worst", headings, rows, note)
