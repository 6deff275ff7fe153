"""Small books for historical simulation, delta-gamma-vega and backtests; the same on every run."""

import json
import math
from random import Random
from typing import Any

PARAMETERS = json.dumps(
    {
        "name": "example",
        "version": "1",
        "model": "historical",
        "confidence": "0.95",
        "filter": {
            "kind": "ewma",
            "decay": "0.94",
            "seed_days": "15",
            "volatility_min": "0.001",
            "scale_max": "4",
        },
        "stress": {"weight": "0.25", "days": "30"},
        "floor": "0.9",
    }
)

FACTORS = ("BTC", "ETH", "USDC")
LEVEL = 0.95


def log_returns(seed: int, days: int = 110) -> dict[str, list[float]]:
    """Volatility that comes in waves; two factors that fall together, one that hardly moves."""
    random = Random(seed)
    columns: dict[str, list[float]] = {factor: [] for factor in FACTORS}
    for day in range(days):
        wave = 0.02 * math.exp(math.sin(day / 9.0))
        common = random.gauss(0, 1)
        columns["BTC"].append(round(wave * common, 6))
        columns["ETH"].append(round(wave * (0.8 * common + 0.9 * random.gauss(0, 1)), 6))
        columns["USDC"].append(0.0 if day % 7 else round(random.gauss(0, 0.0004), 6))
    return columns


HISTORICAL: dict[str, tuple[int, dict[str, float]]] = {
    "long two and a stable one": (1, {"BTC": 1000.0, "ETH": 500.0, "USDC": 2000.0}),
    "long one short the other": (2, {"BTC": 1000.0, "ETH": -900.0}),
    "short": (3, {"ETH": -1e6}),
    "nothing at stake": (4, {"BTC": 0.0}),
}

PARAMETRIC: dict[str, dict[str, Any]] = {
    "linear and offset": {
        "deviation": [0.04, 0.05, 0.001],
        "sensitivity": [1000.0, -800.0, 5000.0],
        "curvature": [],
        "correlation": [0.8, 0.1, 0.0],
    },
    "short gamma and vega": {
        "deviation": [0.04, 0.05, 0.08],
        "sensitivity": [100.0, 50.0, -400.0],
        "curvature": [(0, 0, -30000.0), (1, 1, -20000.0), (2, 2, -500.0), (0, 2, -900.0)],
        "correlation": [0.8, -0.3, -0.4],
    },
    "long one gamma short another": {
        "deviation": [0.04, 0.05, 0.08],
        "sensitivity": [0.0, 100.0, 30.0],
        "curvature": [(0, 0, 30000.0), (1, 1, -20000.0), (2, 2, -200.0)],
        "correlation": [0.5, -0.3, -0.4],
    },
}
PAIRS = ((0, 1), (0, 2), (1, 2))


def outcomes(seed: int, days: int, scale: float) -> dict[str, list[float]]:
    """Normal P&L against a flat forecast that is right at ``scale`` 1."""
    random = Random(seed)
    return {
        "pnl": [round(random.gauss(0, 100 * scale), 6) for _ in range(days)],
        "var": [164.485] * days,
        "es": [206.271] * days,
    }


BACKTESTS: dict[str, tuple[int, int, float]] = {
    "right": (5, 300, 1.0),
    "too low": (6, 260, 1.6),
    "never exceeded": (7, 100, 0.2),
}
