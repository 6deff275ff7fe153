"""Calm markets: real daily returns as daily steps, and scaled to a minute as an intraday shape.

Nothing is wrong with any feed. One source answers when the price has left its last answer by its
deviation, or when its heartbeat is over, a step late; another answers at every step with an
interval. An intraday step moves by a day's return times the root of its share of the day, so that
tails and clusters are those of the real series, crashes among them.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from random import Random

from tests.incidents.making.tape import DAY_S, ETHEREUM, Coin, Feed, Tape, coin, feed
from xmargin.model import (
    BlockRef,
    ChainHead,
    Fact,
    FeedRole,
    FeedRound,
    JudgedPrice,
    Observation,
    PriceSpec,
    Registry,
    SupplySpec,
    TokenSupply,
    Verdict,
)
from xmargin.params import load_parameters
from xmargin.snapshot import cut
from xmargin.world import World

SERIES = Path(__file__).resolve().parents[3] / "shared/data/var/conformal_oracle"
START_S = 1_700_000_000
MINUTE_S = 60
SPREAD_BPS = 3
"""Of two honest sources: their prices differ by about so much."""

_WRONG = frozenset({Verdict.HOLD, Verdict.REFUSE})
_STARTING_PRICES = {"BTC": 450.0, "ETH": 320.0, "PAXG": 275.0}
_RATE_A_YEAR = 0.03


def returns_of(name: str) -> list[float]:
    """A series of real daily log returns, oldest first."""
    with (SERIES / f"{name}_log_returns.csv").open() as file:
        return [float(row["log_return"]) for row in csv.DictReader(file)]


@dataclass
class Source:
    """How a feed answers: at each step, or late on a deviation or heartbeat."""

    feed: Feed
    deviation_bps: int = 0
    confidence_bps: int = 0
    _told: float = 0.0
    _told_at_s: int = 0
    _pending: float | None = field(default=None)

    def answer(self, price: float, now_s: int, step_s: int) -> FeedRound | None:
        """What it tells now, if anything."""
        if not self.deviation_bps or step_s >= self.feed.spec.heartbeat_s:
            return self._round(price)
        told, self._pending = self._pending, None
        due = now_s - self._told_at_s >= self.feed.spec.heartbeat_s - MINUTE_S
        moved = self._told and abs(price / self._told - 1) * 10_000 >= self.deviation_bps
        if not self._told:
            told = price
        elif due or moved:
            self._pending = price
        if told is None:
            return None
        self._told, self._told_at_s = told, now_s
        return self._round(told)

    def _round(self, price: float) -> FeedRound:
        interval = Decimal(str(price)) * self.confidence_bps / 10_000
        return self.feed.at(f"{price:.12f}", confidence=str(interval))


def sources() -> dict[str, list[Source]]:
    """Two of each large base, one of the others with a jump bound, and an exchange rate."""
    found: dict[str, list[Source]] = {}
    for base in ("BTC", "ETH"):
        slow, quick = (
            feed(ETHEREUM, base, "chainlink"),
            feed(ETHEREUM, base, "pyth", heartbeat_s=60),
        )
        found[base] = [Source(slow, deviation_bps=50), Source(quick, confidence_bps=6)]
    gold = feed(ETHEREUM, "PAXG", "chainlink", heartbeat_s=DAY_S)
    found["PAXG"] = [Source(gold, deviation_bps=30)]
    found["WSTETH"] = [
        Source(feed(ETHEREUM, "WSTETH", "chainlink", quote="ETH"), deviation_bps=50),
        Source(
            feed(
                ETHEREUM,
                "WSTETH",
                "contract",
                quote="ETH",
                role=FeedRole.RATE,
                rate_snapshot=Decimal("1.15"),
                rate_snapshot_at_s=START_S,
                rate_growth_bps_max=968,
            )
        ),
    ]
    peg = feed(ETHEREUM, "USDC", "chainlink", heartbeat_s=DAY_S)
    found["USDC"] = [Source(peg, deviation_bps=25), Source(feed(ETHEREUM, "USDC", "exchanges"))]
    return found


def registry(told: dict[str, list[Source]], dollar: Coin) -> Registry:
    """Every bound that the incidents need, at the same numbers."""
    tape = Tape("calm", chains=[ETHEREUM])
    feeds = [source.feed for of_base in told.values() for source in of_base]
    two = {"sources_min": 2, "price_min": Decimal("0.01"), "price_max": Decimal(10**7)}
    prices = [
        PriceSpec("BTC", **two),  # type: ignore[arg-type] # a row of the table below
        PriceSpec("ETH", **two),  # type: ignore[arg-type]
        PriceSpec("PAXG", jump_bps_max=2_000, jump_window_s=3_600),
        PriceSpec("WSTETH", jump_bps_max=2_000, jump_window_s=3_600),
        PriceSpec("USDC", peg="USD", peg_bps_max=100, haircut_bps=400),
    ]
    tape.watch([dollar], feeds, [], {}, prices)
    supply = SupplySpec(dollar.id, dollar.units(10**10), START_S, 20_000)
    return Registry(
        tape.registry.chains,
        tape.registry.tokens,
        tape.registry.feeds,
        (),
        (),
        prices=tape.registry.prices,
        supplies=(supply,),
        venue_price_bps_max=200,
    )


class Market:
    """The prices of all bases, step by step."""

    def __init__(self, step_s: int, days: int) -> None:
        scale = math.sqrt(step_s / DAY_S)
        ether, bitcoin, gold = (returns_of(name) for name in ("ETH", "BTC", "GOLD"))
        self._moves: list[Sequence[float]] = [
            [scale * one for one in series]
            for series in (bitcoin[-days:], ether[-days:], gold[-days:])
        ]
        self._step_s = step_s
        self.steps = min(days, len(ether))

    def prices(self, step: int, before: dict[str, float]) -> dict[str, float]:
        """After a step; before the first one ``before`` is empty."""
        if not before:
            before = dict(_STARTING_PRICES)
        moved = {
            base: before[base] * math.exp(series[step])
            for base, series in zip(_STARTING_PRICES, self._moves, strict=True)
        }
        years = step * self._step_s / (365 * DAY_S)
        return {**moved, "WSTETH": 1.15 * (1 + _RATE_A_YEAR * years), "USDC": 1.0}


def judged(
    step_s: int, days: int, disagreement_bps_max: int = 200
) -> Iterator[dict[str, JudgedPrice]]:
    """The judged prices of the last so many days' steps, through the World and its cut."""
    market, told, random = Market(step_s, days), sources(), Random(20_260_101)
    dollar = coin(ETHEREUM, "USDC", decimals=6)
    world, prices = World(), dict[str, float]()
    now_ms = START_S * 1000
    watched = replace(registry(told, dollar), disagreement_bps_max=disagreement_bps_max)
    for fact in (watched, load_parameters("unified-v1")):
        world.apply(Observation(fact, now_ms))
    for step in range(market.steps):
        now_s = START_S + step * step_s
        prices = market.prices(step, prices)
        supplied = dollar.units(10**10 + step * step_s)
        facts: list[Fact] = [dollar.state, TokenSupply(dollar.id, supplied, "")]
        for base, of_base in told.items():
            for source in of_base:
                honest = prices[base] * (1 + random.gauss(0, SPREAD_BPS / 10_000))
                is_rate = source.feed.spec.role is FeedRole.RATE
                told_now = source.answer(prices[base] if is_rate else honest, now_s, step_s)
                if told_now is not None:
                    facts.append(replace(told_now, published_at_s=now_s))
        block = BlockRef(step + 1, "", "", now_s)
        for one in (*facts, ChainHead(step, step)):
            world.apply(Observation(one, now_s * 1000, ETHEREUM, block))
        yield dict(cut(world).prices)


def wrong_steps(
    step_s: int, days: int, disagreement_bps_max: int = 200
) -> tuple[int, list[tuple[int, str, tuple[str, ...]]]]:
    """How many steps there were, and those in which a base was held or refused, with why."""
    steps, found = 0, []
    for prices in judged(step_s, days, disagreement_bps_max):
        found += [
            (steps, base, price.reasons)
            for base, price in prices.items()
            if price.verdict in _WRONG
        ]
        steps += 1
    return steps, found
