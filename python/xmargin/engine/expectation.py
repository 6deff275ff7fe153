"""Bad debt to be expected of accounts left alone (``docs/liquidation.md``, "Expected bad debt")."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xmargin.engine.record import record_batch
from xmargin.errors import EngineError
from xmargin.model import RiskParameters

# Fewer accounts are done before a second thread is awake.
_PARALLEL_ACCOUNTS_MIN = 20_000


@dataclass(frozen=True, slots=True)
class ExposedAccount:
    """Equity, and by asset what is owned less what is owed; USD, of either sign."""

    equity: float
    exposures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class PriceMoves:
    """How prices are thought to move while accounts are left alone.

    ``daily_deviations``: standard deviation of a day's return by asset; ``correlation``: of any two
    assets' returns, in [0, 1].
    """

    daily_deviations: Mapping[str, float]
    correlation: float
    horizon_s: float


def daily_deviations(parameters: RiskParameters, assets: Iterable[str]) -> dict[str, float]:
    """The deviation of a day's return of each asset, as the parameters' ``liquidity`` has it.

    An asset that they do not list has their default asset's.

    Raises:
        ParameterError: the parameters are malformed, or have no ``liquidity``.
    """
    from xmargin import _core

    names = sorted(set(assets))
    return dict(zip(names, _core.daily_deviations(parameters.content, names), strict=True))


def expected_bad_debt(accounts: Sequence[ExposedAccount], moves: PriceMoves) -> tuple[float, ...]:
    """``E max(0, -(equity + sZ))`` of each account, in USD; Z normal, s its deviation.

    Source: Bachelier (1900). Of a relative error below 2e-12, never below what is short now.

    Raises:
        EngineError: an amount is no number or out of range, or an asset has no deviation.
        ParameterError: correlation or horizon is out of range.
    """
    names = sorted({asset for account in accounts for asset in account.exposures})
    unknown = [name for name in names if name not in moves.daily_deviations]
    if unknown:
        raise EngineError(f"expectation: no daily deviation of {', '.join(unknown)}; give one each")
    found = expected_bad_debt_columns(
        *_tables(accounts, names),
        [moves.daily_deviations[name] for name in names],
        correlation=moves.correlation,
        horizon_s=moves.horizon_s,
        threads=1 if len(accounts) < _PARALLEL_ACCOUNTS_MIN else None,
    )
    return tuple(found)


def expected_bad_debt_columns(
    accounts: Any,
    exposures: Any,
    daily_deviations: Sequence[float],
    *,
    correlation: float,
    horizon_s: float,
    threads: int | None = None,
) -> list[float]:
    """The same of accounts given as Arrow tables.

    Args:
        accounts: ``equity: f64, exposures_end: u64``.
        exposures: ``asset: u32`` (ascending within an account)``, value: f64``.
        daily_deviations: of each asset.
        correlation: of any two assets' returns, in [0, 1].
        horizon_s: in [0, 1e9].
        threads: one a processor if not given. Results do not depend on it.

    Raises:
        EngineError: naming table, column and row at fault.
        ParameterError: correlation, horizon or threads are out of range.
    """
    from xmargin import _core

    return _core.expected_bad_debt(
        accounts=accounts,
        exposures=exposures,
        daily_deviation=list(daily_deviations),
        correlation=correlation,
        horizon_s=horizon_s,
        threads=threads if threads is not None else len(os.sched_getaffinity(0)),
    )


def _tables(accounts: Sequence[ExposedAccount], names: Sequence[str]) -> tuple[Any, Any]:
    place = {name: row for row, name in enumerate(names)}
    rows = [
        (place[name], value)
        for account in accounts
        for name, value in sorted(account.exposures.items())
    ]
    ends: list[int] = []
    for account in accounts:
        ends.append((ends[-1] if ends else 0) + len(account.exposures))
    table = record_batch(
        "accounts",
        equity=([account.equity for account in accounts], "float64"),
        exposures_end=(ends, "uint64"),
    )
    exposures = record_batch(
        "exposures",
        asset=([asset for asset, _ in rows], "uint32"),
        value=([value for _, value in rows], "float64"),
    )
    return table, exposures
