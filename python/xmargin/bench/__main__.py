"""``python -m xmargin.bench``: measure, print a table, write the figures as JSON."""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

from xmargin.bench.figures import Figure, machine

_ACCOUNTS_MAX = 10_000_000
_PARTS = (
    *("imports", "calls", "latency", "options", "book"),
    *("index", "wide", "fleet", "cascade"),
)


def main() -> int:
    """Measure the parts asked for (all, if none)."""
    options = _options()
    figures: list[Figure] = []
    for part in options.parts or _PARTS:
        print(f"measuring {part} …", file=sys.stderr)
        try:
            figures += _measure(part, options)
        except ModuleNotFoundError as fault:
            # The engines measured against are no part of the package's own environment.
            print(f"error: {part} needs {fault.name}; run: make bench ARGS={part}", file=sys.stderr)
            return 1
    made_on = machine()
    document = {"machine": made_on, "figures": [asdict(figure) for figure in figures]}
    if options.svg:
        from xmargin.bench.plot import rates_svg

        options.svg.write_text(rates_svg(figures), encoding="utf-8")
    if options.out:
        options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if options.json:
        print(json.dumps(document))
    else:
        _show(made_on, figures)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(_PARTS)}")
    parser.add_argument("--owners", type=int, default=1000, help="extra owners for latency")
    sizes = parser.add_argument("--accounts", type=int, nargs="+", metavar="N")
    sizes.default = [1_000, 20_000, 1_000_000]
    sizes.help = "sizes of the book, up to 10,000,000 (above 1,000,000 without the other engines)"
    parser.add_argument("--svg", type=Path, help="draw the rates to this file")
    parser.add_argument("--json", action="store_true", help="the document on standard output")
    parser.add_argument("--out", type=Path, help="write the document to this file")
    options = parser.parse_args()
    for part in options.parts:
        if part not in _PARTS:
            parser.error(f"no part {part!r}; there are {', '.join(_PARTS)}")
    if not all(1 <= size <= _ACCOUNTS_MAX for size in options.accounts):
        parser.error(f"--accounts: {options.accounts} are not all from 1 to {_ACCOUNTS_MAX:,}")
    if options.owners < 0:
        parser.error(f"--owners: {options.owners} is below 0")
    for name, path in (("--svg", options.svg), ("--out", options.out)):
        # Said now and not after minutes of measuring.
        if path is not None and not path.parent.is_dir():
            parser.error(f"{name}: there is no folder {path.parent}")
    return options


def _measure(part: str, options: argparse.Namespace) -> list[Figure]:
    # Each part loads what it measures only when asked for.
    if part == "calls":
        from xmargin.bench import calls

        return asyncio.run(calls.measure((0, 1_000, 5_000)))
    if part == "book":
        from xmargin.bench import book

        return book.measure(options.accounts)
    if part == "index":
        from xmargin.bench import index

        return index.measure(options.accounts)
    if part == "latency":
        from xmargin.bench import latency

        return asyncio.run(latency.measure(options.owners))
    figures: list[Figure] = import_module(f"xmargin.bench.{part}").measure()
    return figures


def _show(on: Mapping[str, str], figures: list[Figure]) -> None:
    console = Console()
    console.print("machine: " + ", ".join(f"{name} {value}" for name, value in on.items()))
    for figure in figures:
        console.print(f"\n{figure.name}, {figure.unit} ({figure.note})")
        table = Table(show_header=False)
        for name, value in figure.values.items():
            table.add_row(name, f"{value:,.4g}")
        console.print(table)


if __name__ == "__main__":
    sys.exit(main())
