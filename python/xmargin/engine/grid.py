"""The scenario mechanism of the core over plain rows: markets and holdings in, margins out."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class GridAsset:
    """An underlying; ``confidence`` in [0, 1] is its feed's own."""

    name: str
    spot: float
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Smile:
    """A raw SVI slice: total variance by log-moneyness from ``forward``, spread over ``years``."""

    a: float
    b: float
    rho: float
    m: float
    sigma: float
    forward: float
    years: float


@dataclass(frozen=True, slots=True)
class GridExpiry:
    """An expiry of the asset at row ``asset``.

    ``forward_fixed`` is the part of the forward that the spot no longer moves, ``rate`` is
    continuously compounded per year, ``confidence`` the least of the expiry's feeds.
    """

    asset: int
    years: float
    forward_fixed: float
    forward_variable: float
    rate: float = 0.0
    confidence: float = 1.0
    smile: Smile | None = None


@dataclass(frozen=True, slots=True)
class GridInstrument:
    """What a position can be in.

    ``kind`` is ``spot``, ``perp``, ``future``, ``call`` or ``put``. Options have no price; without
    a vol they take the smile's. A spot without asset moves with nothing.
    """

    id: str
    kind: str
    asset: int | None = None
    expiry: int | None = None
    price: float | None = None
    strike: float | None = None
    vol: float | None = None
    confidence: float = 1.0
    haircut_maintenance: float = 0.0
    haircut_initial: float = 0.0
    wrapped: bool = False


@dataclass(frozen=True, slots=True)
class GridMarket:
    """The state of the market; ``cash_price`` is what a unit of the cash is worth."""

    assets: Sequence[GridAsset]
    expiries: Sequence[GridExpiry]
    instruments: Sequence[GridInstrument]
    cash_price: float = 1.0


@dataclass(frozen=True, slots=True)
class GridPosition:
    """``quantity`` of the instrument at row ``instrument``; ``unsettled`` is not in cash yet."""

    instrument: int
    quantity: float
    unsettled: float = 0.0


@dataclass(frozen=True, slots=True)
class GridPortfolio:
    """Cash and positions; ``reserved_initial`` is what a venue holds for other things."""

    id: str
    positions: Sequence[GridPosition]
    cash: float = 0.0
    reserved_initial: float = 0.0


@dataclass(frozen=True, slots=True)
class GridRequirement:
    """One kind of margin by component; ``margin`` is their sum, ``loss`` and ``roll`` factored."""

    margin: float
    loss_factor: float
    loss: float
    roll: float
    haircut: float
    wrapped_depeg: float
    perp: float
    short_option: float
    confidence: float
    reserved: float


@dataclass(frozen=True, slots=True)
class PositionShare:
    """A position alone in every scenario, and what it contributes to the requirements."""

    pnl: dict[str, float]
    maintenance: float
    initial: float


@dataclass(frozen=True, slots=True)
class GridMargin:
    """A portfolio's margin; ``pnl`` by scenario name, in scenario order; ``worst`` names one."""

    portfolio: str
    equity: float
    pnl: dict[str, float]
    basis_pnl: float
    worst: str
    maintenance: GridRequirement
    initial: GridRequirement
    positions: Sequence[PositionShare]

    @property
    def maintenance_excess(self) -> float:
        """Equity minus maintenance margin; negative is a shortfall."""
        return self.equity - self.maintenance.margin

    @property
    def initial_excess(self) -> float:
        """Equity minus initial margin; negative is a shortfall."""
        return self.equity - self.initial.margin


def grid_margins(
    parameters: str, market: GridMarket, portfolios: Sequence[GridPortfolio]
) -> list[GridMargin]:
    """The margin of each portfolio under a parameter file (JSON text) of the mechanism.

    Raises:
        ParameterError: the parameters are malformed, out of range, or do not fit the market.
        EngineError: a row of the market or the portfolios cannot be; it is named.
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
    return _margins(portfolios, {name: _rows(table) for name, table in tables.items()})


def _column(rows: Iterable[T], of: Callable[[T], Any], kind: str) -> "pa.Array":
    import pyarrow as pa

    return pa.array([of(row) for row in rows], getattr(pa, kind)())


def _table(**columns: "pa.Array") -> "pa.RecordBatch":
    import pyarrow as pa

    return pa.record_batch(columns)


def _rows(table: Any) -> list[dict[str, Any]]:
    import pyarrow as pa

    return list(pa.record_batch(table).to_pylist())


def _assets(rows: Sequence[GridAsset]) -> "pa.RecordBatch":
    return _table(
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
    return _table(
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
    return _table(**{name: _column(rows, _attribute(name), kind) for name, kind in kinds.items()})


def _portfolios(rows: Sequence[GridPortfolio]) -> "pa.RecordBatch":
    return _table(
        id=_column(rows, lambda r: r.id, "utf8"),
        cash=_column(rows, lambda r: r.cash, "float64"),
        reserved_initial=_column(rows, lambda r: r.reserved_initial, "float64"),
    )


def _positions(held: Sequence[tuple[int, GridPosition]]) -> "pa.RecordBatch":
    return _table(
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
