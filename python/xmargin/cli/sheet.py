"""A table that never cuts a number: what does not fit is taken from its texts."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_GAP = 2
_TEXT_WIDTH_MIN = 8

Cell = str | Text


class Sheet:
    """Rows under headings.

    A heading that ends in ``>`` is of a right-aligned column; one that ends in ``~`` of a text
    that may be cut where the width does not do.
    """

    def __init__(
        self, title: str, headings: Sequence[str], rows: Sequence[Sequence[Cell]], note: str = ""
    ) -> None:
        self._title = title
        self._headings = [heading.rstrip(">~") for heading in headings]
        self._right = [heading.endswith(">") for heading in headings]
        self._elastic = [heading.endswith("~") for heading in headings]
        self._rows = rows
        self._note = note

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        natural = sum(self._widths()) + _GAP * len(self._headings)
        return Measurement(min(natural, options.max_width), natural)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table(
            title=self._title,
            title_style="bold",
            title_justify="left",
            caption=self._note or None,
            caption_justify="left",
            box=SIMPLE_HEAD,
            show_edge=False,
            padding=(0, _GAP - 1, 0, 0),
        )
        for heading, right, width in zip(
            self._headings, self._right, self._fitted(options.max_width), strict=True
        ):
            table.add_column(
                heading,
                justify="right" if right else "left",
                width=width,
                no_wrap=True,
                overflow="ellipsis",
            )
        for row in self._rows:
            table.add_row(*row)
        yield table

    def _widths(self) -> list[int]:
        """What each column would like to have."""
        cells = zip(*([*self._headings], *self._rows), strict=True)
        return [max(_length(cell) for cell in column) for column in cells]

    def _fitted(self, width_max: int) -> list[int]:
        """What each column gets: the widest elastic one gives first."""
        widths = self._widths()
        missing = sum(widths) + _GAP * len(widths) - width_max
        while missing > 0:
            givers = [i for i, elastic in enumerate(self._elastic) if elastic]
            widest = max(givers, key=lambda i: widths[i], default=None)
            if widest is None or widths[widest] <= _TEXT_WIDTH_MIN:
                break
            widths[widest] -= 1
            missing -= 1
        return widths


def _length(cell: Cell) -> int:
    return cell.cell_len if isinstance(cell, Text) else Text(cell).cell_len
