"""What contingencies are charged on, exactly; written from ``docs/margin-model.md``."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

from xmargin.reference.scenarios import Contingencies, Depth, Factors, square_root

CONTINGENCIES = ("wrapped_depeg", "venue_risk", "mobility", "liquidity", "concentration")
"""In the order in which they use up what a chain that is cut off could still cost."""

_ZERO = Fraction(0)
_Charge = Callable[[Depth, Fraction], Fraction]


@dataclass(frozen=True, slots=True)
class Holding:
    """A position as its group sees it: signed ``units``, ``value`` its part in C (USD).

    ``share`` is what the haircut leaves of the token, ``token_price`` the end of the range that
    hurts what is net owned or owed of it.
    """

    token: str
    asset: str
    chain: str
    venue_kind: str
    wrapped: bool
    units: Fraction
    share: Fraction
    low: Fraction
    token_price: Fraction
    value: Fraction

    @property
    def kept_at_low(self) -> Fraction:
        """After the haircut, at the low end of the range."""
        return self.units * self.share * self.low


class Stock:
    """The amounts of one group of holdings, and what each holding has of them."""

    def __init__(self, holdings: Iterable[Holding], rules: Contingencies, *, cut_off: bool) -> None:
        self._holdings = list(holdings)
        self._rules = rules
        self._cut_off = cut_off
        self._marginal = {h.token: self._marginal_fraction(h.token) for h in self._holdings}
        self._charged: dict[tuple[str, str], Fraction] = {}
        self._chain_worth: dict[str, Fraction] = {}
        self._position: dict[str, Fraction] = {}
        for holding in self._holdings:
            worth = self._chain_worth.get(holding.chain, _ZERO)
            self._chain_worth[holding.chain] = worth + holding.kept_at_low
            position = self._position.get(holding.asset, _ZERO)
            self._position[holding.asset] = position + holding.value
        parts = [self.parts(holding) for holding in self._holdings]
        self.amounts = {name: sum((part[name] for part in parts), _ZERO) for name in CONTINGENCIES}

    def charge(self, name: str, factors: Factors) -> Fraction:
        """What a contingency charges at the rate of ``factors``."""
        rate: Fraction = getattr(factors, name)
        return rate * self.amounts[name]

    def parts(self, holding: Holding) -> dict[str, Fraction]:
        """The holding's part of each amount; a token's, chain's or asset's parts sum to its own."""
        return {
            "wrapped_depeg": self._wrapped(holding),
            "venue_risk": self._venue(holding),
            "mobility": self._mobility(holding),
            "liquidity": self._sized(holding, self._impact),
            "concentration": self._sized(holding, self._excess),
        }

    def _net(self, token: str) -> Fraction:
        return sum((h.units for h in self._holdings if h.token == token), _ZERO)

    def _wrapped(self, holding: Holding) -> Fraction:
        net = self._net(holding.token)
        if not holding.wrapped or net == 0:
            return _ZERO
        sign = 1 if net > 0 else -1
        return sign * holding.units * holding.share * holding.token_price

    def _venue(self, holding: Holding) -> Fraction:
        marginal = self._marginal[holding.token]
        own = self._fraction(holding)
        return (marginal if holding.units < 0 else min(marginal, own)) * holding.kept_at_low

    def _fraction(self, holding: Holding) -> Fraction:
        kinds = self._rules.venue_kinds
        return kinds.get(holding.venue_kind, max(kinds.values(), default=_ZERO))

    def _marginal_fraction(self, token: str) -> Fraction:
        """Debts are set against what is at most risk; the fraction of what is left first."""
        if self._net(token) <= 0:
            return _ZERO
        own = [h for h in self._holdings if h.token == token]
        debt = sum((-h.units for h in own if h.units < 0), _ZERO)
        owned = sorted((h for h in own if h.units > 0), key=self._fraction, reverse=True)
        for holding in owned:
            if holding.units > debt:
                return self._fraction(holding)
            debt -= holding.units
        return _ZERO

    def _mobility(self, holding: Holding) -> Fraction:
        if self._chain_worth[holding.chain] <= 0:
            return _ZERO
        return self._rules.chain(holding.chain) * holding.kept_at_low

    def _sized(self, holding: Holding, charge: "_Charge") -> Fraction:
        position, depth = self._position[holding.asset], self._rules.depth(holding.asset)
        if depth is None or position == 0:
            return _ZERO
        key = charge.__name__, holding.asset
        if key not in self._charged:
            self._charged[key] = charge(depth, abs(position))
        return self._charged[key] * holding.value / position

    def _impact(self, depth: Depth, size: Fraction) -> Fraction:
        days = self._rules.days_max
        slope = self._rules.impact_slope_max(depth)
        if self._cut_off:
            return slope * size
        within = min(size, days * depth.daily_volume_usd)
        root = square_root(within / depth.daily_volume_usd)
        return depth.daily_volatility * root * within + slope * (size - within)

    def _excess(self, depth: Depth, size: Fraction) -> Fraction:
        free = _ZERO if self._cut_off else self._rules.days_concentrated * depth.daily_volume_usd
        return depth.daily_volatility * max(_ZERO, size - free)
