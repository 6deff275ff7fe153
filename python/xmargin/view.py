"""The View: what a person or a client asks for, over one snapshot and its evaluation.

Rows of the core become the report types of :mod:`xmargin.model` only when they are asked for, so
that a book of thousands costs a watcher only what it watches.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cached_property, partial
from typing import Any, NamedTuple

from xmargin.engine import Evaluation, PortfolioHead
from xmargin.engine.components import (
    components,
    money,
    optional_money,
    scaled,
    scenario_losses,
)
from xmargin.engine.doubts import Doubts
from xmargin.engine.history import missing_returns
from xmargin.engine.market_depth import Markets
from xmargin.engine.portfolio_plans import PortfolioPlans
from xmargin.engine.ranking import Ranker, Ranking
from xmargin.engine.venue_cascade import VenueCascade, VenueMarket, simulate_cascade
from xmargin.engine.venue_doubt import VenueDoubts
from xmargin.engine.venue_plans import VenuePlans
from xmargin.engine.venue_truth import VenueTruth
from xmargin.errors import PortfolioNotFoundError
from xmargin.model import (
    AccountHealth,
    AccountId,
    ChainId,
    Counting,
    HealthStatus,
    LiquidationEntry,
    LiquidationKind,
    PortfolioHealth,
    PortfolioId,
    PositionHealth,
    PositionSide,
    TokenId,
    TokenState,
    Verdict,
    ViewMetadata,
    chain_of,
    worst,
)
from xmargin.model.standings import VenueStanding
from xmargin.snapshot import Snapshot
from xmargin.wire import canonical_json

_COUNTING = tuple(Counting)  # the core's numbers, in order
# On the wire the members are numbered from one, in order; zero is unspecified.
_STATUS_NUMBER = {member: number for number, member in enumerate(HealthStatus, 1)}
_VERDICT_NUMBER = {member: number for number, member in enumerate(Verdict, 1)}


class _CoreStanding(NamedTuple):
    """What the core's row of a portfolio says of where it stands; the fields name its columns."""

    refused: bool
    owes: bool
    held: bool
    partial: bool
    initial_excess: float  # null when refused, as the next
    maintenance_excess: float
    health_factor: float | None
    worst_scenario: int | None
    bound_by_tail: bool
    tail_day: int | None


class _Standing(NamedTuple):
    """What :class:`PortfolioHealth` has under the same names."""

    status: HealthStatus
    verdict: Verdict
    partial: bool
    flags: tuple[str, ...]
    worst_scenario: str


class View:
    """Immutable; equal tapes give equal views, to the bit (:attr:`sha256`)."""

    def __init__(
        self, snapshot: Snapshot, evaluation: Evaluation, tape_sequence: int, tape_hash: str
    ) -> None:
        self._snapshot = snapshot
        self._evaluation = evaluation
        self._healths: dict[PortfolioId, PortfolioHealth] = {}
        self.portfolio_ids: tuple[PortfolioId, ...] = evaluation.rows.portfolio_ids
        self._rows = {portfolio: row for row, portfolio in enumerate(self.portfolio_ids)}
        self._doubts = Doubts(snapshot, evaluation)
        self.metadata = ViewMetadata(
            snapshot_hash=snapshot.hash,
            now_ms=snapshot.now_ms,
            tape_sequence=tape_sequence,
            tape_hash=tape_hash,
            parameter_name=snapshot.parameters.name,
            parameter_version=snapshot.parameters.version,
            parameter_sha256=snapshot.parameters.sha256,
            engine_version=evaluation.engine_version,
            partial=self._doubts.is_partial,
            flags=(
                *self._doubts.flags,
                *self._venue_doubts.flags,
                *self._markets.flags,
                *self._doubts.flags_of_returns,
            ),
            as_of=snapshot.chains,
            prices=tuple(snapshot.prices.values()),
        )

    # --- Asking -------------------------------------------------------------------------------

    def health(self, portfolio_id: PortfolioId) -> PortfolioHealth:
        """Both truths of one portfolio.

        Raises:
            PortfolioNotFoundError: there is no such portfolio.
        """
        if portfolio_id not in self._healths:
            row = self._row(portfolio_id)
            self._healths[portfolio_id] = self._portfolio_health(row)
        return self._healths[portfolio_id]

    def summaries(self, portfolio_ids: Sequence[PortfolioId]) -> list[bytes]:
        """The same healths without components, accounts and positions, as wire messages.

        A block can move thousands of portfolios, and every watcher is told of each.

        Raises:
            PortfolioNotFoundError: there is no such portfolio.
        """
        heads = [self._head(self._row(portfolio)) for portfolio in portfolio_ids]
        return self._evaluation.portfolio_summaries(heads)

    def _row(self, portfolio_id: PortfolioId) -> int:
        if portfolio_id not in self._rows:
            raise PortfolioNotFoundError(
                f"no portfolio {portfolio_id!r}; list the {len(self._rows)} there are",
                portfolio_id=portfolio_id,
            )
        return self._rows[portfolio_id]

    def has(self, portfolio_id: PortfolioId) -> bool:
        """Whether there is such a portfolio."""
        return portfolio_id in self._rows

    @cached_property
    def statuses(self) -> tuple[HealthStatus, ...]:
        """Where every portfolio stands, in the order of their ids."""
        return self._evaluation.portfolio_statuses(self._doubts.unread_portfolios)

    def has_statuses_of(self, earlier: "View") -> bool:
        """Whether statuses rest on the very results that ``earlier``'s do: most views' do."""
        one, other = self._evaluation, earlier._evaluation
        return (
            one.tables is other.tables
            and one.rows is other.rows
            and one.account_faults is other.account_faults
            and one.standings is other.standings
        )

    def health_factor(self, portfolio_id: PortfolioId) -> Decimal | None:
        """The unified one of a known portfolio; absent where nothing is required."""
        return optional_money(self._core_standings[self._row(portfolio_id)].health_factor)

    def venue_accounts(self) -> Iterator[tuple[PortfolioId, AccountHealth]]:
        """The venue truth of every account, portfolio by portfolio."""
        for row, spec in enumerate(self._snapshot.registry.portfolios):
            for health in self._venue_truth.healths(spec.accounts):
                yield self.portfolio_ids[row], health

    def moved_accounts(self, earlier: "View") -> Iterator[tuple[PortfolioId, AccountHealth]]:
        """The venue accounts that another portfolio had in ``earlier``."""
        if self._snapshot.registry is earlier._snapshot.registry:
            return
        for portfolio, health in self.venue_accounts():
            account = health.account
            if earlier.has_account(account) and earlier.portfolio_of(account) != portfolio:
                yield portfolio, health

    @cached_property
    def venue_health_factors_wad(self) -> dict[AccountId, int | None]:
        """Of the venue accounts that were read; absent where the venue counts no debt."""
        ids = self._evaluation.rows.account_ids
        columns = self._evaluation.venue_account_columns("account", "health_factor_wad", "overflow")
        indexed = {
            ids[row]: None if wad is None else int.from_bytes(wad, "big")
            for row, wad, overflows in zip(*columns, strict=True)
            if not overflows
        }
        standings = self.standings.items()
        return indexed | {a: one.health_factor_wad for a, one in standings if not one.fault}

    @property
    def standings(self) -> Mapping[AccountId, VenueStanding]:
        """Where the accounts at venues with a rule of their own stand."""
        return self._evaluation.standings

    @cached_property
    def owing_nothing(self) -> frozenset[AccountId]:
        """The venue accounts that were read and owe nothing, as their venue counts."""
        factors = self.venue_health_factors_wad
        return frozenset(account for account, wad in factors.items() if wad is None)

    def has_account(self, account: AccountId) -> bool:
        """Whether a portfolio has the account."""
        return account in self._evaluation.rows.accounts

    def portfolio_of(self, account: AccountId) -> PortfolioId:
        """Whose a known account is."""
        rows = self._evaluation.rows
        return self.portfolio_ids[rows.account_portfolios[rows.accounts[account]]]

    def base_of(self, token: TokenId) -> str:
        """What prices a token; empty where the registry does not know it."""
        spec = self._evaluation.rows.token_specs.get(token)
        return "" if spec is None else spec.price

    def symbol_of(self, token: TokenId) -> str:
        """A token's symbol for people; its id where the registry does not know it."""
        spec = self._evaluation.rows.token_specs.get(token)
        return token if spec is None else spec.symbol

    def chains_of(self, portfolio_id: PortfolioId) -> frozenset[ChainId]:
        """The chains that a known portfolio has accounts on."""
        accounts = self._snapshot.registry.portfolios[self._row(portfolio_id)].accounts
        return frozenset(map(chain_of, accounts))

    def bases_of(self, portfolio_id: PortfolioId) -> tuple[str, ...]:
        """The bases that price a known portfolio's positions, by name."""
        return tuple(self._doubts.bases_of(self._row(portfolio_id)))

    def liquidations(self) -> tuple[LiquidationEntry, ...]:
        """Whom to liquidate, by rank."""
        return self.ranking.entries

    @cached_property
    def ranking(self) -> Ranking:
        """Whom to liquidate first, and how far that order is from the best."""
        ranker = Ranker(self._snapshot, self._evaluation, self.plans)
        return ranker.rank(self._worst_first)

    @cached_property
    def plans(self) -> VenuePlans:
        """What venues would let be liquidated of single accounts."""
        return VenuePlans(self._snapshot, self._evaluation)

    @cached_property
    def portfolio_plans(self) -> PortfolioPlans:
        """What to close of portfolios that are short as a whole."""
        curves = self._markets.own_curves()
        notes = self._markets.notes(curves)
        return PortfolioPlans(self._snapshot, self._evaluation, curves, notes)

    def cascade(self, shocks: Mapping[str, float], passes_max: int) -> VenueCascade:
        """What first moves of assets (-0.2: 20 % down) would set off among venue accounts.

        Raises:
            InvalidArgumentError: a shock is out of range, or of an asset that no account has.
        """
        assets = VenueMarket(self._snapshot, self._evaluation).prices
        curves = self._markets.cascade_curves(assets)
        found = simulate_cascade(self._snapshot, self._evaluation, curves, shocks, passes_max)
        return replace(found, flags=(*found.flags, *self._markets.notes(curves).values()))

    @cached_property
    def _markets(self) -> Markets:
        return Markets(self._snapshot)

    def changed_since(self, earlier: "View | None") -> tuple[PortfolioId, ...]:
        """The portfolios whose health differs from ``earlier``'s; all of them without one."""
        if earlier is None or earlier.portfolio_ids != self.portfolio_ids:
            return self.portfolio_ids
        changed = self._evaluation.changed_portfolios(earlier._evaluation)
        if changed is None:
            return self.portfolio_ids
        if self._doubts.basis != earlier._doubts.basis:
            rows = range(len(self.portfolio_ids))
            mine, theirs = self._doubts, earlier._doubts
            changed |= {row for row in rows if mine.flags_of(row) != theirs.flags_of(row)}
        return tuple(self.portfolio_ids[row] for row in sorted(changed))

    @cached_property
    def sha256(self) -> str:
        """Content hash of all that this view can say."""
        content = {
            "metadata": self.metadata,
            "healths": [self.health(portfolio) for portfolio in self.portfolio_ids],
            "liquidations": self.ranking,
        }
        return hashlib.sha256(canonical_json(content)).hexdigest()

    # --- Portfolios ---------------------------------------------------------------------------

    def _portfolio_health(self, row: int) -> PortfolioHealth:
        numbers = self._evaluation.portfolios[row]
        spec = self._snapshot.registry.portfolios[row]
        standing = self._standing(row)
        return PortfolioHealth(
            portfolio=spec.id,
            label=spec.label,
            status=standing.status,
            verdict=standing.verdict,
            partial=standing.partial,
            flags=standing.flags,
            equity=optional_money(numbers["equity"]),
            collateral_value=optional_money(numbers["collateral_value"]),
            initial_margin=optional_money(numbers["initial_margin"]),
            maintenance_margin=optional_money(numbers["maintenance_margin"]),
            initial_excess=optional_money(numbers["initial_excess"]),
            maintenance_excess=optional_money(numbers["maintenance_excess"]),
            health_factor=optional_money(numbers["health_factor"]),
            worst_scenario=standing.worst_scenario,
            components=components(numbers),
            scenario_losses=scenario_losses(numbers),
            scenario_note=self._scenario_note(row),
            oracle_confidence=None if numbers["refused"] else money(numbers["oracle_confidence"]),
            accounts=self._venue_truth.healths(spec.accounts),
            positions=self._position_healths(row),
        )

    def _head(self, row: int) -> PortfolioHead:
        spec = self._snapshot.registry.portfolios[row]
        standing = self._standing(row)
        return PortfolioHead(
            row=row,
            portfolio=spec.id,
            label=spec.label,
            status=_STATUS_NUMBER[standing.status],
            verdict=_VERDICT_NUMBER[standing.verdict],
            partial=standing.partial,
            flags=list(standing.flags),
            worst_scenario=standing.worst_scenario,
        )

    def _standing(self, row: int) -> "_Standing":
        """All of a portfolio's health that is not a number."""
        core = self._core_standings[row]
        flags = self._doubts.flags_of(row)
        return _Standing(
            status=self.statuses[row],
            verdict=self._verdict(row, flagged=bool(flags), refused=core.refused),
            partial=core.partial or self._doubts.is_unread(row),
            flags=flags,
            worst_scenario=self._worst_scenario(core),
        )

    @cached_property
    def _core_standings(self) -> list["_CoreStanding"]:
        columns = self._evaluation.portfolio_columns(*_CoreStanding._fields)
        return [_CoreStanding(*row) for row in zip(*columns, strict=True)]

    def _worst_scenario(self, core: "_CoreStanding") -> str:
        """What binds: a scenario of the grid, or the tail of the history by its worst day."""
        if core.bound_by_tail:
            return self._evaluation.history.tail_name(core.tail_day)
        scenario = core.worst_scenario
        return "" if scenario is None else self._evaluation.scenarios[scenario]

    def _scenario_note(self, row: int) -> str:
        core = self._core_standings[row]
        if core.refused or not core.owes:
            return ""
        absent = self._evaluation.history.absent
        return absent or "; ".join(missing_returns(self._doubts.without_returns(row)))

    def _verdict(self, row: int, *, flagged: bool, refused: bool) -> Verdict:
        """The worst that stands behind a portfolio's numbers."""
        if refused:
            return Verdict.REFUSE
        if not flagged:
            return Verdict.OK
        bases = self._doubts.bases
        doubtful = (base for base in self._doubts.bases_of(row) if base in bases)
        return worst(Verdict.FLAG, *(bases[base] for base in doubtful))

    def _position_healths(self, row: int) -> tuple[PositionHealth, ...]:
        return tuple(self._position_health(p) for p in self._evaluation.positions_of.get(row, ()))

    def _position_health(self, position: Mapping[str, Any]) -> PositionHealth:
        rows = self._evaluation.rows
        token = rows.token_ids[position["token"]]
        spec = rows.token_specs.get(token)
        counting = _COUNTING[position["counting"]]
        return PositionHealth(
            account=rows.account_ids[position["account"]],
            token=token,
            symbol=token if spec is None else spec.symbol,
            asset="" if spec is None else spec.asset,
            side=PositionSide.DEBT if position["debt"] else PositionSide.ASSET,
            amount=self._amount(token, position["amount"]),
            value=optional_money(position["value"]),
            collateral_value=money(position["collateral_value"]),
            maintenance_contribution=money(position["maintenance_contribution"]),
            initial_contribution=money(position["initial_contribution"]),
            counting=counting,
            note=_NOTES[counting] or self._terms_note(token),
        )

    def _terms_note(self, token: TokenId) -> str:
        """Why less than the balance counts."""
        terms = self._evaluation.terms.get(token)
        return "" if terms is None else "; ".join(terms.reasons)

    def _amount(self, token: TokenId, smallest_units: bytes) -> Decimal | None:
        decimals = self._decimals.get(token)
        if decimals is None:
            return None
        return scaled(int.from_bytes(smallest_units, "big"), decimals)

    @cached_property
    def _decimals(self) -> dict[TokenId, int]:
        states = _of_kind(self._snapshot, "token", TokenState)
        return {state.token: state.decimals for state in states if not state.fault}

    # --- Liquidations -------------------------------------------------------------------------

    @cached_property
    def _venue_truth(self) -> VenueTruth:
        return VenueTruth(self._snapshot, self._evaluation)

    @cached_property
    def _worst_first(self) -> tuple[LiquidationEntry, ...]:
        """Venue accounts before portfolios; those of each sort worst first."""
        order, truth = self._evaluation.order, self._venue_truth
        makers = [
            *(partial(truth.entry, row=e["row"]) for e in order if self._is_proposed(e)),
            *(partial(truth.standing_entry, account=a) for a in self._due_standings()),
            *(partial(self._portfolio_entry, row=e["row"]) for e in order if e["is_portfolio"]),
        ]
        return tuple(make(rank) for rank, make in enumerate(makers, start=1))

    def _due_standings(self) -> Iterator[AccountId]:
        standings, doubts = self._evaluation.standings, self._venue_doubts
        for account in self._venue_truth.due_standings():
            if not doubts.has_standing(account, standings[account]):
                yield account

    def _is_proposed(self, entry: Mapping[str, Any]) -> bool:
        """Whether a venue account's entry stands: not by a price that no source confirms."""
        if entry["is_portfolio"]:
            return False
        row = self._evaluation.venue_accounts[entry["row"]]["account"]
        return not self._venue_doubts.has(self._evaluation.rows.account_ids[row])

    @cached_property
    def _venue_doubts(self) -> VenueDoubts:
        return VenueDoubts(self._snapshot)

    def _portfolio_entry(self, rank: int, row: int) -> LiquidationEntry:
        numbers = self._evaluation.portfolios[row]
        scenario = self._standing(row).worst_scenario
        is_unread = row in self._doubts.unread_portfolios
        unread = "; a venue account of it was not read" if is_unread else ""
        return LiquidationEntry(
            rank=rank,
            kind=LiquidationKind.PORTFOLIO,
            portfolio=self.portfolio_ids[row],
            account="",
            health_factor=optional_money(numbers["health_factor"]),
            shortfall=money(max(0.0, -numbers["maintenance_excess"])),
            debt=money(numbers["gross_debt"]),
            reason=f"short in {scenario or 'every scenario'}{unread}",
        )


_NOTES = {
    Counting.COUNTED: "",
    Counting.LOOKED_THROUGH: "a claim, counted once where it points to",
    Counting.CUT_OFF: "its chain cannot meet a call elsewhere",
    Counting.EXCLUDED: "the token is at fault or has no believed price",
}


def _of_kind(snapshot: Snapshot, kind: str, cls: type[Any]) -> list[Any]:
    return [fact for fact in snapshot.facts[kind].values() if isinstance(fact, cls)]
