"""Liquidations of single venue accounts: facts of a snapshot as the core's rules take them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from xmargin.engine import liquidation
from xmargin.engine.aave_v3_facts import (
    FIRST_RELEASE,
    bits,
    decimals_of,
    is_in_emode,
    is_liquidated,
    uses,
    venue_releases,
)
from xmargin.engine.aave_v3_limits import standstill
from xmargin.engine.components import factor_of, scaled
from xmargin.engine.evaluate import Evaluation
from xmargin.engine.faults import NOT_READ
from xmargin.errors import AccountNotFoundError, EngineError, InvalidArgumentError, ParameterError
from xmargin.model import (
    AaveV3Account,
    AaveV3EMode,
    AaveV3Position,
    AaveV3Reserve,
    AccountId,
    LiquidationPlan,
    PlanLegs,
    PlanVerdict,
    PortfolioId,
    TokenAmount,
    VenueId,
    chain_of,
    is_wallet,
    venue_of,
)
from xmargin.model.standings import VenueStanding
from xmargin.snapshot import Snapshot
from xmargin.world import ChainFact

F = TypeVar("F", bound=ChainFact)


@dataclass(frozen=True, slots=True)
class _Held:
    """A reserve, and what the account has in it."""

    reserve: AaveV3Reserve
    position: AaveV3Position


class VenuePlans:
    """The plans of one snapshot, each computed when it is first asked for."""

    def __init__(self, snapshot: Snapshot, evaluation: Evaluation) -> None:
        self._snapshot = snapshot
        self._evaluation = evaluation
        self._plans: dict[AccountId, LiquidationPlan] = {}

    def of_portfolio(self, portfolio_id: PortfolioId) -> tuple[LiquidationPlan, ...]:
        """The plans of a known portfolio's accounts, wallets left out."""
        accounts = self._accounts[portfolio_id]
        return tuple(self.of_account(a) for a in accounts if not is_wallet(a))

    @cached_property
    def _accounts(self) -> dict[PortfolioId, tuple[AccountId, ...]]:
        return {spec.id: spec.accounts for spec in self._snapshot.registry.portfolios}

    def of_account(self, account: AccountId) -> LiquidationPlan:
        """What its venue would let be liquidated of one account.

        Raises:
            AccountNotFoundError: no portfolio has the account.
            InvalidArgumentError: it is a wallet, which nobody liquidates.
        """
        rows = self._evaluation.rows
        if account not in rows.accounts:
            raise AccountNotFoundError(
                f"no account {account!r}; GetHealth names those of a portfolio", account_id=account
            )
        if is_wallet(account):
            raise InvalidArgumentError(
                f"account_id: {account!r} is a wallet, which nobody liquidates; name an account "
                "at a venue that lends",
                field="account_id",
            )
        if account not in self._plans:
            self._plans[account] = self._plan(account)
        return self._plans[account]

    def _plan(self, account: AccountId) -> LiquidationPlan:
        standing = self._evaluation.standings.get(account)
        if standing is not None:
            return self._of_standing(account, standing)
        unread = self._unread(account)
        if unread:
            return self._unknown(account, unread)
        user = self._fact(AaveV3Account, "aave-v3-account", account)
        held = list(self._held(user))
        try:
            proposal = liquidation.propose_liquidation(self._document(user, held))
        except (EngineError, ParameterError) as error:
            # What no venue would say of itself can stand on a tape from elsewhere.
            return self._unknown(account, error.message)
        return LiquidationPlan(
            portfolio=self._portfolio_of(account),
            account=account,
            rule=liquidation.AaveV3Account.rule,
            release=self._release(account),
            verdict=PlanVerdict[proposal.verdict.name],
            why=proposal.why,
            health_before=factor_of(proposal.health_before_wad),
            health_after=factor_of(proposal.health_after_wad),
            legs=None if proposal.legs is None else self._legs(proposal.legs, held),
            flags=(*self._standstills(account, held), *self._last_known(account)),
        )

    def _of_standing(self, account: AccountId, standing: VenueStanding) -> LiquidationPlan:
        """Whether it is due is known of every venue; how much may be closed, not yet of these."""
        kind = self._evaluation.rows.kind_of(account)
        verdict, why = PlanVerdict.NOT_DUE, "its venue would not liquidate it"
        if standing.fault:
            verdict, why = PlanVerdict.UNKNOWN, f"it may be due: {standing.fault}"
        elif standing.is_liquidatable:
            verdict = PlanVerdict.UNKNOWN
            why = f"due, but no plan is made of venues of kind {kind}: its venue says how much"
        return LiquidationPlan(
            portfolio=self._portfolio_of(account),
            account=account,
            rule=kind,
            release="",
            verdict=verdict,
            why=why,
            health_before=factor_of(standing.health_factor_wad),
            health_after=None,
            legs=None,
            flags=self._last_known(account),
        )

    def _standstills(self, account: AccountId, held: Sequence[_Held]) -> Iterator[str]:
        """What of an account's reserves the pool lets nobody do."""
        for one in held:
            symbol = self._evaluation.rows.symbol_of(one.reserve.token)
            yield from (f"{account}: {note}" for note in standstill(symbol, one.reserve))

    def _unread(self, account: AccountId) -> str:
        """Why the account has no figures; empty when it has."""
        if account in self._evaluation.account_faults:
            return self._evaluation.account_faults[account]
        return "" if self._read_at_s(account) is not None else NOT_READ

    def _unknown(self, account: AccountId, why: str) -> LiquidationPlan:
        return LiquidationPlan(
            portfolio=self._portfolio_of(account),
            account=account,
            rule=liquidation.AaveV3Account.rule,
            release=self._release(account),
            verdict=PlanVerdict.UNKNOWN,
            why=f"it may be due: {why}",
            health_before=None,
            health_after=None,
            legs=None,
            flags=(f"{account}: {why}", *self._last_known(account)),
        )

    def _release(self, account: AccountId) -> str:
        return self._releases.get(venue_of(account), FIRST_RELEASE)

    @cached_property
    def _releases(self) -> dict[VenueId, str]:
        reserves = self._snapshot.facts["aave-v3-reserve"].values()
        return venue_releases(fact for fact in reserves if isinstance(fact, AaveV3Reserve))

    def _portfolio_of(self, account: AccountId) -> str:
        rows = self._evaluation.rows
        return rows.portfolio_ids[rows.account_portfolios[rows.accounts[account]]]

    def _read_at_s(self, account: AccountId) -> int | None:
        """The clock that the account's interest accrues by: of the block read."""
        chains = self._snapshot.chains
        block = next((c.block for c in chains if c.chain == chain_of(account)), None)
        return None if block is None else block.time_s

    def _last_known(self, account: AccountId) -> tuple[str, ...]:
        """What to say of an account whose chain is cut off: its figures are the last known."""
        return tuple(
            f"chain {chain.name} is {chain.condition}: figures are as of block {chain.block.height}"
            for chain in self._snapshot.chains
            if chain.cut_off and chain.block is not None and chain.chain == chain_of(account)
        )

    # --- The account as the core takes it ---------------------------------------------------------

    def _held(self, user: AaveV3Account) -> Iterator[_Held]:
        """In the pool's order, which decides among equally good liquidations."""
        venue = venue_of(user.account)
        for position in sorted(user.positions, key=lambda position: position.reserve_id):
            number = f"{position.reserve_id:05d}"
            reserve = self._fact(AaveV3Reserve, "aave-v3-reserve", venue, number)
            yield _Held(reserve, position)

    def _document(self, user: AaveV3Account, held: Sequence[_Held]) -> liquidation.AaveV3Account:
        emode, now_s = self._emode(user), self._read_at_s(user.account)
        return liquidation.AaveV3Account(
            release=self._release(user.account),
            reserves=tuple(_reserve(one, user, emode, now_s or 0) for one in held),
            emode=None if emode is None else _category(emode),
            now_s=now_s,
        )

    def _emode(self, user: AaveV3Account) -> AaveV3EMode | None:
        if not user.emode:
            return None
        number = f"{user.emode:03d}"
        return self._fact(AaveV3EMode, "aave-v3-emode", venue_of(user.account), number)

    def _fact(self, kind: type[F], *key: str) -> F:
        """The fact of a key that stands in the snapshot: accounts without theirs are unread."""
        fact = self._snapshot.facts[key[0]][key]
        if not isinstance(fact, kind):
            raise EngineError(f"the fact {key} is no {kind.__name__}")
        return fact

    # --- The core's answer as ours ----------------------------------------------------------------

    def _legs(self, legs: liquidation.LiquidationLegs, held: Sequence[_Held]) -> PlanLegs:
        if legs.takes is None:
            raise EngineError("a liquidation of Aave seizes nothing")
        taken = held[legs.takes].reserve
        return PlanLegs(
            repay=self._amount(held[legs.closes].reserve, legs.repaid),
            seize=self._amount(taken, legs.seized),
            protocol_fee=self._amount(taken, legs.fee),
            deficits=tuple(self._amount(held[row].reserve, lost) for row, lost in legs.deficits),
            debt_to_cover=legs.cover,
        )

    def _amount(self, reserve: AaveV3Reserve, smallest_units: int) -> TokenAmount:
        """By the decimals that the venue itself counts with."""
        symbol = self._evaluation.rows.symbol_of(reserve.token)
        return TokenAmount(reserve.token, symbol, scaled(smallest_units, decimals_of(reserve)))


def _category(emode: AaveV3EMode) -> liquidation.AaveV3EMode:
    return liquidation.AaveV3EMode(
        category=emode.category,
        liquidation_threshold_bps=emode.liquidation_threshold,
        bonus_bps=emode.liquidation_bonus,
        price_base=emode.price_base,
    )


def _reserve(
    held: _Held, user: AaveV3Account, emode: AaveV3EMode | None, now_s: int
) -> liquidation.AaveV3Reserve:
    """A reserve as the pool stored it; the core grows it."""
    reserve, position = held.reserve, held.position
    word = reserve.configuration
    as_collateral, borrowing = uses(user, reserve.reserve_id)
    return liquidation.AaveV3Reserve(
        decimals=decimals_of(reserve),
        price_base=reserve.price_base,
        liquidation_threshold_bps=bits(word, 16, 16),
        # What is no collateral has no bonus set: nothing on top.
        bonus_bps=bits(word, 32, 16) or 10_000,
        protocol_fee_bps=bits(word, 152, 16),
        supply_scaled=position.supply_scaled,
        supply_index=reserve.liquidity_index,
        debt_scaled=position.variable_debt_scaled,
        debt_index=reserve.variable_borrow_index,
        stable_debt=position.stable_debt_principal,
        emode=user.emode if is_in_emode(reserve, emode) else 0,
        as_collateral=as_collateral,
        borrowing=borrowing,
        halted=not is_liquidated(reserve, now_s),
        growth=liquidation.AaveV3Growth(
            supply_rate=reserve.liquidity_rate,
            debt_rate=reserve.variable_borrow_rate,
            updated_at_s=reserve.updated_at_s,
            stable_rate=position.stable_rate,
            stable_updated_at_s=position.stable_updated_at_s,
        ),
    )
