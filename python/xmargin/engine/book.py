"""Accounts by the million, over instruments priced once a scenario: the core's book for Python.

An instrument is a multiple of a *row* of a scenario matrix. Formulas: ``docs/margin.md``.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xmargin.engine.record import record_batch
from xmargin.errors import EngineError

if TYPE_CHECKING:
    import pyarrow as pa

    from xmargin._core import ScenarioMatrix


@dataclass(frozen=True, slots=True)
class AccountMargin:
    """One account in its worst scenario (USD)."""

    worst_scenario: int
    worst_pnl: float
    margin: float
    excess: float


@dataclass(frozen=True, slots=True)
class Screened:
    """Who is short, worst first, and how many accounts needed ``f64`` to tell."""

    breaches: "pa.RecordBatch"
    evaluated_in_f64: int


def scenario_matrix(marks: Sequence[float], pnl: Sequence[Sequence[float]]) -> "ScenarioMatrix":
    """The mark and the scenario P&L of each row (USD a unit), for rows priced elsewhere.

    Raises:
        EngineError: a number is not finite or beyond 1e15, or a row has another length.
    """
    from xmargin import _core

    width = len(pnl[0]) if pnl else 0
    flat = _flat("matrix.pnl", pnl, width)
    return _core.ScenarioMatrix(
        width,
        record_batch("matrix", mark=(marks, "float64")),
        record_batch("matrix", pnl=(flat, "float64")),
    )


def _flat(column: str, rows: Sequence[Sequence[float]], width: int) -> list[float]:
    """All values, row by row.

    Raises:
        EngineError: a row is of another width; two that miss by as much would fit together again,
            each scenario beside another's value.
    """
    for row, values in enumerate(rows):
        if len(values) != width:
            raise EngineError(f"{column} row {row}: has {len(values)} scenarios, not {width}")
    return [value for values in rows for value in values]


class OptionGrid:
    """Factors and Black-76 chains, repriced under all scenarios at every tick."""

    def __init__(
        self,
        *,
        factors: int,
        moves: Sequence[Sequence[float]],
        vol_factors: Sequence[float],
        chains: Any,
        options: Any,
    ) -> None:
        """Rows are the factors, then the options.

        Args:
            factors: how many there are.
            moves: relative moves by factor, then by scenario; above -1.
            vol_factors: factor on all vols, by scenario.
            chains: ``factor: u32, forward_ratio: f64, discount: f64``.
            options: ``chain: u32, put: bool, strike: f64, stdev: f64`` (vol times root of years).

        Raises:
            EngineError: a row is wrong; table, column and row are named.
        """
        from xmargin import _core

        flat = _flat("grid.moves", moves, len(vol_factors))
        self._grid = _core.OptionGrid(
            factors=factors,
            moves=record_batch("scenarios", move=(flat, "float64")),
            scenarios=record_batch("scenarios", vol_factor=(vol_factors, "float64")),
            chains=chains,
            options=options,
        )

    def reprice(self, prices_usd: Sequence[float]) -> "ScenarioMatrix":
        """The matrix at these prices of the factors.

        Raises:
            EngineError: a price is not positive, or out of Black-76's range.
        """
        return self._grid.reprice(prices_usd)


class AccountBook:
    """Accounts, netted to one quantity a row when they are loaded.

    Threads may share a book: an append waits for evaluations, and they for it.
    """

    def __init__(self, *, instruments: Any, rows: int, threads: int | None = None) -> None:
        """An empty book.

        Args:
            instruments: ``row: u32, multiple: f64``: what each is in terms of the matrix's rows.
            rows: how many rows there are.
            threads: how many to start; one a processor if not given. Results do not depend on it.
                Threads do not survive a fork.

        Raises:
            EngineError: a row is wrong; column and row are named.
            ParameterError: the threads cannot be had.
        """
        from xmargin import _core

        wanted = threads if threads is not None else len(os.sched_getaffinity(0))
        self._book = _core.AccountBook(instruments=instruments, rows=rows, threads=wanted)

    def __len__(self) -> int:
        return len(self._book)

    @property
    def netted_positions(self) -> int:
        """How many quantities are left after netting."""
        return self._book.netted_positions

    def append(self, accounts: Any, positions: Any) -> None:
        """Add accounts; columns in one chunk are read in place.

        Args:
            accounts: ``id: u64`` (unique over the book), ``cash_usd: f64`` (the entry cost of perps
                subtracted), ``positions_end: u64`` (where the account's positions end).
            positions: ``instrument: u32, quantity: f64`` (negative if short).

        Raises:
            EngineError: a row is wrong; the book is as before. Table, column and row are named.
        """
        self._book.append(accounts, positions)

    def margins(self, matrix: "ScenarioMatrix", loss_factor: float = 1.0) -> "pa.RecordBatch":
        """``worst_scenario: u16, worst_pnl, margin, excess: f64``, a row an account.

        Raises:
            EngineError: the book is empty, or the matrix has other rows.
            ParameterError: the loss factor is not in [0, 100].
        """
        import pyarrow as pa

        return pa.record_batch(self._book.evaluate(matrix, loss_factor, False)[0])

    def margins_and_breaches(
        self, matrix: "ScenarioMatrix", loss_factor: float = 1.0
    ) -> "tuple[pa.RecordBatch, pa.RecordBatch]":
        """Margins, and the accounts of negative excess by (excess, id).

        Breaches are ``account: u32`` (its row), ``id: u64`` and the columns of :meth:`margins`.

        Raises:
            EngineError, ParameterError: as :meth:`margins`.
        """
        import pyarrow as pa

        margins, breaches = self._book.evaluate(matrix, loss_factor, True)
        return pa.record_batch(margins), pa.record_batch(breaches)

    def screen(self, matrix: "ScenarioMatrix", loss_factor: float = 1.0) -> Screened:
        """The same breaches, to the bit, from an ``f32`` pass of bounded error.

        Raises:
            EngineError, ParameterError: as :meth:`margins`.
        """
        import pyarrow as pa

        breaches, evaluated_in_f64 = self._book.screen(matrix, loss_factor)
        return Screened(pa.record_batch(breaches), evaluated_in_f64)

    def account(
        self, matrix: "ScenarioMatrix", account: int, loss_factor: float = 1.0
    ) -> AccountMargin:
        """The margin of the account in row ``account``.

        Raises:
            EngineError, ParameterError: as :meth:`margins`; there is no such row.
        """
        return AccountMargin(*self._book.account(matrix, loss_factor, account))
