"""dYdX v4 and Drift liquidations, written from their published sources in plain integers.

dydxprotocol/v4-chain ``x/clob/keeper/liquidations.go``; drift-labs/protocol-v2
``math/liquidation.rs``, ``math/margin.rs`` and ``controller/liquidation.rs``.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, isqrt, trunc


@dataclass(frozen=True, slots=True)
class Perp:
    """Signed size and, of one unit of it, exact value in quote units."""

    size: int
    unit_value: Fraction
    initial_ppm: int
    maintenance_ppm: int

    def value(self, size: int) -> int:
        """Quote units, towards zero."""
        return trunc(size * self.unit_value)

    def requirement(self, size: int) -> int:
        """Initial requirement up, its maintenance part up."""
        initial = ceil(Fraction(abs(self.value(size)) * self.initial_ppm, 10**6))
        return ceil(Fraction(initial * self.maintenance_ppm, 10**6))


@dataclass(frozen=True, slots=True)
class Closed:
    """Quote that the account gets (negative: pays), what the fund gets (negative: gives)."""

    quote: int
    fund: int
    equity: int
    requirement: int


def dydx_fillable(quote: int, perps: list[Perp], at: int, adjustment: int, spread: int) -> Fraction:
    """Quote units a unit of size."""
    equity, requirement = dydx_standing(quote, perps)
    perp = perps[at]
    missing = Fraction(adjustment, 10**6) * (1 - Fraction(equity, requirement))
    rating = min(max(missing, Fraction(0)), Fraction(1))
    discount = rating * Fraction(spread, 10**6) * perp.requirement(perp.size)
    return (perp.value(perp.size) - discount) / perp.size


def dydx_standing(quote: int, perps: list[Perp]) -> tuple[int, int]:
    """Net collateral and maintenance requirement."""
    equity = quote + sum(perp.value(perp.size) for perp in perps)
    return equity, sum(perp.requirement(perp.size) for perp in perps)


def dydx_bankruptcy(quote: int, perps: list[Perp], at: int, size: int) -> int:
    """Quote for closing ``size``, rounded up, at which the account keeps its share of equity."""
    equity, requirement = dydx_standing(quote, perps)
    perp = perps[at]
    left = perp.size - size if perp.size > 0 else perp.size + size
    freed = perp.requirement(perp.size) - perp.requirement(left)
    value = perp.value(perp.size) - perp.value(left)
    return value - floor(Fraction(equity * freed, requirement))


def dydx_close(
    quote: int, perps: list[Perp], at: int, size: int, parameters: tuple[int, int, int]
) -> Closed:
    """Close at the fillable price; the fund gets at most its fee, or gives what is missing."""
    adjustment, spread, fee_max = parameters
    price = dydx_fillable(quote, perps, at, adjustment, spread)
    perp = perps[at]
    traded = floor(price * size) if perp.size > 0 else -ceil(price * size)
    above = traded - dydx_bankruptcy(quote, perps, at, size)
    fund = min(above, abs(traded) * fee_max // 10**6)
    left = perp.size - size if perp.size > 0 else perp.size + size
    after = [*perps]
    after[at] = Perp(left, perp.unit_value, perp.initial_ppm, perp.maintenance_ppm)
    return Closed(traded, fund, *dydx_standing(quote + traded - fund, after))


@dataclass(frozen=True, slots=True)
class DriftPerp:
    """Base 10^9, price and fees 10^6, ratio 10^4."""

    base: int
    price: int
    ratio: int
    imf: int
    fee: int
    fund_fee_max: int
    step: int


def drift_ratio(perp: DriftPerp) -> int:
    """The margin ratio of the size."""
    if perp.imf == 0:
        return perp.ratio
    root = isqrt(abs(perp.base) * 10 + 1)
    return max(perp.ratio, perp.ratio - perp.ratio // 5 + root * perp.imf // 10**7)


def drift_value(perp: DriftPerp, base: int, quote_price: int) -> int:
    """Quote 10^6."""
    return abs(base) * perp.price // 10**9 * quote_price // 10**6


def drift_standing(
    cash: int, perps: list[DriftPerp], quote_price: int, buffer: int
) -> tuple[int, int, int]:
    """Collateral, requirement, requirement with buffer."""
    values = [drift_value(perp, perp.base, quote_price) for perp in perps]
    signs = [(perp.base > 0) - (perp.base < 0) for perp in perps]
    needs = [value * drift_ratio(p) // 10**4 for value, p in zip(values, perps, strict=True)]
    return (
        cash + sum(s * v for s, v in zip(signs, values, strict=True)),
        sum(needs),
        sum(needs) + sum(value * buffer // 10**4 for value in values),
    )


@dataclass(frozen=True, slots=True)
class DriftTerms:
    """The state of the liquidation: shares 10^4, quote 10^6, slots."""

    quote_price: int
    buffer: int
    initial_share: int
    duration: int
    elapsed: int
    freed: int


def drift_share(shortage: int, terms: DriftTerms) -> int:
    """Of the shortage, what may be freed now, 10^4."""
    if shortage < 50 * 10**6:
        return 10**4
    grown = terms.elapsed * 10**4 // terms.duration if terms.duration else 10**4
    share = min(10**4, grown + terms.initial_share)
    freeable = (shortage + terms.freed) * share // 10**4 - terms.freed
    return max(freeable, 0) * 10**4 // shortage


def drift_close(
    cash: int, perps: list[DriftPerp], at: int, base_max: int, terms: DriftTerms
) -> tuple[int, Closed]:
    """The base closed, and what it moves."""
    quote_price, buffer = terms.quote_price, terms.buffer
    equity, requirement, buffered = drift_standing(cash, perps, quote_price, buffer)
    perp, shortage = perps[at], buffered - equity
    held, margin = abs(perp.base), (drift_ratio(perp) + buffer) * 100
    own = drift_value(perp, perp.base, quote_price) * drift_ratio(perp) // 10**4
    price = perp.price * quote_price // 10**6
    fund_fee = 0
    if price and held and margin > perp.fee:
        needed = (shortage * own // requirement) * 10**9 // held * 10**6 // price
        fund_fee = min(max(margin - perp.fee - needed, 0) * 19 // 20, perp.fund_fee_max)
    wanted = held
    if price and margin > perp.fee:
        per_base = price * (margin - perp.fee) // 10**6 - perp.price * fund_fee // 10**6
        if per_base > 0:
            wanted = _up(shortage * 10**9 // per_base, perp.step)
    allowed = wanted * drift_share(shortage, terms) // 10**4
    base = min(_up(min(held, base_max, allowed), perp.step), held)
    sign = 1 if perp.base > 0 else -1
    value = drift_value(perp, base, quote_price)
    traded = sign * (value * (10**6 - sign * perp.fee) // 10**6)
    fund = value * fund_fee // 10**6
    after = [*perps]
    left = perp.base - sign * base
    after[at] = DriftPerp(
        left, perp.price, perp.ratio, perp.imf, perp.fee, perp.fund_fee_max, perp.step
    )
    rest = drift_standing(cash + traded - fund, after, quote_price, buffer)
    return base, Closed(traded, fund, rest[0], rest[1])


def _up(base: int, step: int) -> int:
    return -(-base // step) * step
