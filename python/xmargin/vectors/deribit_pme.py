"""Deribit's ``private/pme/simulate`` answers as inputs of the scenario mechanism.

The rules are described in ``docs/margin.md``; source: the API's documentation of that method and
the support article *Portfolio Margin*. An answer holds the model's parameters, the positions and
prices, and what the exchange computed. One settlement currency with one pair, in perpetuals and
futures, is what such an answer is complete for: it shows no vols to value options by.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from xmargin.errors import InvalidArgumentError
from xmargin.model.derivatives import (
    GridAsset,
    GridExpiry,
    GridInstrument,
    GridMargin,
    GridMarket,
    GridPortfolio,
    GridPosition,
)
from xmargin.vectors.case import Check, Vector
from xmargin.vectors.fields import Fields, fault, number, plain, read_file

VOLS = ("same", "down", "up")
"""In the order of trial: of equally bad scenarios the one without a vol move binds."""
VOL_COLUMNS = ("down", "same", "up")
"""In the order of a risk vector. That ``same`` is the middle one is what worst buckets show."""
EXTENDED = ("-0.66", "-0.33", "0.5", "1", "2", "3", "4", "5")
"""Moves of the extended table, which the support article lists."""

_MS_PER_YEAR = 365 * 86_400_000
_DIGITS = 9
"""The worst loss is rounded to so many decimals before anything is added, and initial margin is."""
_FUTURE = re.compile(r"[A-Z0-9]+-(\d{1,2}[A-Z]{3}\d{2})")


@dataclass(frozen=True, slots=True)
class _Bucket:
    """One cell of a risk vector: the scenario it is, and how a worst bucket names it."""

    scenario: str
    source: str
    index: int
    bucket: int
    side: str


def decode(path: Path) -> Vector:
    """An answer, with or without its JSON-RPC envelope.

    Raises:
        InvalidArgumentError: it is not of the format, or holds what cannot be margined again.
    """
    answer = read_file(path)
    answer = answer.fields("result") if "result" in answer else answer
    model = answer.fields("model_params")
    pair, pair_parameters = _only(model, "currency_pair")
    base = pair.split("_")[0]
    vectors, expected_vector = _only(answer, "aggregated_risk_vectors")
    if vectors != f"{base}_{base}":
        raise fault("aggregated_risk_vectors", vectors, f"{base}_{base}: settled in the asset")
    margins = answer.fields("margins").fields(base)
    details = margins.fields("initial_margin_details")
    _refuse_unpublished(details)
    buckets = _buckets(model.fields("general"), pair_parameters)
    market, portfolio = _holdings(answer, pair, model, details)
    return Vector(
        parameters=json.dumps(_document(model, pair_parameters, base)),
        market=market,
        portfolio=portfolio,
        checks=lambda margin: [
            *_vector_checks("aggregated", expected_vector, buckets, margin.pnl),
            *_position_checks(answer.fields("initial_risk_vectors"), buckets, market, margin),
            *_margin_checks(margins, buckets, margin),
        ],
    )


def _only(fields: Fields, name: str) -> tuple[str, Fields]:
    entries = list(fields.fields(name).items())
    if len(entries) != 1:
        raise fault(name, len(entries), "one entry: several do not show how they offset each other")
    return entries[0]


def _refuse_unpublished(details: Fields) -> None:
    """Charges of which the exchange publishes no formula."""
    matrix = details.fields("risk_matrix_margin_details")
    for fields, name in ((matrix, "delta_shock"), (matrix, "correlation_contingency")):
        if fields.number(name):
            raise InvalidArgumentError(f"{name}: is not zero, and how it is made is not published")


def _steps(general: Fields, pair: Fields) -> list[Decimal]:
    count = general.number("buckets_count")
    price_range = pair.decimal("price_range")
    if count not in range(1, 51) or general.number("vol_scenarios_count") != len(VOLS):
        raise fault("buckets_count, vol_scenarios_count", count, "1 to 50, with 3 vol scenarios")
    return [price_range * step / int(count) for step in range(-int(count), int(count) + 1)]


def _name(relative: str, vol: str) -> str:
    return f"spot {relative}" + ("" if vol == "same" else f" vol {vol}")


def _buckets(general: Fields, pair: Fields) -> list[_Bucket]:
    steps = _steps(general, pair)

    def side(relative: Decimal) -> str:
        return "left" if relative < 0 else "right" if relative > 0 else "middle"

    standard = [
        _Bucket(_name(plain(step), vol), "standard", 3 * row + column, row + 1, side(step))
        for row, step in enumerate(steps)
        for column, vol in enumerate(VOL_COLUMNS)
    ]
    extended = [
        _Bucket(_name(relative, "up"), "extended", row, row + 1, side(Decimal(relative)))
        for row, relative in enumerate(EXTENDED)
    ]
    return standard + extended


def _document(model: Fields, pair: Fields, base: str) -> dict[str, Any]:
    currency, general = model.fields("currency").fields(base), model.fields("general")
    steps = [plain(step) for step in _steps(general, pair)]

    def term(relative: Decimal, vol_min: Decimal) -> dict[str, str]:
        return {
            "kind": "term_power",
            "range": plain(relative),
            "short_power": plain(pair.decimal("short_term_vega_power")),
            "long_power": plain(pair.decimal("long_term_vega_power")),
            "expiry_days_min": "0",
            "vol_min": plain(vol_min),
        }

    def rule(multiples: list[str], vols: tuple[str, ...]) -> dict[str, Any]:
        move = {"class": "spot", "reach": "together", "multiples": multiples}
        return {"moves": [move], "vols": list(vols)}

    beyond = {
        "range": plain(pair.decimal("price_range")),
        "factor": plain(pair.decimal("extended_table_factor")),
        "relief": plain(currency.decimal("extended_dampener")),
    }
    return {
        "name": "deribit-pme",
        "version": "vector",
        "assets": {},
        "default_asset": {"class": "spot", "shock": "1"},
        "scenarios": [rule(steps, VOLS), rule(list(EXTENDED), ("up",)) | {"extended": beyond}],
        "vol_rules": {
            "up": term(
                pair.decimal("volatility_range_up"), pair.decimal("min_volatility_for_shock_up")
            ),
            "down": term(-pair.decimal("volatility_range_down"), Decimal(0)),
        },
        "numeraire": "base",
        "loss_decimals": str(_DIGITS),
        "loss_factors": {"maintenance": plain(general.decimal("mm_factor")), "initial": "1"},
        "roll": {
            "move_min": plain(currency.decimal("min_annualised_move")),
            "move_per_year": plain(currency.decimal("annualised_move_risk")),
        },
        "gain_offset": {
            "share": plain(currency.decimal("pnl_offset")),
            "max": plain(currency.decimal("max_offsetable_pnl")),
        },
    }


def _holdings(
    answer: Fields, pair: str, model: Fields, details: Fields
) -> tuple[GridMarket, GridPortfolio]:
    now_ms = model.fields("general").number("timestamp")
    tickers = answer.fields("ticker")
    expiries: list[GridExpiry] = []
    instruments: list[GridInstrument] = []
    positions: list[GridPosition] = []
    portfolio = answer.fields("portfolio").fields("position")
    for name, quantity in portfolio.numbers().items():
        price = tickers.fields(name).number("mark_price")
        if name.endswith("-PERPETUAL"):
            instrument = GridInstrument(name, "perp", asset=0, price=price)
        else:
            instrument = GridInstrument(name, "future", expiry=len(expiries), price=price)
            expiries.append(GridExpiry(0, _years(name, now_ms), 0.0, price))
        positions.append(GridPosition(len(instruments), quantity))
        instruments.append(instrument)
    index = answer.fields("index_price").number(pair)
    market = GridMarket([GridAsset(pair, index)], expiries, instruments)
    elsewhere = ("spot_margin", "mmp_margin", "open_orders_margin")
    reserved = sum(details.number(name) for name in elsewhere)
    return market, GridPortfolio("answer", positions, reserved_initial=reserved)


def _years(name: str, now_ms: float) -> float:
    """Time to a future's expiry, 08:00 UTC on the day in its name."""
    match = _FUTURE.fullmatch(name)
    try:
        day = datetime.strptime(match[1].title(), "%d%b%y") if match else None
    except ValueError:
        day = None
    if day is None:
        raise fault(
            f"portfolio.position.{name}",
            name,
            "a perpetual or a dated future; options show no vol to value them by",
        )
    expiry_ms = day.replace(hour=8, tzinfo=UTC).timestamp() * 1000
    return max(expiry_ms - now_ms, 0.0) / _MS_PER_YEAR


def _position_checks(
    vectors: Fields, buckets: list[_Bucket], market: GridMarket, margin: GridMargin
) -> Iterator[Check]:
    for instrument, share in zip(market.instruments, margin.positions, strict=True):
        expected = vectors.fields(instrument.id)
        yield from _vector_checks(instrument.id, expected, buckets, share.pnl)


def _margin_checks(margins: Fields, buckets: list[_Bucket], margin: GridMargin) -> Iterator[Check]:
    details = margins.fields("initial_margin_details")
    matrix = details.fields("risk_matrix_margin_details")
    worst = matrix.fields("worst_case_bucket")
    named = f"{worst.text('source')} {worst.number('index'):.0f} of bucket "
    named += f"{worst.number('bucket'):.0f} {worst.text('side')}"
    yield Check("worst_case_bucket", named, _bucket_name(buckets, margin.worst))
    yield Check("worst_case", matrix.number("worst_case"), -margin.pnl[margin.worst])
    yield Check("roll_shock", matrix.number("roll_shock"), margin.initial.roll)
    risk = margin.initial.loss + margin.initial.roll
    yield Check("risk_matrix_margin", details.number("risk_matrix_margin"), risk)
    initial = round(margin.initial.margin, _DIGITS)
    yield Check("initial_margin", margins.number("initial_margin"), initial)
    maintenance = margin.maintenance.margin
    yield Check("maintenance_margin", margins.number("maintenance_margin"), maintenance)


def _vector_checks(
    title: str, expected: Fields, buckets: list[_Bucket], pnl: dict[str, float]
) -> Iterator[Check]:
    for source in ("standard", "extended"):
        cells = expected.list_at(source)
        ours = [bucket for bucket in buckets if bucket.source == source]
        if len(cells) != len(ours):
            raise fault(f"{title}.{source}", len(cells), f"{len(ours)} numbers")
        for (value, path), bucket in zip(cells, ours, strict=True):
            field = f"{title} {source} {bucket.index}"
            yield Check(field, number(value, path), pnl[bucket.scenario])


def _bucket_name(buckets: list[_Bucket], scenario: str) -> str:
    for bucket in buckets:
        if bucket.scenario == scenario:
            return f"{bucket.source} {bucket.index} of bucket {bucket.bucket} {bucket.side}"
    return scenario
