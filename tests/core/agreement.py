"""How far the core is from the reference: exact where it must be, else relative to the book."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any

from tests.core.tables import Numbering, Rows
from xmargin.reference import (
    COMPONENTS,
    AccountData,
    Book,
    Evaluation,
    PortfolioMargin,
    Position,
)

TOLERANCE = Fraction(1, 10**9)
"""What the contract allows, relative to the gross value of a portfolio."""

TIE = Fraction(1, 10**12)
"""Closer than this, relative to gross value, two scenarios or ranks count as tied."""

_MARGIN_COLUMNS = (
    "equity",
    "collateral_value",
    "maintenance_margin",
    "initial_margin",
    "maintenance_excess",
    "initial_excess",
    "oracle_confidence",
    *(f"{name}_{kind}" for name in COMPONENTS for kind in ("maintenance", "initial")),
    "grid_loss_maintenance",
    "grid_loss_initial",
    "gross_debt",
    "historical_es_maintenance",
    "historical_es_initial",
)
_NOT_NULL = _MARGIN_COLUMNS[_MARGIN_COLUMNS.index("oracle_confidence") : -2]
_VENUE_COLUMNS = (
    "collateral_base",
    "debt_base",
    "available_borrows_base",
    "liquidation_threshold_bps",
    "ltv_bps",
    "health_factor_wad",
)


def largest_error(book: Book, core: Rows, expected: Evaluation) -> Fraction:
    """Holds everything together; the largest error found in the unified truth, relative.

    Raises:
        AssertionError: something differs by more than it may.
    """
    _check_venue_truth(book, core, expected)
    errors = list(_portfolio_errors(book, core, expected))
    _check_order(book, core, expected)
    return max(errors, default=Fraction(0))


def _check_venue_truth(book: Book, core: Rows, expected: Evaluation) -> None:
    accounts = Numbering.of(book).accounts
    ids = [accounts[row["account"]] for row in core["venue_accounts"]]
    assert ids == list(expected.venue_accounts)
    for account, row in zip(ids, core["venue_accounts"], strict=True):
        data = expected.venue_accounts[account]
        assert row["overflow"] == (data is None), account
        assert row["held"] == (account in expected.held_accounts), account
        if data is not None:
            assert {c: row[c] for c in _VENUE_COLUMNS} == _venue_row(data), account


def _venue_row(data: AccountData) -> dict[str, int | None]:
    return {column: getattr(data, column) for column in _VENUE_COLUMNS}


def _portfolio_errors(book: Book, core: Rows, expected: Evaluation) -> Iterator[Fraction]:
    positions = iter(core["positions"])
    for row, portfolio in zip(core["portfolios"], expected.portfolios, strict=True):
        own = [next(positions) for _ in portfolio.positions]
        scale = gross_value(portfolio)
        flags = (portfolio.owes, portfolio.held, portfolio.partial, portfolio.margin is None)
        assert (row["owes"], row["held"], row["partial"], row["refused"]) == flags
        yield from _margin_errors(row, portfolio, scale)
        same_scenarios = _check_worst_scenario(row, portfolio, scale)
        if same_scenarios and _is_well_conditioned(book, portfolio):
            yield from _requirement_parts(own, portfolio, scale)
        yield from _position_errors(own, portfolio, scale)
    assert next(positions, None) is None


def gross_value(portfolio: PortfolioMargin) -> Fraction:
    """Everything owned and owed, at the mark; what rounding errors are measured against."""
    return sum((abs(c.value) for c in portfolio.contributions if c.value), Fraction(0))


def _error(found: float, exact: Fraction, scale: Fraction, what: str) -> Fraction:
    difference = abs(Fraction(found) - exact)
    if difference == 0:
        return Fraction(0)
    assert scale > 0, f"{what}: {found} instead of {float(exact)} in an empty portfolio"
    assert difference <= TOLERANCE * scale, f"{what}: {found} instead of {float(exact)}"
    return difference / scale


def _margin_errors(
    row: dict[str, Any], portfolio: PortfolioMargin, scale: Fraction
) -> Iterator[Fraction]:
    exact = margin_row(portfolio)
    for column in _MARGIN_COLUMNS:
        if exact[column] is None:
            assert row[column] is None, column
        else:
            yield _error(row[column], exact[column], scale, f"{portfolio.portfolio} {column}")
    margin = portfolio.margin
    if margin is None or margin.health_factor is None:
        assert row["health_factor"] is None
    else:
        error = abs(Fraction(row["health_factor"]) - margin.health_factor)
        # A ratio inherits the errors of both its terms.
        bound = TOLERANCE * scale / margin.maintenance.margin * (1 + abs(margin.health_factor))
        assert error <= bound, portfolio.portfolio


def margin_row(portfolio: PortfolioMargin) -> dict[str, Any]:
    """The exact numbers under the core's column names."""
    margin = portfolio.margin
    if margin is None:
        zeros = dict.fromkeys(_NOT_NULL, Fraction(0))
        return {**dict.fromkeys(_MARGIN_COLUMNS), **zeros}
    return {
        "equity": margin.equity,
        "collateral_value": margin.collateral_value,
        "maintenance_margin": margin.maintenance.margin,
        "initial_margin": margin.initial.margin,
        "maintenance_excess": margin.maintenance_excess,
        "initial_excess": margin.initial_excess,
        "oracle_confidence": margin.oracle_confidence,
        **{f"{n}_maintenance": margin.maintenance.components[n] for n in COMPONENTS},
        **{f"{n}_initial": margin.initial.components[n] for n in COMPONENTS},
        "grid_loss_maintenance": margin.maintenance.grid_loss,
        "grid_loss_initial": margin.initial.grid_loss,
        "gross_debt": margin.gross_debt,
        "historical_es_maintenance": margin.maintenance.historical_es,
        "historical_es_initial": margin.initial.historical_es,
    }


def _check_worst_scenario(row: dict[str, Any], portfolio: PortfolioMargin, scale: Fraction) -> bool:
    """Whether both margins bind where the reference says, with no other scenario near."""
    margin = portfolio.margin
    if margin is None or margin.maintenance.scenario is None:
        assert (row["worst_scenario"], row["bound_by_tail"]) == (None, False)
        return True
    excesses = margin.maintenance.excesses
    # The tail stands behind the scenarios of the grid.
    found = len(excesses) - 1 if row["bound_by_tail"] else row["worst_scenario"]
    assert (row["worst_scenario"] is None) == row["bound_by_tail"]
    chosen = excesses[found]
    assert chosen - margin.maintenance_excess <= TIE * scale, portfolio.portfolio
    decided_by = margin.maintenance.decided_by
    tail_is_decided = decided_by is None or decided_by > TIE * scale
    if tail_is_decided and margin.maintenance.historical_es is not None:
        assert row["tail_day"] == margin.maintenance.tail_day, portfolio.portfolio
    return (
        tail_is_decided
        and all(
            excess == min(r.excesses) or excess - min(r.excesses) > TIE * scale
            for r in (margin.maintenance, margin.initial)
            for excess in r.excesses
        )
        and found == margin.maintenance.scenario
    )


def _position_errors(
    rows: list[dict[str, Any]],
    portfolio: PortfolioMargin,
    scale: Fraction,
) -> Iterator[Fraction]:
    for row, position, part in zip(rows, portfolio.positions, portfolio.contributions, strict=True):
        assert (row["amount"], row["debt"]) == (position.amount, position.debt)
        assert row["counting"] == position.counting
        yield from _optional(row["quantity"], position.units, position)
        yield from _optional(row["value"], part.value, position)
        yield _error(row["collateral_value"], part.collateral_value, scale, "collateral part")


def _optional(
    found: float | None, exact: Fraction | None, position: Position
) -> Iterator[Fraction]:
    assert (found is None) == (exact is None), position
    if found is not None and exact is not None:
        yield _error(found, exact, abs(exact), position.token)


def _requirement_parts(
    rows: list[dict[str, Any]], portfolio: PortfolioMargin, scale: Fraction
) -> Iterator[Fraction]:
    for row, part in zip(rows, portfolio.contributions, strict=True):
        yield _error(row["maintenance_contribution"], part.maintenance, scale, "maintenance part")
        yield _error(row["initial_contribution"], part.initial, scale, "initial part")


def _is_well_conditioned(book: Book, portfolio: PortfolioMargin) -> bool:
    """Whether no asset nets to next to nothing.

    What a net position is charged for its size goes to the positions that make it, by their part in
    it: where these are a billion times what is left of them, that part has no digits in floats.
    """
    net: dict[str, Fraction] = {}
    gross: dict[str, Fraction] = {}
    for position, part in zip(portfolio.positions, portfolio.contributions, strict=True):
        base = book.bases.get(book.tokens[position.token].base or "")
        if base is None:
            continue  # nothing prices it: it is charged nothing
        asset = base.asset
        net[asset] = net.get(asset, Fraction(0)) + part.collateral_value
        gross[asset] = gross.get(asset, Fraction(0)) + abs(part.collateral_value)
    return all(not net[asset] or abs(net[asset]) >= TIE * gross[asset] * 1_000 for asset in net)


def _check_order(book: Book, core: Rows, expected: Evaluation) -> None:
    """Equal ranks; portfolios whose exact keys all but tie may change places."""
    numbers = Numbering.of(book)
    found = [(entry["is_portfolio"], _id(entry, core, numbers)) for entry in core["order"]]
    undecidable = set(_undecidable(expected))
    ranks = [(due.is_portfolio, due.id) for due in expected.order]
    found, ranks = _without(found, undecidable), _without(ranks, undecidable)
    assert [f for f in found if not f[0]] == [r for r in ranks if not r[0]]
    assert sorted(found) == sorted(ranks)
    keys = {p.portfolio: _key(p) for p in expected.portfolios}
    exact = [keys[name] for is_portfolio, name in found if is_portfolio]
    for worse, better in pairwise(exact):
        assert worse <= better or abs(worse[0] - better[0]) <= TIE * abs(better[0])


def _id(entry: dict[str, Any], core: Rows, numbers: Numbering) -> str:
    row: int = entry["row"]
    if entry["is_portfolio"]:
        return numbers.portfolios[row]
    account: int = core["venue_accounts"][row]["account"]
    return numbers.accounts[account]


def _without(ranks: Iterable[tuple[bool, str]], undecidable: set[str]) -> list[tuple[bool, str]]:
    return [rank for rank in ranks if not (rank[0] and rank[1] in undecidable)]


def _undecidable(expected: Evaluation) -> Iterator[str]:
    """Portfolios so near to zero excess that rounding decides whether they are due."""
    for portfolio in expected.portfolios:
        margin = portfolio.margin
        if margin and abs(margin.maintenance_excess) <= TIE * gross_value(portfolio):
            yield portfolio.portfolio


def _key(portfolio: PortfolioMargin) -> tuple[Fraction, Fraction, str]:
    margin = portfolio.margin
    if margin is None or not margin.gross_debt:
        return Fraction(0), Fraction(0), portfolio.portfolio
    excess = margin.maintenance_excess
    return excess / margin.gross_debt, excess, portfolio.portfolio
