"""What liquidations do to prices, and prices to liquidations (``docs/liquidation.md``)."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self, TypeVar

from xmargin.engine.record import record_batch

if TYPE_CHECKING:
    import pyarrow as pa

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class LendingAsset:
    """How an asset counts: health is Σ weight × collateral ÷ (debt + Σ factor × owed).

    ``anchor_price`` is a usual price. It moves no result, only the time that a cascade takes.
    """

    collateral_weight: float
    anchor_price: float
    debt_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class PositionKind:
    """How positions count that are sold into ``market``: other kinds share it at other weights.

    An asset has a kind for each liquidation threshold that some venue or eMode gives it.
    """

    market: str
    collateral_weight: float
    debt_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class LendingAccount:
    """Units by kind (by asset, where each has one), against a debt in money.

    Collateral if positive and owed if negative; units are those of the kind's market.
    """

    positions: Mapping[str, float]
    debt: float


@dataclass(frozen=True, slots=True)
class DepthCurve:
    """Price multiple by net amount sold, as (amount, multiple) knots, straight between them.

    Amounts do not descend and multiples do not ascend; the multiple is 1 at amount 0. Beyond the
    ends the last knot's holds. Two knots of one amount are a jump: ``NO_DEPTH`` is one to zero.
    """

    knots: tuple[tuple[float, float], ...]


NO_DEPTH = DepthCurve(((0.0, 1.0), (0.0, 0.0)))


@dataclass(frozen=True, slots=True)
class CloseStep:
    """Below this health, that part of every position is closed."""

    health_below: float
    part: float


HALF_THEN_ALL = (CloseStep(1.0, 0.5), CloseStep(0.95, 1.0))
"""Aave v3's close factors."""


class BracketKind(StrEnum):
    """What a bracket is."""

    FIXED_POINTS = "fixed_points"
    """Both ends are fixed points: the least and the greatest."""
    ENCLOSURE = "enclosure"
    """It holds every fixed point; its ends need not be any, and there may be none."""
    UNFINISHED = "unfinished"
    """As an enclosure, and more passes would tighten it."""


@dataclass(frozen=True, slots=True)
class CascadeBracket:
    """From the worst outcome that is consistent with itself to where the cascade comes to rest.

    ``assets``: ``price_low, price_high, sold_least, sold_most: f64``, in the order of the book's
    assets, its markets. ``accounts``: ``step_least, step_most: u8``, close steps in the order of
    its accounts.
    """

    kind: BracketKind
    asset_names: tuple[str, ...]
    assets: "pa.RecordBatch"
    accounts: "pa.RecordBatch"
    bad_debt_least: float
    bad_debt_most: float
    passes: int
    evaluated: int

    def prices(self) -> dict[str, tuple[float, float]]:
        """(low, high) by asset."""
        low, high = (self.assets.column(end).to_pylist() for end in ("price_low", "price_high"))
        return dict(zip(self.asset_names, zip(low, high, strict=True), strict=True))


class LendingBook:
    """Lending accounts, checked and laid out once, for any number of cascades."""

    def __init__(
        self,
        assets: Mapping[str, LendingAsset],
        accounts: Sequence[LendingAccount],
        threads: int | None = None,
    ) -> None:
        """Lay out a book.

        Args:
            assets: by name.
            accounts: with positions in these assets.
            threads: one a processor if not given. Results do not depend on it.

        Raises:
            EngineError: naming table, column and row at fault; an account has an unknown asset.
            ParameterError: the threads cannot be had.
        """
        self._lay_out(_anchors(assets), _kinds(assets), *_tables(tuple(assets), accounts), threads)

    @classmethod
    def of_kinds(
        cls,
        anchor_prices: Mapping[str, float],
        kinds: Mapping[str, PositionKind],
        accounts: Sequence[LendingAccount],
        threads: int | None = None,
    ) -> Self:
        """Lay out a book of several kinds of positions in one market.

        Args:
            anchor_prices: of each market, a usual price.
            kinds: by name.
            accounts: with positions of these kinds.
            threads: as above.

        Raises:
            EngineError, ParameterError: as above; a kind has an unknown market.
        """
        place = {name: row for row, name in enumerate(anchor_prices)}
        names = sorted(kinds, key=lambda name: (_of(place, kinds[name].market, "market"), name))
        book = cls.__new__(cls)
        ordered = [kinds[name] for name in names]
        book._lay_out(anchor_prices, ordered, *_tables(names, accounts), threads)
        return book

    @classmethod
    def from_tables(
        cls,
        assets: Mapping[str, LendingAsset],
        accounts: Any,
        positions: Any,
        threads: int | None = None,
    ) -> Self:
        """Lay out a book that is in Arrow tables.

        Args:
            assets: by name, in the order of their numbers.
            accounts: ``debt: f64, positions_end: u64``.
            positions: ``kind: u32`` (the asset's number, ascending within an account)``,
                quantity: f64``.
            threads: as above.

        Raises:
            EngineError, ParameterError: as above.
        """
        book = cls.__new__(cls)
        book._lay_out(_anchors(assets), _kinds(assets), accounts, positions, threads)
        return book

    def _lay_out(
        self,
        anchor_prices: Mapping[str, float],
        kinds: Sequence[PositionKind],
        accounts: Any,
        positions: Any,
        threads: int | None,
    ) -> None:
        from xmargin import _core

        self.asset_names = tuple(anchor_prices)
        place = {name: row for row, name in enumerate(anchor_prices)}
        self._book = _core.LendingBook(
            accounts=accounts,
            positions=positions,
            kinds=record_batch(
                "kinds",
                market=([place[kind.market] for kind in kinds], "uint32"),
                collateral_weight=([kind.collateral_weight for kind in kinds], "float64"),
                debt_factor=([kind.debt_factor for kind in kinds], "float64"),
            ),
            anchor_price=list(anchor_prices.values()),
            threads=threads if threads is not None else len(os.sched_getaffinity(0)),
        )

    def __len__(self) -> int:
        return len(self._book)

    @property
    def sells_only(self) -> bool:
        """Whether nobody owes an asset: the bracket's ends are then fixed points."""
        return self._book.sells_only

    def cascade(
        self,
        prices: Mapping[str, float],
        curves: Mapping[str, DepthCurve],
        steps: Sequence[CloseStep] = HALF_THEN_ALL,
        passes_max: int = 10_000,
    ) -> CascadeBracket:
        """Bracket the cascade that begins at these prices.

        Args:
            prices: of each asset of the book, after the first shock; they may be 0.
            curves: of each asset of the book.
            steps: healths descending, parts ascending.
            passes_max: after which the bracket is given as it is.

        Raises:
            EngineError: a price or curve is missing, out of range, or rises with what is sold.
            ParameterError: a close step is out of range or order.
        """
        import pyarrow as pa

        knots = [knot for name in self.asset_names for knot in _of(curves, name, "curve").knots]
        kind, assets, accounts, (least, most), passes, evaluated = self._book.cascade(
            prices=[_of(prices, name, "price") for name in self.asset_names],
            knots_end=self._knots_end(curves),
            knots=pa.record_batch(
                {
                    "amount": pa.array([amount for amount, _ in knots], pa.float64()),
                    "multiple": pa.array([multiple for _, multiple in knots], pa.float64()),
                }
            ),
            health_below=[step.health_below for step in steps],
            part=[step.part for step in steps],
            passes_max=passes_max,
        )
        return CascadeBracket(
            kind=BracketKind(kind),
            asset_names=self.asset_names,
            assets=pa.record_batch(assets),
            accounts=pa.record_batch(accounts),
            bad_debt_least=least,
            bad_debt_most=most,
            passes=passes,
            evaluated=evaluated,
        )

    def _knots_end(self, curves: Mapping[str, DepthCurve]) -> list[int]:
        ends = [0]
        for name in self.asset_names:
            ends.append(ends[-1] + len(curves[name].knots))
        return ends[1:]


def _anchors(assets: Mapping[str, LendingAsset]) -> dict[str, float]:
    return {name: asset.anchor_price for name, asset in assets.items()}


def _kinds(assets: Mapping[str, LendingAsset]) -> list[PositionKind]:
    """One an asset, each its own market."""
    return [
        PositionKind(name, asset.collateral_weight, asset.debt_factor)
        for name, asset in assets.items()
    ]


def _tables(names: Sequence[str], accounts: Sequence[LendingAccount]) -> tuple[Any, Any]:
    import pyarrow as pa

    place = {name: row for row, name in enumerate(names)}
    kinds: list[int] = []
    quantities: list[float] = []
    ends: list[int] = []
    for account in accounts:
        held = {_of(place, name, "kind"): q for name, q in account.positions.items()}
        kinds += sorted(held)
        quantities += [held[row] for row in sorted(held)]
        ends.append(len(kinds))
    table = {
        "debt": pa.array([account.debt for account in accounts], pa.float64()),
        "positions_end": pa.array(ends, pa.uint64()),
    }
    positions = {
        "kind": pa.array(kinds, pa.uint32()),
        "quantity": pa.array(quantities, pa.float64()),
    }
    return pa.record_batch(table), pa.record_batch(positions)


def _of(values: Mapping[str, _Value], name: str, what: str) -> _Value:
    from xmargin.errors import EngineError

    if name not in values:
        raise EngineError(f"cascade: no {what} of {name}; give one for each that the book has")
    return values[name]
