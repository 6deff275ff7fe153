"""Venue truth as it is told: each account's health by its own venue's rules."""

from collections.abc import Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any

from xmargin.engine.aave_v3_limits import VenueLimits
from xmargin.engine.columns import AAVE_BASE_DECIMALS
from xmargin.engine.components import WAD_DECIMALS, scaled
from xmargin.engine.evaluate import Evaluation
from xmargin.engine.faults import NOT_READ
from xmargin.model import (
    AaveV3Account,
    AccountHealth,
    AccountId,
    HealthStatus,
    LiquidationEntry,
    LiquidationKind,
    chain_of,
    is_wallet,
)
from xmargin.model.standings import VenueStanding
from xmargin.model.units import UNIT
from xmargin.snapshot import Snapshot

_OVERFLOWS = "the venue's own arithmetic overflows for this account"


class VenueTruth:
    """The venue accounts of one evaluation."""

    def __init__(self, snapshot: Snapshot, evaluation: Evaluation) -> None:
        self._snapshot = snapshot
        self._evaluation = evaluation

    def healths(self, accounts: Sequence[AccountId]) -> tuple[AccountHealth, ...]:
        """Of those of ``accounts`` that are at a venue, wallets left out."""
        return tuple(self.health(account) for account in accounts if not is_wallet(account))

    def health(self, account: AccountId) -> AccountHealth:
        """Of one account; REFUSED with the reason where there are no figures."""
        standing = self._evaluation.standings.get(account)
        if standing is not None:
            return _health(account, standing)
        row = self._row_of.get(account)
        if row is None or row["overflow"]:
            unread = self._evaluation.account_faults.get(account, NOT_READ)
            fault = unread if row is None else _OVERFLOWS
            return AccountHealth(
                account, HealthStatus.REFUSED, 0, 0, 0, 0, 0, None, AAVE_BASE_DECIMALS, fault, 0, 0
            )
        wad = row["health_factor_wad"]
        health_factor_wad = None if wad is None else int.from_bytes(wad, "big")
        collateral = int.from_bytes(row["collateral_base"], "big")
        debt = int.from_bytes(row["debt_base"], "big")
        return AccountHealth(
            account=account,
            status=_status(health_factor_wad),
            collateral_base=collateral,
            debt_base=debt,
            available_borrows_base=int.from_bytes(row["available_borrows_base"], "big"),
            liquidation_threshold_bps=row["liquidation_threshold_bps"],
            ltv_bps=row["ltv_bps"],
            health_factor_wad=health_factor_wad,
            base_decimals=AAVE_BASE_DECIMALS,
            fault="",
            counted_base=_percent(collateral, row["liquidation_threshold_bps"]),
            requirement_base=debt,
            notes=self._notes(account),
        )

    def _notes(self, account: AccountId) -> tuple[str, ...]:
        user = self._snapshot.facts["aave-v3-account"].get(("aave-v3-account", account))
        return self._limits.notes(user) if isinstance(user, AaveV3Account) else ()

    @cached_property
    def _limits(self) -> VenueLimits:
        return VenueLimits(self._snapshot, self._evaluation.rows.symbol_of)

    @cached_property
    def _row_of(self) -> dict[AccountId, dict[str, Any]]:
        ids = self._evaluation.rows.account_ids
        return {ids[row["account"]]: row for row in self._evaluation.venue_accounts}

    def entry(self, rank: int, row: int) -> LiquidationEntry:
        """The account in ``row`` of the venue accounts, which its venue would liquidate."""
        rows = self._evaluation.rows
        account_row = self._evaluation.venue_accounts[row]["account"]
        health = self.health(rows.account_ids[account_row])
        wad = health.health_factor_wad or 0
        missing = health.debt_base * (10**WAD_DECIMALS - wad) // 10**WAD_DECIMALS
        factor = scaled(wad, WAD_DECIMALS)
        return LiquidationEntry(
            rank=rank,
            kind=LiquidationKind.VENUE_ACCOUNT,
            portfolio=rows.portfolio_ids[rows.account_portfolios[account_row]],
            account=health.account,
            health_factor=factor,
            shortfall=scaled(missing, AAVE_BASE_DECIMALS),
            debt=scaled(health.debt_base, AAVE_BASE_DECIMALS),
            reason=f"venue health factor {factor:.4f} < 1{self._last_known(health.account)}",
        )

    def due_standings(self) -> tuple[AccountId, ...]:
        """Accounts that a venue with a rule of its own would liquidate: worst first, then by id."""
        due = {a: one for a, one in self._evaluation.standings.items() if one.is_liquidatable}
        return tuple(
            sorted(due, key=lambda account: (due[account].health_factor_wad or 0, account))
        )

    def standing_entry(self, rank: int, account: AccountId) -> LiquidationEntry:
        """An account that a venue with a rule of its own would liquidate."""
        rows = self._evaluation.rows
        standing = self._evaluation.standings[account]
        factor = scaled(standing.health_factor_wad or 0, WAD_DECIMALS)
        missing = max(0, standing.requirement - standing.counted)
        price = self._unit_price(standing.unit)
        return LiquidationEntry(
            rank=rank,
            kind=LiquidationKind.VENUE_ACCOUNT,
            portfolio=rows.portfolio_ids[rows.account_portfolios[rows.accounts[account]]],
            account=account,
            health_factor=factor,
            shortfall=scaled(missing, standing.decimals) * price,
            debt=scaled(standing.debt, standing.decimals) * price,
            reason=f"venue health factor {factor:.4f}: its venue would liquidate it"
            f"{self._last_known(account)}",
        )

    def _unit_price(self, unit: str) -> Decimal:
        """USD of one unit that a venue counts in; zero where it has no believed price."""
        if unit == UNIT:
            return Decimal(1)
        price = self._snapshot.prices.get(unit)
        return Decimal(0) if price is None else price.mark

    def _last_known(self, account: AccountId) -> str:
        """What to add of an account whose chain is cut off: its figures are the last known."""
        chain = next((c for c in self._snapshot.chains if c.chain == chain_of(account)), None)
        if chain is None or not chain.cut_off or chain.block is None:
            return ""
        return f" as of block {chain.block.height}; {chain.name} is {chain.condition}"


def _health(account: AccountId, standing: VenueStanding) -> AccountHealth:
    """An account by the rule of its own venue."""
    return AccountHealth(
        account=account,
        status=_status_of(standing),
        collateral_base=standing.collateral,
        debt_base=standing.debt,
        available_borrows_base=standing.available,
        liquidation_threshold_bps=0,
        ltv_bps=0,
        health_factor_wad=standing.health_factor_wad,
        base_decimals=standing.decimals,
        fault=standing.fault,
        counted_base=standing.counted,
        requirement_base=standing.requirement,
        base_unit=standing.unit,
    )


def _status_of(standing: VenueStanding) -> HealthStatus:
    if standing.fault:
        return HealthStatus.REFUSED
    if standing.is_liquidatable:
        return HealthStatus.LIQUIDATABLE
    return HealthStatus.HEALTHY if standing.requirement else HealthStatus.NO_DEBT


def _percent(value: int, bps: int) -> int:
    """Half up, as Aave's PercentageMath."""
    return (value * bps + 5_000) // 10_000


def _status(health_factor_wad: int | None) -> HealthStatus:
    if health_factor_wad is None:
        return HealthStatus.NO_DEBT
    is_due = health_factor_wad < 10**WAD_DECIMALS
    return HealthStatus.LIQUIDATABLE if is_due else HealthStatus.HEALTHY
