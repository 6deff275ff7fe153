"""Markets and portfolios to try the scenario mechanism with: random ones, and the parameters."""

import json
from typing import Any

from hypothesis import strategies as st

from xmargin.model.derivatives import (
    GridAsset,
    GridExpiry,
    GridInstrument,
    GridMarket,
    GridPortfolio,
    GridPosition,
    Smile,
)
from xmargin.params import load_parameters

QUOTE, BASE, UNIFIED = "derive-pmrm2", "deribit-pme", "unified-v1"


def parameters(name: str, **changes: Any) -> str:
    """A parameter file of the package, with top-level keys changed, or dropped by ``None``."""
    tree = json.loads(load_parameters(name).content) | changes
    if name == UNIFIED:
        # What the unified model charges beside its scenarios is not the mechanism's.
        for key in ("liquidity", "venue_risk", "mobility", "historical_es"):
            tree.pop(key, None)
    return json.dumps({key: value for key, value in tree.items() if value is not None})


def every_rule() -> str:
    """Parameters in which every rule of the mechanism applies at once, over several assets."""
    moves = [
        {
            "class": "coin",
            "reach": "together",
            "multiples": ["-0.3", "-0.1", "0", "+0.2"],
        }
    ]
    alone = [{"class": "coin", "reach": "each", "label": "alone", "multiples": ["-0.5", "+0.5"]}]
    far = [{"class": "coin", "reach": "together", "multiples": ["-0.8", "+3"]}]
    return parameters(
        QUOTE,
        assets={"ETH": {"class": "coin", "shock": "0.9"}},
        default_asset={"class": "coin", "shock": "1"},
        scenarios=[
            {"moves": moves, "vols": ["down", "same", "up", "half", "ten points"]},
            {"moves": alone},
            {"moves": far, "vols": ["up"], "extended": EXTENDED},
            {"moves": [], "vols": ["linear", "abs"], "expiry_pnl": "loss"},
        ],
        vol_rules=json.loads(load_parameters(QUOTE).content)["vol_rules"]
        | {
            "half": {"kind": "fixed", "multiplier": "0.5", "vol_min": "0.2"},
            "ten points": {"kind": "flat", "addition": "0.1", "vol_min": "0"},
        },
        wrapped_depeg={"maintenance": "0.01", "initial": "0.02"},
        roll={"move_min": "0.005", "move_per_year": "0.06"},
        gain_offset={"share": "0.6", "max": "20000"},
    )


EXTENDED = {"range": "0.3", "factor": "0.8", "relief": "500"}

confidences = st.sampled_from([1.0, 0.9, 0.5, 0.2])
quantities = st.floats(-30, 30).map(lambda q: round(q, 3))


@st.composite
def expiries(draw: st.DrawFn, assets: list[GridAsset]) -> GridExpiry:
    asset = draw(st.integers(0, len(assets) - 1))
    years = draw(st.sampled_from([0.0, 1 / 365 / 24 / 4, 0.01, 30 / 365, 0.25, 1.5]))
    forward = assets[asset].spot * draw(st.floats(0.95, 1.1))
    moving = draw(st.sampled_from([0.0, 0.4, 1.0]))
    smile = Smile(
        a=draw(st.floats(0.0, 0.05)),
        b=draw(st.floats(0.01, 0.2)),
        rho=draw(st.floats(-0.8, 0.8)),
        m=draw(st.floats(-0.2, 0.2)),
        sigma=draw(st.floats(0.05, 0.6)),
        forward=forward,
        years=max(years, 0.01),
    )
    return GridExpiry(
        asset=asset,
        years=years,
        forward_fixed=forward * (1 - moving),
        forward_variable=forward * moving,
        rate=draw(st.sampled_from([0.0, 0.04, 0.2])),
        confidence=draw(confidences),
        smile=smile,
    )


@st.composite
def instruments(
    draw: st.DrawFn, number: int, assets: list[GridAsset], terms: list[GridExpiry]
) -> GridInstrument:
    kind = draw(st.sampled_from(["spot", "perp", "future", "call", "put"]))
    asset = draw(st.integers(0, len(assets) - 1))
    name = f"{number} {kind}"
    confidence = draw(confidences)
    price = assets[asset].spot * draw(st.floats(0.9, 1.1))
    if kind == "spot":
        haircut = draw(st.floats(0, 0.4))
        return GridInstrument(
            name,
            kind,
            asset=draw(st.sampled_from([asset, None])),
            price=price,
            confidence=confidence,
            haircut_maintenance=haircut,
            haircut_initial=haircut + 0.1,
            wrapped=draw(st.booleans()),
        )
    if kind == "perp":
        return GridInstrument(name, kind, asset=asset, price=price, confidence=confidence)
    row = draw(st.integers(0, len(terms) - 1))
    forward = terms[row].forward_fixed + terms[row].forward_variable
    if kind == "future":
        return GridInstrument(name, kind, expiry=row, price=forward, confidence=confidence)
    strike = round(forward * draw(st.sampled_from([0.2, 0.8, 1.0, 1.1, 3.0])), 2)
    vol = draw(st.sampled_from([None, 0.05, 0.6, 2.0]))
    return GridInstrument(name, kind, expiry=row, strike=strike, vol=vol, confidence=confidence)


@st.composite
def books(draw: st.DrawFn, assets_max: int = 2) -> tuple[GridMarket, GridPortfolio]:
    """A market and a portfolio in it: up to eight instruments of all kinds, long and short."""
    named = [("BTC", 60_000.0), ("ETH", 2_500.0)][: draw(st.integers(1, assets_max))]
    assets = [GridAsset(name, spot, draw(confidences)) for name, spot in named]
    terms = draw(st.lists(expiries(assets), min_size=1, max_size=3))
    held = [draw(instruments(n, assets, terms)) for n in range(draw(st.integers(1, 8)))]
    market = GridMarket(assets, terms, held, cash_price=draw(st.sampled_from([1.0, 0.9])))
    positions = [
        GridPosition(row, draw(quantities), draw(st.sampled_from([0.0, -12.5])))
        for row in range(len(held))
    ]
    return market, GridPortfolio("book", positions, cash=draw(st.floats(-1e5, 1e5)))
