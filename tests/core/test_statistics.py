"""The statistical models against the reference's golden vectors, and GARCH against print."""

import csv
import json
import math
from typing import Any

import pytest

from tests.core.make_golden_statistics import GOLDEN, golden
from tests.core.statistical_examples import (
    BACKTESTS,
    HISTORICAL,
    LEVEL,
    PARAMETRIC,
    log_returns,
    outcomes,
)
from tests.core.statistics import historical, parametric
from tests.house.paths import ROOT
from xmargin import _core
from xmargin.engine.statistical import Forecasts, backtest

EXPECTED: dict[str, Any] = json.loads(GOLDEN.read_text("utf-8"))
TABLES = ROOT.parent / "shared/data/tables"


def close(found: float | None, expected: str | None, tolerance: float = 1e-12) -> bool:
    if found is None or expected is None:
        return found is None and expected is None
    return math.isclose(found, float(expected), rel_tol=tolerance, abs_tol=1e-11)


def test_the_generator_reproduces_the_file() -> None:
    assert golden() == EXPECTED


@pytest.mark.parametrize("title", HISTORICAL)
def test_historical_margin_is_the_references(title: str) -> None:
    seed, deltas = HISTORICAL[title]
    found, expected = historical(log_returns(seed), deltas), EXPECTED["historical"][title]
    for part, first_row in (("filtered", 15), ("stressed", 0), ("whole", 0)):
        for figure in ("var", "es"):
            assert close(found[part][figure], expected[part][figure]), (part, figure)
        rows = [day - first_row for day, _, _ in found[part]["tail"]]
        assert rows == [row for row, _ in expected[part]["tail"]], part
    assert close(found["requirement"], expected["requirement"])
    for factor, part in expected["contributions"].items():
        assert close(found["contributions"][factor], part), factor


@pytest.mark.parametrize("title", PARAMETRIC)
def test_delta_gamma_vega_is_the_references(title: str) -> None:
    """Within the smoothing's known error: 1e-5 deviations."""
    found, expected = parametric(PARAMETRIC[title]), EXPECTED["parametric"][title]
    for form, tolerance in (("diversified", 1e-5), ("crash", 1e-8)):
        scale = float(expected[form]["deviation"])
        for figure, value in expected[form].items():
            assert abs(found[form][figure] - float(value)) <= tolerance * scale, (form, figure)


@pytest.mark.parametrize("title", BACKTESTS)
def test_backtests_are_the_references(title: str) -> None:
    table = outcomes(*BACKTESTS[title])
    days = tuple(range(len(table["pnl"])))
    columns = {name: tuple(column) for name, column in table.items()}
    found = backtest(LEVEL, Forecasts(days, requirement=columns["var"], **columns))
    expected = dict(EXPECTED["backtest"][title])
    assert close(found["traffic_light"]["cumulative"], expected.pop("cumulative"))
    for name, value in expected.items():
        if isinstance(value, list):
            pairs = zip(found[name], value, strict=True)
            assert all(close(f, v, 1e-10) for f, v in pairs), (name, found[name], value)
        elif isinstance(value, int):
            assert found[name] == value
        else:
            assert close(found[name], value), (name, found[name], value)


def test_garch_meets_the_published_estimates() -> None:
    """Bollerslev & Ghysels' DEM/GBP: six digits; ω is printed one unit of the sixth lower."""
    if not TABLES.exists():
        pytest.skip("../shared/data/tables is not there")
    rows = csv.DictReader((TABLES / "garch_dmbp.csv").read_text().splitlines())
    expected = json.loads((TABLES / "garch_dmbp_expected.json").read_text())
    printed = expected["garch11_normal_const_mean"]
    found = _core.fit_garch("DEM/GBP", [float(row["V1"]) for row in rows])
    assert f"{found['mean']:.6g}" == f"{printed['mu']:.6g}"
    assert f"{found['arch']:.6g}" == f"{printed['alpha']:.6g}"
    assert f"{found['garch']:.6g}" == f"{printed['beta']:.6g}"
    assert abs(found["constant"] - printed["omega"]) < 1.1e-7
    assert found["log_likelihood"] == pytest.approx(printed["loglik_recomputed_here"], abs=1e-6)
