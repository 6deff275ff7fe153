"""Writes the golden vectors of the scenario mechanism: small books with what the reference says.

Run ``python -m tests.grid.make_golden`` after the mechanism, a parameter file or an example
changed, and read the difference before it is committed. Each file holds the parameters, the market,
the portfolio, the expected answer and the free lunches in the prices of all scenarios.
"""

import json
from dataclasses import asdict
from pathlib import Path

from tests.grid.books import BASE, QUOTE, UNIFIED, every_rule, parameters
from xmargin.model.derivatives import (
    GridAsset,
    GridExpiry,
    GridInstrument,
    GridMarket,
    GridPortfolio,
    GridPosition,
    Smile,
)
from xmargin.reference import grid as reference
from xmargin.reference.chain_arbitrage import arbitrage

GOLDEN = Path(__file__).parent / "golden"

_BTC = GridAsset("BTC", 60_000.0, confidence=0.95)
_SMILE = Smile(a=0.02, b=0.1, rho=-0.3, m=-0.05, sigma=0.2, forward=60_600.0, years=0.25)
_QUARTER = GridExpiry(0, 0.25, 0.0, 60_600.0, rate=0.04, confidence=0.9, smile=_SMILE)
_SETTLING = GridExpiry(0, 5 / 365 / 24 / 60, 50_000.0, 10_000.0, rate=0.05, confidence=0.9)


def _market(*instruments: GridInstrument, cash_price: float = 1.0) -> GridMarket:
    return GridMarket([_BTC], [_QUARTER, _SETTLING], instruments, cash_price)


def _portfolio(*quantities: float, cash: float = 0.0, reserved: float = 0.0) -> GridPortfolio:
    positions = [GridPosition(row, quantity) for row, quantity in enumerate(quantities)]
    return GridPortfolio("golden", positions, cash, reserved)


def _option(kind: str, strike: float, vol: float | None = None, expiry: int = 0) -> GridInstrument:
    return GridInstrument(
        f"{expiry} {strike:g} {kind}", kind, expiry=expiry, strike=strike, vol=vol
    )


_COIN = GridInstrument(
    "wrapped bitcoin",
    "spot",
    asset=0,
    price=59_900.0,
    confidence=0.5,
    haircut_maintenance=0.05,
    haircut_initial=0.1,
    wrapped=True,
)
_PERP = GridInstrument("perpetual", "perp", asset=0, price=60_050.0, confidence=0.4)
_FUTURE = GridInstrument("future", "future", expiry=0, price=60_600.0)

EXAMPLES: dict[str, tuple[str, GridMarket, GridPortfolio]] = {
    "covered-call": (
        parameters(QUOTE),
        _market(_COIN, _option("call", 65_000.0)),
        _portfolio(2.0, -2.0),
    ),
    "short-strangle-and-perp-with-cash-below-its-peg": (
        parameters(QUOTE),
        _market(_option("put", 50_000.0), _option("call", 70_000.0), _PERP, cash_price=0.95),
        _portfolio(-3.0, -3.0, 0.5, cash=40_000.0),
    ),
    "box-in-the-settlement-window": (
        parameters(QUOTE),
        _market(*(_option(kind, k, 0.8, 1) for k in (58e3, 62e3) for kind in ("call", "put"))),
        _portfolio(1.0, -1.0, -1.0, 1.0, cash=500.0),
    ),
    "coin-settled-spread": (
        parameters(BASE),
        _market(_PERP, _FUTURE, _option("call", 80_000.0, 0.7)),
        _portfolio(1.5, -1.4, -0.5, cash=0.3, reserved=0.01),
    ),
    "every-rule-at-once": (
        every_rule(),
        _market(_COIN, _PERP, _FUTURE, _option("put", 60_000.0), _option("call", 60_000.0)),
        _portfolio(0.7, -1.1, 0.4, -2.0, 1.0, cash=-5_000.0, reserved=100.0),
    ),
    "sticky-strikes-far-from-the-money": (
        parameters(QUOTE),
        _market(*(_option("put", strike) for strike in (30e3, 45e3, 60e3, 75e3, 90e3))),
        _portfolio(-1.0, 0.0, 2.0, 0.0, -1.0, cash=30_000.0),
    ),
    "tokens-only": (parameters(UNIFIED), _market(_COIN), _portfolio(1.25, cash=-30_000.0)),
}


def vector(title: str) -> str:
    """The file of one example."""
    content, market, portfolio = EXAMPLES[title]
    answer = {
        "title": title,
        "parameters": json.loads(content),
        "market": asdict(market),
        "portfolio": asdict(portfolio),
        "expected": asdict(reference.margin(content, market, portfolio)),
        "arbitrage": [asdict(one) for one in arbitrage(content, market)],
    }
    return json.dumps(answer, indent=1) + "\n"


def main() -> None:
    GOLDEN.mkdir(exist_ok=True)
    for title in EXAMPLES:
        (GOLDEN / f"{title}.json").write_text(vector(title))


if __name__ == "__main__":
    main()
