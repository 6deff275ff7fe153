"""Which accounts a tick moves across a threshold, found without looking at the others.

The method and its proof: ``docs/health-index.md``.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xmargin.engine.numbers import typed_faults

if TYPE_CHECKING:
    import pyarrow as pa

    from xmargin import _core


@dataclass(frozen=True, slots=True)
class Factor:
    """A factor as listed: its price (USD), and its relative move in each scenario (above -1)."""

    price_usd: float
    moves: tuple[float, ...]
    is_signed: bool = False
    """Whether its price may be negative, as a funding index may; options are on no such factor."""
    typical_move: float = 1.0
    """Size of a usual relative move against those of others; decides only how much is evaluated."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """Breached while the excess at ``loss_factor`` is below ``excess_usd``."""

    loss_factor: float
    excess_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Difference:
    """An account whose status (a bit a threshold) is not what the index holds."""

    id: int
    held: int
    found: int


class Ticked:
    """What a tick came to."""

    def __init__(self, ticked: "_core.Ticked") -> None:
        """Made by :class:`HealthIndex`."""
        self._ticked = ticked

    @property
    def reevaluated(self) -> int:
        """How many accounts were evaluated."""
        return self._ticked.reevaluated

    def __len__(self) -> int:
        """How many accounts crossed."""
        return len(self._ticked)

    @property
    def crossings(self) -> "pa.RecordBatch":
        """Who crossed, by row.

        ``account: u32`` (its row), ``id: u64``, ``before``, ``after: u8`` (thresholds breached, a
        bit each, the first the lowest), ``worst_scenario: u16``, ``worst_pnl``, ``value: f64``.
        """
        import pyarrow as pa

        return pa.record_batch(self._ticked.crossings())


class HealthIndex:
    """Accounts, the thresholds that each breaches, and how far each is from changing that."""

    def __init__(
        self,
        *,
        factors: Sequence[Factor],
        vol_factors: Sequence[float],
        instruments: Any,
        thresholds: Sequence[Threshold],
        now_ms: int,
        chains: Any = None,
        options: Any = None,
        threads: int | None = None,
        audited: bool = False,
    ) -> None:
        """An index without accounts. Rows are the factors, then the options.

        Args:
            factors: the factors, each with as many moves as there are scenarios.
            vol_factors: factor on all vols, by scenario.
            instruments: ``row: u32, multiple: f64``: what each is in terms of rows.
            thresholds: 1 to 8.
            now_ms: time of the listing.
            chains: ``factor: u32, forward_ratio, discount: f64, expiry_ms: i64, vol_level: f64,
                typical_move: f64``.
            options: ``chain: u32, put: bool, strike: f64, vol: f64`` (per √year, at level 1).
            threads: how many to start; one a processor if not given. Results do not depend on it.
            audited: compare with a full revaluation after every tick.

        Raises:
            EngineError: a row is wrong; table, column and row are named.
            ParameterError: a threshold is out of range, or the threads cannot be had.
        """
        import pyarrow as pa

        from xmargin import _core

        self._audited = audited
        self._index = _core.HealthIndex(
            factors=_factor_table(factors),
            moves=pa.record_batch({"move": pa.array(_moves(factors, vol_factors), pa.float64())}),
            scenarios=pa.record_batch({"vol_factor": pa.array(vol_factors, pa.float64())}),
            chains=_no_chains() if chains is None else chains,
            options=_no_options() if options is None else options,
            instruments=instruments,
            thresholds=[(one.loss_factor, one.excess_usd) for one in thresholds],
            now_ms=now_ms,
            threads=threads if threads is not None else len(os.sched_getaffinity(0)),
        )

    def append(self, accounts: Any, positions: Any) -> None:
        """Add accounts, as :meth:`AccountBook.append` does, and evaluate them.

        Raises:
            EngineError: a row is wrong; nothing has changed.
        """
        self._index.append(accounts, positions)

    def update(self, account_id: int, cash_usd: float, positions: Mapping[int, float]) -> Ticked:
        """Give an account other cash and positions (quantity by instrument).

        Raises:
            EngineError: there is no such account, or a number is wrong; nothing has changed.
        """
        instruments, quantities = list(positions), list(positions.values())
        with typed_faults("accounts"):
            return Ticked(self._index.update(account_id, cash_usd, instruments, quantities))

    def remove(self, account_id: int) -> None:
        """Take an account out; :meth:`update` brings it back.

        Raises:
            EngineError: there is no such account.
        """
        with typed_faults("accounts"):
            self._index.remove(account_id)

    def tick(
        self,
        *,
        now_ms: int,
        prices_usd: Mapping[int, float] | None = None,
        vol_levels: Mapping[int, float] | None = None,
    ) -> Ticked:
        """Move factors (price by number), vols (level by chain) and time; what is not told stays.

        Raises:
            EngineError: a number is not listed, a price or level is out of range, or time goes
                back: nothing has changed. Or an audit found the index wrong.
        """
        prices, levels = prices_usd or {}, vol_levels or {}
        with typed_faults("tick"):
            ticked = self._index.tick(
                list(prices), list(prices.values()), list(levels), list(levels.values()), now_ms
            )
        if self._audited:
            self._confirm()
        return Ticked(ticked)

    def statuses(self) -> "pa.RecordBatch":
        """``id: u64, status: u8``: thresholds breached, a bit each, by row."""
        import pyarrow as pa

        return pa.record_batch(self._index.statuses())

    def audit(self) -> list[Difference]:
        """Accounts whose status is not that of a full revaluation: none, as the proof says."""
        return [Difference(*one) for one in self._index.audit()]

    def _confirm(self) -> None:
        from xmargin.errors import EngineError

        if differing := self.audit():
            raise EngineError(
                f"health index: {len(differing)} statuses differ from a full revaluation, the "
                f"first {differing[0]}; do not act on it, and report how it was reached"
            )


def _factor_table(factors: Sequence[Factor]) -> "pa.RecordBatch":
    import pyarrow as pa

    return pa.record_batch(
        {
            "price_usd": pa.array([one.price_usd for one in factors], pa.float64()),
            "is_signed": pa.array([one.is_signed for one in factors], pa.bool_()),
            "typical_move": pa.array([one.typical_move for one in factors], pa.float64()),
        }
    )


def _moves(factors: Sequence[Factor], vol_factors: Sequence[float]) -> list[float]:
    from xmargin.errors import EngineError

    for row, factor in enumerate(factors):
        if len(factor.moves) != len(vol_factors):
            raise EngineError(
                f"factors.moves row {row}: has {len(factor.moves)}; there are "
                f"{len(vol_factors)} scenarios"
            )
    return [move for factor in factors for move in factor.moves]


def _no_chains() -> "pa.RecordBatch":
    import pyarrow as pa

    columns = ("forward_ratio", "discount", "vol_level", "typical_move")
    return pa.record_batch(
        {
            "factor": pa.array([], pa.uint32()),
            "expiry_ms": pa.array([], pa.int64()),
            **{name: pa.array([], pa.float64()) for name in columns},
        }
    )


def _no_options() -> "pa.RecordBatch":
    import pyarrow as pa

    return pa.record_batch(
        {
            "chain": pa.array([], pa.uint32()),
            "put": pa.array([], pa.bool_()),
            "strike": pa.array([], pa.float64()),
            "vol": pa.array([], pa.float64()),
        }
    )
