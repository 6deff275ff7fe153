"""Parameters and the scenarios they expand to, as exact fractions."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any


@dataclass(frozen=True, slots=True)
class Factors:
    """What turns a loss into a requirement."""

    loss: Fraction
    wrapped_depeg: Fraction


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

    @classmethod
    def over(cls, parameters: str, assets: Iterable[str]) -> "Model":
        """The model of a parameter file (JSON) over ``assets``."""
        parsed = Parameters(parameters)
        return cls(parsed.maintenance, parsed.initial, tuple(parsed.scenarios(assets)))


def _joined(combination: tuple[Scenario, ...]) -> Scenario:
    moves = {name: move for step in combination for name, move in step.moves.items()}
    return Scenario(" and ".join(step.name for step in combination), moves)
