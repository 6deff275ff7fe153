"""Writes the golden vectors: small books with what the exact reference says of them.

Run ``python -m tests.core.make_golden`` after the model, the parameters or an example changed, and
read the difference before it is committed. Each file holds the core's input tables as columns and
the expected answer. 256-bit integers are decimal texts, expected amounts of money are decimals
rounded half even to 30 digits.
"""

import json
import re
from decimal import Context, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from tests.core.agreement import margin_row
from tests.core.examples import EXAMPLES, PARAMETERS, RETURNS
from tests.core.factor_returns import to_json
from tests.core.tables import SCHEMAS, U256, rows_of
from xmargin import reference
from xmargin.reference import AccountData, Book, Contribution, Evaluation, PortfolioMargin

GOLDEN = Path(__file__).parent / "golden"
_DIGITS = Context(prec=30)


def file_name(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") + ".json"


def vector(title: str, book: Book) -> str:
    """The file of one example."""
    answer = {
        "title": title,
        "parameters": json.loads(PARAMETERS),
        "returns": to_json(RETURNS.get(title)),
        "tables": _tables(book),
        "expected": _expected(reference.evaluate(PARAMETERS, book, RETURNS.get(title))),
    }
    return json.dumps(answer, indent=1) + "\n"


def _tables(book: Book) -> dict[str, Any]:
    rows = rows_of(book)
    return {
        table: {
            column: [str(row[column]) if kind == U256 else row[column] for row in rows[table]]
            for column, kind in columns.items()
        }
        for table, columns in SCHEMAS.items()
    }


def money(value: Fraction | None) -> str | None:
    if value is None:
        return None
    quotient = _DIGITS.divide(Decimal(value.numerator), Decimal(value.denominator))
    return str(quotient.normalize(_DIGITS))


def _expected(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "scenarios": evaluation.scenarios,
        "venue_accounts": {
            account: None if data is None else _account(data)
            for account, data in evaluation.venue_accounts.items()
        },
        "held_accounts": sorted(evaluation.held_accounts),
        "portfolios": {p.portfolio: _portfolio(p, evaluation) for p in evaluation.portfolios},
        "order": [[due.is_portfolio, due.id] for due in evaluation.order],
    }


def _account(data: AccountData) -> dict[str, str | None]:
    values = {name: getattr(data, name) for name in AccountData.__slots__}
    return {name: None if value is None else str(value) for name, value in values.items()}


def _portfolio(portfolio: PortfolioMargin, evaluation: Evaluation) -> dict[str, Any]:
    margin = portfolio.margin
    worst = None if margin is None else margin.maintenance.scenario
    by_tail = worst == len(evaluation.scenarios)
    return {
        **{column: money(value) for column, value in margin_row(portfolio).items()},
        "health_factor": None if margin is None else money(margin.health_factor),
        "worst_scenario": None if worst is None or by_tail else evaluation.scenarios[worst],
        "bound_by_tail": by_tail,
        "tail_day": None if margin is None else margin.maintenance.tail_day,
        "owes": portfolio.owes,
        "held": portfolio.held,
        "partial": portfolio.partial,
        "refused": margin is None,
        "positions": [
            {
                "account": position.account,
                "token": position.token,
                "debt": position.debt,
                "amount": str(position.amount),
                "counting": position.counting.name,
                **_parts(part),
            }
            for position, part in zip(portfolio.positions, portfolio.contributions, strict=True)
        ],
    }


def _parts(part: Contribution) -> dict[str, str | None]:
    return {
        "value": money(part.value),
        "collateral_value": money(part.collateral_value),
        "maintenance_contribution": money(part.maintenance),
        "initial_contribution": money(part.initial),
    }


def main() -> None:
    GOLDEN.mkdir(exist_ok=True)
    for stale in GOLDEN.glob("*.json"):
        stale.unlink()
    for title, book in EXAMPLES.items():
        (GOLDEN / file_name(title)).write_text(vector(title, book), "utf-8")


if __name__ == "__main__":
    main()
