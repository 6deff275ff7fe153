"""Writes the golden vectors of the venue rules, from the reference alone.

Run ``python -m tests.liquidation.make_golden_rules`` and read the difference. Each vector is an
account as the core reads it, and what a liquidation of it moves.
"""

import dataclasses
import json
from pathlib import Path
from random import Random
from typing import Any

from tests.liquidation.venue_accounts import (
    WAD,
    drift_account,
    drift_referred,
    drift_standing,
    dydx_account,
    dydx_referred,
    euler_account,
    euler_referred,
    health_wad,
    perp_of,
    v4_account,
    v4_of,
)
from xmargin.engine.liquidation import Close, VenueAccount, document_of
from xmargin.reference import lending_auctions as auctions
from xmargin.reference import perp_liquidation as perps

GOLDEN = Path(__file__).parent / "golden" / "venue_rules.json"
VECTORS_PER_RULE = 40


def _moved(moved: auctions.Moved) -> dict[str, str]:
    return {
        "repaid": str(moved.repaid),
        "seized": str(moved.seized),
        "fee": str(moved.fee),
        "deficit": str(moved.deficit),
    }


def _closed(size: int, closed: perps.Closed, deficit: int) -> dict[str, str]:
    health = health_wad(closed.equity, closed.requirement)
    return {
        "repaid": str(size),
        "seized": str(abs(closed.quote)),
        "fee": str(max(closed.fund, 0)),
        "deficit": str(deficit),
        "health_after_wad": str(health),
    }


def _dydx(random: Random) -> tuple[VenueAccount, dict[str, str] | None]:
    account = dydx_account(random)
    at = random.randrange(len(account.positions))
    size = random.randint(1, abs(account.positions[at].quantums))
    equity, required = perps.dydx_standing(
        account.quote, [perp_of(position) for position in account.positions]
    )
    account = dataclasses.replace(account, close=Close(at, size))
    if not 0 < required > equity:
        return account, None
    closed = dydx_referred(account, at, size)
    return account, _closed(size, closed, max(-closed.fund, 0))


def _drift(random: Random) -> tuple[VenueAccount, dict[str, str] | None]:
    account = drift_account(random)
    at = random.randrange(len(account.positions))
    base_max = random.randint(1, abs(account.positions[at].base))
    equity, required, _ = drift_standing(account)
    account = dataclasses.replace(account, close=Close(at, base_max))
    if equity >= required:
        return account, None
    base, closed = drift_referred(account, at, base_max)
    lost = -closed.equity if closed.requirement == 0 else 0
    return account, _closed(base, closed, max(lost, 0)) if base else None


def _v4(random: Random) -> tuple[VenueAccount, dict[str, str] | None]:
    account = v4_account(random)
    theirs = v4_of(account)
    health = auctions.v4_health_wad(theirs, account.collateral.amount, account.debt.amount)
    moved = auctions.v4_liquidation(theirs) if health is not None and health < WAD else None
    return account, None if moved is None else _moved(moved)


def _euler(random: Random) -> tuple[VenueAccount, dict[str, str] | None]:
    account = euler_account(random)
    if account.adjusted_value > account.liability_value:
        return account, None
    return account, _moved(euler_referred(account))


def vectors() -> list[dict[str, Any]]:
    """All of them, the same in every run."""
    made = []
    for build in (_v4, _euler, _dydx, _drift):
        random = Random(build.__name__)
        for _ in range(VECTORS_PER_RULE):
            account, legs = build(random)
            document = {"rule": account.rule} | document_of(account)
            made.append({"account": document, "legs": legs})
    return made


def content() -> str:
    """The file."""
    rows = ",\n".join(json.dumps(vector, separators=(",", ":")) for vector in vectors())
    return f"[\n{rows}\n]\n"


if __name__ == "__main__":
    GOLDEN.write_text(content(), "utf-8")
