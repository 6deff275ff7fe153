"""The whole: one snapshot in, both truths and the order out."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from xmargin.reference.aave_v3 import AccountData, RevertError, account_data
from xmargin.reference.book import AavePosition, AaveUser, Book
from xmargin.reference.order import Due, liquidation_order
from xmargin.reference.scenarios import Model
from xmargin.reference.unified import PortfolioMargin, margin_of
from xmargin.reference.unified_history import History, Returns


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What :func:`evaluate` answers.

    ``venue_accounts`` holds ``None`` for an account whose contract's arithmetic reverts;
    ``held_accounts`` those with a position in a base on hold or without a price.
    """

    scenarios: tuple[str, ...]
    venue_accounts: Mapping[str, AccountData | None]
    held_accounts: frozenset[str]
    portfolios: tuple[PortfolioMargin, ...]
    order: tuple[Due, ...]


def evaluate(parameters: str, book: Book, returns: Returns | None = None) -> Evaluation:
    """Venue truth, unified truth and liquidation order; ``parameters`` is JSON, range-checked.

    Without ``returns``, or parameters that ask for historical shortfall, the grid stands alone.
    """
    model = Model.over(parameters, (base.asset for base in book.bases.values()))
    history = _history(parameters, returns, model)
    users = dict(_users(book))
    venue_accounts = {account: _account_data(book, user) for account, user in users.items()}
    held = frozenset(account for account, user in users.items() if _is_held(book, user))
    portfolios = tuple(margin_of(book, p, model, history) for p in book.portfolios)
    known = {account: data for account, data in venue_accounts.items() if data is not None}
    return Evaluation(
        scenarios=tuple(scenario.name for scenario in model.scenarios),
        venue_accounts=venue_accounts,
        held_accounts=held,
        portfolios=portfolios,
        order=tuple(liquidation_order(known, held, portfolios)),
    )


def _history(parameters: str, returns: Returns | None, model: Model) -> History | None:
    tree = json.loads(parameters)
    if returns is None or "historical_es" not in tree:
        return None
    return History(tree, returns, model)


def _users(book: Book) -> Iterator[tuple[str, AaveUser]]:
    for portfolio in book.portfolios:
        for account in portfolio.accounts:
            if account.aave is not None:
                yield account.id, account.aave


def _account_data(book: Book, user: AaveUser) -> AccountData | None:
    try:
        return account_data(book.pools[user.pool], user)
    except RevertError:
        return None


def _is_held(book: Book, user: AaveUser) -> bool:
    return any(_is_doubtful(book, user, position) for position in user.positions)


def _is_doubtful(book: Book, user: AaveUser, position: AavePosition) -> bool:
    token = book.tokens[book.pools[user.pool].reserves[position.reserve].token]
    if token.base is None:
        return False
    base = book.bases[token.base]
    anything = (
        position.supply_scaled or position.variable_debt_scaled or position.stable_debt_principal
    )
    return bool(anything) and (base.held or not base.usable)
