"""Snapshots as the core's Arrow tables: rows refer to each other by number.

Each builder is a pure function of parts of a snapshot that rarely change (a kind of fact, the
registry), so that the engine builds a table anew only when its parts did.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import filterfalse
from typing import TYPE_CHECKING, Any, NamedTuple

from xmargin.engine.aave_v3_facts import (
    FIRST_RELEASE,
    bits,
    decimals_of,
    is_known,
    own_category,
    release_of,
    uses,
    venue_releases,
)
from xmargin.engine.claims import NO_CLAIMS, ClaimGraph
from xmargin.engine.token_terms import TermsByToken
from xmargin.model import (
    AaveV3Account,
    AaveV3EMode,
    AaveV3Reserve,
    AccountId,
    ChainAsOf,
    ChainId,
    Claim,
    JudgedPrice,
    PortfolioId,
    Registry,
    TokenBalance,
    TokenId,
    TokenSpec,
    TokenState,
    VenueId,
    Verdict,
    address_of,
    chain_of,
    is_instrument,
    is_wallet,
    kind_of,
    venue_of,
)
from xmargin.model.claims import holder_of
from xmargin.model.standings import VenueLeg
from xmargin.world import Key

if TYPE_CHECKING:
    import pyarrow as pa

AAVE_BASE_DECIMALS = 8
"""Aave v3 markets keep their base currency, USD, with 8 decimals; the reader checks it."""

_U256_BYTES = 32


class ListedReserve(NamedTuple):
    """A reserve of a venue: the pool's number of it, its underlying, and what claims on it."""

    venue: VenueId
    reserve_id: int
    token: TokenId
    a_token: TokenId
    debt_tokens: tuple[TokenId, ...]
    release: str

    @classmethod
    def of(cls, fact: AaveV3Reserve) -> "ListedReserve":
        """What of a reserve does not move from block to block."""
        debts = (fact.stable_debt_token, fact.variable_debt_token)
        return cls(
            fact.venue,
            fact.reserve_id,
            fact.token,
            fact.a_token,
            tuple(filter(None, debts)),
            release_of(fact),
        )


def u256(values: Iterable[int]) -> "pa.Array":
    """Unsigned integers as 32-byte big-endian values."""
    import pyarrow as pa

    return pa.array([v.to_bytes(_U256_BYTES, "big") for v in values], pa.binary(_U256_BYTES))


def _table(**columns: Any) -> "pa.RecordBatch":
    import pyarrow as pa

    return pa.record_batch(columns)


def _array(values: Sequence[Any], kind: str) -> "pa.Array":
    import pyarrow as pa

    return pa.array(values, getattr(pa, kind)())


class Rows:
    """The row numbers of one registry: which row is which chain, account, base and token.

    Venues may hold tokens that the registry does not know; they get rows after its own, so that a
    debt in them is never overlooked.
    """

    def __init__(
        self,
        registry: Registry,
        reserves: Iterable[ListedReserve],
        venue_tokens: Iterable[TokenId] = (),
    ) -> None:
        self.registry = registry
        self.chains = {chain.id: row for row, chain in enumerate(registry.chains)}
        self.bases = {
            base: row for row, base in enumerate(sorted({feed.base for feed in registry.feeds}))
        }
        self.asset_of_base = {token.price: token.asset for token in registry.tokens}
        self.token_specs = {token.id: token for token in registry.tokens}
        listed = [r for r in reserves if any(r.venue == venue.id for venue in registry.venues)]
        self.a_token_venues = {r.a_token: r.venue for r in listed}
        self.debt_tokens = frozenset(token for r in listed for token in r.debt_tokens)
        self.venues_read = frozenset(r.venue for r in listed)
        unknown = {*(r.token for r in listed), *venue_tokens} - self.token_specs.keys()
        self.token_ids: tuple[TokenId, ...] = (*self.token_specs, *sorted(unknown))
        self.tokens = {token: row for row, token in enumerate(self.token_ids)}
        self.portfolio_ids: tuple[PortfolioId, ...] = tuple(p.id for p in registry.portfolios)
        owned = [
            (account, row)
            for row, portfolio in enumerate(registry.portfolios)
            for account in portfolio.accounts
        ]
        self.account_ids: tuple[AccountId, ...] = tuple(account for account, _ in owned)
        self.account_portfolios: tuple[int, ...] = tuple(row for _, row in owned)
        self.accounts = {account: row for row, account in enumerate(self.account_ids)}
        self._venue_kinds = {venue.id: venue.kind for venue in registry.venues}
        self.venues: dict[VenueId, int] = {v.id: row for row, v in enumerate(registry.venues)}

    @cached_property
    def watched_beside(self) -> Mapping[AccountId, frozenset[str]]:
        """Of every account, whose accounts its portfolio has, as claims name custodians."""
        return {
            account: every
            for portfolio in self.registry.portfolios
            for every in (frozenset(map(holder_of, portfolio.accounts)),)
            for account in portfolio.accounts
        }

    @cached_property
    def balance_keys(self) -> tuple[Key, ...]:
        """The keys of all that wallets may hold: each every token of its chain."""
        of_chain: dict[ChainId, list[TokenId]] = defaultdict(list)
        for token in filterfalse(is_instrument, self.token_specs):
            of_chain[chain_of(token)].append(token)
        wallets = filter(is_wallet, self.account_ids)
        return tuple(
            ("balance", account, token)
            for account in wallets
            for token in of_chain[chain_of(account)]
        )

    def symbol_of(self, token: TokenId) -> str:
        """The registry's name of a token, else its id."""
        spec = self.token_specs.get(token)
        return token if spec is None else spec.symbol

    def kind_of(self, account: AccountId) -> str:
        """The kind of an account's venue: of a fork, its protocol's."""
        venue = venue_of(account)
        return self._venue_kinds.get(venue, kind_of(venue))


def chains(as_of: Sequence[ChainAsOf]) -> "pa.RecordBatch":
    """The chains, and which of them cannot meet a call elsewhere."""
    return _table(
        id=_array([chain.chain for chain in as_of], "utf8"),
        cut_off=_array([chain.cut_off for chain in as_of], "bool_"),
    )


def bases(rows: Rows, prices: Mapping[str, JudgedPrice]) -> "pa.RecordBatch":
    """The judged price of every base, as the engine's floats."""
    judged = [prices[base] for base in rows.bases]
    return _table(
        asset=_array([rows.asset_of_base.get(price.base, price.base) for price in judged], "utf8"),
        mark=_array([float(price.mark) for price in judged], "float64"),
        low=_array([float(price.low) for price in judged], "float64"),
        high=_array([float(price.high) for price in judged], "float64"),
        usable=_array([price.verdict is not Verdict.REFUSE for price in judged], "bool_"),
        held=_array([price.verdict is Verdict.HOLD for price in judged], "bool_"),
    )


def tokens(rows: Rows, facts: Iterable[TokenState], terms: TermsByToken) -> "pa.RecordBatch":
    """Every token; one without a faultless state has no decimals and is excluded.

    The haircut is the configured one, or what the token's own terms cost if that is more.
    """
    specs = [rows.token_specs.get(token) for token in rows.token_ids]
    states = {fact.token: fact for fact in facts}
    known = [states.get(token) for token in rows.token_ids]
    return _table(
        base=_array([None if s is None else rows.bases.get(s.price) for s in specs], "uint32"),
        decimals=_array([None if s is None or s.fault else s.decimals for s in known], "uint8"),
        haircut=_array([_haircut(s, terms) for s in specs], "float64"),
        wrapped=_array([s is not None and s.claim is Claim.WRAPPED for s in specs], "bool_"),
    )


def _haircut(spec: TokenSpec | None, terms: TermsByToken) -> float:
    if spec is None:
        return 0.0
    of_token = terms.get(spec.id)
    return float(spec.haircut if of_token is None else max(spec.haircut, of_token.haircut))


def portfolios(rows: Rows) -> "pa.RecordBatch":
    """Every portfolio, those without accounts too."""
    return _table(id=_array(rows.portfolio_ids, "utf8"))


def accounts(rows: Rows) -> "pa.RecordBatch":
    """Every account of every portfolio."""
    return _table(
        id=_array(rows.account_ids, "utf8"),
        portfolio=_array(rows.account_portfolios, "uint32"),
        chain=_array([rows.chains[chain_of(a)] for a in rows.account_ids], "uint32"),
        venue_kind=_array([rows.kind_of(a) for a in rows.account_ids], "utf8"),
    )


def balances(
    rows: Rows,
    facts: Iterable[TokenBalance],
    legs: Iterable[tuple[AccountId, VenueLeg]],
    terms: TermsByToken,
    claims: ClaimGraph = NO_CLAIMS,
) -> "pa.RecordBatch":
    """Wallet balances that could be read and are not nothing, then the legs of venue accounts.

    What a transfer would cost is off what is owned, and on what is owed. What is a claim on another
    token is looked through; last come the leaves that count for it.
    """
    held = [(account, leg) for account, leg in legs if leg.amount]
    read = [
        fact
        for fact in facts
        if fact.amount and not fact.fault
        if fact.account in rows.accounts and fact.token in rows.token_specs
    ]
    claimed = {token: _claimed_venue(rows, token) for token in {fact.token for fact in read}}
    owners = [*(fact.account for fact in read), *(account for account, _ in held)]
    tokens = [*(fact.token for fact in read), *(leg.token for _, leg in held)]
    amounts = [
        *(_moved(terms, fact.token, fact.amount) for fact in read),
        *(_moved(terms, leg.token, leg.amount) for _, leg in held),
    ]
    through = [_looked_through(rows, fact, claimed[fact.token]) for fact in read]
    through += [False] * len(held)
    for place, token, amount in claims.followed(tokens, amounts, owners, rows, through):
        owners.append(owners[place])
        tokens.append(token)
        amounts.append(_moved(terms, token, amount))
        through.append(False)
    return _table(
        account=_array([rows.accounts[account] for account in owners], "uint32"),
        token=_array([rows.tokens[token] for token in tokens], "uint32"),
        amount=u256(map(abs, amounts)),
        debt=_array([amount < 0 for amount in amounts], "bool_"),
        looked_through=_array(through, "bool_"),
    )


def _moved(terms: TermsByToken, token: TokenId, amount: int) -> int:
    """What is left of an amount once it was transferred; of a debt, what it takes to pay it."""
    of_token = terms.get(token)
    if of_token is None:
        return amount
    if amount > 0:
        return of_token.received(amount)
    return -min(of_token.sent(-amount), (1 << 8 * _U256_BYTES) - 1)


def _looked_through(rows: Rows, fact: TokenBalance, claimed: VenueId | None) -> bool:
    """Whether a claim's venue account is watched too, and so counts the same leaf there.

    A token of debt is never owned, and counts at its venue only.
    """
    if fact.token in rows.debt_tokens:
        return True
    return claimed is not None and f"{claimed}/{address_of(fact.account)}" in rows.accounts


def _claimed_venue(rows: Rows, token: TokenId) -> VenueId | None:
    """The venue whose supply a token is: by the venue's own word, or the registry's until then."""
    if token in rows.a_token_venues:
        return rows.a_token_venues[token]
    spec = rows.token_specs[token]
    unsaid = spec.claim is Claim.VENUE_SUPPLY and spec.venue not in rows.venues_read
    return spec.venue if unsaid else None


# --- Aave v3 -----------------------------------------------------------------------------------


def aave_pools(
    rows: Rows, as_of: Sequence[ChainAsOf], reserves: Iterable[AaveV3Reserve]
) -> "pa.RecordBatch":
    """Per venue, its rules and the clock that its interest accrues by: that of the block read."""
    times = {chain.chain: 0 if chain.block is None else chain.block.time_s for chain in as_of}
    releases = venue_releases(reserves)
    return _table(
        timestamp_s=_array([times[chain_of(v)] for v in rows.venues], "uint64"),
        release=_array([releases.get(v, FIRST_RELEASE) for v in rows.venues], "utf8"),
    )


def sorted_reserves(facts: Iterable[AaveV3Reserve], rows: Rows) -> list[AaveV3Reserve]:
    """Reserves of watched venues in (venue row, reserve id) order: their row order.

    Those of a release whose rules are not known are as if they had not been read.
    """
    known = [fact for fact in facts if fact.venue in rows.venues and is_known(fact)]
    return sorted(known, key=lambda fact: (rows.venues[fact.venue], fact.reserve_id))


def aave_reserves(rows: Rows, reserves: Sequence[AaveV3Reserve]) -> "pa.RecordBatch":
    """Reserves, their configuration taken from its bitmap (ReserveConfiguration.sol)."""
    words = [reserve.configuration for reserve in reserves]
    return _table(
        pool=_array([rows.venues[r.venue] for r in reserves], "uint32"),
        token=_array([rows.tokens[r.token] for r in reserves], "uint32"),
        ltv_bps=_array([bits(word, 0, 16) for word in words], "uint16"),
        liquidation_threshold_bps=_array([bits(word, 16, 16) for word in words], "uint16"),
        decimals=_array([decimals_of(r) for r in reserves], "uint8"),
        emode=_array([own_category(r) for r in reserves], "uint8"),
        reserve_id=_array([r.reserve_id for r in reserves], "uint32"),
        liquidity_index=u256(r.liquidity_index for r in reserves),
        variable_borrow_index=u256(r.variable_borrow_index for r in reserves),
        liquidity_rate=u256(r.liquidity_rate for r in reserves),
        variable_borrow_rate=u256(r.variable_borrow_rate for r in reserves),
        updated_at_s=_array([r.updated_at_s for r in reserves], "uint64"),
        price_base=u256(r.price_base for r in reserves),
    )


def aave_emodes(rows: Rows, facts: Iterable[AaveV3EMode]) -> "pa.RecordBatch":
    """EMode categories of watched venues."""
    emodes = [fact for fact in facts if fact.venue in rows.venues]
    return _table(
        pool=_array([rows.venues[e.venue] for e in emodes], "uint32"),
        category=_array([e.category for e in emodes], "uint8"),
        ltv_bps=_array([e.ltv for e in emodes], "uint16"),
        liquidation_threshold_bps=_array([e.liquidation_threshold for e in emodes], "uint16"),
        price_base=u256(e.price_base for e in emodes),
        collateral_bitmap=u256(e.collateral_bitmap for e in emodes),
        ltvzero_bitmap=u256(e.ltvzero_bitmap for e in emodes),
    )


def read_accounts(
    facts: Iterable[AaveV3Account],
    rows: Rows,
    reserves: Mapping[tuple[VenueId, int], int],
    emodes: Iterable[AaveV3EMode],
) -> list[AaveV3Account]:
    """Aave accounts that are watched and could be read whole, in account-row order."""
    categories = emode_keys(emodes)
    known = [
        fact
        for fact in facts
        if fact.account in rows.accounts and not why_unread(fact, reserves, categories)
    ]
    return sorted(known, key=lambda fact: rows.accounts[fact.account])


def emode_keys(facts: Iterable[AaveV3EMode]) -> frozenset[tuple[VenueId, int]]:
    """The eMode categories that were read."""
    return frozenset((fact.venue, fact.category) for fact in facts)


def why_unread(
    fact: AaveV3Account,
    reserves: Collection[tuple[VenueId, int]],
    categories: Collection[tuple[VenueId, int]],
) -> str:
    """Why an account has no figures: its own fault, or parts of its venue that were not read."""
    venue = venue_of(fact.account)
    unknown = [p.reserve_id for p in fact.positions if (venue, p.reserve_id) not in reserves]
    if unknown:
        return fact.fault or f"in reserves that were not read: {unknown}"
    if fact.emode and (venue, fact.emode) not in categories:
        return fact.fault or f"in eMode {fact.emode}, which was not read"
    return fact.fault


def aave_accounts(rows: Rows, read: Sequence[AaveV3Account]) -> "pa.RecordBatch":
    """Users with the eMode they chose."""
    return _table(
        account=_array([rows.accounts[a.account] for a in read], "uint32"),
        pool=_array([rows.venues[venue_of(a.account)] for a in read], "uint32"),
        emode=_array([a.emode for a in read], "uint8"),
    )


def reserve_rows(reserves: Sequence[AaveV3Reserve]) -> dict[tuple[VenueId, int], int]:
    """The row of each reserve by venue and number."""
    return {(r.venue, r.reserve_id): row for row, r in enumerate(reserves)}


def aave_positions(
    read: Sequence[AaveV3Account], reserve_rows: Mapping[tuple[VenueId, int], int]
) -> "pa.RecordBatch":
    """Users' reserves, and how they use each."""
    held = [
        (
            row,
            uses(account, position.reserve_id),
            position,
            reserve_rows[venue_of(account.account), position.reserve_id],
        )
        for row, account in enumerate(read)
        for position in account.positions
    ]
    return _table(
        aave_account=_array([row for row, _, _, _ in held], "uint32"),
        reserve=_array([reserve for _, _, _, reserve in held], "uint32"),
        supply_scaled=u256(p.supply_scaled for _, _, p, _ in held),
        variable_debt_scaled=u256(p.variable_debt_scaled for _, _, p, _ in held),
        stable_debt_principal=u256(p.stable_debt_principal for _, _, p, _ in held),
        stable_rate=u256(p.stable_rate for _, _, p, _ in held),
        stable_updated_at_s=_array([p.stable_updated_at_s for _, _, p, _ in held], "uint64"),
        borrowing=_array([borrowing for _, (_, borrowing), _, _ in held], "bool_"),
        as_collateral=_array([as_collateral for _, (as_collateral, _), _, _ in held], "bool_"),
    )
