"""The scenario mechanism once more, in plain Python, from the formulas of ``docs/margin.md``.

It values a whole portfolio scenario by scenario, where the core values instruments once and sums
rows of a matrix; the two share no code. Floats, with the error function of the standard library.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import copysign, erfc, exp, floor, inf, log, sqrt
from typing import Any

from xmargin.model.derivatives import (
    GridExpiry,
    GridInstrument,
    GridMarket,
    GridPortfolio,
    GridPosition,
    Smile,
)
from xmargin.reference.grid_rules import GridScenario, Tree, number, scenarios, shocked_vol

DERIVATIVES = ("perp", "future", "call", "put")
OPTIONS = ("call", "put")


@dataclass(frozen=True, slots=True)
class GridAnswer:
    """A portfolio's margin: P&L by scenario name, and requirements by component."""

    equity: float
    pnl: dict[str, float]
    basis_pnl: float
    worst: str
    maintenance: dict[str, float]
    initial: dict[str, float]


@dataclass(frozen=True, slots=True)
class OptionPrices:
    """One scenario: forwards by expiry, discounted values of options by row of the instruments."""

    forwards: list[float]
    values: dict[int, float]


def black76(kind: str, forward: float, strike: float, years: float, vol: float) -> float:
    """Undiscounted value of an option, the time value on the out-of-the-money side."""
    sign = 1.0 if kind == "call" else -1.0
    intrinsic = max(sign * (forward - strike), 0.0)
    stdev = vol * sqrt(years)
    if stdev == 0.0 or strike == 0.0:
        return intrinsic
    d1 = log(forward / strike) / stdev + stdev / 2
    side = 1.0 if strike > forward else -1.0
    out = side * (forward * _normal(side * d1) - strike * _normal(side * (d1 - stdev)))
    return intrinsic + max(out, 0.0)


def _normal(z: float) -> float:
    return erfc(-z / sqrt(2)) / 2


def smile_vol(smile: Smile, strike: float, bounds: Tree | None) -> float:
    """Raw SVI: total variance at the log-moneyness, as a vol."""
    k = log(strike / smile.forward) if strike > 0.0 else -inf
    most = inf
    if bounds is not None:
        reach = number(bounds["log_moneyness_stdevs"])
        reach *= sqrt(max(smile.a + smile.b * smile.sigma, 0.0))
        k = max(-reach, min(k, reach))
        most = number(bounds["total_variance_max"])
    off = k - smile.m
    variance = smile.a + smile.b * (smile.rho * off + sqrt(off * off + smile.sigma**2))
    return sqrt(max(0.0, min(variance, most)) / smile.years)


def margin(content: str, market: GridMarket, portfolio: GridPortfolio) -> GridAnswer:
    """The margin of one portfolio under a parameter file (JSON text)."""
    return _Margining(content, market, portfolio).answer()


def option_prices(content: str, market: GridMarket) -> dict[str, OptionPrices]:
    """Forwards and option values of every scenario, by its name."""
    mechanism = _Margining(content, market, GridPortfolio("none", []))

    def prices(scenario: GridScenario) -> OptionPrices:
        moves = [mechanism.move(scenario, expiry.asset) for expiry in market.expiries]
        values = {
            row: mechanism.option_value(option, moves[option.expiry], scenario.vol_rule)
            for row, option in enumerate(market.instruments)
            if option.kind in OPTIONS and option.expiry is not None
        }
        forwards = [_forward(*pair) for pair in zip(market.expiries, moves, strict=True)]
        return OptionPrices(forwards, values)

    return {scenario.name: prices(scenario) for scenario in mechanism.scenarios}


class _Margining:
    def __init__(self, content: str, market: GridMarket, portfolio: GridPortfolio) -> None:
        self.tree: dict[str, Any] = json.loads(content)
        self.scenarios = scenarios(content, (asset.name for asset in market.assets))
        self.market = market
        self.portfolio = portfolio
        self.in_base = self.tree.get("numeraire") == "base"
        self.held = [
            (position, market.instruments[position.instrument]) for position in portfolio.positions
        ]
        self.by_expiry: dict[int, list[tuple[GridPosition, GridInstrument]]] = defaultdict(list)
        for position, instrument in self.held:
            if instrument.kind in OPTIONS and instrument.expiry is not None:
                self.by_expiry[instrument.expiry].append((position, instrument))

    def answer(self) -> GridAnswer:
        pnl = {scenario.name: self.pnl(scenario) for scenario in self.scenarios}
        basis = sum(self.basis_pnl(expiry) for expiry in self.by_expiry)
        worst = min(pnl, key=pnl.__getitem__)
        loss = -pnl[worst]
        if basis < pnl[worst]:
            worst, loss = "basis", -basis
        if "loss_decimals" in self.tree:
            units = 10.0 ** int(self.tree["loss_decimals"])
            loss = floor(loss * units + 0.5) / units
        factors = self.tree["loss_factors"]
        depeg = self.tree.get("depeg")
        added = 0.0
        if depeg is not None:
            missing = max(number(depeg["threshold"]) - self.market.cash_price, 0.0)
            added = missing * number(depeg["factor"])
        return GridAnswer(
            equity=self.equity(),
            pnl=pnl,
            basis_pnl=basis,
            worst=worst,
            maintenance=self.requirement("maintenance", number(factors["maintenance"]), loss),
            initial=self.requirement("initial", number(factors["initial"]) + added, loss),
        )

    def requirement(self, kind: str, factor: float, loss: float) -> dict[str, float]:
        parts = {
            "loss": factor * loss,
            "roll": factor * self.roll(),
            "haircut": self.haircut(kind),
            "wrapped_depeg": self.wrapped(kind),
            "perp": self.perp(kind),
            "short_option": self.short_option(kind),
            "confidence": self.confidence() if kind == "initial" else 0.0,
            "reserved": self.portfolio.reserved_initial if kind == "initial" else 0.0,
        }
        return {"margin": sum(parts.values()), "loss_factor": factor} | parts

    # Values

    def asset_of(self, instrument: GridInstrument) -> int | None:
        if instrument.kind in ("spot", "perp"):
            return instrument.asset
        return self.expiry(instrument).asset

    def expiry(self, instrument: GridInstrument) -> GridExpiry:
        assert instrument.expiry is not None  # noqa: S101 - the core refuses such a row
        return self.market.expiries[instrument.expiry]

    def move(self, scenario: GridScenario, asset: int) -> float:
        return scenario.moves.get(self.market.assets[asset].name, 0.0)

    def unit(self, price: float) -> float:
        return price if self.in_base else 1.0

    def in_numeraire(self, amount: float, asset: int) -> float:
        return amount / self.unit(self.market.assets[asset].spot)

    def vol(self, instrument: GridInstrument) -> float:
        if instrument.vol is not None:
            return instrument.vol
        smile = self.expiry(instrument).smile
        assert smile is not None  # noqa: S101 - the core refuses such a row
        return smile_vol(smile, _strike(instrument), self.tree.get("surface"))

    def option_value(
        self, instrument: GridInstrument, relative: float, rule: Tree | None = None
    ) -> float:
        expiry = self.expiry(instrument)
        forward, strike = _forward(expiry, relative), _strike(instrument)
        k = log(strike / forward) if strike > 0.0 else -inf
        vol = shocked_vol(rule, self.vol(instrument), k, expiry.years)
        value = black76(instrument.kind, forward, strike, expiry.years, vol)
        return exp(-expiry.rate * expiry.years) * value

    def mark(self, expiry: int) -> float:
        return sum(p.quantity * self.option_value(i, 0.0) for p, i in self.by_expiry[expiry])

    def equity(self) -> float:
        total = self.portfolio.cash
        for position, instrument in self.held:
            total += position.unsettled
            if instrument.kind == "spot":
                price = _price(instrument)
                total += position.quantity * price / self.unit(price)
        for expiry in self.by_expiry:
            forward = _forward(self.market.expiries[expiry], 0.0)
            total += self.mark(expiry) / self.unit(forward)
        return total

    # Profit and loss

    def pnl(self, scenario: GridScenario) -> float:
        by_asset: dict[int, float] = defaultdict(float)
        for position, instrument in self.held:
            asset = self.asset_of(instrument)
            if instrument.kind not in OPTIONS and asset is not None:
                own = self.linear_pnl(scenario, instrument, asset)
                by_asset[asset] += position.quantity * own
        for row in self.by_expiry:
            by_asset[self.market.expiries[row].asset] += self.expiry_pnl(scenario, row)
        return sum(self.counted(scenario, asset, raw) for asset, raw in by_asset.items())

    def linear_pnl(self, scenario: GridScenario, instrument: GridInstrument, asset: int) -> float:
        price, relative = _price(instrument), self.move(scenario, asset)
        value = price if instrument.kind == "spot" else 0.0
        shocked = value + scenario.share * price * relative
        moved = price * (1.0 + scenario.conversion_move(relative))
        return shocked / self.unit(moved) - value / self.unit(price)

    def expiry_pnl(self, scenario: GridScenario, row: int) -> float:
        if scenario is self.scenarios[0]:
            return 0.0
        expiry = self.market.expiries[row]
        relative = self.move(scenario, expiry.asset)
        mark = self.mark(row)
        shocked = sum(
            position.quantity * self.option_value(instrument, relative, scenario.vol_rule)
            for position, instrument in self.by_expiry[row]
        )
        shocked *= self.static_discount(expiry, long=shocked >= 0.0)
        counted = mark + scenario.share * (shocked - mark)
        moved = _forward(expiry, scenario.conversion_move(relative))
        pnl = counted / self.unit(moved) - mark / self.unit(_forward(expiry, 0.0))
        return -abs(pnl) if scenario.expiry_losses else pnl

    def static_discount(self, expiry: GridExpiry, *, long: bool) -> float:
        rule = self.tree.get("static_discount", {}).get("long" if long else "short")
        if rule is None:
            return 1.0
        rate = expiry.rate * number(rule["rate_multiple"]) + number(rule["rate_addition"])
        if long:
            return number(rule["base"]) * exp(-expiry.years * rate)
        return min(number(rule["base"]) * exp(expiry.years * rate), exp(expiry.years * expiry.rate))

    def counted(self, scenario: GridScenario, asset: int, raw: float) -> float:
        relief = self.in_numeraire(scenario.relief, asset)
        relieved = copysign(max(abs(raw) - relief, 0.0), raw)
        offset = self.tree.get("gain_offset")
        if offset is None or relieved <= 0.0:
            return relieved
        most = self.in_numeraire(number(offset["max"]), asset)
        return min(relieved * number(offset["share"]), most)

    def basis_pnl(self, row: int) -> float:
        rule = self.tree.get("basis")
        if rule is None:
            return 0.0
        expiry = self.market.expiries[row]
        changes = [
            sum(
                p.quantity * (self.option_value(i, number(rule[side])) - self.option_value(i, 0.0))
                for p, i in self.by_expiry[row]
            )
            for side in ("up", "down")
        ]
        factor = number(rule["factor"]) + number(rule["factor_per_year"]) * expiry.years
        return factor * min(0.0, *changes) / self.unit(_forward(expiry, 0.0))

    # Contingencies

    def spots(self) -> Iterable[tuple[GridInstrument, float]]:
        for position, instrument in self.held:
            if instrument.kind == "spot":
                price = _price(instrument)
                yield instrument, position.quantity * price / self.unit(price)

    def rate(self, name: str, kind: str) -> float:
        return number(self.tree.get(name, {}).get(kind, "0"))

    def notional(self, quantity: float, asset: int) -> float:
        return abs(quantity) * self.in_numeraire(self.market.assets[asset].spot, asset)

    def haircut(self, kind: str) -> float:
        return sum(
            max(value, 0.0)
            * (i.haircut_maintenance if kind == "maintenance" else i.haircut_initial)
            for i, value in self.spots()
        )

    def wrapped(self, kind: str) -> float:
        worth = sum(abs(value) for instrument, value in self.spots() if instrument.wrapped)
        return worth * self.rate("wrapped_depeg", kind)

    def perp(self, kind: str) -> float:
        worth = sum(
            self.notional(position.quantity, instrument.asset)
            for position, instrument in self.held
            if instrument.kind == "perp" and instrument.asset is not None
        )
        return worth * self.rate("perp", kind)

    def short_option(self, kind: str) -> float:
        net: dict[tuple[int, float], float] = defaultdict(float)
        for row, held in self.by_expiry.items():
            for position, instrument in held:
                net[row, _strike(instrument)] += position.quantity
        worth = sum(
            self.notional(min(quantity, 0.0), self.market.expiries[row].asset)
            for (row, _), quantity in net.items()
        )
        return worth * self.rate("short_option", kind)

    def confidence(self) -> float:
        rule = self.tree.get("confidence")
        if rule is None:
            return 0.0

        def doubt(confidence: float, amount: float) -> float:
            doubted = confidence < number(rule["threshold"])
            return (1.0 - confidence) * number(rule["rate"]) * amount if doubted else 0.0

        due = sum(doubt(instrument.confidence, abs(value)) for instrument, value in self.spots())
        for position, instrument in self.held:
            asset = self.asset_of(instrument)
            if instrument.kind in DERIVATIVES and asset is not None:
                notional = self.notional(position.quantity, asset)
                due += doubt(self.derivative_confidence(instrument, asset), notional)
        return due

    def derivative_confidence(self, instrument: GridInstrument, asset: int) -> float:
        perps = [
            other.confidence
            for position, other in self.held
            if other.kind == "perp" and other.asset == asset and position.quantity
        ]
        least = [instrument.confidence, self.market.assets[asset].confidence, *perps]
        if instrument.expiry is not None:
            least.append(self.expiry(instrument).confidence)
        return min(least)

    def roll(self) -> float:
        rule = self.tree.get("roll")
        if rule is None:
            return 0.0
        deltas: dict[tuple[str, int | None], float] = defaultdict(float)
        for position, instrument in self.held:
            if instrument.kind == "perp":
                term = ("perp", instrument.asset)
            elif instrument.kind in DERIVATIVES:
                term = ("expiry", instrument.expiry)
            else:
                continue
            deltas[term] += position.quantity * self.delta(instrument)
        least, per_year = number(rule["move_min"]), number(rule["move_per_year"])
        due = 0.0
        for (term_kind, row), delta in deltas.items():
            dated = term_kind == "expiry" and row is not None
            years = self.market.expiries[row or 0].years if dated else 0.0
            due += abs(delta) * max(least, per_year * years)
        return due

    def delta(self, instrument: GridInstrument) -> float:
        if instrument.kind not in OPTIONS:
            price = _price(instrument)
            return price / self.unit(price)
        expiry, strike = self.expiry(instrument), _strike(instrument)
        forward = _forward(expiry, 0.0)
        sign = 1.0 if instrument.kind == "call" else -1.0
        stdev = self.vol(instrument) * sqrt(expiry.years)
        if strike == 0.0:
            inside = 1.0 if sign > 0 else 0.0
        elif stdev == 0.0:
            # At the money, the limit of a stdev that goes to zero.
            inside = 0.5 if forward == strike else float(sign * (forward - strike) > 0)
        else:
            inside = _normal(sign * (log(forward / strike) / stdev + stdev / 2))
        delta = sign * exp(-expiry.rate * expiry.years) * inside
        if self.in_base:
            return delta - self.option_value(instrument, 0.0) / forward
        return delta * forward


def _price(instrument: GridInstrument) -> float:
    assert instrument.price is not None  # noqa: S101 - the core refuses such a row
    return instrument.price


def _strike(instrument: GridInstrument) -> float:
    assert instrument.strike is not None  # noqa: S101 - the core refuses such a row
    return instrument.strike


def _forward(expiry: GridExpiry, relative: float) -> float:
    return expiry.forward_fixed + expiry.forward_variable * (1.0 + relative)
