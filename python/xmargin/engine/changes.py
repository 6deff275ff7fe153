"""Which portfolios differ between two evaluations, column by column and not object by object."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def changed_rows(before: "pa.RecordBatch", after: "pa.RecordBatch") -> list[int]:
    """The rows in which two tables of equal shape differ; null equals null.

    Raises:
        ValueError: the tables have not the same number of rows.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if before.num_rows != after.num_rows:
        raise ValueError(f"{before.num_rows} rows are not {after.num_rows}")
    differs = pa.array([False]).take(pa.array([0] * after.num_rows, pa.int8()))
    for old, new in zip(before.columns, after.columns, strict=True):
        if not old.equals(new):
            either_null = pc.xor(pc.is_null(old), pc.is_null(new))
            differs = pc.or_(differs, pc.coalesce(pc.not_equal(old, new), either_null))
    rows: list[int] = pc.indices_nonzero(differs).to_pylist()
    return rows


def owners(rows: Sequence[int], owner_of_row: "pa.Array") -> set[int]:
    """The portfolios that own the rows."""
    import pyarrow as pa

    return set(owner_of_row.take(pa.array(rows, pa.uint32())).to_pylist())
