"""What must hold of the statistical models whatever the book; ids as in docs/margin.md."""

import json
import math
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.core.statistical_examples import (
    FACTORS,
    PAIRS,
    PARAMETERS,
    log_returns,
)
from tests.core.statistics import changed, historical, parametric
from xmargin.engine.statistical import historical_scenarios
from xmargin.params import parse_parameters

properties = settings(max_examples=60, deadline=None)
SEEDS = st.integers(0, 10**9)
AMOUNTS = st.floats(-1e6, 1e6)
DELTAS = st.fixed_dictionaries(dict.fromkeys(FACTORS, AMOUNTS))
COMPONENTS = ("filtered", "stressed", "whole")


def gross(*books: dict[str, float]) -> float:
    return 1e-11 * sum(abs(delta) for book in books for delta in book.values()) + 1e-9


@properties
@given(SEEDS, DELTAS)
def test_h1_shortfall_is_never_below_value_at_risk(seed: int, deltas: dict[str, float]) -> None:
    """H1."""
    found = historical(log_returns(seed), deltas)
    assert all(found[part]["es"] >= found[part]["var"] for part in COMPONENTS)
    assert found["requirement"] >= max(0, found["blend"], found["floor"])


@properties
@given(SEEDS, DELTAS, st.floats(0, 100))
def test_h2_margin_is_homogeneous_of_degree_one(
    seed: int, deltas: dict[str, float], size: float
) -> None:
    """H2."""
    columns = log_returns(seed)
    scaled = {factor: size * delta for factor, delta in deltas.items()}
    one, many = historical(columns, deltas), historical(columns, scaled)
    assert many["requirement"] == pytest.approx(
        size * one["requirement"], rel=1e-11, abs=gross(deltas, scaled)
    )


@properties
@given(SEEDS, DELTAS, DELTAS)
def test_h3_netting_never_hurts(seed: int, left: dict[str, float], right: dict[str, float]) -> None:
    """H3: ES and the requirement are subadditive, the worst window included."""
    columns = log_returns(seed)
    both = {factor: left[factor] + right[factor] for factor in FACTORS}
    one, other, joint = (historical(columns, book) for book in (left, right, both))
    rounding = gross(left, right)
    assert joint["requirement"] <= one["requirement"] + other["requirement"] + rounding
    for part in COMPONENTS:
        assert joint[part]["es"] <= one[part]["es"] + other[part]["es"] + rounding


@properties
@given(SEEDS, DELTAS, AMOUNTS)
def test_h4_a_certain_gain_lowers_the_loss_by_itself(
    seed: int, deltas: dict[str, float], gain: float
) -> None:
    """H4: translation, through a vector that was revalued in full."""
    columns = log_returns(seed)
    days = len(columns["BTC"])
    certain = {"certain": ([gain] * (days - 15), [gain] * days)}
    plain, richer = historical(columns, deltas), historical(columns, deltas, revalued=certain)
    for part in COMPONENTS:
        for figure in ("var", "es"):
            expected = plain[part][figure] - gain
            assert richer[part][figure] == pytest.approx(expected, abs=gross(deltas) + 1e-5)


@properties
@given(SEEDS, DELTAS, st.randoms(use_true_random=False))
def test_h5_input_order_never_matters_to_the_bit(
    seed: int, deltas: dict[str, float], random: Random
) -> None:
    """H5: factors of the returns and of the holdings in any order."""
    columns = log_returns(seed)
    shuffled = random.sample(FACTORS, len(FACTORS))
    turned = historical({f: columns[f] for f in shuffled}, {f: deltas[f] for f in shuffled[::-1]})
    assert json.dumps(turned) == json.dumps(historical(columns, deltas))


@properties
@given(SEEDS, st.floats(0.3, 1.5))
@example(4326381, 1.5)  # the worst window is another one after the change
def test_h6_value_at_risk_grows_with_volatility(seed: int, scale: float) -> None:
    """H6: returns times c multiply the log loss of one long factor by c, day by day.

    The worst window is worst by its mean loss, which is not linear in the log loss, so another
    window may be the worst of the larger returns; only the same window keeps the proportion.
    """
    parameters = changed("filter.volatility_min", "0.000001")
    returns = log_returns(seed)["BTC"]
    calm = historical({"BTC": returns}, {"BTC": 1.0}, parameters)
    wild = historical({"BTC": [scale * r for r in returns]}, {"BTC": 1.0}, parameters)
    same_window = calm["stressed"]["first_day"] == wild["stressed"]["first_day"]
    for part in COMPONENTS if same_window else ("filtered", "whole"):
        expected = scale * math.log1p(-calm[part]["var"])
        assert math.log1p(-wild[part]["var"]) == pytest.approx(expected, rel=1e-9)


@properties
@given(SEEDS, DELTAS)
def test_h7_contributions_sum_to_the_whole(seed: int, deltas: dict[str, float]) -> None:
    """H7."""
    found = historical(log_returns(seed), deltas)
    rounding = gross(deltas)
    for part in COMPONENTS:
        total = sum(found[part]["contributions"].values())
        assert total == pytest.approx(found[part]["es"], abs=rounding)
    assert sum(found["contributions"].values()) == pytest.approx(found["requirement"], abs=rounding)


@properties
@given(SEEDS, DELTAS)
def test_h8_a_linear_book_revalued_in_full_is_the_same_book(
    seed: int, deltas: dict[str, float]
) -> None:
    """H8: the scenarios that are handed out are those that are used."""
    from tests.core.statistics import series

    columns = log_returns(seed)
    tables = historical_scenarios(parse_parameters(PARAMETERS), series(columns))
    import pyarrow as pa

    vectors = []
    for name in ("filtered", "raw"):
        table = pa.record_batch(tables[name]).to_pydict()
        moves = zip(*(table[f"move:{factor}"] for factor in FACTORS), strict=True)
        vectors.append(
            [sum(deltas[f] * m for f, m in zip(FACTORS, row, strict=True)) for row in moves]
        )
    in_full = historical(columns, {}, revalued={"book": (vectors[0], vectors[1])})
    assert in_full["requirement"] == pytest.approx(
        historical(columns, deltas)["requirement"], abs=gross(deltas)
    )


# --- Delta-gamma-vega -----------------------------------------------------------------------------

CORRELATED = st.sampled_from([[0.8, 0.1, 0.0], [0.5, -0.3, -0.4], [1.0, 1.0, 1.0], [0.0] * 3])


@st.composite
def second_order_books(draw: st.DrawFn) -> dict[str, Any]:
    curved = st.one_of(st.just(0.0), st.floats(-1e5, 1e5))
    return {
        "deviation": draw(st.lists(st.floats(0.001, 0.2), min_size=3, max_size=3)),
        "sensitivity": draw(st.lists(AMOUNTS, min_size=3, max_size=3)),
        "curvature": [(i, i, draw(curved)) for i in range(3)] + [(0, 1, draw(curved))],
        "correlation": draw(CORRELATED),
    }


@properties
@given(second_order_books())
def test_d1_shortfall_is_never_below_value_at_risk(book: dict[str, Any]) -> None:
    """D1."""
    found = parametric(book)
    assert all(found[form]["es"] >= found[form]["var"] for form in ("diversified", "crash"))
    assert found["requirement"] >= max(0, found["diversified"]["es"], found["crash"]["es"])


@properties
@given(second_order_books(), st.floats(0.01, 100))
def test_d2_margin_is_homogeneous_of_degree_one(book: dict[str, Any], size: float) -> None:
    """D2."""
    scaled = {
        **book,
        "sensitivity": [size * a for a in book["sensitivity"]],
        "curvature": [(i, j, size * value) for i, j, value in book["curvature"]],
    }
    one, many = parametric(book), parametric(scaled)
    assert many["requirement"] == pytest.approx(size * one["requirement"], rel=1e-7, abs=1e-6)


@properties
@given(second_order_books())
def test_d3_a_linear_book_loses_most_in_the_crash(book: dict[str, Any]) -> None:
    """D3, and the crash of a linear book is the sum over its factors."""
    found = parametric({**book, "curvature": []})
    exposures = zip(book["sensitivity"], book["deviation"], strict=True)
    total = sum(abs(a) * d for a, d in exposures)
    assert found["crash"]["deviation"] == pytest.approx(total, rel=1e-12)
    assert found["crash"]["es"] >= found["diversified"]["es"] - 1e-5 * total


@properties
@given(second_order_books())
def test_d4_the_order_of_rows_never_matters_to_the_bit(book: dict[str, Any]) -> None:
    """D4: factors from last to first; names go with their numbers."""
    turned = {
        "deviation": book["deviation"][::-1],
        "sensitivity": book["sensitivity"][::-1],
        "curvature": [(2 - i, 2 - j, value) for i, j, value in book["curvature"][::-1]],
        "correlation": [
            book["correlation"][PAIRS.index((min(2 - i, 2 - j), max(2 - i, 2 - j)))]
            for i, j in PAIRS
        ],
    }
    assert parametric(turned, names=("c", "b", "a")) == parametric(book)
