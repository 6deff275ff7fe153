"""Daily closes to the factor returns that `risk.returns` takes.

python examples/make_returns.py prices.csv > returns.csv

`prices.csv` has the columns `date,asset,close`, a row a day and asset, in any order, with prices in
USD. The return of a day is ln(close / close before); an asset's first day has none.
"""

import csv
import sys
from collections.abc import Iterable
from decimal import Decimal, localcontext
from itertools import pairwise


def returns_of(rows: Iterable[dict[str, str]]) -> Iterable[tuple[str, str, Decimal]]:
    """Date, asset and log return, by asset and date."""
    closes: dict[str, dict[str, Decimal]] = {}
    for row in rows:
        closes.setdefault(row["asset"], {})[row["date"]] = Decimal(row["close"])
    for asset in sorted(closes):
        for (_, before), (day, close) in pairwise(sorted(closes[asset].items())):
            with localcontext(prec=40):
                log_return = (close / before).ln()
            yield day, asset, round(log_return, 12)


def main() -> None:
    """Read the file named first; write to stdout."""
    with open(sys.argv[1], encoding="utf-8-sig", newline="") as file:
        print("date,asset,log_return")
        for day, asset, log_return in returns_of(csv.DictReader(file)):
            print(f"{day},{asset},{log_return:f}")


if __name__ == "__main__":
    main()
