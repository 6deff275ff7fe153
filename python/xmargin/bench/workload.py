"""The book that is measured: 4 spot, 3 perps and 5 of 1,000 options an account, 27 scenarios."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xmargin.engine import AccountBook, OptionGrid

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

FACTORS, OPTIONS, SCENARIOS = 4, 1_000, 27
LINEAR, HELD_OPTIONS = 7, 5
PRICES = (60_000.0, 3_000.0, 150.0, 1.0)
_LINEAR_ROWS = (0, 1, 2, 3, 0, 1, 2)
_CHUNK = 1_000_000
CHAINS = 10


@dataclass(frozen=True, slots=True)
class Workload:
    """Arrays as a NumPy user has them; ``deltas`` are netted already."""

    prices: tuple[float, ...]
    moves: "np.ndarray[Any, Any]"
    vol_factors: "np.ndarray[Any, Any]"
    chain: "np.ndarray[Any, Any]"
    put: "np.ndarray[Any, Any]"
    strike: "np.ndarray[Any, Any]"
    stdev: "np.ndarray[Any, Any]"
    discount: float
    deltas: "np.ndarray[Any, Any]"
    option: "np.ndarray[Any, Any]"
    quantity: "np.ndarray[Any, Any]"
    cash: "np.ndarray[Any, Any]"

    @property
    def forward(self) -> "np.ndarray[Any, Any]":
        """Each option's forward: its factor's price."""
        import numpy as np

        return np.asarray(self.prices)[self.factor_of_option]

    @property
    def factor_of_option(self) -> "np.ndarray[Any, Any]":
        """Chains alternate between the first two factors."""
        return self.chain % 2


def grid(workload: Workload) -> OptionGrid:
    """Our own pricer of the workload's rows."""
    import pyarrow as pa

    return OptionGrid(
        factors=FACTORS,
        moves=workload.moves.tolist(),
        vol_factors=workload.vol_factors.tolist(),
        chains=pa.table(
            {
                "factor": pa.array([chain % 2 for chain in range(CHAINS)], pa.uint32()),
                "forward_ratio": [1.0] * CHAINS,
                "discount": [workload.discount] * CHAINS,
            }
        ),
        options=pa.table(
            {
                "chain": pa.array(workload.chain, pa.uint32()),
                "put": pa.array(workload.put),
                "strike": workload.strike,
                "stdev": workload.stdev,
            }
        ),
    )


def market(options: int = OPTIONS) -> dict[str, Any]:
    """Factors, scenarios and options: what does not grow with the accounts."""
    import numpy as np

    shocks = np.repeat(np.linspace(-0.2, 0.2, 9), 3)
    row = np.arange(options)
    chain = row * CHAINS // options
    spot = np.asarray(PRICES)[chain % 2]
    return {
        "prices": PRICES,
        "moves": np.stack([shocks, shocks, 1.3 * shocks, np.zeros(SCENARIOS)]),
        "vol_factors": np.tile([0.75, 1.0, 1.4], 9),
        "chain": chain,
        "put": row % 2 == 1,
        "strike": spot * (0.5 + (row * 0.6180339887) % 1.0),
        "stdev": 0.05 * (1 + chain),
        "discount": 0.99,
    }


def instruments(options: int = OPTIONS) -> "pa.RecordBatch":
    """Spot and perps on the factors' rows, each option on its own."""
    import pyarrow as pa

    rows = [*_LINEAR_ROWS, *range(FACTORS, FACTORS + options)]
    return pa.record_batch(
        {"row": pa.array(rows, pa.uint32()), "multiple": pa.array([1.0] * len(rows))}
    )


def tables(accounts: int, first_id: int, has_options: bool = True) -> tuple[Any, Any]:
    """Accounts and positions as the book takes them."""
    return _tables(_accounts(accounts, seed=first_id), first_id, has_options)


def make(accounts: int, threads: int | None = None) -> tuple[Workload, AccountBook]:
    """The workload, and our own book of it (loaded a million accounts at a time)."""
    import numpy as np

    book = AccountBook(instruments=instruments(), rows=FACTORS + OPTIONS, threads=threads)
    parts = []
    for first in range(0, accounts, _CHUNK):
        part = _accounts(min(_CHUNK, accounts - first), seed=first)
        parts.append({name: part[name] for name in ("deltas", "option", "quantity", "cash")})
        book.append(*_tables(part, first))
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Workload(**market(), **arrays), book


def load_only(accounts: int) -> AccountBook:
    """Our book alone, for sizes at which nobody else's copy should be in memory."""
    book = AccountBook(instruments=instruments(), rows=FACTORS + OPTIONS)
    for first in range(0, accounts, _CHUNK):
        book.append(*tables(min(_CHUNK, accounts - first), first))
    return book


def _accounts(count: int, seed: int) -> dict[str, Any]:
    import numpy as np

    random = np.random.default_rng(seed)
    linear = random.uniform(-0.5, 0.5, (count, LINEAR))
    deltas = np.zeros((count, FACTORS))
    for place, row in enumerate(_LINEAR_ROWS):
        deltas[:, row] += linear[:, place]
    return {
        "linear": linear,
        "deltas": deltas,
        "option": random.integers(0, OPTIONS, (count, HELD_OPTIONS)),
        "quantity": random.uniform(-0.5, 0.5, (count, HELD_OPTIONS)),
        "cash": random.uniform(0, 400_000, count),
    }


def _tables(part: dict[str, Any], first_id: int, has_options: bool = True) -> tuple[Any, Any]:
    import numpy as np
    import pyarrow as pa

    count = len(part["cash"])
    held = LINEAR + HELD_OPTIONS if has_options else LINEAR
    linear = np.broadcast_to(np.arange(LINEAR), (count, LINEAR))
    instrument = np.hstack([linear, part["option"] + LINEAR])[:, :held].astype(np.uint32)
    accounts = {
        "id": np.arange(first_id, first_id + count, dtype=np.uint64),
        "cash_usd": part["cash"],
        "positions_end": np.arange(1, count + 1, dtype=np.uint64) * held,
    }
    quantity = np.hstack([part["linear"], part["quantity"]])[:, :held]
    positions = {"instrument": instrument.ravel(), "quantity": quantity.ravel()}
    return pa.record_batch(accounts), pa.record_batch(positions)
