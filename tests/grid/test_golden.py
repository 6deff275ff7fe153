"""The golden vectors: both engines give what is written there, and the files are up to date."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.grid.make_golden import EXAMPLES, GOLDEN
from tests.grid.test_agreement import core
from xmargin.engine.grid import grid_evaluation
from xmargin.model.derivatives import (
    GridArbitrage,
    GridAsset,
    GridExpiry,
    GridInstrument,
    GridMarket,
    GridPortfolio,
    GridPosition,
    Smile,
)
from xmargin.reference import grid as reference
from xmargin.reference.chain_arbitrage import arbitrage as reference_arbitrage

FILES = sorted(GOLDEN.glob("*.json"))
NEAR: dict[str, Any] = {"rel": 1e-11, "abs": 1e-8}


def read(path: Path) -> tuple[str, GridMarket, GridPortfolio, dict[str, Any]]:
    tree = json.loads(path.read_text())
    market, portfolio = tree["market"], tree["portfolio"]
    expiries = [
        GridExpiry(**(row | {"smile": None if row["smile"] is None else Smile(**row["smile"])}))
        for row in market["expiries"]
    ]
    state = GridMarket(
        [GridAsset(**row) for row in market["assets"]],
        expiries,
        [GridInstrument(**row) for row in market["instruments"]],
        market["cash_price"],
    )
    positions = [GridPosition(**row) for row in portfolio["positions"]]
    held = GridPortfolio(**(portfolio | {"positions": positions}))
    return json.dumps(tree["parameters"]), state, held, tree["expected"]


def assert_is(answer: Any, expected: dict[str, Any]) -> None:
    assert answer.equity == pytest.approx(expected["equity"], **NEAR)
    assert answer.basis_pnl == pytest.approx(expected["basis_pnl"], **NEAR)
    assert list(answer.pnl) == list(expected["pnl"])
    assert answer.pnl == pytest.approx(expected["pnl"], **NEAR)
    assert answer.worst == expected["worst"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_core_gives_the_golden_answer(path: Path) -> None:
    content, market, portfolio, expected = read(path)
    margin = core(content, market, portfolio)
    assert_is(margin, expected)
    for kind in ("maintenance", "initial"):
        components = {name: getattr(getattr(margin, kind), name) for name in expected[kind]}
        assert components == pytest.approx(expected[kind], **NEAR)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_reference_still_gives_the_golden_answer(path: Path) -> None:
    content, market, portfolio, expected = read(path)
    answer = reference.margin(content, market, portfolio)
    assert_is(answer, expected)
    assert answer.maintenance == pytest.approx(expected["maintenance"], **NEAR)
    assert answer.initial == pytest.approx(expected["initial"], **NEAR)


def assert_finds(found: list[GridArbitrage], path: Path) -> None:
    expected = [GridArbitrage(**row) for row in json.loads(path.read_text())["arbitrage"]]
    assert [replace(one, amount=0.0) for one in found] == [
        replace(one, amount=0.0) for one in expected
    ]
    assert [one.amount for one in found] == pytest.approx([one.amount for one in expected], **NEAR)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_both_engines_find_the_golden_free_lunches(path: Path) -> None:
    content, market, _, _ = read(path)
    assert_finds(list(grid_evaluation(content, market, []).arbitrage), path)
    assert_finds(reference_arbitrage(content, market), path)


def test_every_example_has_its_file_with_its_inputs() -> None:
    assert {path.stem for path in FILES} == set(EXAMPLES)
    for path in FILES:
        content, market, portfolio, _ = read(path)
        example = EXAMPLES[path.stem]
        assert json.loads(content) == json.loads(example[0])
        assert (list(market.instruments), list(market.expiries)) == (
            list(example[1].instruments),
            list(example[1].expiries),
        )
        assert list(portfolio.positions) == list(example[2].positions)
