"""What of each account could not be read: a fault never hides, and never hides the account."""

from collections.abc import Iterable, Mapping

from xmargin.engine.columns import Rows, unknown_reserves
from xmargin.model import (
    AaveV3Account,
    AccountId,
    TokenBalance,
    TokenState,
    VenueId,
    kind_of,
    venue_of,
)

NOT_READ = "not read yet"


def account_faults(
    users: Iterable[AaveV3Account], rows: Rows, reserves: Mapping[tuple[VenueId, int], int]
) -> dict[AccountId, str]:
    """Venue accounts that have no figures, each with the reason."""
    reasons = {user.account: _why_not(user, reserves) for user in users}
    venue_accounts = (a for a in rows.account_ids if kind_of(venue_of(a)) != "wallet")
    why = {account: reasons.get(account, NOT_READ) for account in venue_accounts}
    return {account: reason for account, reason in why.items() if reason}


def _why_not(user: AaveV3Account, reserves: Mapping[tuple[VenueId, int], int]) -> str:
    unknown = unknown_reserves(user, reserves)
    return user.fault or (f"in reserves that were not read: {unknown}" if unknown else "")


def read_faults(
    accounts: Mapping[AccountId, str],
    tokens: Iterable[TokenState],
    balances: Iterable[TokenBalance],
) -> dict[AccountId, str]:
    """All faults by account: of the account itself, of a balance, of a token it holds."""
    faults: dict[AccountId, list[str]] = {a: [f"{a}: {why}"] for a, why in accounts.items()}
    bad_tokens = {state.token: state.fault for state in tokens if state.fault}
    for balance in balances:
        fault = balance.fault or (bad_tokens.get(balance.token) if balance.amount else None)
        if fault:
            faults.setdefault(balance.account, []).append(f"{balance.token}: {fault}")
    return {account: "; ".join(sorted(texts)) for account, texts in faults.items()}
