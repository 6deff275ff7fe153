"""Parameters and the scenarios they expand to, as exact fractions."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import isqrt
from typing import Any

_ROOT_BITS = 160


@dataclass(frozen=True, slots=True)
class Factors:
    """What turns a loss into a requirement."""

    loss: Fraction
    wrapped_depeg: Fraction
    venue_risk: Fraction = Fraction(0)
    mobility: Fraction = Fraction(0)
    liquidity: Fraction = Fraction(0)
    concentration: Fraction = Fraction(0)
    shortfall: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Depth:
    """The market of one asset: a day's volume (USD) and a day's volatility."""

    daily_volume_usd: Fraction
    daily_volatility: Fraction


@dataclass(frozen=True, slots=True)
class Contingencies:
    """What contingencies are charged on; ``depth`` gives an asset's market, if any is."""

    venue_kinds: Mapping[str, Fraction]
    chains: Mapping[str, Fraction]
    depths: Mapping[str, Depth]
    default_depth: Depth | None
    days_max: Fraction
    days_concentrated: Fraction

    def depth(self, asset: str) -> Depth | None:
        """The market of an asset; ``None`` where nothing is charged for size."""
        return self.depths.get(asset, self.default_depth)

    def impact_slope_max(self, depth: "Depth") -> Fraction:
        """What one more USD of a position costs at most to trade, at rate 1."""
        return Fraction(3, 2) * depth.daily_volatility * square_root(self.days_max)

    def chain(self, chain: str) -> Fraction:
        """The fraction of a chain: its own, else its namespace's, else nothing."""
        own = self.chains.get(chain, self.chains.get(chain.partition(":")[0]))
        return Fraction(0) if own is None else own


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named joint move: the relative move of each asset that moves."""

    name: str
    moves: Mapping[str, Fraction]

    def relative_move(self, asset: str) -> Fraction:
        """The relative move of an asset, zero where the scenario leaves it."""
        return self.moves.get(asset, Fraction(0))


class Parameters:
    """A parameter file that the core has already range-checked."""

    def __init__(self, content: str) -> None:
        self._tree: dict[str, Any] = json.loads(content)
        self.maintenance = self._factors("maintenance")
        self.initial = self._factors("initial")

    def _factors(self, kind: str) -> Factors:
        return Factors(
            loss=Fraction(self._tree["loss_factors"][kind]),
            wrapped_depeg=Fraction(self._tree["wrapped_depeg"][kind]),
            venue_risk=self._rate("venue_risk", kind),
            mobility=self._rate("mobility", kind),
            liquidity=self._rate("liquidity", kind),
            concentration=Fraction(self._size.get("concentration", {}).get(kind, 0)),
            shortfall=self._rate("historical_es", kind),
        )

    def _rate(self, section: str, kind: str) -> Fraction:
        return Fraction(self._tree.get(section, {}).get(kind, 0))

    @property
    def _size(self) -> dict[str, Any]:
        section: dict[str, Any] = self._tree.get("liquidity", {})
        return section

    def contingencies(self) -> Contingencies:
        """What all but the wrapped-depeg contingency are charged on."""
        size = self._size
        return Contingencies(
            venue_kinds=_fractions(self._tree.get("venue_risk", {}).get("kinds", {})),
            chains=_fractions(self._tree.get("mobility", {}).get("chains", {})),
            depths={name: _depth(entry) for name, entry in size.get("assets", {}).items()},
            default_depth=_depth(size["default_asset"]) if size else None,
            days_max=Fraction(size.get("days_max", 0)),
            days_concentrated=Fraction(size.get("concentration", {}).get("days", 0)),
        )

    def _asset(self, name: str) -> dict[str, str]:
        asset: dict[str, str] = self._tree["assets"].get(name, self._tree["default_asset"])
        return asset

    def scenarios(self, assets: Iterable[str]) -> list[Scenario]:
        """The unshocked scenario, then every rule in file order."""
        names = sorted(set(assets))
        expanded = [Scenario("unshocked", {})]
        for rule in self._tree["scenarios"]:
            steps = [list(self._steps(move, names)) for move in rule["moves"]]
            expanded.extend(_joined(combination) for combination in product(*steps))
        return expanded

    def _steps(self, move: Mapping[str, Any], names: list[str]) -> Iterator[Scenario]:
        members = [name for name in names if self._asset(name)["class"] == move["class"]]
        if move["reach"] == "each":
            groups = [(f"{name} {move['label']}", [name]) for name in members]
        else:
            groups = [(move["class"], members)] if members else []
        for title, moved in groups:
            for multiple in move["multiples"]:
                moves = {name: self._shock(name) * Fraction(multiple) for name in moved}
                yield Scenario(f"{title} {multiple}", moves)

    def _shock(self, name: str) -> Fraction:
        return Fraction(self._asset(name)["shock"])


@dataclass(frozen=True, slots=True)
class Model:
    """The unified model over one snapshot: two pairs of factors and the scenarios."""

    maintenance: Factors
    initial: Factors
    scenarios: tuple[Scenario, ...]
    contingencies: Contingencies

    @classmethod
    def over(cls, parameters: str, assets: Iterable[str]) -> "Model":
        """The model of a parameter file (JSON) over ``assets``."""
        parsed = Parameters(parameters)
        return cls(
            maintenance=parsed.maintenance,
            initial=parsed.initial,
            scenarios=tuple(parsed.scenarios(assets)),
            contingencies=parsed.contingencies(),
        )


def square_root(value: Fraction) -> Fraction:
    """The square root, a fraction within 2^-79 of it (relative)."""
    # Widening by an even power keeps as many bits of small values as of large ones.
    shift = 2 * max(0, _ROOT_BITS - value.numerator.bit_length() + value.denominator.bit_length())
    scaled = (value.numerator << shift) // value.denominator
    return Fraction(isqrt(scaled), 1 << (shift // 2))


def _fractions(entries: Mapping[str, str]) -> dict[str, Fraction]:
    return {name: Fraction(text) for name, text in entries.items()}


def _depth(entry: Mapping[str, str]) -> Depth:
    return Depth(Fraction(entry["daily_volume_usd"]), Fraction(entry["daily_volatility"]))


def _joined(combination: tuple[Scenario, ...]) -> Scenario:
    moves = {name: move for step in combination for name, move in step.moves.items()}
    return Scenario(" and ".join(step.name for step in combination), moves)
