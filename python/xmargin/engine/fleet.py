"""Whom to liquidate first when accounts compete for depth (``docs/liquidation.md``)."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

# Fewer accounts are done before a second thread is awake.
_PARALLEL_ACCOUNTS_MIN = 20_000


@dataclass(frozen=True, slots=True)
class DistressedAccount:
    """An account that may be liquidated: money in one unit, depth in each asset's own.

    ``cost`` holds what liquidating costs and the bad debt that it leaves.
    """

    id: int
    bad_debt_expected: float
    cost: float
    depth_used: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class RankReason:
    """Why an account has its place: ``key`` = ``bad_debt_avoided`` ÷ ``priced_depth``."""

    rank: int
    id: int
    bad_debt_expected: float
    cost: float
    bad_debt_avoided: float
    depth_used: Mapping[str, float]
    price_of_depth: Mapping[str, float]
    priced_depth: float
    key: float
    share: float
    batch: int | None


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """All accounts, first to last; what the plan avoids, and what no plan exceeds."""

    reasons: tuple[RankReason, ...]
    price_of_depth: Mapping[str, float]
    avoided: float
    bound: float


@dataclass(frozen=True, slots=True)
class FleetColumns:
    """The same as columns.

    ``ranks``: ``account: u32, id: u64, key: f64, bad_debt_avoided: f64, priced_depth: f64,
    share: f64, batch: u32`` (null where nothing is liquidated).
    """

    ranks: "pa.RecordBatch"
    price_of_depth: tuple[float, ...]
    avoided: float
    bound: float


def order_columns(
    accounts: Any,
    uses: Any,
    depth: Sequence[float],
    *,
    parts: bool = True,
    block_accounts_max: int = 1_000_000,
    threads: int | None = None,
) -> FleetColumns:
    """Order a fleet given as Arrow tables.

    Args:
        accounts: ``id: u64, bad_debt_expected: f64, cost: f64, uses_end: u64``.
        uses: ``asset: u32`` (ascending within an account)``, amount: f64``.
        depth: of each asset.
        parts: whether an account may be liquidated in part, where depth does not last.
        block_accounts_max: liquidations in one block.
        threads: one a processor if not given. Results do not depend on it.

    Raises:
        EngineError: naming table, column and row at fault.
        ParameterError: ``block_accounts_max`` or ``threads`` is out of range.
    """
    import pyarrow as pa

    from xmargin import _core

    ranks, prices, avoided, bound = _core.order_fleet(
        accounts=accounts,
        uses=uses,
        depth=list(depth),
        parts=parts,
        block_accounts_max=block_accounts_max,
        threads=threads if threads is not None else len(os.sched_getaffinity(0)),
    )
    return FleetColumns(pa.record_batch(ranks), tuple(prices), avoided, bound)


def order_fleet(
    accounts: Sequence[DistressedAccount],
    depth: Mapping[str, float],
    *,
    parts: bool = True,
    block_accounts_max: int = 1_000_000,
) -> FleetPlan:
    """Order a fleet, each rank with its reason.

    Args:
        accounts: in any order; ids are unique.
        depth: of each asset; one that is not named has none.
        parts: whether an account may be liquidated in part, where depth does not last.
        block_accounts_max: liquidations in one block.

    Raises:
        EngineError, ParameterError: as :func:`order_columns`.
    """
    names = sorted({*depth, *(asset for account in accounts for asset in account.depth_used)})
    threads = 1 if len(accounts) < _PARALLEL_ACCOUNTS_MIN else None
    columns = order_columns(
        *_tables(accounts, names),
        [depth.get(name, 0.0) for name in names],
        parts=parts,
        block_accounts_max=block_accounts_max,
        threads=threads,
    )
    prices = dict(zip(names, columns.price_of_depth, strict=True))
    rows = enumerate(columns.ranks.to_pylist(), start=1)
    reasons = tuple(_reason(rank, row, accounts[row["account"]], prices) for rank, row in rows)
    return FleetPlan(reasons, prices, columns.avoided, columns.bound)


def _tables(accounts: Sequence[DistressedAccount], names: Sequence[str]) -> tuple[Any, Any]:
    import pyarrow as pa

    place = {name: row for row, name in enumerate(names)}
    assets: list[int] = []
    amounts: list[float] = []
    ends: list[int] = []
    for account in accounts:
        for name, amount in sorted(account.depth_used.items()):
            assets.append(place[name])
            amounts.append(amount)
        ends.append(len(assets))
    table = {
        "id": pa.array([account.id for account in accounts], pa.uint64()),
        "bad_debt_expected": pa.array([a.bad_debt_expected for a in accounts], pa.float64()),
        "cost": pa.array([account.cost for account in accounts], pa.float64()),
        "uses_end": pa.array(ends, pa.uint64()),
    }
    uses = {"asset": pa.array(assets, pa.uint32()), "amount": pa.array(amounts, pa.float64())}
    return pa.record_batch(table), pa.record_batch(uses)


def _reason(
    rank: int, row: Mapping[str, Any], account: DistressedAccount, prices: Mapping[str, float]
) -> RankReason:
    return RankReason(
        rank=rank,
        id=account.id,
        bad_debt_expected=account.bad_debt_expected,
        cost=account.cost,
        bad_debt_avoided=row["bad_debt_avoided"],
        depth_used=account.depth_used,
        price_of_depth={asset: prices[asset] for asset in account.depth_used},
        priced_depth=row["priced_depth"],
        key=row["key"],
        share=row["share"],
        batch=row["batch"],
    )
