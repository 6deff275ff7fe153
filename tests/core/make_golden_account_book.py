"""Writes the golden margins of accounts: ``python -m tests.core.make_golden_account_book``.

The reference is exact; its rationals are written as the nearest floats.
"""

import json
from pathlib import Path
from typing import Any

from tests.core.account_book_examples import by_reference, example, reference_accounts
from xmargin.reference.account_book import breaches

GOLDEN = Path(__file__).parent / "golden_account_book.json"
SEEDS = (1, 2, 3)
LOSS_FACTOR = 1.25


def golden() -> dict[str, Any]:
    document = {}
    for seed in SEEDS:
        book = example(seed)
        margins = by_reference(book, LOSS_FACTOR)
        document[str(seed)] = {
            "breaches": breaches(reference_accounts(book), margins),
            "accounts": [
                [one.worst_scenario, float(one.worst_pnl), float(one.margin), float(one.excess)]
                for one in margins
            ],
        }
    return document


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(golden(), indent=1) + "\n", "utf-8")
