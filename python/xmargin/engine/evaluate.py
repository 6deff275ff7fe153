"""One evaluation: the core's result tables over one snapshot."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from operator import is_
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from xmargin.engine import columns
from xmargin.engine.changes import changed_rows, owners
from xmargin.engine.claims import ClaimGraph, claim_graph
from xmargin.engine.faults import account_faults, read_faults, unread_balances
from xmargin.engine.history import Histories, HistoryUse
from xmargin.engine.standings import StandingBook, Standings
from xmargin.engine.statuses import portfolio_statuses
from xmargin.engine.token_terms import TermsBook, TermsByToken
from xmargin.errors import EngineError
from xmargin.model import (
    AaveV3Account,
    AaveV3EMode,
    AaveV3Reserve,
    AccountId,
    HealthStatus,
    TokenBalance,
    TokenId,
    TokenState,
    VenueId,
    VenueRecord,
)
from xmargin.model.standings import VenueLeg
from xmargin.snapshot import Snapshot
from xmargin.world import ChainFact, Key

if TYPE_CHECKING:
    import pyarrow as pa

    from xmargin._core import FactorHistory

T = TypeVar("T")
F = TypeVar("F", bound=ChainFact)

Reserves: TypeAlias = Mapping[tuple[VenueId, int], int]
"""The row of each reserve by venue and the pool's number of it."""


@dataclass(frozen=True, slots=True)
class PortfolioHead:
    """What the tables do not say of the portfolio in ``row``; enum members by wire number."""

    row: int
    portfolio: str
    label: str
    status: int
    verdict: int
    partial: bool
    flags: list[str]
    worst_scenario: str


_PER_PORTFOLIO = ("portfolios", "positions", "venue_accounts")


@dataclass(frozen=True)
class Evaluation:
    """The core's answer over one snapshot, as Arrow tables (shapes: ``_core.pyi``).

    ``rows`` says which row is which account, token and portfolio. ``standings`` has the accounts at
    venues with a rule of their own. ``account_faults`` has the venue accounts without figures,
    ``read_faults`` all that could not be read, by account; ``history`` says what the scenario loss
    rests on beside the grid, ``terms`` what tokens' own programs take, ``token_faults`` why some
    tokens are excluded.
    """

    engine_version: str
    scenarios: tuple[str, ...]
    rows: columns.Rows
    tables: dict[str, "pa.RecordBatch"]
    standings: Standings
    account_faults: Mapping[AccountId, str]
    read_faults: Mapping[AccountId, str]
    history: HistoryUse
    terms: TermsByToken
    token_faults: Mapping[TokenId, str]

    @cached_property
    def portfolios(self) -> list[dict[str, Any]]:
        """One row a portfolio."""
        return list(self.tables["portfolios"].to_pylist())

    @cached_property
    def positions(self) -> list[dict[str, Any]]:
        """One row a position, grouped by portfolio."""
        return list(self.tables["positions"].to_pylist())

    @cached_property
    def positions_of(self) -> dict[int, list[dict[str, Any]]]:
        """The positions of each portfolio that has any, by its row."""
        groups: dict[int, list[dict[str, Any]]] = {}
        for position in self.positions:
            groups.setdefault(position["portfolio"], []).append(position)
        return groups

    @cached_property
    def venue_accounts(self) -> list[dict[str, Any]]:
        """One row an Aave account."""
        return list(self.tables["venue_accounts"].to_pylist())

    @cached_property
    def order(self) -> list[dict[str, Any]]:
        """The liquidation order, worst first."""
        return list(self.tables["order"].to_pylist())

    def portfolio_summaries(self, heads: Sequence[PortfolioHead]) -> list[bytes]:
        """A ``PortfolioHealth`` message for each head, without its components, accounts, positions.

        Raises:
            EngineError: a head names no row.
        """
        from xmargin import _core

        return _core.portfolio_summaries(self.tables["portfolios"], heads)

    def portfolio_columns(self, *names: str) -> list[list[Any]]:
        """Columns of the portfolios' table: of all rows, but only what is asked for."""
        return [self.tables["portfolios"].column(name).to_pylist() for name in names]

    def portfolio_statuses(self, unread: Set[int]) -> tuple[HealthStatus, ...]:
        """Where each portfolio stands; ``unread`` are the rows with a venue account not read."""
        return portfolio_statuses(self.tables["portfolios"], unread)

    def position_columns(self, *names: str) -> list[list[Any]]:
        """Columns of the positions' table."""
        return [self.tables["positions"].column(name).to_pylist() for name in names]

    def venue_account_columns(self, *names: str) -> list[list[Any]]:
        """Columns of the venue accounts' table."""
        return [self.tables["venue_accounts"].column(name).to_pylist() for name in names]

    def changed_portfolios(self, earlier: "Evaluation") -> set[int] | None:
        """The portfolio rows that differ; ``None`` when the two are not comparable row by row."""
        if self.rows is not earlier.rows:
            return None
        tables, before = self.tables, earlier.tables
        restanding = self._restanding(earlier)
        if tables is before:
            return restanding
        if any(tables[name].num_rows != before[name].num_rows for name in _PER_PORTFOLIO):
            return None
        changed = set(changed_rows(before["portfolios"], tables["portfolios"]))
        moved = changed_rows(before["positions"], tables["positions"])
        changed |= owners(moved, tables["positions"].column("portfolio"))
        changed |= owners(moved, before["positions"].column("portfolio"))
        accounts = tables["venue_accounts"]
        portfolios = self.rows.account_portfolios
        of_account = accounts.column("account").to_pylist()
        moved = changed_rows(before["venue_accounts"], accounts)
        return changed | restanding | {portfolios[of_account[row]] for row in moved}

    def _restanding(self, earlier: "Evaluation") -> set[int]:
        """The portfolio rows with an account that stands otherwise at its venue."""
        if self.standings is earlier.standings:
            return set()
        return {
            self.rows.account_portfolios[self.rows.accounts[account]]
            for account, standing in self.standings.items()
            if earlier.standings.get(account) != standing
        }


class Engine:
    """A pure function of the snapshot; what it remembers is only tables that did not change."""

    def __init__(self) -> None:
        self._tables: dict[str, tuple[tuple[object, ...], Any]] = {}
        self._known: Mapping[Key, ChainFact] = {}
        self._latest: Mapping[Key, ChainFact] = self._known
        self._reserve_list: tuple[columns.ListedReserve, ...] = ()
        self._standing_book = StandingBook()
        self._terms_book = TermsBook()
        self._kept_values: dict[str, Any] = {}
        self._histories = Histories()
        self._read: tuple[str, FactorHistory | None, dict[str, pa.RecordBatch]] = ("", None, {})
        self._results: dict[str, pa.RecordBatch] | None = None

    def evaluate(self, snapshot: Snapshot) -> Evaluation:
        """Venue truth, unified truth and liquidation order of ``snapshot``.

        Raises:
            ParameterError: the snapshot's risk parameters are malformed.
            EngineError: the core refused a table.
        """
        from xmargin import _core

        standings = self._standing_book.of(snapshot)
        rows, reserves = self._rows(snapshot, standings)
        parameters = snapshot.parameters.content
        try:
            tables = self._tables_of(snapshot, rows, reserves, standings)
        except (OverflowError, ValueError) as error:
            # Readers decode within their chain's types; a tape from elsewhere may not.
            raise EngineError(f"a fact does not fit its table: {error}") from None
        history, use = self._histories.of(snapshot)
        results = self._results_of(parameters, history, tables)
        assets = sorted({rows.asset_of_base.get(base, base) for base in rows.bases})
        unfigured, unread = self._faults(snapshot, rows, reserves, standings)
        return Evaluation(
            engine_version=_core.__version__,
            scenarios=tuple(_core.scenario_names(parameters, assets)),
            rows=rows,
            tables=results,
            standings=standings,
            account_faults=unfigured,
            read_faults=unread,
            history=use,
            terms=self._terms_book.of(snapshot.facts["venue-record"]),
            token_faults=self._token_faults(snapshot),
        )

    def _results_of(
        self,
        parameters: str,
        history: "FactorHistory | None",
        tables: dict[str, "pa.RecordBatch"],
    ) -> dict[str, "pa.RecordBatch"]:
        """The core's results; those it gave before while nothing it reads has moved.

        Most blocks and slots move no number that is margined, and come several times a second.
        """
        from xmargin import _core

        read, self._read = self._read, (parameters, history, tables)
        is_known = read[0] == parameters and read[1] is history and _equal(read[2], tables)
        if self._results is None or not is_known:
            self._results = None
            results = _core.evaluate(parameters=parameters, history=history, **tables)
            self._results = {name: _record_batch(table) for name, table in results.items()}
        return self._results

    def _rows(self, snapshot: Snapshot, standings: Standings) -> tuple[columns.Rows, Reserves]:
        """Which row is which; the same objects until the registry or what venues list changes."""
        facts = _of(snapshot.facts["aave-v3-reserve"], AaveV3Reserve)
        # Indices move with every block; which reserve is which row does not.
        listed = tuple(map(columns.ListedReserve.of, facts))
        if listed != self._reserve_list:
            self._reserve_list = listed
        legs = self._legs(standings)
        claims = self._claims(snapshot)
        tokens = self._once(
            "leg_tokens",
            lambda: frozenset(leg.token for _, leg in legs) | claims.tokens,
            legs,
            claims,
        )
        tokens = self._kept("leg_tokens", tokens)
        registry = snapshot.registry
        rows = self._once(
            "rows",
            lambda: columns.Rows(registry, listed, tokens),
            registry,
            self._reserve_list,
            tokens,
        )
        reserves = self._once(
            "reserves",
            lambda: columns.reserve_rows(columns.sorted_reserves(facts, rows)),
            rows,
        )
        return rows, reserves

    def _users(
        self, snapshot: Snapshot, rows: columns.Rows, reserves: Reserves
    ) -> list[AaveV3Account]:
        facts, emodes = snapshot.facts["aave-v3-account"], snapshot.facts["aave-v3-emode"]
        return self._once(
            "users",
            lambda: columns.read_accounts(
                _of(facts, AaveV3Account), rows, reserves, _of(emodes, AaveV3EMode)
            ),
            rows,
            reserves,
            facts,
            emodes,
        )

    def _tables_of(
        self, snapshot: Snapshot, rows: columns.Rows, reserves: Reserves, standings: Standings
    ) -> dict[str, "pa.RecordBatch"]:
        """The core's inputs; built anew is only what moved."""
        facts, as_of = snapshot.facts, snapshot.chains
        terms = self._terms_book.of(facts["venue-record"])
        users = self._users(snapshot, rows, reserves)
        reserve_facts = columns.sorted_reserves(_of(facts["aave-v3-reserve"], AaveV3Reserve), rows)
        return {
            "chains": columns.chains(as_of),
            "bases": columns.bases(rows, snapshot.prices),
            "tokens": self._once(
                "tokens",
                lambda: columns.tokens(rows, self._token_states(snapshot), terms),
                rows,
                self._token_states(snapshot),
                terms,
            ),
            "portfolios": self._once("portfolios", lambda: columns.portfolios(rows), rows),
            "accounts": self._once("accounts", lambda: columns.accounts(rows), rows),
            "balances": self._once(
                "balances",
                lambda: columns.balances(
                    rows,
                    self._balances(snapshot),
                    self._legs(standings),
                    terms,
                    self._claims(snapshot),
                ),
                rows,
                facts["balance"],
                self._legs(standings),
                terms,
                self._claims(snapshot),
            ),
            "aave_pools": columns.aave_pools(rows, as_of, reserve_facts),
            "aave_reserves": columns.aave_reserves(rows, reserve_facts),
            "aave_emodes": columns.aave_emodes(rows, _of(facts["aave-v3-emode"], AaveV3EMode)),
            "aave_accounts": self._once(
                "aave_accounts", lambda: columns.aave_accounts(rows, users), rows, users
            ),
            "aave_positions": self._once(
                "aave_positions",
                lambda: columns.aave_positions(users, reserves),
                users,
                reserves,
            ),
        }

    def _faults(
        self, snapshot: Snapshot, rows: columns.Rows, reserves: Reserves, standings: Standings
    ) -> tuple[Mapping[AccountId, str], Mapping[AccountId, str]]:
        facts = snapshot.facts
        ruled = self._once(
            "ruled_faults", lambda: {a: one.fault for a, one in standings.items()}, standings
        )
        ruled = self._kept("ruled_faults", ruled)
        accounts = self._once(
            "account_faults",
            lambda: account_faults(
                _of(facts["aave-v3-account"], AaveV3Account),
                rows,
                reserves,
                columns.emode_keys(_of(facts["aave-v3-emode"], AaveV3EMode)),
                ruled,
            ),
            rows,
            reserves,
            facts["aave-v3-account"],
            facts["aave-v3-emode"],
            ruled,
        )
        known = self._balances_known(facts["balance"])
        unread = self._once("unread", lambda: unread_balances(rows, known), rows, known)
        every = self._once(
            "read_faults",
            lambda: read_faults(
                accounts,
                unread,
                self._token_states(snapshot),
                self._balances(snapshot),
            ),
            accounts,
            unread,
            self._token_states(snapshot),
            facts["balance"],
        )
        return accounts, every

    def _claims(self, snapshot: Snapshot) -> ClaimGraph:
        """What tokens stand for; the same object until a rate moves."""
        facts = snapshot.facts["venue-record"]
        graph = self._once("claims", lambda: claim_graph(_of(facts, VenueRecord)), facts)
        return self._kept("claims", graph)

    def _token_states(self, snapshot: Snapshot) -> list[TokenState]:
        facts, claims = snapshot.facts["token"], self._claims(snapshot)
        return self._once(
            "token_states", lambda: claims.stated(_of(facts, TokenState)), facts, claims
        )

    def _token_faults(self, snapshot: Snapshot) -> Mapping[TokenId, str]:
        states = self._token_states(snapshot)
        return self._once(
            "token_faults", lambda: {s.token: s.fault for s in states if s.fault}, states
        )

    def _balances(self, snapshot: Snapshot) -> list[TokenBalance]:
        facts = snapshot.facts["balance"]
        return self._once("balance_facts", lambda: _of(facts, TokenBalance), facts)

    def _balances_known(self, facts: Mapping[Key, ChainFact]) -> Mapping[Key, ChainFact]:
        """The same object while the same balances are known, whatever their amounts."""
        # Keys outlive their facts, and are in order: the very same ones, or others.
        if facts is not self._latest and not (
            len(self._known) == len(facts) and all(map(is_, self._known, facts))
        ):
            self._known = facts
        self._latest = facts
        return self._known

    def _legs(self, standings: Standings) -> list[tuple[AccountId, VenueLeg]]:
        """What accounts at venues with a rule of their own own and owe; prices do not move it."""
        legs = self._once(
            "legs",
            lambda: [(a, leg) for a, one in standings.items() for leg in one.legs],
            standings,
        )
        return self._kept("legs", legs)

    def _kept(self, name: str, value: T) -> T:
        """The value of the name before if it equals this one: the very same object."""
        before: T = self._kept_values.setdefault(name, value)
        if before is not value and before != value:
            self._kept_values[name] = before = value
        return before

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


def _equal(before: Mapping[str, "pa.RecordBatch"], after: Mapping[str, "pa.RecordBatch"]) -> bool:
    return before.keys() == after.keys() and all(
        before[name] is table or before[name].equals(table) for name, table in after.items()
    )


def _of(facts: Mapping[Key, ChainFact], kind: type[F]) -> list[F]:
    """The facts of one kind, in key order."""
    return [fact for fact in facts.values() if isinstance(fact, kind)]


def _record_batch(table: Any) -> "pa.RecordBatch":
    import pyarrow as pa

    return pa.record_batch(table)
