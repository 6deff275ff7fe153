"""Crossings as lines: when, who, from what to what, and what moved."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import RenderableType
from rich.text import Text

from xmargin.cli import formats
from xmargin.model import venue_of
from xmargin.v1 import liquidation_service_pb2 as pb
from xmargin.v1 import margin_report_pb2 as report_pb


def line_of(crossing: pb.Crossing) -> Text:
    """One crossing."""
    at = datetime.fromtimestamp(crossing.now_ms / 1_000, UTC)
    who = crossing.portfolio
    if crossing.account:
        who += f" at {venue_of(crossing.account)}"
    line = Text(f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1_000:03d}Z  {who}  ")
    if crossing.before != report_pb.HEALTH_STATUS_UNSPECIFIED:
        line.append_text(formats.status(crossing.before)).append(" -> ")
    line.append_text(formats.status(crossing.after))
    if crossing.HasField("health_factor"):
        line.append("  health ")
        line.append_text(formats.health_factor(formats.decimal(crossing.health_factor)))
    return line.append(f"  {crossing.cause}", formats.CALM)


def crossings_lines(crossings: Sequence[pb.Crossing]) -> list[RenderableType]:
    """A heading and a line each; nothing without any."""
    if not crossings:
        return []
    return ["", Text("crossings", "bold"), *map(line_of, crossings)]
