"""What of each account could not be read: a fault never hides, and never hides the account."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from xmargin.engine.columns import Rows, why_unread
from xmargin.model import (
    AaveV3Account,
    AccountId,
    TokenBalance,
    TokenId,
    TokenState,
    VenueId,
    is_wallet,
)
from xmargin.world import Key

NOT_READ = "not read yet"


def account_faults(
    users: Iterable[AaveV3Account],
    rows: Rows,
    reserves: Mapping[tuple[VenueId, int], int],
    categories: Collection[tuple[VenueId, int]],
    ruled: Mapping[AccountId, str],
) -> dict[AccountId, str]:
    """Venue accounts without figures, each with the reason; ``ruled`` has those beside Aave's."""
    reasons = {user.account: why_unread(user, reserves, categories) for user in users}
    reasons |= ruled
    venue_accounts = (a for a in rows.account_ids if not is_wallet(a))
    why = {account: reasons.get(account, NOT_READ) for account in venue_accounts}
    return {account: reason for account, reason in why.items() if reason}


def unread_balances(rows: Rows, known: Collection[Key]) -> tuple[tuple[AccountId, TokenId], ...]:
    """What wallets may hold that nobody ever told: no key of ``known`` is of it."""
    missing = (key for key in rows.balance_keys if key not in known)
    return tuple(sorted((account, token) for _, account, token in missing))


def read_faults(
    accounts: Mapping[AccountId, str],
    unread: Iterable[tuple[AccountId, TokenId]],
    tokens: Iterable[TokenState],
    balances: Sequence[TokenBalance],
) -> dict[AccountId, str]:
    """All faults by account: of itself, of a balance (one never read too), of a token it holds."""
    faults: dict[AccountId, list[str]] = {a: [f"{a}: {why}"] for a, why in accounts.items()}
    bad_tokens = {state.token: state.fault for state in tokens if state.fault}
    for account, token in unread:
        if token not in bad_tokens:  # which are not asked for
            faults.setdefault(account, []).append(f"{token}: {NOT_READ}")
    doubtful = (b for b in balances if b.fault or (bad_tokens and b.token in bad_tokens))
    for balance in doubtful:
        fault = balance.fault or (bad_tokens[balance.token] if balance.amount else None)
        if fault:
            faults.setdefault(balance.account, []).append(f"{balance.token}: {fault}")
    return {account: "; ".join(sorted(texts)) for account, texts in faults.items()}
