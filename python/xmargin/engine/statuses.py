"""Where portfolios stand, by the core's rows: all at once, for every view is asked for all."""

from collections.abc import Set
from typing import TYPE_CHECKING

from xmargin.model import HealthStatus

if TYPE_CHECKING:
    import pyarrow as pa

_STATUSES = tuple(HealthStatus)
_CODE = {status: code for code, status in enumerate(_STATUSES)}


def portfolio_statuses(portfolios: "pa.RecordBatch", unread: Set[int]) -> tuple[HealthStatus, ...]:
    """The status of each row; one with a venue account ``unread`` is never called sound.

    Refused, if no number is served; sound, if it owes nothing or initial margin is met; else held,
    if it rests on a held price; else liquidatable below maintenance margin, a margin call above.
    """
    import pyarrow.compute as pc

    def code(status: HealthStatus) -> int:
        return _CODE[status]

    refused, owes, held = (portfolios.column(name) for name in ("refused", "owes", "held"))
    # Null where refused, and then not looked at.
    is_met = pc.greater_equal(portfolios.column("initial_excess"), 0.0)
    is_short = pc.less(portfolios.column("maintenance_excess"), 0.0)
    below = pc.if_else(is_short, code(HealthStatus.LIQUIDATABLE), code(HealthStatus.MARGIN_CALL))
    called = pc.if_else(held, code(HealthStatus.HELD), below)
    owing = pc.if_else(is_met, code(HealthStatus.HEALTHY), called)
    served = pc.if_else(owes, owing, code(HealthStatus.NO_DEBT))
    codes = pc.if_else(refused, code(HealthStatus.REFUSED), served).to_pylist()
    for row in unread:
        if _STATUSES[codes[row]] in (HealthStatus.HEALTHY, HealthStatus.NO_DEBT):
            codes[row] = code(HealthStatus.UNKNOWN)
    return tuple(map(_STATUSES.__getitem__, codes))
