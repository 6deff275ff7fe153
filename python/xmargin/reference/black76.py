"""Black-76 to fifty digits, in ``decimal``: what the core's prices are held to.

Written from the formula and slow on purpose: the normal distribution is its own power series,
summed with enough digits that its cancellation does not matter.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from typing import TypeVar

DIGITS = 50
"""Correct digits of every answer, relative to the larger of forward and strike."""

_PI = Decimal(
    "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534"
)
_FAR = Decimal(60)
"""Past sixty standard deviations the tail is below 1e-780."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Option:
    """One option; every float is taken for the exact number it is."""

    is_call: bool
    forward: float
    strike: float
    expiry_years: float
    vol: float
    discount: float


@dataclass(frozen=True, slots=True)
class Greeks:
    """Sensitivities, in the units of the core's."""

    delta: Decimal
    gamma: Decimal
    vega: Decimal
    theta: Decimal


def value(option: Option) -> Decimal:
    """``D (F N(d1) - K N(d2))`` for a call, ``D (K N(-d2) - F N(-d1))`` for a put.

    Source: F. Black, "The pricing of commodity contracts" (1976).
    """
    return _exactly(lambda: _value(option))


def greeks(option: Option) -> Greeks:
    """The derivatives of :func:`value`, for a positive expiry, vol and strike.

    Theta is the change per year that passes at a constant forward and rate.
    """
    return _exactly(lambda: _greeks(option))


def distribution(z: Decimal) -> Decimal:
    """The normal distribution function."""
    return _exactly(lambda: _distribution(z))


def density(z: Decimal) -> Decimal:
    """The normal density."""
    return _exactly(lambda: _density(z))


def _exactly(compute: Callable[[], T]) -> T:
    # The power series of N(z) has terms up to exp(z^2/2): 60 standard deviations take 782 digits.
    with localcontext(Context(prec=DIGITS + 30, Emax=MAX_EMAX, Emin=MIN_EMIN)):
        return compute()


def _value(option: Option) -> Decimal:
    sign = 1 if option.is_call else -1
    forward, strike = Decimal(option.forward), Decimal(option.strike)
    discount = Decimal(option.discount)
    stdev = _stdev(option)
    if not stdev or not strike:
        return discount * max(sign * (forward - strike), Decimal(0))
    d1 = (forward / strike).ln() / stdev + stdev / 2
    in_forward = forward * _distribution(sign * d1)
    in_strike = strike * _distribution(sign * (d1 - stdev))
    return discount * sign * (in_forward - in_strike)


def _greeks(option: Option) -> Greeks:
    sign = 1 if option.is_call else -1
    forward, strike = Decimal(option.forward), Decimal(option.strike)
    discount, vol = Decimal(option.discount), Decimal(option.vol)
    years = Decimal(option.expiry_years)
    stdev = _stdev(option)
    d1 = (forward / strike).ln() / stdev + stdev / 2
    density_at_d1 = _density(d1)
    rate = -discount.ln() / years
    return Greeks(
        delta=discount * sign * _distribution(sign * d1),
        gamma=discount * density_at_d1 / (forward * stdev),
        vega=discount * forward * density_at_d1 * years.sqrt(),
        theta=rate * _value(option) - discount * forward * density_at_d1 * vol / (2 * years.sqrt()),
    )


def _stdev(option: Option) -> Decimal:
    return Decimal(option.vol) * Decimal(option.expiry_years).sqrt()


def _density(z: Decimal) -> Decimal:
    return (-z * z / 2).exp() / (2 * _PI).sqrt()


def _distribution(z: Decimal) -> Decimal:
    """``1/2 + phi(z) (z + z^3/3 + z^5/(3*5) + ...)``, all of one sign."""
    if z >= _FAR:
        return Decimal(1)
    if z <= -_FAR:
        return Decimal(0)
    with localcontext() as context:
        # Below zero the two parts cancel down to the tail, exp(-z^2/2): as many digits are added.
        context.prec += int(z * z / 4) if z < 0 else 0
        term = total = z
        odd = 1
        while abs(term) > abs(total).scaleb(-context.prec - 2):
            odd += 2
            term *= z * z / odd
            total += term
        # pi is known to 90 digits; the tail needs the sum to its last one.
        half = Decimal(1) / 2
        return half + total * (-z * z / 2).exp() / (2 * _pi(context.prec)).sqrt()


def _pi(digits: int) -> Decimal:
    """Machin's formula, pi = 16 atan(1/5) - 4 atan(1/239), where the constant is too short."""
    if digits <= 90:
        return _PI
    with localcontext() as context:
        context.prec = digits + 10
        return 16 * _arctangent_of_inverse(5) - 4 * _arctangent_of_inverse(239)


def _arctangent_of_inverse(n: int) -> Decimal:
    with localcontext() as context:
        power = total = Decimal(1) / n
        odd = 1
        while abs(power) > Decimal(1).scaleb(-context.prec):
            odd += 2
            power /= -n * n
            total += power / odd
        return total
