"""Factor returns beside the grid: filtered once, until they or the parameters change."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xmargin.engine.record import record_batch
from xmargin.errors import ConfigError, EngineError
from xmargin.model import FactorReturns, RiskParameters
from xmargin.params.return_rows import date_of
from xmargin.snapshot import Snapshot

if TYPE_CHECKING:
    from xmargin._core import FactorHistory

_DAY_MS = 86_400_000
_NO_RETURNS = "grid only: no factor returns are configured"


@dataclass(frozen=True, slots=True)
class HistoryUse:
    """What the scenario loss rests on beside the grid.

    ``absent`` is why the grid stands alone (then nothing else is said), ``at_fault`` whether it
    should not. Days count from 1970-01-01.
    """

    absent: str = ""
    at_fault: bool = False
    assets: frozenset[str] = frozenset()
    confidence: float = 0.0
    last_day: int = 0
    longest_gap_days: int = 0
    gap_days_max: int = 0
    returns_age_days_max: int = 0

    def doubts(self, now_ms: int) -> tuple[str, ...]:
        """What is wrong with the returns as a whole, as of our clock; empty when nothing is."""
        if self.absent:
            return (self.absent,) if self.at_fault else ()
        age_days = now_ms // _DAY_MS - self.last_day
        doubts = []
        if age_days > self.returns_age_days_max:
            bound = f"the bound is {self.returns_age_days_max}"
            doubts.append(f"the newest factor returns are {age_days} days old; {bound}")
        if age_days < 0:
            doubts.append(
                f"the newest factor returns are dated {-age_days} days ahead of our clock"
            )
        if self.longest_gap_days > self.gap_days_max:
            bound = f"the bound is {self.gap_days_max}"
            doubts.append(f"one of the factor returns spans {self.longest_gap_days} days; {bound}")
        return tuple(doubts)

    def tail_name(self, worst_day: int | None) -> str:
        """What binds where the tail does."""
        name = f"historical ES, {100 * self.confidence:.6g} %"
        return name if worst_day is None else f"{name}, worst day {date_of(worst_day)}"

    def without_returns(self, assets: Iterable[str]) -> tuple[str, ...]:
        """Those of the assets that are charged at the grid's deepest move, in name order."""
        return () if self.absent else tuple(sorted(set(assets) - self.assets))


def missing_returns(assets: Sequence[str]) -> tuple[str, ...]:
    """One flag for all assets without returns; none where there are none."""
    if not assets:
        return ()
    named = ", ".join(assets)
    return (f"no factor returns of {named}: charged at the grid's deepest move, on top",)


class Histories:
    """The history of the newest returns under the newest parameters."""

    def __init__(self) -> None:
        self._key: tuple[str, str] | None = None
        self._made: tuple[FactorHistory | None, HistoryUse] = (None, HistoryUse(_NO_RETURNS))

    def of(self, snapshot: Snapshot) -> "tuple[FactorHistory | None, HistoryUse]":
        """What the core takes, and what is to be said of it.

        Raises:
            ParameterError: the parameters are malformed.
        """
        if snapshot.returns is None:
            return None, HistoryUse(_NO_RETURNS)
        key = (snapshot.returns_sha256, snapshot.parameters.content)
        if key != self._key:
            self._made = _history_of(snapshot.parameters, snapshot.returns)
            self._key = key
        return self._made


def _history_of(
    parameters: RiskParameters, returns: FactorReturns
) -> "tuple[FactorHistory | None, HistoryUse]":
    try:
        history = _core_history(parameters, returns)
    except EngineError as fault:
        # A tape may hold what no configuration would be let through with: the grid still holds.
        why = f"grid only: the factor returns cannot be used: {fault.message}"
        return None, HistoryUse(why, at_fault=True)
    if history is None:
        named = f"{parameters.name} {parameters.version}"
        why = f"grid only: {named} does not ask for historical_es, the factor returns are not used"
        return None, HistoryUse(why, at_fault=True)
    return history, HistoryUse(
        assets=frozenset(history.assets),
        confidence=history.confidence,
        last_day=returns.days[-1],
        longest_gap_days=history.longest_gap_days,
        gap_days_max=history.gap_days_max,
        returns_age_days_max=history.returns_age_days_max,
    )


def history_use(parameters: RiskParameters, returns: FactorReturns) -> HistoryUse:
    """What the returns would be good for.

    Raises:
        ParameterError: the parameters are malformed.
    """
    return _history_of(parameters, returns)[1]


def check_returns(parameters: RiskParameters, returns: FactorReturns) -> None:
    """Refuse returns that the parameters could do nothing with.

    Raises:
        ConfigError: the parameters ask for no historical shortfall, or the days are too few.
    """
    use = history_use(parameters, returns)
    if use.absent:
        raise ConfigError(
            f"risk.returns: {use.absent.removeprefix('grid only: ')}; mend {returns.source} or "
            "risk.parameters, or remove the key",
            field="risk.returns",
        )


def _core_history(parameters: RiskParameters, returns: FactorReturns) -> "FactorHistory | None":
    from xmargin import _core

    return _core.factor_history(parameters=parameters.content, returns=_table(returns))


def _table(returns: FactorReturns) -> Any:
    rows = [(one.asset, values) for one in returns.assets for values in [one.log_returns]]
    return record_batch(
        "returns",
        factor=((asset for asset, values in rows for _ in values), "utf8"),
        day=((day for _ in rows for day in returns.days), "int32"),
        log_return=((float(value) for _, values in rows for value in values), "float64"),
    )
