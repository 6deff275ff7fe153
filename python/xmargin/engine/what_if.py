"""What a portfolio would be after a plan: its snapshot alone, with what the plan moves moved."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import ceil, floor
from typing import NamedTuple

from xmargin import records
from xmargin.engine.portfolio_legs import Holding, Market, PortfolioLeg, Subject, net_units
from xmargin.engine.standings import Standings
from xmargin.errors import EngineError
from xmargin.model import (
    AaveV3Account,
    AaveV3Position,
    AaveV3Reserve,
    AccountId,
    Claim,
    LegSide,
    PortfolioSpec,
    TokenBalance,
    TokenId,
    TokenState,
    VenueId,
    chain_of,
    is_instrument,
    is_wallet,
    venue_of,
)
from xmargin.model.standings import HELD_RECORD, HeldLegs, VenueLeg
from xmargin.snapshot import Snapshot
from xmargin.world import ChainFact, Key, key_of

Side = tuple[AccountId, TokenId, bool]
"""An account's holding of a token, or (true) its debt of it."""

_ZERO = Fraction(0)


class Wallet(NamedTuple):
    """Where a token can be kept."""

    account: AccountId
    token: TokenId
    decimals: int


@dataclass(frozen=True, slots=True)
class Moved:
    """By how many smallest units each side changes, and what it was before.

    ``unplaced`` USD found no wallet to be in; negative, so much could not be paid.
    """

    changes: Mapping[Side, int]
    before: Mapping[Side, int]
    decimals: Mapping[TokenId, int]
    unplaced: Fraction


# --- What a plan moves ----------------------------------------------------------------------------


class Closing:
    """The moves of one plan, in whole smallest units, rounded against the portfolio.

    What is closed is taken from all accounts in proportion. What it brings, less the cost, repays
    debts in money: first in the accounts it came from, then everywhere in proportion; what is left
    stays in a wallet. What buying back needs beyond it is taken from the money owned.
    """

    def __init__(self, subject: Subject, market: Market, wallets: Sequence[Wallet]) -> None:
        self._subject = subject
        self._market = market
        self._wallets = wallets
        self._own = subject.own_money
        self._changes: dict[Side, int] = defaultdict(int)

    def of(self, fractions: Sequence[float], cost: float) -> Moved:
        """What closing these fractions of the legs, at this cost (USD), moves."""
        cash_of: dict[AccountId, Fraction] = defaultdict(Fraction)
        for leg, fraction in zip(self._subject.legs, fractions, strict=True):
            for one, units in _closed(leg, Fraction(fraction) * Fraction(leg.share)):
                self._changes[one.account, one.token, one.debt] -= units
                worth = self._worth(one) * units / one.amount
                cash_of[one.account] += -worth if one.debt else worth
        cash = sum(cash_of.values(), _ZERO) - Fraction(cost)
        unplaced = self._keep(self._repay(cash, cash_of)) if cash > 0 else self._withdraw(-cash)
        decimals = {one.token: one.decimals for one in self._subject.holdings}
        return Moved(
            changes={side: units for side, units in self._changes.items() if units},
            before={
                (one.account, one.token, one.debt): one.amount for one in self._subject.holdings
            },
            decimals=decimals | {wallet.token: wallet.decimals for wallet in self._wallets},
            unplaced=unplaced,
        )

    def _worth(self, one: Holding) -> Fraction:
        """What a debt costs to buy back, or what is owned brings (USD)."""
        return abs(one.units) * self._market.price(one.base, owed=one.debt)

    def _withdraw(self, needed: Fraction) -> Fraction:
        """Spends money that is owned; negative: what of the need (USD) it did not cover."""
        owned = [one for one in self._own if not one.debt]
        there = sum(map(self._worth, owned), _ZERO)
        for one in owned:
            units = min(one.amount, ceil(one.amount * needed / there))
            self._changes[one.account, one.token, False] -= units
        return -max(_ZERO, needed - there)

    def _repay(self, cash: Fraction, cash_of: Mapping[AccountId, Fraction]) -> Fraction:
        """Repays debts of money; what is left of the cash."""
        debts = [one for one in self._own if one.debt]
        owed = {id(one): self._worth(one) for one in debts}
        sold = {account: max(_ZERO, worth) for account, worth in cash_of.items()}
        all_sold = sum(sold.values(), _ZERO)
        left = cash
        for account, worth in sold.items():
            own = [one for one in debts if one.account == account]
            left -= _spread(owed, own, cash * worth / all_sold if all_sold else _ZERO)
        left -= _spread(owed, debts, left)
        for one in debts:
            unpaid = ceil(one.amount * owed[id(one)] / self._worth(one))
            self._changes[one.account, one.token, True] -= one.amount - unpaid
        return left

    def _keep(self, cash: Fraction) -> Fraction:
        """Buys money for what is left, into one wallet; what could not be placed (USD)."""
        owned = [
            Wallet(one.account, one.token, one.decimals)
            for one in self._own
            if not one.debt and is_wallet(one.account)
        ]
        places = [*owned, *self._wallets]
        if not cash or not places:
            return cash
        account, token, decimals = places[0]
        units = cash / self._market.price(self._subject.money, owed=True)
        self._changes[account, token, False] += floor(units * 10**decimals)
        return _ZERO


def _closed(leg: PortfolioLeg, part: Fraction) -> Iterator[tuple[Holding, int]]:
    """Of each token the part of what is net, from all holdings on the leg's side in proportion."""
    is_debt = leg.side is LegSide.BUY
    for token, units in net_units(leg.holdings).items():
        own = [one for one in leg.holdings if one.token == token and one.debt is is_debt]
        there = sum(abs(one.units) for one in own)
        for one in own:
            yield one, min(one.amount, ceil(one.amount * part * abs(units) / there))


def _spread(owed: dict[int, Fraction], debts: Sequence[Holding], cash: Fraction) -> Fraction:
    """Lowers what is owed by as much as the cash can pay, in proportion; what was paid."""
    there = sum((owed[id(one)] for one in debts), _ZERO)
    if not there:
        return _ZERO
    paid = min(cash, there)
    for one in debts:
        owed[id(one)] *= 1 - paid / there
    return paid


def wallets_for(snapshot: Snapshot, spec: PortfolioSpec, money: str) -> list[Wallet]:
    """Where the portfolio can keep money: its wallets on reachable chains, and a token of it."""
    reachable = {chain.chain for chain in snapshot.chains if not chain.cut_off}
    states = snapshot.facts["token"]
    found = []
    for account in spec.accounts:
        if not is_wallet(account) or chain_of(account) not in reachable:
            continue
        for token in snapshot.registry.tokens:
            state = states.get(("token", token.id))
            is_plain = token.claim is Claim.NONE and not is_instrument(token.id)
            is_money = is_plain and token.price == money
            is_here = chain_of(token.id) == chain_of(account)
            if is_money and is_here and isinstance(state, TokenState) and not state.fault:
                found.append(Wallet(account, token.id, state.decimals))
    return found


# --- The snapshot afterwards ----------------------------------------------------------------------


class Alone:
    """One portfolio's part of a snapshot."""

    def __init__(self, snapshot: Snapshot, spec: PortfolioSpec, standings: Standings) -> None:
        self._snapshot = snapshot
        self.spec = spec
        self._standings = standings

    @cached_property
    def _balances(self) -> dict[Key, ChainFact]:
        balances = self._snapshot.facts["balance"]
        tokens = [token.id for token in self._snapshot.registry.tokens]
        wallets = filter(is_wallet, self.spec.accounts)
        keys: list[Key] = [("balance", a, token) for a in wallets for token in tokens]
        return {key: balances[key] for key in sorted(keys) if key in balances}

    @cached_property
    def _users(self) -> dict[Key, ChainFact]:
        users = self._snapshot.facts["aave-v3-account"]
        keys: list[Key] = [("aave-v3-account", account) for account in self.spec.accounts]
        return {key: users[key] for key in sorted(keys) if key in users}

    @cached_property
    def _held(self) -> dict[AccountId, tuple[VenueLeg, ...]]:
        """The legs of accounts at venues with a rule of their own, of those that have figures."""
        known = {a: one for a in self.spec.accounts if (one := self._standings.get(a))}
        return {account: one.legs for account, one in known.items() if not one.fault}

    def snapshot(self, accounts: Callable[[AccountId], bool] = lambda _: True) -> Snapshot:
        """As it is, of those of its accounts alone."""
        kept = tuple(account for account in self.spec.accounts if accounts(account))
        return self._with(
            replace(self.spec, accounts=kept), self._balances, self._users, self._held
        )

    def after(
        self, moved: Moved, accounts: Callable[[AccountId], bool] = lambda _: True
    ) -> Snapshot:
        """As it would be, of those of its accounts alone."""
        balances, users, held = dict(self._balances), dict(self._users), dict(self._held)
        for (account, token, debt), units in moved.changes.items():
            if is_wallet(account):
                key: Key = ("balance", account, token)
                balances[key] = _balance(balances.get(key), account, token, units)
            elif account in held:
                held[account] = _with_more(held[account], token, units, owed=debt)
        for account in self.spec.accounts:
            own = {
                (token, debt): Fraction(moved.before[side] + units, moved.before[side])
                for side, units in moved.changes.items()
                for of, token, debt in [side]
                if of == account and not is_wallet(of) and of not in held
            }
            if own:
                key = ("aave-v3-account", account)
                users[key] = self._user(users[key], own)
        kept = tuple(account for account in self.spec.accounts if accounts(account))
        return self._with(
            replace(self.spec, accounts=kept), dict(sorted(balances.items())), users, held
        )

    def _user(
        self, fact: ChainFact, left: Mapping[tuple[TokenId, bool], Fraction]
    ) -> AaveV3Account:
        """The account with parts of its reserves left; rounded against it, as its pool would."""
        if not isinstance(fact, AaveV3Account):
            raise EngineError(f"{type(fact).__name__} is no account of a lending venue")
        positions = (
            _left(position, self._token(venue_of(fact.account), position.reserve_id), left)
            for position in fact.positions
        )
        return replace(fact, positions=tuple(positions))

    def _token(self, venue: VenueId, reserve_id: int) -> TokenId:
        key = ("aave-v3-reserve", venue, f"{reserve_id:05d}")
        reserve = self._snapshot.facts["aave-v3-reserve"][key]
        if not isinstance(reserve, AaveV3Reserve):
            raise EngineError(f"the fact {key} is no reserve")
        return reserve.token

    def _with(
        self,
        spec: PortfolioSpec,
        balances: Mapping[Key, ChainFact],
        users: Mapping[Key, ChainFact],
        held: Mapping[AccountId, tuple[VenueLeg, ...]],
    ) -> Snapshot:
        snapshot = self._snapshot
        told = (
            records.market_record(venue_of(account), HELD_RECORD, account, HeldLegs(legs))
            for account, legs in sorted(held.items())
        )
        facts = {
            **snapshot.facts,
            "balance": balances,
            "aave-v3-account": users,
            "venue-record": {key_of(record): record for record in told},
        }
        return replace(
            snapshot, hash="", registry=replace(snapshot.registry, portfolios=(spec,)), facts=facts
        )


def _left(
    position: AaveV3Position, token: TokenId, left: Mapping[tuple[TokenId, bool], Fraction]
) -> AaveV3Position:
    owned, owed = left.get((token, False), Fraction(1)), left.get((token, True), Fraction(1))
    return replace(
        position,
        supply_scaled=floor(position.supply_scaled * owned),
        variable_debt_scaled=ceil(position.variable_debt_scaled * owed),
        stable_debt_principal=ceil(position.stable_debt_principal * owed),
    )


def _with_more(
    legs: tuple[VenueLeg, ...], token: TokenId, units: int, *, owed: bool
) -> tuple[VenueLeg, ...]:
    """The legs with so much more (or, negative, less) of a token owned, or owed."""
    of_side = [leg for leg in legs if leg.token == token and (leg.amount < 0) is owed]
    others = tuple(leg for leg in legs if leg not in of_side)
    there = sum(leg.amount for leg in of_side) + (-units if owed else units)
    return (*others, VenueLeg(token, there)) if there else others


def _balance(
    fact: ChainFact | None, account: AccountId, token: TokenId, units: int
) -> TokenBalance:
    before = fact.amount if isinstance(fact, TokenBalance) else 0
    return TokenBalance(account, token, before + units, "")
