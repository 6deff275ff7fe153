"""A bar chart of rates as SVG, written by hand: no plotting library is worth a dependency here."""

import math
from collections.abc import Sequence
from html import escape

from xmargin.bench.figures import Figure

_WIDTH, _LEFT, _BAR, _GAP, _HEAD = 860, 250, 20, 8, 34


def rates_svg(figures: Sequence[Figure]) -> str:
    """Figures in M/s, one bar a value, on a logarithmic scale."""
    shown = [figure for figure in figures if figure.unit == "M/s"]
    most = max((value for figure in shown for value in figure.values.values()), default=1.0)
    parts: list[str] = []
    top = 10.0
    for figure in shown:
        parts.append(f'<text x="10" y="{top + 18:.0f}" class="h">{escape(figure.name)}, M/s</text>')
        top += _HEAD
        for name, value in figure.values.items():
            parts.append(_bar(name, value, most, top))
            top += _BAR + _GAP
        top += _GAP
    style = "text{font:13px sans-serif;fill:#333}.h{font-weight:bold}.n{text-anchor:end}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{top:.0f}" role="img">\n'
        f"<style>{style}</style>\n<rect width='100%' height='100%' fill='#fff'/>\n"
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _bar(name: str, value: float, most: float, top: float) -> str:
    # From a thousandth of the largest up: what is slower still has the shortest bar.
    share = max(0.01, 1 + math.log10(max(value, 1e-12) / most) / 4)
    width = share * (_WIDTH - _LEFT - 90)
    colour = "#0b6e4f" if name.startswith("xmargin") else "#9aa5b1"
    label = escape(name.replace(" M accounts/s", "").replace("_engine", ""))
    return (
        f'<text x="{_LEFT - 8}" y="{top + 15:.0f}" class="n">{label[:38]}</text>'
        f'<rect x="{_LEFT}" y="{top:.0f}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>'
        f'<text x="{_LEFT + width + 6:.1f}" y="{top + 15:.0f}">{value:,.3g}</text>'
    )
