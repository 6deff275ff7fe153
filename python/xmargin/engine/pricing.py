"""Options and smiles by the column: the core's pricing, at Python's side of the door."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class SviFit:
    """A slice ``w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2))`` fitted to quotes."""

    a: float
    b: float
    rho: float
    m: float
    sigma: float
    rms_vol_error: float
    arbitrage: str | None
    """Where the slice has butterfly arbitrage, if it has."""


def option_values(options: Any) -> "pa.RecordBatch":
    """Black-76 values of a table of options; columns as in ``_core.pyi``.

    Raises:
        EngineError: naming the column and row at fault.
    """
    from xmargin import _core

    return _batch(_core.option_values(options))


def option_greeks(options: Any) -> "pa.RecordBatch":
    """Delta, gamma, vega and theta of a table of options.

    Raises:
        EngineError: naming the column and row at fault.
    """
    from xmargin import _core

    return _batch(_core.option_greeks(options))


def implied_vols(options: Any) -> "pa.RecordBatch":
    """The vols of a table of option prices.

    Raises:
        EngineError: naming the column and row at fault; no vol gives the price.
    """
    from xmargin import _core

    return _batch(_core.implied_vols(options))


def fit_svi(points: Any, expiry_years: float) -> SviFit:
    """The raw SVI slice nearest to quoted vols.

    Raises:
        EngineError: naming the column and row at fault.
    """
    from xmargin import _core

    raw, rms_vol_error, arbitrage = _core.fit_svi(points, expiry_years)
    return SviFit(*raw, rms_vol_error=rms_vol_error, arbitrage=arbitrage)


def _batch(table: Any) -> "pa.RecordBatch":
    import pyarrow as pa

    return pa.record_batch(table)
