"""The positions of a portfolio, from every venue, in one form."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction

from xmargin.reference.aave_v3 import RevertError, account_data, holding, owing
from xmargin.reference.book import AaveUser, Account, Book, Portfolio

_DECIMALS_MAX = 36


class Counting(IntEnum):
    """Whether a position entered the unified margin, and if not, why; the core's numbers."""

    COUNTED = 0
    LOOKED_THROUGH = 1
    CUT_OFF = 2
    EXCLUDED = 3


@dataclass(frozen=True, slots=True)
class Position:
    """Something owned or owed; ``units`` is signed, ``None`` where it cannot be measured."""

    account: str
    chain: str
    venue_kind: str
    token: str
    debt: bool
    amount: int
    units: Fraction | None
    counting: Counting


def positions_of(book: Book, portfolio: Portfolio) -> list[Position]:
    """All positions: wallets before Aave, each in the order of the accounts."""
    wallets = [p for account in portfolio.accounts for p in _balances(book, account)]
    lending = [p for account in portfolio.accounts for p in _aave(book, account)]
    return wallets + lending


def reverts(book: Book, user: AaveUser) -> bool:
    """Whether the pool's own arithmetic reverts for anything of this user."""
    pool = book.pools[user.pool]
    try:
        account_data(pool, user)
        for position in user.positions:
            holding(pool, position)
            owing(pool, position)
    except RevertError:
        return True
    return False


def _balances(book: Book, account: Account) -> Iterator[Position]:
    for balance in account.balances:
        yield _position(
            book,
            account,
            token=balance.token,
            debt=balance.is_debt,
            amount=balance.amount,
            looked_through=balance.looked_through,
        )


def _aave(book: Book, account: Account) -> Iterator[Position]:
    if account.aave is None:
        return
    pool = book.pools[account.aave.pool]
    for held in account.aave.positions:
        reserve = pool.reserves[held.reserve]
        sides = []
        if held.supply_scaled:
            sides.append((False, holding))
        if held.variable_debt_scaled or held.stable_debt_principal:
            sides.append((True, owing))
        for debt, balance in sides:
            try:
                amount = balance(pool, held)
            except RevertError:
                amount = None
            yield _position(
                book,
                account,
                token=reserve.token,
                debt=debt,
                amount=amount,
                venue_decimals=reserve.decimals,
            )


def _position(
    book: Book,
    account: Account,
    *,
    token: str,
    debt: bool,
    amount: int | None,
    venue_decimals: int | None = None,
    looked_through: bool = False,
) -> Position:
    decimals = book.tokens[token].decimals
    measurable = (
        decimals is not None and decimals <= _DECIMALS_MAX and venue_decimals in (None, decimals)
    )
    base = book.tokens[token].base
    priced = base is not None and book.bases[base].usable
    if looked_through:
        counting = Counting.LOOKED_THROUGH
    elif not measurable or not priced or amount is None:
        counting = Counting.EXCLUDED
    elif book.cut_off[account.chain]:
        counting = Counting.CUT_OFF
    else:
        counting = Counting.COUNTED
    units = None
    if measurable and decimals is not None:
        units = Fraction(-(amount or 0) if debt else (amount or 0), 10**decimals)
    return Position(
        account.id, account.chain, account.venue_kind, token, debt, amount or 0, units, counting
    )
