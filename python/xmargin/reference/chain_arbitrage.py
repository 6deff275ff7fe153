"""Free lunches in a chain of option prices, once more, by the conditions of ``docs/margin.md``.

Prices are valued by the reference's own mechanism and compared in exact fractions: what the prices
are is rounded, what follows from them is not. The core looks at neighbours while it walks through
the strikes; this asks each condition of the whole list.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import exp

from xmargin.model.derivatives import GridArbitrage, GridMarket
from xmargin.reference.grid import OPTIONS, OptionPrices, option_prices

KINDS = ("parity", "bound", "slope", "butterfly", "calendar")

_BY_FORWARD, _BY_STRIKE = Fraction("1.002e-12"), Fraction("2.8e-15")
"""What a call price may err by, per unit of D F and of D K."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Lowest and highest call price by strike, strikes ascending."""

    forward: Fraction
    discount: Fraction
    low: Mapping[Fraction, Fraction]
    high: Mapping[Fraction, Fraction]

    def error(self, strike: Fraction) -> Fraction:
        """What a price of the strike may err by."""
        return self.discount * (_BY_FORWARD * self.forward + _BY_STRIKE * strike)

    def most(self, strike: Fraction) -> tuple[Fraction, Fraction]:
        """The highest price that convexity leaves a strike, from those listed, and its error.

        Listed strikes are themselves; the underlying is the call of strike 0; past the last one,
        calls are worth at most what the last is.
        """
        prices = {Fraction(0): self.discount * self.forward} | dict(self.low)
        below = max(k for k in prices if k <= strike)
        above = min((k for k in prices if k >= strike), default=below)
        if below == above:
            return prices[below], self.error(below)
        share = (above - strike) / (above - below)
        return (
            share * prices[below] + (1 - share) * prices[above],
            share * self.error(below) + (1 - share) * self.error(above),
        )


def arbitrage(content: str, market: GridMarket) -> list[GridArbitrage]:
    """Every free lunch of every scenario, by expiry, scenario, strike and kind."""
    states = option_prices(content, market)
    found = []
    for row in range(len(market.expiries)):
        after = _later(market, row)
        for name, prices in states.items():
            near = _chain(market, prices, row)
            later = None if after is None else _chain(market, prices, after)
            for strike, kind, amount in _finds(near, later):
                found.append(GridArbitrage(row, name, kind, float(strike), float(amount)))
    return found


def _chain(market: GridMarket, prices: OptionPrices, row: int) -> Chain:
    expiry, forward = market.expiries[row], Fraction(prices.forwards[row])
    discount = Fraction(exp(-expiry.rate * expiry.years))
    quotes: dict[Fraction, list[Fraction]] = {}
    for at, value in prices.values.items():
        option = market.instruments[at]
        if option.expiry == row and option.strike is not None:
            strike, call = Fraction(option.strike), Fraction(value)
            if option.kind == "put":
                call += discount * (forward - strike)
            quotes.setdefault(strike, []).append(call)
    listed = sorted(quotes)
    return Chain(
        forward,
        discount,
        {strike: min(quotes[strike]) for strike in listed},
        {strike: max(quotes[strike]) for strike in listed},
    )


def _later(market: GridMarket, row: int) -> int | None:
    """The next expiry of the same asset with options, both of whose forwards move with the spot."""

    def comparable(other: int) -> bool:
        listed = any(i.expiry == other and i.kind in OPTIONS for i in market.instruments)
        return listed and not market.expiries[other].forward_fixed

    near = market.expiries[row]
    after = [
        (expiry.years, other)
        for other, expiry in enumerate(market.expiries)
        if expiry.asset == near.asset and expiry.years > near.years and comparable(other)
    ]
    return min(after)[1] if after and comparable(row) else None


def _finds(near: Chain, later: Chain | None) -> Iterator[tuple[Fraction, str, Fraction]]:
    strikes = list(near.high)
    for row, strike in enumerate(strikes):
        conditions = {
            "parity": (near.high[strike] - near.low[strike], 2 * near.error(strike)),
            "bound": _bound(near, strike),
            "slope": _slope(near, strikes[max(row - 1, 0)], strike),
            "butterfly": _butterfly(near, strikes, row),
            "calendar": _calendar(near, later, strike),
        }
        for kind in KINDS:
            amount, error = conditions[kind]
            if amount > error:
                yield strike, kind, amount


def _bound(chain: Chain, strike: Fraction) -> tuple[Fraction, Fraction]:
    least = chain.discount * max(chain.forward - strike, Fraction(0))
    over = chain.high[strike] - chain.discount * chain.forward
    return max(least - chain.low[strike], over), chain.error(strike)


def _slope(chain: Chain, low: Fraction, high: Fraction) -> tuple[Fraction, Fraction]:
    if low == high:
        return Fraction(0), Fraction(0)
    rise = chain.high[high] - chain.low[low]
    fall = chain.high[low] - chain.low[high] - chain.discount * (high - low)
    return max(rise, fall), chain.error(low) + chain.error(high)


def _butterfly(chain: Chain, strikes: Sequence[Fraction], row: int) -> tuple[Fraction, Fraction]:
    """The price above the chord that the other strikes leave, at all but the last one and 0."""
    strike = strikes[row]
    if strike == 0 or row == len(strikes) - 1:
        return Fraction(0), Fraction(0)
    rest = {k: price for k, price in chain.low.items() if k != strike}
    most, error = Chain(chain.forward, chain.discount, rest, rest).most(strike)
    return chain.high[strike] - most, error + chain.error(strike)


def _calendar(near: Chain, later: Chain | None, strike: Fraction) -> tuple[Fraction, Fraction]:
    if later is None:
        return Fraction(0), Fraction(0)
    scale = near.discount * near.forward / (later.discount * later.forward)
    most, error = later.most(strike * later.forward / near.forward)
    return near.high[strike] - scale * most, near.error(strike) + scale * error
