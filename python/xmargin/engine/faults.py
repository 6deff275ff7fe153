"""What of each account could not be read: a fault never hides, and never hides the account."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from xmargin.engine.columns import Rows, why_unread
from xmargin.model import (
    AaveV3Account,
    AccountId,
    ChainId,
    TokenBalance,
    TokenId,
    TokenState,
    VenueId,
    chain_of,
    kind_of,
    venue_of,
)

NOT_READ = "not read yet"


def account_faults(
    users: Iterable[AaveV3Account],
    rows: Rows,
    reserves: Mapping[tuple[VenueId, int], int],
    categories: Collection[tuple[VenueId, int]],
) -> dict[AccountId, str]:
    """Venue accounts that have no figures, each with the reason."""
    reasons = {user.account: why_unread(user, reserves, categories) for user in users}
    venue_accounts = (a for a in rows.account_ids if not _is_wallet(a))
    why = {account: reasons.get(account, NOT_READ) for account in venue_accounts}
    return {account: reason for account, reason in why.items() if reason}


def read_faults(
    accounts: Mapping[AccountId, str],
    rows: Rows,
    tokens: Iterable[TokenState],
    balances: Sequence[TokenBalance],
) -> dict[AccountId, str]:
    """All faults by account: of itself, of a balance (one never read too), of a token it holds."""
    faults: dict[AccountId, list[str]] = {a: [f"{a}: {why}"] for a, why in accounts.items()}
    bad_tokens = {state.token: state.fault for state in tokens if state.fault}
    for account, token in _unread_balances(rows, bad_tokens, balances):
        faults.setdefault(account, []).append(f"{token}: {NOT_READ}")
    for balance in balances:
        fault = balance.fault or (bad_tokens.get(balance.token) if balance.amount else None)
        if fault:
            faults.setdefault(balance.account, []).append(f"{balance.token}: {fault}")
    return {account: "; ".join(sorted(texts)) for account, texts in faults.items()}


def _unread_balances(
    rows: Rows, bad_tokens: Collection[TokenId], balances: Iterable[TokenBalance]
) -> Iterator[tuple[AccountId, TokenId]]:
    """What wallets may hold that nobody ever told: a token at fault is not asked for."""
    told = {(balance.account, balance.token) for balance in balances}
    of_chain: dict[ChainId, list[TokenId]] = defaultdict(list)
    for token in rows.token_specs:
        if token not in bad_tokens:
            of_chain[chain_of(token)].append(token)
    for account in filter(_is_wallet, rows.account_ids):
        for token in of_chain[chain_of(account)]:
            if (account, token) not in told:
                yield account, token


def _is_wallet(account: AccountId) -> bool:
    return kind_of(venue_of(account)) == "wallet"
