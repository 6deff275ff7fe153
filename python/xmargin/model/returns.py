"""Daily returns of what scenarios move: a fact of our own."""

from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

RETURN_ASSETS_MAX = 256
RETURN_DAYS_MAX = 10_000
_DAY_MAX = 100_000
_LOG_RETURN_MAX = 10
_DECIMALS_MAX = 40


@dataclass(frozen=True, slots=True)
class AssetReturns:
    """Log returns of one asset, one for each day of its :class:`FactorReturns`."""

    asset: str
    log_returns: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class FactorReturns:
    """Joint daily log returns of assets, by name; without days there are none (any more).

    ``days`` count from 1970-01-01, ascending; a return covers the time since the day before it in
    the list. ``source`` says where they are from: a file's name.
    """

    source: str = ""
    days: tuple[int, ...] = ()
    assets: tuple[AssetReturns, ...] = ()


class FactorReturnsError(ValueError):
    """Factor returns contradict themselves; the message says where and what they should be."""


def check_factor_returns(returns: FactorReturns) -> None:
    """Refuse what no configuration makes.

    Raises:
        FactorReturnsError: days or assets are too many or not in order, a column has another
            length, or a return is no number in [-10, 10].
    """
    days, assets = returns.days, returns.assets
    if len(days) > RETURN_DAYS_MAX or len(assets) > RETURN_ASSETS_MAX:
        raise FactorReturnsError(
            f"{len(assets)} assets over {len(days)} days; at most {RETURN_ASSETS_MAX} over "
            f"{RETURN_DAYS_MAX:,} are taken"
        )
    if bool(days) != bool(assets):
        raise FactorReturnsError("days without assets, or assets without days; give both or none")
    if any(later <= earlier for earlier, later in pairwise(days)) or any(
        abs(day) > _DAY_MAX for day in days
    ):
        raise FactorReturnsError("its days do not ascend one by one within 100,000 of 1970-01-01")
    names = [one.asset for one in assets]
    if names != sorted(set(names)) or "" in names:
        raise FactorReturnsError("its assets are not in order of name, each once and named")
    for one in assets:
        _check_column(one, len(days))


def _check_column(one: AssetReturns, day_count: int) -> None:
    if len(one.log_returns) != day_count:
        raise FactorReturnsError(
            f"{one.asset} has {len(one.log_returns)} returns over {day_count} days"
        )
    for value in one.log_returns:
        if not value.is_finite() or abs(value) > _LOG_RETURN_MAX:
            raise FactorReturnsError(f"a return of {one.asset} is {value}; it must be in [-10, 10]")
        exponent = value.as_tuple().exponent
        if isinstance(exponent, int) and exponent < -_DECIMALS_MAX:
            raise FactorReturnsError(
                f"a return of {one.asset} has {-exponent} decimals; it may have {_DECIMALS_MAX}"
            )
