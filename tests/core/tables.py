"""A reference book as the core's Arrow tables, and back: the only bridge between the two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from tests.core.factor_returns import history_of
from xmargin import _core
from xmargin.reference import Account, Book, Pool, Reserve, Returns

U256 = pa.binary(32)

SCHEMAS: dict[str, dict[str, pa.DataType]] = {
    "chains": {"id": pa.utf8(), "cut_off": pa.bool_()},
    "bases": {
        "asset": pa.utf8(),
        "mark": pa.float64(),
        "low": pa.float64(),
        "high": pa.float64(),
        "usable": pa.bool_(),
        "held": pa.bool_(),
    },
    "tokens": {
        "base": pa.uint32(),
        "decimals": pa.uint8(),
        "haircut": pa.float64(),
        "wrapped": pa.bool_(),
    },
    "portfolios": {"id": pa.utf8()},
    "accounts": {
        "id": pa.utf8(),
        "portfolio": pa.uint32(),
        "chain": pa.uint32(),
        "venue_kind": pa.utf8(),
    },
    "balances": {
        "account": pa.uint32(),
        "token": pa.uint32(),
        "amount": U256,
        "debt": pa.bool_(),
        "looked_through": pa.bool_(),
    },
    "aave_pools": {"timestamp_s": pa.uint64(), "release": pa.utf8()},
    "aave_reserves": {
        "pool": pa.uint32(),
        "token": pa.uint32(),
        "decimals": pa.uint8(),
        "ltv_bps": pa.uint16(),
        "liquidation_threshold_bps": pa.uint16(),
        "emode": pa.uint8(),
        "reserve_id": pa.uint32(),
        "liquidity_index": U256,
        "variable_borrow_index": U256,
        "liquidity_rate": U256,
        "variable_borrow_rate": U256,
        "updated_at_s": pa.uint64(),
        "price_base": U256,
    },
    "aave_emodes": {
        "pool": pa.uint32(),
        "category": pa.uint8(),
        "ltv_bps": pa.uint16(),
        "liquidation_threshold_bps": pa.uint16(),
        "price_base": U256,
        "collateral_bitmap": U256,
        "ltvzero_bitmap": U256,
    },
    "aave_accounts": {"account": pa.uint32(), "pool": pa.uint32(), "emode": pa.uint8()},
    "aave_positions": {
        "aave_account": pa.uint32(),
        "reserve": pa.uint32(),
        "supply_scaled": U256,
        "variable_debt_scaled": U256,
        "stable_debt_principal": U256,
        "stable_rate": U256,
        "stable_updated_at_s": pa.uint64(),
        "as_collateral": pa.bool_(),
        "borrowing": pa.bool_(),
    },
}

Rows = dict[str, list[dict[str, Any]]]
"""Tables as lists of rows, 256-bit integers as Python's own."""


@dataclass(frozen=True)
class Numbering:
    """Which row is which, both ways."""

    chains: list[str]
    bases: list[str]
    tokens: list[str]
    pools: list[str]
    accounts: list[str]
    portfolios: list[str]

    @classmethod
    def of(cls, book: Book) -> "Numbering":
        return cls(
            chains=sorted(book.cut_off),
            bases=sorted(book.bases),
            tokens=sorted(book.tokens),
            pools=sorted(book.pools),
            accounts=[a.id for portfolio in book.portfolios for a in portfolio.accounts],
            portfolios=[portfolio.id for portfolio in book.portfolios],
        )


def rows_of(book: Book) -> Rows:
    """The tables of a book."""
    numbers = Numbering.of(book)
    reserve_rows = _reserve_rows(book, numbers)
    users = [
        (row, account)
        for row, account in enumerate(a for p in book.portfolios for a in p.accounts)
        if account.aave is not None
    ]
    return {
        "chains": [{"id": chain, "cut_off": book.cut_off[chain]} for chain in numbers.chains],
        "bases": [_base(book, name) for name in numbers.bases],
        "tokens": [_token(book, name, numbers) for name in numbers.tokens],
        "portfolios": [{"id": portfolio.id} for portfolio in book.portfolios],
        "accounts": [
            {
                "id": a.id,
                "portfolio": row,
                "chain": numbers.chains.index(a.chain),
                "venue_kind": a.venue_kind,
            }
            for row, portfolio in enumerate(book.portfolios)
            for a in portfolio.accounts
        ],
        "balances": [
            {
                "account": row,
                "token": numbers.tokens.index(balance.token),
                "amount": balance.amount,
                "debt": balance.is_debt,
                "looked_through": balance.looked_through,
            }
            for row, account in enumerate(a for p in book.portfolios for a in p.accounts)
            for balance in account.balances
        ],
        "aave_pools": [
            {"timestamp_s": pool.timestamp_s, "release": pool.release}
            for pool in (book.pools[name] for name in numbers.pools)
        ],
        "aave_reserves": [
            _reserve(reserve, number, pool_row, numbers)
            for pool_row, name in enumerate(numbers.pools)
            for number, reserve in enumerate(book.pools[name].reserves)
        ],
        "aave_emodes": [
            row
            for pool_row, name in enumerate(numbers.pools)
            for row in _emodes(book.pools[name], pool_row)
        ],
        "aave_accounts": [
            {"account": row, "pool": numbers.pools.index(user.pool), "emode": user.emode}
            for row, account in users
            if (user := account.aave) is not None
        ],
        "aave_positions": [
            position
            for user_row, (_, account) in enumerate(users)
            for position in _positions(account, user_row, reserve_rows)
        ],
    }


def _base(book: Book, name: str) -> dict[str, Any]:
    base = book.bases[name]
    prices = {"mark": float(base.mark), "low": float(base.low), "high": float(base.high)}
    return {"asset": base.asset, **prices, "usable": base.usable, "held": base.held}


def _token(book: Book, name: str, numbers: Numbering) -> dict[str, Any]:
    token = book.tokens[name]
    return {
        "base": None if token.base is None else numbers.bases.index(token.base),
        "decimals": token.decimals,
        "haircut": float(token.haircut),
        "wrapped": token.wrapped,
    }


def _reserve_rows(book: Book, numbers: Numbering) -> dict[tuple[str, int], int]:
    keys = [
        (name, number) for name in numbers.pools for number in range(len(book.pools[name].reserves))
    ]
    return {key: row for row, key in enumerate(keys)}


def _reserve(reserve: Reserve, number: int, pool_row: int, numbers: Numbering) -> dict[str, Any]:
    columns = SCHEMAS["aave_reserves"].keys() - {"pool", "token", "reserve_id"}
    return {
        "pool": pool_row,
        "reserve_id": number,
        "token": numbers.tokens.index(reserve.token),
        **{column: getattr(reserve, column) for column in columns},
    }


def _emodes(pool: Pool, pool_row: int) -> list[dict[str, Any]]:
    return [
        {
            "pool": pool_row,
            "category": category,
            "ltv_bps": emode.ltv_bps,
            "liquidation_threshold_bps": emode.liquidation_threshold_bps,
            "price_base": emode.price_base,
            "collateral_bitmap": sum(1 << number for number in emode.collateral),
            "ltvzero_bitmap": sum(1 << number for number in emode.ltvzero),
        }
        for category, emode in sorted(pool.emodes.items())
    ]


def _positions(
    account: Account, user_row: int, reserve_rows: Mapping[tuple[str, int], int]
) -> list[dict[str, Any]]:
    assert account.aave is not None
    columns = SCHEMAS["aave_positions"].keys() - {"aave_account", "reserve"}
    return [
        {
            "aave_account": user_row,
            "reserve": reserve_rows[account.aave.pool, position.reserve],
            **{column: getattr(position, column) for column in columns},
        }
        for position in account.aave.positions
    ]


def arrow(rows: Rows) -> dict[str, pa.RecordBatch]:
    """The tables as Arrow."""
    return {name: _batch(name, rows[name]) for name in SCHEMAS}


def _batch(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    schema = SCHEMAS[name]
    return pa.record_batch(
        {
            column: pa.array([_cell(row[column], kind) for row in rows], kind)
            for column, kind in schema.items()
        }
    )


def _cell(value: Any, kind: pa.DataType) -> Any:
    return value.to_bytes(32, "big") if kind == U256 else value


def evaluate_tables(
    parameters: str, tables: Mapping[str, Any], returns: Returns | None = None
) -> Rows:
    """The core's answer, row by row, 256-bit integers as Python's own."""
    history = history_of(parameters, returns)
    results = _core.evaluate(parameters=parameters, history=history, **tables)
    return {
        name: [
            {
                column: int.from_bytes(value, "big") if isinstance(value, bytes) else value
                for column, value in row.items()
            }
            for row in pa.record_batch(table).to_pylist()
        ]
        for name, table in results.items()
    }


def evaluate_book(parameters: str, book: Book, returns: Returns | None = None) -> Rows:
    """The core's answer over a reference book."""
    return evaluate_tables(parameters, arrow(rows_of(book)), returns)
