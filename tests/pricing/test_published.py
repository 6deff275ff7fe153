"""Prices that others published, and a real book of options."""

import csv
import gzip
import io
import math
from datetime import UTC, datetime
from itertools import groupby

import pyarrow as pa
import pytest

from tests.pricing.published import published
from xmargin.engine import fit_svi, implied_vols, option_values

MS_PER_YEAR = 365 * 86_400_000
SETTLEMENT_HOUR_UTC = 8


def test_haugs_table_is_met_within_its_tolerances() -> None:
    with published("tables/haug_european_quantlib.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 43
    of = {name: [float(row[name]) for row in rows] for name in rows[0] if name != "type"}
    terms = list(zip(of["spot"], of["q"], of["r"], of["t"], strict=True))
    options = pa.table(
        {
            "put": [row["type"] == "Put" for row in rows],
            "forward": [spot * math.exp((r - q) * t) for spot, q, r, t in terms],
            "strike": of["strike"],
            "expiry_years": of["t"],
            "vol": of["vol"],
            "discount": [math.exp(-r * t) for _, _, r, t in terms],
        }
    )
    values = option_values(options).column("value").to_pylist()
    for row, value in zip(rows, values, strict=True):
        assert abs(value - float(row["value"])) <= float(row["tol"]), row


def deribit_smiles() -> list[tuple[float, pa.Table]]:
    """Each expiry of the book: years, and the marked out-of-the-money options with a real price."""
    text = gzip.decompress(published("options/deribit_eth_20240108.csv.gz").read_bytes()).decode()
    rows = sorted(csv.DictReader(io.StringIO(text)), key=lambda row: row["expire_date"])
    smiles = []
    for expiry, of_expiry in groupby(rows, key=lambda row: row["expire_date"]):
        settled = datetime.strptime(expiry, "%d%b%y").replace(hour=SETTLEMENT_HOUR_UTC, tzinfo=UTC)
        members = list(of_expiry)
        now_ms = int(members[0]["creation_timestamp"])
        years = (settled.timestamp() * 1000 - now_ms) / MS_PER_YEAR
        columns: dict[str, list[float]] = {"forward": [], "strike": [], "price": []}
        puts = []
        for row in members:
            forward, strike = float(row["underlying_price"]), float(row["strike_price"])
            is_put = row["option_type"] == "P"
            # A mark of a few ticks of 0.0001 ETH says nothing of its vol.
            if (strike < forward) == is_put and float(row["mark_price"]) > 0.001:
                puts.append(is_put)
                columns["forward"].append(forward)
                columns["strike"].append(strike)
                columns["price"].append(float(row["mark_price"]) * forward)
        count = len(puts)
        constant = {"expiry_years": [years] * count, "discount": [1.0] * count}
        smiles.append((years, pa.table({"put": puts, **columns, **constant})))
    return smiles


def test_a_real_book_is_fitted_and_priced_back() -> None:
    fitted = 0
    for years, options in deribit_smiles():
        vols = implied_vols(options).column("vol")
        again = option_values(options.append_column("vol", vols)).column("value").to_pylist()
        prices = options.column("price").to_pylist()
        assert again == pytest.approx(prices, rel=0, abs=1e-12 * 2000)  # of the least forward
        if options.num_rows < 8:
            continue
        pairs = zip(options["strike"].to_pylist(), options["forward"].to_pylist(), strict=True)
        points = pa.table(
            {
                "log_moneyness": [math.log(strike / forward) for strike, forward in pairs],
                "vol": vols,
                "weight": [1.0] * options.num_rows,
            }
        )
        fit = fit_svi(points, years)
        assert fit.rms_vol_error < 0.01, (years, fit)
        assert fit == fit_svi(points, years)
        fitted += 1
    assert fitted >= 8
