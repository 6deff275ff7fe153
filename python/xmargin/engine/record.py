"""Plain values as an Arrow record batch; what Arrow cannot hold is a typed error."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from xmargin.errors import EngineError

if TYPE_CHECKING:
    import pyarrow as pa


def record_batch(table: str, **columns: tuple[Iterable[Any], str]) -> "pa.RecordBatch":
    """Columns of values, each with the name of its Arrow type (``float64``, ``utf8``, …).

    Raises:
        EngineError: a value is not of the type, or a column is longer than another; named.
    """
    import pyarrow as pa

    arrays = {}
    for column, (values, kind) in columns.items():
        try:
            arrays[column] = pa.array(list(values), getattr(pa, kind)())
        except (ValueError, TypeError, OverflowError) as fault:
            raise EngineError(f"{table}.{column}: {fault}; it must be {kind}") from fault
    try:
        return pa.record_batch(arrays)
    except ValueError as fault:
        raise EngineError(f"{table}: {fault}") from fault
