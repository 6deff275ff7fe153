"""An incident file: JSON with a header, then steps of observations and what is expected of each.

Observations are by protobuf's own JSON mapping. Those of one block may share an envelope: an
object with ``facts`` stands for one observation a fact, and ends with the block's head. Times that
are left out are those of the step's ``at``.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from xmargin import untrusted_json
from xmargin.errors import DecodeError, TapeError, XmarginError
from xmargin.model import ChainId, Condition, HealthStatus, Observation, RiskParameters, Verdict
from xmargin.params import load_parameters
from xmargin.tape import codec

BYTES_MAX: Final = 1_000_000
_HEAD_BYTES: Final = 64
_MALFORMED: Final = (ArithmeticError, AttributeError, KeyError, TypeError, ValueError)
_OPENING: Final = re.compile(rb'\s*\{\s*"incident"\s*:')

_Tree = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """Where figures are from, and which."""

    url: str
    says: str


@dataclass(frozen=True, slots=True)
class Truth:
    """What was so, by the sources: the range of each base's price in USD, and what stood still.

    A price is a range where sources conflict, or where the market itself had no one price.
    """

    prices: Mapping[str, tuple[Decimal, Decimal]]
    halted: frozenset[ChainId]


@dataclass(frozen=True, slots=True)
class Expected:
    """What is allowed after a step.

    ``order``, and ``planned`` (those of it that have a batch), are exact; of the rest only what is
    named is checked. ``order`` and ``statuses`` name a portfolio by its id and a venue account by
    its own; ``ranges`` lie within what is served, ``excess_max`` bounds initial excess (USD),
    ``crossings`` are ``<who> <status>``, ``flags`` parts of what the view flags.
    """

    order: tuple[str, ...]
    planned: tuple[str, ...] | None
    prices: Mapping[str, tuple[Verdict, ...]]
    ranges: Mapping[str, tuple[Decimal, Decimal]]
    statuses: Mapping[str, tuple[HealthStatus, ...]]
    excess_max: Mapping[str, Decimal]
    chains: Mapping[ChainId, tuple[Condition, ...]]
    crossings: tuple[str, ...]
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """Observations that arrive together, what was true then, and what may be made of it."""

    name: str
    at: str
    observations: tuple[Observation, ...]
    truth: Truth
    expected: Expected


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident; ``modelled`` says which numbers of the file are nobody's but ours."""

    path: Path
    title: str
    date: str
    what_happened: str
    safe_outcome: str
    modelled: str
    sources: tuple[Source, ...]
    parameters: RiskParameters
    steps: tuple[Step, ...]


def is_incident(path: Path) -> bool:
    """Whether a file begins as an incident file does; of a pipe, read once only, it never does."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return _OPENING.match(file.read(_HEAD_BYTES)) is not None
    except OSError:
        return False


def read_incident(path: Path) -> Incident:
    """The incident in a file.

    Raises:
        TapeError: it cannot be read, or is no incident file; the message says where.
    """
    try:
        return _incident(path, untrusted_json.loads(_content(path)))
    except (OSError, *_MALFORMED) as fault:
        raise TapeError(f"{path}: no incident file: {_said(fault)}") from None
    except XmarginError as fault:
        raise TapeError(f"{path}: no incident file: {fault.message}") from None


def _said(fault: Exception) -> str:
    """What is wrong with a file that gave rise to a fault while it was read."""
    if isinstance(fault, KeyError):
        return f"{fault.args[0]!r} is missing"
    if isinstance(fault, AttributeError | TypeError):
        return f"a value is of another type than its key asks for ({fault})"
    return str(fault)


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(BYTES_MAX + 1)
    if len(content) > BYTES_MAX:
        raise ValueError(f"is larger than {BYTES_MAX:,} bytes")
    return content


def _incident(path: Path, tree: _Tree) -> Incident:
    header = tree["incident"]
    steps = tuple(_steps(tree["steps"]))
    if not steps:
        raise ValueError("it has no step")
    _check_order(steps)
    return Incident(
        path=path,
        title=_text(header, "title"),
        date=_text(header, "date"),
        what_happened=_text(header, "what_happened"),
        safe_outcome=_text(header, "safe_outcome"),
        modelled=_text(header, "modelled"),
        sources=tuple(Source(_text(s, "url"), _text(s, "says")) for s in header["sources"]),
        parameters=_parameters(path, _text(header, "parameters")),
        steps=steps,
    )


def _parameters(path: Path, name: str) -> RiskParameters:
    """Parameters of the package by their name, or of a file beside the incident's."""
    return load_parameters(str(path.parent / name) if name.endswith(".json") else name)


def _steps(trees: list[_Tree]) -> Iterator[Step]:
    truth = Truth({}, frozenset())
    for number, tree in enumerate(trees, start=1):
        try:
            truth = _truth(tree.get("truth", {}), truth)
            yield _step(tree, truth)
        except _MALFORMED as fault:
            raise ValueError(f"step {number}: {_said(fault)}") from None
        except DecodeError as fault:
            raise ValueError(f"step {number}: {fault.message}") from None


def _step(tree: _Tree, truth: Truth) -> Step:
    at = _text(tree, "at")
    at_s = int(datetime.fromisoformat(at).astimezone(UTC).timestamp())
    expected = tree["expected"]
    unknown = sorted(expected.keys() - Expected.__slots__)
    if unknown:
        raise ValueError(f"expected: {', '.join(unknown)}: unknown")
    return Step(
        name=_text(tree, "name"),
        at=at,
        observations=tuple(_observations(tree["observations"], at_s)),
        truth=truth,
        expected=Expected(
            order=tuple(expected["order"]),
            planned=tuple(expected["planned"]) if "planned" in expected else None,
            prices=_members(expected.get("prices", {}), Verdict),
            ranges={base: _range(base, ends) for base, ends in expected.get("ranges", {}).items()},
            statuses=_members(expected.get("statuses", {}), HealthStatus),
            excess_max={p: Decimal(most) for p, most in expected.get("excess_max", {}).items()},
            chains=_members(expected.get("chains", {}), Condition),
            crossings=tuple(expected.get("crossings", ())),
            flags=tuple(expected.get("flags", ())),
        ),
    )


def _truth(tree: _Tree, before: Truth) -> Truth:
    """What a step says of it; what it does not name stays as the step before had it."""
    told = {base: _range(base, ends) for base, ends in tree.get("prices", {}).items()}
    if not all(low > 0 for low, _ in told.values()):
        raise ValueError("truth: a price is above zero")
    halted = frozenset(tree["halted"]) if "halted" in tree else before.halted
    return Truth({**before.prices, **told}, halted)


def _range(base: str, ends: list[str]) -> tuple[Decimal, Decimal]:
    low, high = map(Decimal, ends)
    if not 0 <= low <= high:
        raise ValueError(f"{base}: [{low}, {high}] is no range of prices")
    return low, high


def _members(tree: Mapping[str, list[str]], kind: Any) -> dict[str, tuple[Any, ...]]:
    return {name: tuple(map(kind, allowed)) for name, allowed in tree.items()}


def _text(tree: _Tree, key: str) -> str:
    value = tree[key]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key} must be a text that is not empty")
    return value


# --- Observations ---------------------------------------------------------------------------------


def _observations(trees: list[_Tree], at_s: int) -> Iterator[Observation]:
    for tree in trees:
        for one in _each(tree):
            yield codec.from_tree(_dated(one, at_s))


def _each(tree: _Tree) -> Iterator[dict[str, Any]]:
    """One tree an observation: those of a block are written with what they share said once."""
    if "facts" not in tree:
        yield dict(tree)
        return
    envelope = {key: value for key, value in tree.items() if key != "facts"}
    facts = [*tree["facts"]]
    if not any("chainHead" in fact for fact in facts):
        height = tree["block"]["height"]
        facts.append({"chainHead": {"safeHeight": height, "finalizedHeight": height}})
    for fact in facts:
        yield {**envelope, **fact}


def _dated(tree: dict[str, Any], at_s: int) -> dict[str, Any]:
    """With the step's time wherever an observation does not say its own."""
    dated = {"observedAtMs": str(at_s * 1000), **tree}
    if "block" in dated:
        dated["block"] = {"timeS": str(at_s), **dated["block"]}
    if "feedRound" in dated:
        dated["feedRound"] = {"publishedAtS": str(at_s), **dated["feedRound"]}
    return dated


def _check_order(steps: tuple[Step, ...]) -> None:
    """Refuse steps that go back in time: no tape does."""
    times = [observation.observed_at_ms for step in steps for observation in step.observations]
    for one, other in pairwise(times):
        if other < one:
            raise ValueError(f"an observation of {other} ms stands after one of {one} ms")
