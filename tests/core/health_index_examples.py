"""Markets, books and paths for the health index, small for the reference and large for audits."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from xmargin.engine import Factor, HealthIndex, Threshold
from xmargin.reference import black76, health_index
from xmargin.reference.account_book import Account, Listed, MatrixRow

DAY_MS = 86_400_000
YEAR_MS = 365 * DAY_MS
PRICES = (60_000.0, 3_000.0, 150.0, 0.05)
SHOCKS = tuple(step / 20 for step in range(-4, 5) for _ in range(3))
VOL_FACTORS = (0.75, 1.0, 1.4) * 9
MOVES = (SHOCKS, SHOCKS, tuple(1.25 * shock for shock in SHOCKS), (0.0,) * 27)
THRESHOLDS = (Threshold(1.0), Threshold(1.25), Threshold(0.5, -1_000.0))
CHAINS = ((0, 1.0, 0.99, 2 * DAY_MS), (1, 1.02, 0.98, 90 * DAY_MS))
STRIKES = (0.7, 0.9, 1.0, 1.1, 1.4)
# Chain, put, strike, vol.
OPTIONS = [
    (chain, put, PRICES[CHAINS[chain][0]] * strike, 0.4 + 0.1 * place)
    for chain in range(len(CHAINS))
    for place, strike in enumerate(STRIKES)
    for put in (False, True)
]

Positions = Mapping[int, float]


def make_index(has_options: bool, *, audited: bool = False, threads: int = 2) -> HealthIndex:
    rows = len(PRICES) + len(OPTIONS) * has_options
    chains = {
        "factor": pa.array([chain[0] for chain in CHAINS], pa.uint32()),
        "forward_ratio": [chain[1] for chain in CHAINS],
        "discount": [chain[2] for chain in CHAINS],
        "expiry_ms": pa.array([chain[3] for chain in CHAINS], pa.int64()),
        "vol_level": [1.0] * len(CHAINS),
        "typical_move": [1.0] * len(CHAINS),
    }
    options = {
        "chain": pa.array([option[0] for option in OPTIONS], pa.uint32()),
        "put": [option[1] for option in OPTIONS],
        "strike": [option[2] for option in OPTIONS],
        "vol": [option[3] for option in OPTIONS],
    }
    return HealthIndex(
        factors=[
            Factor(price, moves, is_signed=number == 3)
            for number, (price, moves) in enumerate(zip(PRICES, MOVES, strict=True))
        ],
        vol_factors=VOL_FACTORS,
        instruments=pa.record_batch(
            {"row": pa.array(range(rows), pa.uint32()), "multiple": pa.array([1.0] * rows)}
        ),
        thresholds=THRESHOLDS,
        now_ms=0,
        chains=pa.record_batch(chains) if has_options else None,
        options=pa.record_batch(options) if has_options else None,
        threads=threads,
        audited=audited,
    )


def tables(
    accounts: Mapping[int, tuple[float, Positions]],
) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """By id: cash, and quantity by instrument."""
    ends, held = [], 0
    for _, positions in accounts.values():
        held += len(positions)
        ends.append(held)
    columns = {
        "id": pa.array(accounts, pa.uint64()),
        "cash_usd": pa.array([cash for cash, _ in accounts.values()], pa.float64()),
        "positions_end": pa.array(ends, pa.uint64()),
    }
    flat = [one for _, positions in accounts.values() for one in positions.items()]
    held_by_row = {
        "instrument": pa.array([instrument for instrument, _ in flat], pa.uint32()),
        "quantity": pa.array([quantity for _, quantity in flat], pa.float64()),
    }
    return pa.record_batch(columns), pa.record_batch(held_by_row)


def random_account(random: Random, has_options: bool) -> tuple[float, Positions]:
    """Some 10,000 USD a position; cash about what that needs."""
    count = len(PRICES) + len(OPTIONS) * has_options
    positions = {}
    for _ in range(random.randrange(1, 8)):
        instrument = random.randrange(count)
        unit = PRICES[instrument] if instrument < len(PRICES) else 6_000.0
        positions[instrument] = random.uniform(-1, 1) * 10_000 / unit
    return random.uniform(-5e3, 2e4), positions


def many_tables(count: int, has_options: bool) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """Accounts of a position on each factor, and of three options."""
    width = len(PRICES) + 3 * has_options
    units = [*PRICES, 6_000.0, 6_000.0, 6_000.0][:width]
    columns = [
        pc.multiply(pc.subtract(pc.random(count, initializer=place), 0.5), 20_000 / unit)
        for place, unit in enumerate(units)
    ]
    by_account = pa.array([place * count + row for row in range(count) for place in range(width)])
    accounts = {
        "id": pa.array(range(count), pa.uint64()),
        "cash_usd": pc.multiply(pc.subtract(pc.random(count, initializer=99), 0.05), 150_000.0),
        "positions_end": pa.array(range(width, width * (count + 1), width), pa.uint64()),
    }
    instruments = [
        place if place < len(PRICES) else len(PRICES) + (row * 5 + 7 * place) % len(OPTIONS)
        for row in range(count)
        for place in range(width)
    ]
    positions = {
        "instrument": pa.array(instruments, pa.uint32()),
        "quantity": pc.take(pa.concat_arrays(columns), by_account),
    }
    return pa.record_batch(accounts), pa.record_batch(positions)


@dataclass(slots=True)
class Market:
    """Where a path has led."""

    prices: list[float]
    levels: list[float]
    now_ms: int = 0

    def moves(self, has_options: bool) -> dict[str, Any]:
        """All of it, as a tick takes it."""
        levels = dict(enumerate(self.levels)) if has_options else {}
        return {
            "now_ms": self.now_ms,
            "prices_usd": dict(enumerate(self.prices)),
            "vol_levels": levels,
        }


def walk(ticks: int, seed: int, *, crash_every: int = 400) -> Iterator[Market]:
    """A basis point at a time on one factor, funding and vols; now and then a crash."""
    random = Random(seed)
    market = Market(list(PRICES), [1.0] * len(CHAINS))
    for tick in range(1, ticks + 1):
        factor = random.randrange(3)
        crash = random.uniform(-0.25, 0.2) if tick % crash_every == 0 else 0.0
        market.prices[factor] *= 1 + (crash or 1e-4 * random.uniform(-1, 1))
        if tick % 10 == 0:
            market.prices[3] += random.uniform(-1e-4, 1e-4)
        if tick % 5 == 0:
            market.levels[tick % 2] *= 1 + 1e-3 * random.uniform(-1, 1)
        market.now_ms += 60_000 if crash == 0 else DAY_MS // 8
        yield market


def scale(chain: int, level: float, now_ms: int) -> float:
    return level * sqrt(max(CHAINS[chain][3] - now_ms, 0) / YEAR_MS)


def coordinates(market: Market) -> list[Fraction]:
    scales = [scale(chain, level, market.now_ms) for chain, level in enumerate(market.levels)]
    return list(map(Fraction, [*market.prices, *scales]))


def reference_rows() -> list[health_index.Row]:
    def scenarios(factor: int) -> tuple[health_index.Scenario, ...]:
        pairs = zip(MOVES[factor], VOL_FACTORS, strict=True)
        return tuple(health_index.Scenario(Fraction(move), Fraction(vol)) for move, vol in pairs)

    rows = [health_index.Row(factor, scenarios(factor)) for factor in range(len(PRICES))]
    for chain, put, _, vol in OPTIONS:
        factor, ratio, discount, _ = CHAINS[chain]
        terms = health_index.OptionTerms(
            not put, Fraction(ratio), Fraction(discount), Fraction(vol), len(PRICES) + chain
        )
        rows.append(health_index.Row(factor, scenarios(factor), terms))
    return rows


NOTHING = MatrixRow(Fraction(0), (Fraction(0),) * 27)


def reference_matrix(at: list[Fraction], accounts: Iterable[Account]) -> list[MatrixRow]:
    """Rows at a state of the coordinates; options to fifty digits, where anybody holds them."""
    held = {instrument for account in accounts for instrument, _ in account.positions}
    rows = [
        MatrixRow(at[factor], tuple(at[factor] * Fraction(move) for move in MOVES[factor]))
        for factor in range(len(PRICES))
    ]
    for number, (chain, put, strike, vol) in enumerate(OPTIONS):
        if len(PRICES) + number not in held:
            rows.append(NOTHING)
            continue
        factor, ratio, discount, _ = CHAINS[chain]

        def value(
            move: float,
            vol_factor: float,
            *,
            price: float = float(at[factor]) * ratio,
            stdev: float = vol * float(at[len(PRICES) + chain]),
            fixed: tuple[bool, float, float] = (put, strike, discount),
        ) -> Fraction:
            is_put, at_strike, of_chain = fixed
            option = black76.Option(
                not is_put, price * (1 + move), at_strike, 1.0, stdev * vol_factor, of_chain
            )
            return Fraction(black76.value(option))

        mark = value(0.0, 1.0)
        pairs = zip(MOVES[factor], VOL_FACTORS, strict=True)
        rows.append(
            MatrixRow(mark, tuple(value(move, vol_factor) - mark for move, vol_factor in pairs))
        )
    return rows


LISTING = [Listed(row, Fraction(1)) for row in range(len(PRICES) + len(OPTIONS))]


def reference_thresholds() -> list[health_index.Threshold]:
    return [
        health_index.Threshold(Fraction(one.loss_factor), Fraction(one.excess_usd))
        for one in THRESHOLDS
    ]


def reference_account(account_id: int, cash: float, positions: Positions) -> Account:
    held = tuple((instrument, Fraction(quantity)) for instrument, quantity in positions.items())
    return Account(account_id, Fraction(cash), held)
