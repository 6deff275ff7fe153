"""Scenarios and vol rules of the scenario mechanism, read from a parameter file once more."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import inf, sqrt
from typing import Any

Tree = Mapping[str, Any]

UNSHOCKED = "unshocked"


def number(text: str) -> float:
    """A decimal, or a fraction of two, as a float."""
    return float(Fraction(text))


@dataclass(frozen=True, slots=True)
class GridScenario:
    """A joint move, and how it counts.

    ``share`` of the profit and loss counts, each asset's is brought nearer to zero by ``relief``,
    and conversions into the asset are made at moves no larger than ``conversion_move_max``.
    """

    name: str
    moves: Mapping[str, float]
    vol_rule: Tree | None = None
    share: float = 1.0
    relief: float = 0.0
    conversion_move_max: float = inf
    expiry_losses: bool = False

    def conversion_move(self, relative: float) -> float:
        """The move at which values are converted."""
        return max(-self.conversion_move_max, min(relative, self.conversion_move_max))


def scenarios(content: str, assets: Iterable[str]) -> list[GridScenario]:
    """The unshocked scenario, then every rule in file order: moves, the last fastest, then vols."""
    tree = json.loads(content)
    names = sorted(set(assets))
    found = [GridScenario(UNSHOCKED, {})]
    for rule in tree["scenarios"]:
        steps = [list(_steps(tree, move, names)) for move in rule["moves"]]
        for combination in product(*steps):
            vols = rule.get("vols", ["same"])
            found.extend(_scenario(tree, rule, combination, vol) for vol in vols)
    return found


def _steps(tree: Tree, move: Tree, names: list[str]) -> Iterator[tuple[str, dict[str, float]]]:
    assets = {name: tree["assets"].get(name, tree["default_asset"]) for name in names}
    members = [name for name in names if assets[name]["class"] == move["class"]]
    if move["reach"] == "each":
        groups = [(f"{name} {move['label']}", [name]) for name in members]
    else:
        groups = [(move["class"], members)] if members else []
    for title, moved in groups:
        for multiple in move["multiples"]:
            step = {name: number(assets[name]["shock"]) * number(multiple) for name in moved}
            yield f"{title} {multiple}", step


def _scenario(
    tree: Tree, rule: Tree, combination: tuple[tuple[str, dict[str, float]], ...], vol: str
) -> GridScenario:
    moves = {name: move for _, step in combination for name, move in step.items()}
    titles = [" and ".join(title for title, _ in combination)] if combination else []
    if vol != "same":
        titles.append(f"vol {vol}")
    counting: dict[str, float] = {"share": number(rule.get("damping", "1"))}
    if "extended" in rule:
        extended = rule["extended"]
        reach = number(extended["range"])
        largest = max((abs(move) for move in moves.values()), default=0.0)
        ranges = max(largest / reach, 1.0)
        counting = {
            "share": number(extended["factor"]) / ranges,
            "relief": (ranges - 1.0) * number(extended["relief"]),
            "conversion_move_max": reach,
        }
    return GridScenario(
        " ".join(titles),
        moves,
        vol_rule=None if vol == "same" else tree["vol_rules"][vol],
        expiry_losses=rule.get("expiry_pnl") == "loss",
        **counting,
    )


def shocked_vol(rule: Tree | None, vol: float, log_moneyness: float, years: float) -> float:
    """A vol under a rule of the file, or as it is without one."""
    if rule is None:
        return vol
    if rule["kind"] == "skew":
        return vol * max(0.0, 1.0 + _skew(rule, log_moneyness, years))
    if rule["kind"] == "term_power":
        shocked = vol * max(0.0, 1.0 + _term_move(rule, years))
    elif rule["kind"] == "fixed":
        shocked = vol * number(rule["multiplier"])
    else:
        shocked = vol + number(rule["addition"])
    return max(shocked, number(rule["vol_min"]))


def _term_move(rule: Tree, years: float) -> float:
    days = 365 * years
    counted = max(days, number(rule["expiry_days_min"]))
    if counted == 0.0:
        return 0.0
    power = number(rule["short_power" if days <= 30 else "long_power"])
    return number(rule["range"]) * float((30 / counted) ** power)


def _skew(rule: Tree, log_moneyness: float, years: float) -> float:
    root = sqrt(years)
    cap = number(rule["cap_base"]) + number(rule["cap_slope"]) * root
    vol = number(rule["vol_base"]) + number(rule["vol_slope"]) * root
    flat_from = max(number(rule["log_moneyness_min"]), number(rule["width"]) * root * vol)
    k = abs(log_moneyness) if rule["wings"] == "both" else log_moneyness
    if flat_from == 0.0:
        slope = 0.0 if k * cap == 0.0 else inf if (k > 0) == (cap > 0) else -inf
    else:
        slope = k * cap / flat_from
    return min(cap, slope) if k >= 0 else max(-cap, slope)
