"""Books of the statistical models as the engine takes them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.core.statistical_examples import LEVEL, PAIRS, PARAMETERS
from xmargin.engine.statistical import (
    ReturnSeries,
    Sensitivity,
    historical_margin,
    parametric_margin,
)
from xmargin.params import parse_parameters

Columns = Mapping[str, Sequence[float]]


def series(columns: Columns) -> list[ReturnSeries]:
    return [
        ReturnSeries(factor, tuple(range(len(column))), tuple(column))
        for factor, column in columns.items()
    ]


def changed(path: str, value: object) -> str:
    """The example's parameters with one value put in place, or taken away when it is ``None``."""
    tree = json.loads(PARAMETERS)
    *parents, last = path.split(".")
    node = tree
    for parent in parents:
        node = node[parent]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return json.dumps(tree)


def historical(
    columns: Columns, deltas: Mapping[str, float], parameters: str = PARAMETERS, **more: Any
) -> dict[str, Any]:
    return historical_margin(parse_parameters(parameters), series(columns), deltas, **more)


def parametric(book: Mapping[str, Any], names: Sequence[str] = ("a", "b", "c")) -> dict[str, Any]:
    return parametric_margin(
        LEVEL,
        [
            Sensitivity(*row)
            for row in zip(names, book["deviation"], book["sensitivity"], strict=True)
        ],
        [(names[i], names[j], value) for i, j, value in book["curvature"]],
        [(names[i], names[j], rho) for (i, j), rho in zip(PAIRS, book["correlation"], strict=True)],
    )
