"""The core and the reference, two programs of one text, give the same margins."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.grid.books import BASE, QUOTE, books, every_rule, parameters
from xmargin.engine.grid import grid_margins
from xmargin.model.derivatives import GridMargin, GridMarket, GridPortfolio
from xmargin.reference import grid as reference

REL = 1e-10

lenient = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


def core(content: str, market: GridMarket, portfolio: GridPortfolio) -> GridMargin:
    (margin,) = grid_margins(content, market, [portfolio])
    return margin


def gross(market: GridMarket, portfolio: GridPortfolio) -> float:
    """What rounding is measured against: the gross notional."""
    spots = max(asset.spot for asset in market.assets)
    return 1.0 + abs(portfolio.cash) + spots * sum(abs(p.quantity) for p in portfolio.positions)


def assert_agrees(content: str, market: GridMarket, portfolio: GridPortfolio) -> None:
    margin = core(content, market, portfolio)
    answer = reference.margin(content, market, portfolio)
    near: dict[str, Any] = {"rel": REL, "abs": 1e-12 * gross(market, portfolio)}
    assert list(margin.pnl) == list(answer.pnl)
    assert margin.pnl == pytest.approx(answer.pnl, **near)
    assert margin.equity == pytest.approx(answer.equity, **near)
    assert margin.basis_pnl == pytest.approx(answer.basis_pnl, **near)
    for ours, theirs in (
        (margin.maintenance, answer.maintenance),
        (margin.initial, answer.initial),
    ):
        components = {name: getattr(ours, name) for name in theirs}
        assert components == pytest.approx(theirs, **near)


@lenient
@given(book=books())
def test_g1_core_and_reference_agree_with_every_rule_at_once(
    book: tuple[GridMarket, GridPortfolio],
) -> None:
    assert_agrees(every_rule(), *book)


@lenient
@given(book=books(assets_max=1))
@pytest.mark.parametrize("name", [QUOTE, BASE])
def test_g2_core_and_reference_agree_on_the_packaged_parameters(
    name: str, book: tuple[GridMarket, GridPortfolio]
) -> None:
    # Rounding of the loss may fall on either side of a half: it is tried in the vectors.
    assert_agrees(parameters(name, loss_decimals=None), *book)
