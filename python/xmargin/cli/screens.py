"""What a terminal shows while health changes: the newest view as a whole, redrawn in place."""

from collections import deque

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.text import Text

from xmargin.cli import exits, tables
from xmargin.cli.crossing_lines import crossings_lines
from xmargin.cli.order_table import order_table
from xmargin.reading.base import ClockMs
from xmargin.service.running import wall_clock_ms
from xmargin.v1 import liquidation_service_pb2 as liquidation_pb
from xmargin.v1 import margin_report_pb2 as pb
from xmargin.v1 import margin_service_pb2 as margin_pb

_REDRAWS_PER_S = 4
_ORDER_ROWS_MAX = 8
_CROSSINGS_SHOWN_MAX = 5
_CROSSINGS_HELD_MAX = 1_000
# Lines of a table around its rows: title, heading, rule, note, space below.
_TABLE_FRAME_ROWS = 5


class Board:
    """The newest known state of what is watched; draws itself to fit the terminal's height."""

    def __init__(self, clock_ms: ClockMs = wall_clock_ms) -> None:
        self._clock_ms = clock_ms
        self.metadata: pb.ViewMetadata | None = None
        self.order: liquidation_pb.ListLiquidationsResponse | None = None
        self.crossings: deque[liquidation_pb.Crossing] = deque(maxlen=_CROSSINGS_HELD_MAX)
        self.title = ""
        self._healths: dict[str, pb.PortfolioHealth] = {}

    @property
    def healths(self) -> list[pb.PortfolioHealth]:
        """The health of all watched portfolios, by id."""
        return [self._healths[one] for one in sorted(self._healths)]

    def take(self, answer: margin_pb.WatchHealthResponse) -> None:
        """Move on to the answer's view."""
        self.metadata = answer.metadata
        for health in answer.changed:
            self._healths[health.portfolio] = health

    def whole(self) -> Group:
        """Everything, however high."""
        return self._drawn(rows_max=None)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._drawn(rows_max=options.max_height)

    def _drawn(self, rows_max: int | None) -> Group:
        if self.metadata is None:
            return Group("waiting for the first view …")
        names = tables.chain_names(self.metadata)
        healths = self.healths
        shown = healths if rows_max is None else self._urgent(rows_max - self._other_rows())
        parts: list[RenderableType] = [
            *self._title_lines(),
            tables.heading(self.metadata, self._clock_ms()),
            tables.portfolios_table(shown, left_out=len(healths) - len(shown)),
        ]
        if self.order is not None:
            entries, certificates = self.order.entries, self.order.certificates
            order_rows_max = None if rows_max is None else _ORDER_ROWS_MAX
            parts += ["", order_table(entries, names, certificates, order_rows_max)]
        parts += crossings_lines(list(self.crossings)[-_CROSSINGS_SHOWN_MAX:])
        return Group(*parts)

    def _title_lines(self) -> list[RenderableType]:
        return [Text(self.title, "bold"), ""] if self.title else []

    def _other_rows(self) -> int:
        """Lines that all but the portfolios' rows take."""
        if self.metadata is None:
            return 0
        beside = max(len(self.metadata.as_of), len(self.metadata.prices)) + _TABLE_FRAME_ROWS
        order = 0
        if self.order is not None:
            order = min(len(self.order.entries), _ORDER_ROWS_MAX) + _TABLE_FRAME_ROWS
            order += len(self.order.certificates)
        crossed = min(len(self.crossings), _CROSSINGS_SHOWN_MAX)
        order += crossed + _TABLE_FRAME_ROWS if crossed else 0
        return beside + order + len(self.metadata.flags) + _TABLE_FRAME_ROWS + 2

    def _urgent(self, rows_max: int) -> list[pb.PortfolioHealth]:
        """The portfolios that stand worst, as many as fit, in the order of their ids."""
        healths = self.healths
        if len(healths) <= rows_max:
            return healths
        worst_first = sorted(healths, key=_standing)[: max(rows_max, 1)]
        return sorted(worst_first, key=lambda health: health.portfolio)


def _standing(health: pb.PortfolioHealth) -> tuple[int, float, str]:
    code = exits.of_portfolio(health)
    urgency = (
        exits.ExitCode.LIQUIDATABLE,
        exits.ExitCode.PARTIAL,
        exits.ExitCode.MARGIN_CALL,
        exits.ExitCode.HEALTHY,
    ).index(code)
    has_factor = health.HasField("health_factor")
    factor = float(health.health_factor.value) if has_factor else float("inf")
    return (urgency, factor, health.portfolio)


def live(console: Console, board: Board) -> Live:
    """A live display of ``board``; a context manager."""
    return Live(
        board,
        console=console,
        refresh_per_second=_REDRAWS_PER_S,
        screen=True,
        vertical_overflow="crop",
    )
