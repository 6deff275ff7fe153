"""Books of accounts: as the engine takes them and as the reference does."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random

import pyarrow as pa

from xmargin.engine import AccountBook, scenario_matrix
from xmargin.reference.account_book import Account, Listed, Margin, MatrixRow, margin_of

Positions = Sequence[tuple[int, float]]
ROWS, SCENARIOS = 8, 27
# Four of spot, three perps, half a contract and a double one, on eight rows.
LISTING = [(0, 1.0), (1, 1.0), (2, 1.0), (3, 1.0), (0, 1.0), (1, 1.0), (2, 0.5), (4, 2.0)]
LISTING += [(5, 1.0), (6, 1.0), (7, 0.1)]


@dataclass(frozen=True, slots=True)
class Example:
    """Marks, P&L and accounts as floats; every float is the number it is."""

    marks: list[float]
    pnl: list[list[float]]
    cash: list[float]
    positions: list[list[tuple[int, float]]]


def example(seed: int, accounts: int = 12) -> Example:
    random = Random(seed)
    count = len(LISTING)
    return Example(
        marks=[random.uniform(0, 100) for _ in range(ROWS)],
        pnl=[[random.uniform(-30, 30) for _ in range(SCENARIOS)] for _ in range(ROWS)],
        cash=[random.uniform(-50, 300) for _ in range(accounts)],
        positions=[
            [(random.randrange(count), random.uniform(-2, 2)) for _ in range(random.randrange(14))]
            for _ in range(accounts)
        ],
    )


def by_reference(book: Example, loss_factor: float = 1.0) -> list[Margin]:
    listing = [Listed(row, Fraction(multiple)) for row, multiple in LISTING]
    matrix = [
        MatrixRow(Fraction(mark), tuple(map(Fraction, pnl)))
        for mark, pnl in zip(book.marks, book.pnl, strict=True)
    ]
    return [
        margin_of(account, listing, matrix, Fraction(loss_factor))
        for account in reference_accounts(book)
    ]


def reference_accounts(book: Example) -> list[Account]:
    return [
        Account(row, Fraction(cash), tuple((i, Fraction(quantity)) for i, quantity in positions))
        for row, (cash, positions) in enumerate(zip(book.cash, book.positions, strict=True))
    ]


def loaded(
    cash: Sequence[float],
    positions: Sequence[Positions],
    *,
    ids: Sequence[int] | None = None,
    threads: int = 1,
) -> AccountBook:
    rows, multiples = zip(*LISTING, strict=True)
    instruments = pa.record_batch(
        {"row": pa.array(rows, pa.uint32()), "multiple": pa.array(multiples, pa.float64())}
    )
    book = AccountBook(instruments=instruments, rows=ROWS, threads=threads)
    book.append(*tables(cash, positions, ids))
    return book


def tables(
    cash: Sequence[float], positions: Sequence[Positions], ids: Sequence[int] | None = None
) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    ends = [sum(map(len, positions[: row + 1])) for row in range(len(positions))]
    flat = [position for of_account in positions for position in of_account]
    accounts = {
        "id": pa.array(ids if ids is not None else range(len(cash)), pa.uint64()),
        "cash_usd": pa.array(cash, pa.float64()),
        "positions_end": pa.array(ends, pa.uint64()),
    }
    columns = {
        "instrument": pa.array([instrument for instrument, _ in flat], pa.uint32()),
        "quantity": pa.array([quantity for _, quantity in flat], pa.float64()),
    }
    return pa.record_batch(accounts), pa.record_batch(columns)


def evaluated(book: Example, loss_factor: float = 1.0) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    matrix = scenario_matrix(book.marks, book.pnl)
    return loaded(book.cash, book.positions).margins_and_breaches(matrix, loss_factor)
