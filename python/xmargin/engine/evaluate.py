"""One evaluation: the core's result tables over one snapshot."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from xmargin.engine import columns
from xmargin.model import (
    AaveV3Account,
    AaveV3EMode,
    AaveV3Reserve,
    TokenBalance,
    TokenState,
)
from xmargin.snapshot import Snapshot
from xmargin.world import ChainFact, Key

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
F = TypeVar("F", bound=ChainFact)


@dataclass(frozen=True)
class Evaluation:
    """The core's answer over one snapshot, as Arrow tables (shapes: ``_core.pyi``).

    ``rows`` says which row is which account, token and portfolio.
    """

    engine_version: str
    scenarios: tuple[str, ...]
    rows: columns.Rows
    tables: dict[str, "pa.RecordBatch"]

    @cached_property
    def portfolios(self) -> list[dict[str, Any]]:
        """One row a portfolio."""
        return list(self.tables["portfolios"].to_pylist())

    @cached_property
    def positions(self) -> list[dict[str, Any]]:
        """One row a position, grouped by portfolio."""
        return list(self.tables["positions"].to_pylist())

    @cached_property
    def venue_accounts(self) -> list[dict[str, Any]]:
        """One row an Aave account."""
        return list(self.tables["venue_accounts"].to_pylist())

    @cached_property
    def order(self) -> list[dict[str, Any]]:
        """The liquidation order, worst first."""
        return list(self.tables["order"].to_pylist())


class Engine:
    """A pure function of the snapshot; what it remembers is only tables that did not change."""

    def __init__(self) -> None:
        self._tables: dict[str, tuple[tuple[object, ...], Any]] = {}
        self._reserve_list: tuple[columns.ReserveKey, ...] = ()

    def evaluate(self, snapshot: Snapshot) -> Evaluation:
        """Venue truth, unified truth and liquidation order of ``snapshot``.

        Raises:
            ParameterError: the snapshot's risk parameters are malformed.
            EngineError: the core refused a table.
        """
        from xmargin import _core

        rows, tables = self._inputs(snapshot)
        parameters = snapshot.parameters.content
        results = _core.evaluate(parameters=parameters, **tables)
        assets = sorted({rows.asset_of_base.get(base, base) for base in rows.bases})
        return Evaluation(
            engine_version=_core.__version__,
            scenarios=tuple(_core.scenario_names(parameters, assets)),
            rows=rows,
            tables={name: _record_batch(table) for name, table in results.items()},
        )

    def _inputs(self, snapshot: Snapshot) -> tuple[columns.Rows, dict[str, "pa.RecordBatch"]]:
        registry, facts, as_of = snapshot.registry, snapshot.facts, snapshot.chains
        reserve_facts = _of(facts["aave-v3-reserve"], AaveV3Reserve)
        self._remember_reserve_list(reserve_facts)
        rows = self._once(
            "rows",
            lambda: columns.Rows(registry, self._reserve_list),
            registry,
            self._reserve_list,
        )
        reserves = columns.sorted_reserves(reserve_facts, rows)
        # Which reserve is which row changes with the reserve list, not with its indices.
        reserve_rows = self._once(
            "reserve_rows", lambda: columns.reserve_rows(reserves), rows, self._reserve_list
        )
        user_facts = facts["aave-v3-account"]
        users = self._once(
            "users",
            lambda: columns.read_accounts(_of(user_facts, AaveV3Account), rows),
            rows,
            user_facts,
        )
        tables = {
            "chains": columns.chains(as_of),
            "bases": columns.bases(rows, snapshot.prices),
            "tokens": self._once(
                "tokens",
                lambda: columns.tokens(rows, _of(facts["token"], TokenState)),
                rows,
                facts["token"],
            ),
            "portfolios": self._once("portfolios", lambda: columns.portfolios(rows), rows),
            "accounts": self._once("accounts", lambda: columns.accounts(rows), rows),
            "balances": self._once(
                "balances",
                lambda: columns.balances(rows, _of(facts["balance"], TokenBalance)),
                rows,
                facts["balance"],
            ),
            "aave_pools": columns.aave_pools(rows, as_of),
            "aave_reserves": columns.aave_reserves(rows, reserves),
            "aave_emodes": columns.aave_emodes(rows, _of(facts["aave-v3-emode"], AaveV3EMode)),
            "aave_accounts": self._once(
                "aave_accounts", lambda: columns.aave_accounts(rows, users), rows, users
            ),
            "aave_positions": self._once(
                "aave_positions",
                lambda: columns.aave_positions(users, reserve_rows),
                users,
                reserve_rows,
            ),
        }
        return rows, tables

    def _remember_reserve_list(self, reserves: Sequence[AaveV3Reserve]) -> None:
        """Keep the same object while the list of reserves is equal (their indices always move)."""
        listed = tuple((r.venue, r.reserve_id, r.token) for r in reserves)
        if listed != self._reserve_list:
            self._reserve_list = listed

    def _once(self, name: str, build: Callable[[], T], *parts: object) -> T:
        """``build()``, or what it gave before while every part is the very same object."""
        remembered = self._tables.get(name)
        if remembered is not None and all(
            old is new for old, new in zip(remembered[0], parts, strict=True)
        ):
            value: T = remembered[1]
            return value
        built = build()
        self._tables[name] = (parts, built)
        return built


def _of(facts: Mapping[Key, ChainFact], kind: type[F]) -> list[F]:
    """The facts of one kind, in key order."""
    return [fact for fact in facts.values() if isinstance(fact, kind)]


def _record_batch(table: Any) -> "pa.RecordBatch":
    import pyarrow as pa

    return pa.record_batch(table)
