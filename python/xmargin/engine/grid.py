"""The scenario mechanism of the core over plain rows: markets and holdings in, margins out."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from xmargin.engine.record import record_batch
from xmargin.model.derivatives import (
    GridArbitrage,
    GridAsset,
    GridEvaluation,
    GridExpiry,
    GridInstrument,
    GridMargin,
    GridMarket,
    GridPortfolio,
    GridPosition,
    GridRequirement,
    PositionShare,
    Smile,
)

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")


def grid_margins(
    parameters: str, market: GridMarket, portfolios: Sequence[GridPortfolio]
) -> list[GridMargin]:
    """The margin of each portfolio under a parameter file (JSON text) of the mechanism.

    Raises:
        ParameterError: the parameters are malformed, out of range, or do not fit the market.
        EngineError: a row of the market or the portfolios cannot be; it is named.
    """
    return list(grid_evaluation(parameters, market, portfolios).margins)


def grid_evaluation(
    parameters: str, market: GridMarket, portfolios: Sequence[GridPortfolio]
) -> GridEvaluation:
    """Margins, and where the prices they are made of leave a free lunch (``docs/margin.md``).

    Raises:
        ParameterError: as :func:`grid_margins`.
        EngineError: as :func:`grid_margins`.
    """
    from xmargin import _core

    held = [
        (row, position)
        for row, portfolio in enumerate(portfolios)
        for position in portfolio.positions
    ]
    tables = _core.grid_margins(
        parameters=parameters,
        cash_price=market.cash_price,
        assets=_assets(market.assets),
        expiries=_expiries(market.expiries),
        instruments=_instruments(market.instruments),
        portfolios=_portfolios(portfolios),
        positions=_positions(held),
    )
    rows = {name: _rows(table) for name, table in tables.items()}
    arbitrage = [GridArbitrage(**row) for row in rows["arbitrage"]]
    return GridEvaluation(_margins(portfolios, rows), arbitrage)


def _column(rows: Iterable[T], of: Callable[[T], Any], kind: str) -> tuple[list[Any], str]:
    return [of(row) for row in rows], kind


def _rows(table: Any) -> list[dict[str, Any]]:
    import pyarrow as pa

    return list(pa.record_batch(table).to_pylist())


def _assets(rows: Sequence[GridAsset]) -> "pa.RecordBatch":
    return record_batch(
        "assets",
        name=_column(rows, lambda r: r.name, "utf8"),
        spot=_column(rows, lambda r: r.spot, "float64"),
        confidence=_column(rows, lambda r: r.confidence, "float64"),
    )


def _expiries(rows: Sequence[GridExpiry]) -> "pa.RecordBatch":
    numbers = ("years", "forward_fixed", "forward_variable", "rate", "confidence")
    smile = {
        f"svi_{name}": _column((r.smile for r in rows), _optional(name), "float64")
        for name in Smile.__slots__
    }
    return record_batch(
        "expiries",
        asset=_column(rows, lambda r: r.asset, "uint32"),
        **{name: _column(rows, _attribute(name), "float64") for name in numbers},
        **smile,
    )


def _instruments(rows: Sequence[GridInstrument]) -> "pa.RecordBatch":
    kinds = {
        "id": "utf8",
        "kind": "utf8",
        "asset": "uint32",
        "expiry": "uint32",
        "price": "float64",
        "strike": "float64",
        "vol": "float64",
        "confidence": "float64",
        "haircut_maintenance": "float64",
        "haircut_initial": "float64",
        "wrapped": "bool_",
    }
    return record_batch(
        "instruments",
        **{name: _column(rows, _attribute(name), kind) for name, kind in kinds.items()},
    )


def _portfolios(rows: Sequence[GridPortfolio]) -> "pa.RecordBatch":
    return record_batch(
        "portfolios",
        id=_column(rows, lambda r: r.id, "utf8"),
        cash=_column(rows, lambda r: r.cash, "float64"),
        reserved_initial=_column(rows, lambda r: r.reserved_initial, "float64"),
    )


def _positions(held: Sequence[tuple[int, GridPosition]]) -> "pa.RecordBatch":
    return record_batch(
        "positions",
        portfolio=_column(held, lambda h: h[0], "uint32"),
        instrument=_column(held, lambda h: h[1].instrument, "uint32"),
        quantity=_column(held, lambda h: h[1].quantity, "float64"),
        unsettled=_column(held, lambda h: h[1].unsettled, "float64"),
    )


def _attribute(name: str) -> Callable[[object], Any]:
    return lambda row: getattr(row, name)


def _optional(name: str) -> Callable[[object], Any]:
    return lambda row: None if row is None else getattr(row, name)


def _by_row(table: list[dict[str, Any]], names: list[str]) -> dict[int, dict[str, float]]:
    found: dict[int, dict[str, float]] = {}
    for cell in table:
        found.setdefault(cell["row"], {})[names[cell["scenario"]]] = cell["pnl"]
    return found


def _margins(
    portfolios: Sequence[GridPortfolio], tables: dict[str, list[dict[str, Any]]]
) -> list[GridMargin]:
    names = [row["name"] for row in tables["scenarios"]]
    pnl, own = _by_row(tables["portfolio_pnl"], names), _by_row(tables["position_pnl"], names)
    shares = [
        PositionShare(own[row], part["maintenance"], part["initial"])
        for row, part in enumerate(tables["positions"])
    ]
    margins, at = [], 0
    for row, (portfolio, data) in enumerate(zip(portfolios, tables["portfolios"], strict=True)):
        count = len(portfolio.positions)
        margins.append(
            GridMargin(
                portfolio=portfolio.id,
                equity=data["equity"],
                pnl=pnl[row],
                basis_pnl=data["basis_pnl"],
                worst=data["worst"],
                maintenance=_requirement(data, "maintenance"),
                initial=_requirement(data, "initial"),
                positions=shares[at : at + count],
            )
        )
        at += count
    return margins


def _requirement(data: dict[str, Any], kind: str) -> GridRequirement:
    return GridRequirement(**{name: data[f"{kind}_{name}"] for name in GridRequirement.__slots__})
