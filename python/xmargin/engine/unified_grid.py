"""The moves of the unified model's scenarios, in the core's order (``docs/margin-model.md``)."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import product
from typing import Any, TypeAlias

from xmargin.errors import EngineError

Moves: TypeAlias = Mapping[str, float]
"""The relative move by asset; one that is not named does not move."""


def scenario_moves(
    parameters: str, assets: Iterable[str], names: Sequence[str]
) -> tuple[Moves, ...]:
    """What each scenario of the core moves, by how much.

    Raises:
        EngineError: the core's names are others, so these would not be its moves.
    """
    tree = json.loads(parameters)
    made: list[tuple[str, Moves]] = [("unshocked", {})]
    for rule in tree["scenarios"]:
        steps = [list(_steps(tree, move, sorted(set(assets)))) for move in rule["moves"]]
        made += [_joined(combination) for combination in product(*steps)]
    if [name for name, _ in made] != list(names):
        raise EngineError(f"the grid has the scenarios {list(names)}, not {made}")
    return tuple(moves for _, moves in made)


def without_scenarios(parameters: str, *, with_history: bool) -> str:
    """The same parameters with nothing moving: what is then required, contingencies require.

    ``with_history`` leaves the historical shortfall in, if there is one.
    """
    tree = json.loads(parameters)
    quiet = {"class": tree["default_asset"]["class"], "reach": "together", "multiples": ["0"]}
    tree["scenarios"] = [{"moves": [quiet]}]
    if not with_history:
        tree.pop("historical_es", None)
    return json.dumps(tree)


def loss_factor(parameters: str) -> float:
    """What a scenario's loss is multiplied with for initial margin."""
    return float(Fraction(json.loads(parameters)["loss_factors"]["initial"]))


def _steps(
    tree: Mapping[str, Any], move: Mapping[str, Any], assets: Sequence[str]
) -> Iterator[tuple[str, Moves]]:
    shocks = {name: tree["assets"].get(name, tree["default_asset"]) for name in assets}
    members = [name for name in assets if shocks[name]["class"] == move["class"]]
    if move["reach"] == "each":
        groups = [(f"{name} {move['label']}", [name]) for name in members]
    else:
        groups = [(move["class"], members)] if members else []
    for title, moved in groups:
        for multiple in move["multiples"]:
            times = Fraction(multiple)
            yield (
                f"{title} {multiple}",
                {name: float(Fraction(shocks[name]["shock"]) * times) for name in moved},
            )


def _joined(steps: tuple[tuple[str, Moves], ...]) -> tuple[str, Moves]:
    moves = {asset: move for _, moved in steps for asset, move in moved.items()}
    return " and ".join(name for name, _ in steps), moves
