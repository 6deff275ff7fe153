"""What the numbers of a snapshot rest on where they rest on something doubtful: its flags."""

from bisect import insort
from collections.abc import Iterator, Mapping, Set
from functools import cached_property
from typing import Final

from xmargin.engine.evaluate import Evaluation
from xmargin.engine.history import missing_returns
from xmargin.model import (
    AccountId,
    ChainAsOf,
    Condition,
    Counting,
    JudgedPrice,
    TokenId,
    VenueId,
    Verdict,
    chain_of,
    venue_of,
)
from xmargin.snapshot import Snapshot

_COUNTING = tuple(Counting)  # the core's numbers, in order
_WHOLE_BPS: Final = 10_000
_CUT_OFF_NOTE: Final = {
    Condition.UNREAD: "nothing there is known",
    Condition.LAGGING: "what is there counts only where it costs",
    Condition.UNREACHABLE: "what is there counts only where it costs",
    Condition.INVALID: "what is there counts only where it costs",
    Condition.SUSPENDED: "what is there counts only where it costs",
}


class Doubts:
    """The doubts of one evaluation, as a whole and portfolio by portfolio."""

    def __init__(self, snapshot: Snapshot, evaluation: Evaluation) -> None:
        self._snapshot = snapshot
        self._evaluation = evaluation

    @cached_property
    def basis(self) -> tuple[object, ...]:
        """All that portfolios' flags come of: equal ones over equal positions give equal flags."""
        return (
            [(chain.chain, chain.condition) for chain in self._cut_off],
            self.bases,
            self._evaluation.read_faults,
            self._bad_tokens,
            self._returns,
            self._assets_without_returns,
        )

    @property
    def is_partial(self) -> bool:
        """Whether anything is missing: a chain, an account, a token or a price."""
        refused = any(p.verdict is Verdict.REFUSE for p in self._prices)
        return bool(self._cut_off or self._evaluation.read_faults) or refused

    @cached_property
    def flags(self) -> tuple[str, ...]:
        """Of the snapshot as a whole."""
        chains = self._snapshot.chains
        prices = self._snapshot.prices.values()
        return (
            *(f"chain {c.name} is {c.condition}: {c.reason}" for c in self._cut_off),
            *(f"chain {c.name}: {c.reason}" for c in chains if c.reason and not c.cut_off),
            *(f"price of {p.base} is {p.verdict}: {'; '.join(p.reasons)}" for p in self._prices),
            *(f"alarm: price of {p.base}: {alarm}" for p in prices for alarm in p.alarms),
            *_fault_flags(self._evaluation.read_faults),
            *self._bad_tokens.values(),
        )

    @property
    def flags_of_returns(self) -> tuple[str, ...]:
        """What is wrong with the factor returns."""
        return (*self._returns, *missing_returns(self._assets_without_returns))

    # --- One portfolio, by its row --------------------------------------------------------------

    def flags_of(self, row: int) -> tuple[str, ...]:
        """What the numbers of a portfolio rest on; empty when nothing is wrong."""
        if not any(self.basis):
            return ()
        accounts = self._snapshot.registry.portfolios[row].accounts
        on_chains = {chain_of(account) for account in accounts}
        venues = {venue_of(account) for account in accounts}
        chains = [c for c in self._cut_off if c.chain in on_chains]
        prices = [base for base in self.bases_of(row) if base in self.bases] if self.bases else []
        faults = self._evaluation.read_faults
        return (
            *(f"chain {c.name} is {c.condition}: {_CUT_OFF_NOTE[c.condition]}" for c in chains),
            *(f"price of {base} is {self.bases[base]}" for base in prices),
            *(faults[account] for account in accounts if account in faults),
            *self._token_flags(row, venues),
            *self._returns_flags(row),
        )

    def _token_flags(self, row: int, venues: Set[VenueId]) -> Iterator[str]:
        """Of tokens at fault that a wallet of the portfolio may hold, or an account of it does."""
        if not self._bad_tokens:
            return
        held = self._held_tokens.get(row, ())
        for token, flag in self._bad_tokens.items():
            if f"wallet@{chain_of(token)}" in venues or token in held:
                yield flag

    @cached_property
    def _held_tokens(self) -> dict[int, set[TokenId]]:
        ids = self._evaluation.rows.token_ids
        held: dict[int, set[TokenId]] = {}
        for row, token in zip(
            *self._evaluation.position_columns("portfolio", "token"), strict=True
        ):
            held.setdefault(row, set()).add(ids[token])
        return held

    def _returns_flags(self, row: int) -> tuple[str, ...]:
        """For those who owe: nobody else rests on them."""
        if not self._owes[row]:
            return ()
        return (*self._returns, *missing_returns(self.without_returns(row)))

    def without_returns(self, row: int) -> tuple[str, ...]:
        """The assets of a portfolio that are charged at the grid's deepest move."""
        if not self._assets_without_returns:
            return ()
        rows = self._evaluation.rows
        counted = (
            rows.token_specs.get(rows.token_ids[position["token"]])
            for position in self._evaluation.positions_of.get(row, ())
            if _COUNTING[position["counting"]] in (Counting.COUNTED, Counting.CUT_OFF)
        )
        held = {spec.asset for spec in counted if spec is not None}
        return tuple(asset for asset in self._assets_without_returns if asset in held)

    def is_unread(self, row: int) -> bool:
        """Whether anything of a portfolio was not read, or not of late."""
        if not (self._cut_off or self._evaluation.read_faults):
            return False
        accounts = self._snapshot.registry.portfolios[row].accounts
        return any(account in self._evaluation.read_faults for account in accounts) or any(
            chain_of(account) == chain.chain for account in accounts for chain in self._cut_off
        )

    def bases_of(self, row: int) -> list[str]:
        """The bases that price a portfolio's positions."""
        return self._bases_by_row.get(row, [])

    @cached_property
    def _bases_by_row(self) -> dict[int, list[str]]:
        """By columns: a falling market asks for the bases of thousands of portfolios at once."""
        rows = self._evaluation.rows
        specs = map(rows.token_specs.get, rows.token_ids)
        base_of = [None if spec is None else spec.price for spec in specs]
        found: dict[int, list[str]] = {}
        columns = self._evaluation.position_columns("portfolio", "token")
        for row, token in set(zip(*columns, strict=True)):
            base = base_of[token]
            if base is not None and base not in (bases := found.setdefault(row, [])):
                insort(bases, base)
        return found

    # --- What is in doubt -----------------------------------------------------------------------

    @cached_property
    def bases(self) -> dict[str, Verdict]:
        """The bases whose price is in doubt."""
        return {p.base: p.verdict for p in self._prices}

    @cached_property
    def unread_portfolios(self) -> frozenset[int]:
        """Rows of portfolios with a venue account without figures."""
        rows = self._evaluation.rows
        accounts = self._evaluation.account_faults
        return frozenset(rows.account_portfolios[rows.accounts[a]] for a in accounts)

    @cached_property
    def _owes(self) -> list[bool]:
        (owes,) = self._evaluation.portfolio_columns("owes")
        return owes

    @cached_property
    def _prices(self) -> list[JudgedPrice]:
        return [p for p in self._snapshot.prices.values() if p.verdict is not Verdict.OK]

    @cached_property
    def _cut_off(self) -> list[ChainAsOf]:
        return [chain for chain in self._snapshot.chains if chain.cut_off]

    @cached_property
    def _bad_tokens(self) -> dict[TokenId, str]:
        """Tokens of which nothing counts, for what they say of themselves or stand for; why."""
        costly = {
            token: f"token {token} counts nothing: {'; '.join(terms.reasons)}"
            for token, terms in self._evaluation.terms.items()
            if terms.haircut_bps >= _WHOLE_BPS
        }
        faults = self._evaluation.token_faults
        return costly | {
            token: f"token {token} is excluded: {fault}" for token, fault in faults.items()
        }

    @cached_property
    def _returns(self) -> tuple[str, ...]:
        return self._evaluation.history.doubts(self._snapshot.now_ms)

    @cached_property
    def _assets_without_returns(self) -> tuple[str, ...]:
        assets = self._evaluation.rows.asset_of_base.values()
        return self._evaluation.history.without_returns(assets)


def _fault_flags(faults: Mapping[AccountId, str]) -> Iterator[str]:
    """One flag a venue, with the first of its faults: a venue that fails has thousands alike."""
    of_venue: dict[str, list[str]] = {}
    for account in sorted(faults):
        of_venue.setdefault(venue_of(account), []).append(faults[account])
    for venue, texts in of_venue.items():
        yield f"{venue}: {len(texts)} of its accounts not fully read, the first: {texts[0]}"
