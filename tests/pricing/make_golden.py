"""Writes the golden vectors of pricing: options, greeks and smiles with their fifty-digit answers.

Run ``python -m tests.pricing.make_golden`` after the reference changed, and read the difference.
Inputs are the shortest texts that give the ``f64`` again, answers are rounded to 25 digits; the
Rust tests read the same files.
"""

import json
from collections.abc import Iterator
from decimal import Context, Decimal
from itertools import product
from pathlib import Path
from random import Random

from xmargin.reference import black76, svi

GOLDEN = Path(__file__).parent / "golden"
_ROUNDED = Context(prec=25)

STRIKE_RATIOS = [0.0, 1e-50, 1e-6, 0.01, 0.5, 0.9, 0.999999, 1.0, 1 + 2**-50, 1.1, 2, 10, 1e3]
"""Strike by forward: from zero, over the money to its last bits, to the deepest wing."""

STDEVS = [0.0, 1e-300, 1e-14, 1e-8, 1e-4, 0.01, 0.1, 0.5, 1.0, 2.0, 3.7, 5.0, 10.0, 40.0, 3e4]
"""Total standard deviations: from none to absurd."""

FORWARDS = [1e-100, 3e-7, 2345.67, 1e100]


def options() -> Iterator[black76.Option]:
    """The edges, crossed; then random options of a market and of anywhere."""
    for ratio, stdev, is_call in product(STRIKE_RATIOS, STDEVS, (True, False)):
        years = 0.0 if stdev == 0.0 else 1.0
        if stdev <= 1e3:
            yield black76.Option(is_call, 2345.67, 2345.67 * ratio, years, stdev, 0.97)
        else:
            yield black76.Option(is_call, 2345.67, 2345.67 * ratio, 900.0, stdev / 30, 0.97)
    for forward, ratio, is_call in product(FORWARDS, (0.5, 1.0, 2.0), (True, False)):
        strike = min(max(forward * ratio, 1e-100), 1e100)
        yield black76.Option(is_call, forward, strike, 0.25, 0.8, 1.02)
    random = Random(76)
    for _ in range(300):
        wide = random.random() < 0.5
        strike_ratio = 10 ** random.uniform(-3, 3) if wide else random.uniform(0.6, 1.6)
        vol = 10 ** random.uniform(-6, 1.5) if wide else random.uniform(0.2, 1.5)
        forward = 10 ** random.uniform(-4, 5)
        years = random.uniform(0.0, 3.0)
        strike = forward * strike_ratio
        discount = random.uniform(0.8, 1.05)
        yield black76.Option(random.random() < 0.5, forward, strike, years, vol, discount)


def option_row(option: black76.Option) -> dict[str, object]:
    """One option with its value, and its greeks where they are finite by the formula."""
    row: dict[str, object] = {
        "kind": "call" if option.is_call else "put",
        **{name: text(getattr(option, name)) for name in OPTION_TERMS},
        "value": rounded(black76.value(option)),
    }
    if option.strike and option.vol * option.expiry_years**0.5 >= 1e-4 and option.discount <= 1.05:
        greeks = black76.greeks(option)
        row |= {name: rounded(getattr(greeks, name)) for name in black76.Greeks.__slots__}
    return row


OPTION_TERMS = ("forward", "strike", "expiry_years", "vol", "discount")

SMILES = [
    svi.Slice(0.04, 0.4, -0.4, 0.1, 0.1),
    svi.Slice(0.01, 0.1, -0.4, 0.05, 0.15),
    svi.Slice(-0.0410, 0.1331, 0.3060, 0.3586, 0.4153),  # Axel Vogt's: butterfly arbitrage
    svi.Slice(0.002, 0.02, 0.9, -0.3, 1e-3),
    svi.Slice(0.25, 0.0, 0.0, 0.0, 1.0),
    svi.Slice(1e-5, 1.0, -1.0, 0.0, 0.3),
]


def smile_rows() -> Iterator[dict[str, object]]:
    """Each smile at places from wing to wing."""
    for smile, k in product(SMILES, (-6.0, -1.0, -0.3, -0.01, 0.0, 0.05, 0.3586, 1.0, 6.0)):
        point = svi.at(smile, k)
        yield {
            **{name: text(getattr(smile, name)) for name in svi.Slice.__slots__},
            "log_moneyness": text(k),
            **{name: rounded(getattr(point, name)) for name in svi.Point.__slots__},
        }


def text(value: float) -> str:
    return repr(float(value))


def rounded(value: Decimal) -> str:
    return str(_ROUNDED.plus(value))


def files() -> dict[str, str]:
    """Every file by name."""
    rows = {"black76.json": map(option_row, options()), "svi.json": smile_rows()}
    return {name: _json(list(of)) for name, of in rows.items()}


def _json(rows: list[dict[str, object]]) -> str:
    return "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n"


def main() -> None:
    GOLDEN.mkdir(exist_ok=True)
    for name, content in files().items():
        (GOLDEN / name).write_text(content, "utf-8")


if __name__ == "__main__":
    main()
