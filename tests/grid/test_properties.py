"""What the scenario mechanism keeps, whatever the market and the book."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.grid.books import BASE, QUOTE, UNIFIED, books, every_rule, parameters
from tests.grid.test_agreement import core, gross, lenient
from xmargin.engine.grid import grid_margins
from xmargin.model.derivatives import (
    GridAsset,
    GridInstrument,
    GridMargin,
    GridMarket,
    GridPortfolio,
    GridPosition,
)
from xmargin.reference.scenarios import Model

Book = tuple[GridMarket, GridPortfolio]


def kinds(margin: GridMargin) -> tuple[tuple[float, str], ...]:
    return (margin.maintenance.margin, "maintenance"), (margin.initial.margin, "initial")


@lenient
@given(book=books())
def test_g3_contributions_sum_to_the_requirement_less_what_is_reserved(book: Book) -> None:
    market, portfolio = book
    margin = core(every_rule(), market, replace(portfolio, reserved_initial=7.0))
    for total, kind in kinds(margin):
        reserved = 7.0 if kind == "initial" else 0.0
        shares = sum(getattr(share, kind) for share in margin.positions)
        assert shares == pytest.approx(total - reserved, abs=1e-11 * gross(market, portfolio))


@lenient
@given(book=books(assets_max=1))
@pytest.mark.parametrize("name", [QUOTE, BASE])
def test_g4_contributions_sum_under_the_packaged_parameters(name: str, book: Book) -> None:
    market, portfolio = book
    margin = core(parameters(name), market, portfolio)
    for total, kind in kinds(margin):
        shares = sum(getattr(share, kind) for share in margin.positions)
        assert shares == pytest.approx(total, abs=1e-11 * gross(market, portfolio))


@lenient
@given(book=books())
def test_g5_a_requirement_is_never_negative_and_initial_margin_never_below_maintenance(
    book: Book,
) -> None:
    margin = core(every_rule(), *book)
    assert 0.0 <= margin.maintenance.margin <= margin.initial.margin


@lenient
@given(book=books(), seed=st.randoms(use_true_random=False))
def test_g6_the_order_of_positions_changes_no_bit(book: Book, seed: st.randoms) -> None:  # type: ignore[valid-type]
    market, portfolio = book
    shuffled = list(portfolio.positions)
    seed.shuffle(shuffled)  # type: ignore[attr-defined]
    first = core(every_rule(), market, portfolio)
    second = core(every_rule(), market, replace(portfolio, positions=shuffled))
    assert (second.pnl, second.maintenance, second.initial) == (
        first.pnl,
        first.maintenance,
        first.initial,
    )
    of = dict(zip((p.instrument for p in shuffled), second.positions, strict=True))
    assert [of[p.instrument] for p in portfolio.positions] == list(first.positions)


@lenient
@given(book=books())
def test_g7_margin_is_homogeneous_where_no_amount_of_money_is_a_parameter(book: Book) -> None:
    market, portfolio = book
    content = parameters(QUOTE)
    doubled = [
        replace(p, quantity=2 * p.quantity, unsettled=2 * p.unsettled) for p in portfolio.positions
    ]
    one = core(content, market, portfolio)
    two = core(content, market, replace(portfolio, positions=doubled, cash=2 * portfolio.cash))
    near: dict[str, Any] = {"rel": 1e-12, "abs": 1e-12 * gross(market, portfolio)}
    assert two.maintenance.margin == pytest.approx(2 * one.maintenance.margin, **near)
    assert two.initial.margin == pytest.approx(2 * one.initial.margin, **near)
    assert two.equity == pytest.approx(2 * one.equity, **near)


def subadditive() -> str:
    """Parameters without the rules that count an expiry by its sign."""
    tree = {"static_discount": None, "confidence": None, "basis": None}
    moves = [{"class": "spot", "reach": "together", "multiples": ["-0.2", "0", "+0.2"]}]
    rules = [{"moves": moves, "vols": ["down", "same", "up"]}]
    return parameters(QUOTE, scenarios=rules, **tree)


@lenient
@given(book=books(), cut=st.integers(0, 8))
def test_g8_netting_never_hurts_against_the_sum_of_parts(book: Book, cut: int) -> None:
    market, portfolio = book
    market = replace(market, cash_price=1.0)
    rows = portfolio.positions
    parts = [replace(portfolio, positions=part) for part in (rows[:cut], rows[cut:])]
    whole = core(subadditive(), market, portfolio)
    first, second = (core(subadditive(), market, part) for part in parts)
    slack = 1e-11 * gross(market, portfolio)
    for kind in ("maintenance", "initial"):
        apart = getattr(first, kind).margin + getattr(second, kind).margin
        assert getattr(whole, kind).margin <= apart + slack


@lenient
@given(book=books(), more=st.floats(0.01, 0.5))
def test_g9_a_larger_haircut_never_raises_an_excess(book: Book, more: float) -> None:
    market, portfolio = book
    raised = [
        replace(
            i,
            haircut_maintenance=i.haircut_maintenance + more,
            haircut_initial=i.haircut_initial + more,
        )
        if i.kind == "spot"
        else i
        for i in market.instruments
    ]
    before = core(every_rule(), market, portfolio)
    after = core(every_rule(), replace(market, instruments=raised), portfolio)
    assert after.maintenance_excess <= before.maintenance_excess
    assert after.initial_excess <= before.initial_excess


@lenient
@given(book=books(), more=st.floats(0.1, 1e6))
def test_g10_more_cash_never_lowers_an_excess(book: Book, more: float) -> None:
    market, portfolio = book
    before = core(every_rule(), market, portfolio)
    after = core(every_rule(), market, replace(portfolio, cash=portfolio.cash + more))
    assert after.maintenance_excess >= before.maintenance_excess
    assert after.initial_excess >= before.initial_excess


@lenient
@given(
    values=st.dictionaries(
        st.sampled_from(["BTC", "ETH", "SOL", "USDC", "UNKNOWN"]),
        st.tuples(st.floats(-1e6, 1e6), st.booleans()),
        min_size=1,
    )
)
def test_g11_the_unified_parameters_give_the_unified_requirement(
    values: dict[str, tuple[float, bool]],
) -> None:
    """The formula f × max(−P&L) + k × W, with the c_b as holdings at a price of 1."""
    assume(any(value for value, _ in values.values()))
    assets = [GridAsset(name, 1.0) for name in values]
    held = [
        GridInstrument(name, "spot", asset=row, price=1.0, wrapped=wrapped)
        for row, (name, (_, wrapped)) in enumerate(values.items())
    ]
    positions = [GridPosition(row, value) for row, (value, _) in enumerate(values.values())]
    content = parameters(UNIFIED)
    margin = core(content, GridMarket(assets, [], held), GridPortfolio("book", positions))
    model = Model.over(content, values)
    losses = [
        -sum(value * float(s.relative_move(name)) for name, (value, _) in values.items())
        for s in model.scenarios
    ]
    worth = sum(abs(value) for value, wrapped in values.values() if wrapped)
    for total, factors in (
        (margin.maintenance.margin, model.maintenance),
        (margin.initial.margin, model.initial),
    ):
        expected = float(factors.loss) * max(losses) + float(factors.wrapped_depeg) * worth
        assert total == pytest.approx(expected, rel=1e-12, abs=1e-6)
    assert list(margin.pnl) == [scenario.name for scenario in model.scenarios]


def test_portfolios_in_one_call_do_not_touch_each_other() -> None:
    market = GridMarket(
        [GridAsset("BTC", 100.0)], [], [GridInstrument("p", "perp", 0, price=100.0)]
    )
    books = [GridPortfolio(str(n), [GridPosition(0, float(n))]) for n in (3, -1, 0)]
    together = grid_margins(parameters(QUOTE), market, books)
    assert together == [grid_margins(parameters(QUOTE), market, [book])[0] for book in books]
    assert [m.worst for m in together] == ["spot -0.18 vol up", "spot +0.18 vol up", "unshocked"]
