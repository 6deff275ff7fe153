"""All accounts of the golden files, each with what decodes it."""

from collections.abc import Callable
from functools import partial
from typing import Any

from tests.solana_venues import captures, drift_golden, kamino_golden, marginfi_golden
from tests.solana_venues.packing import unpacked
from xmargin.reads import SolanaAccount
from xmargin.venues import drift_v2, kamino, marginfi_v2

Placed = tuple[SolanaAccount, Callable[[SolanaAccount | None], Any]]
"""An account, and how it is decoded."""


def drift_accounts() -> list[Placed]:
    """Markets, the made users, and the real ones where they are there."""
    said, venue = drift_golden.document(), drift_golden.VENUE
    spots = zip(map(int, said["spotPrices"]), said["spotMarkets"], strict=True)
    perps = zip(map(int, said["perpPrices"]), said["perpMarkets"], strict=True)
    placed: list[Placed] = [
        (
            SolanaAccount(drift_v2.spot_market_address(at), 0, drift_v2.PROGRAM, unpacked(text)),
            partial(drift_v2.spot_market_of, venue),
        )
        for at, text in spots
    ]
    placed += [
        (
            SolanaAccount(drift_v2.perp_market_address(at), 0, drift_v2.PROGRAM, unpacked(text)),
            partial(drift_v2.perp_market_of, venue),
        )
        for at, text in perps
    ]
    users = [(one["account"], unpacked(one["bytes"])) for one in said["users"]]
    real = captures.drift_users() if captures.FOLDER.is_dir() else []
    users += [(f"{venue}/{it['authority']}/{it['sub']}", data) for data, it in real]
    return placed + [
        (
            SolanaAccount(drift_v2.user_address(account), 0, drift_v2.PROGRAM, data),
            partial(drift_v2.user_of, account),
        )
        for account, data in users
    ]


def marginfi_accounts() -> list[Placed]:
    """Banks and accounts."""
    said, venue = marginfi_golden.document(), marginfi_golden.VENUE
    banks = [_placed(one, marginfi_v2.PROGRAM) for one in said["banks"]]
    accounts = [_placed(one, marginfi_v2.PROGRAM) for one in said["accounts"]]
    decode = marginfi_v2.account_of
    placed: list[Placed] = [(one, partial(marginfi_v2.bank_of, venue)) for one in banks]
    return placed + [(one, partial(decode, f"{venue}/{one.address}")) for one in accounts]


def kamino_accounts() -> list[Placed]:
    """The market, reserves and obligations."""
    said, venue = kamino_golden.document(), kamino_golden.VENUE
    market = _placed(said["market"], kamino.PROGRAM)
    reserves = [_placed(one, kamino.PROGRAM) for one in said["reserves"]]
    obligations = [_placed(one, kamino.PROGRAM) for one in said["obligations"]]
    decode = kamino.obligation_of
    placed: list[Placed] = [(market, partial(kamino.market_of, venue))]
    placed += [(one, partial(kamino.reserve_of, venue)) for one in reserves]
    return placed + [(one, partial(decode, f"{venue}/{one.address}")) for one in obligations]


def _placed(one: dict[str, str], program: str) -> SolanaAccount:
    return SolanaAccount(one["address"], 0, program, unpacked(one["bytes"]))
