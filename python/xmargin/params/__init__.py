"""Risk parameters as files: loaded by name or path, kept in one canonical form, hashed.

The Rust core checks every value's range when it evaluates (keys and ranges:
``rust/xmargin-core/src/model/parameters.rs``); here a file only has to be JSON with a name and a
version. Decimals are strings in the file, so that what is hashed and shown is what is used.
"""

import hashlib
import json
import math
from importlib.resources import files
from pathlib import Path
from typing import Any

from xmargin import untrusted_json
from xmargin.errors import ParameterError
from xmargin.model import RiskParameters

_SUFFIX = ".json"


def parameter_names() -> tuple[str, ...]:
    """The parameter sets that come with the package, in name order."""
    entries = files(__name__).iterdir()
    return tuple(
        sorted(
            entry.name.removesuffix(_SUFFIX) for entry in entries if entry.name.endswith(_SUFFIX)
        )
    )


def load_parameters(name_or_path: str) -> RiskParameters:
    """A parameter set of the package by its name, or any by the path of its ``.json`` file.

    Raises:
        ParameterError: there is none such, or the file is no JSON object with name and version.
    """
    if name_or_path.endswith(_SUFFIX):
        return parse_parameters(_read_file(Path(name_or_path)))
    if name_or_path not in parameter_names():
        known = ", ".join(parameter_names())
        raise ParameterError(
            f"no parameter set {name_or_path!r}; use one of {known}, or the path of a .json file",
            field="risk.parameters",
        )
    return parse_parameters((files(__name__) / f"{name_or_path}{_SUFFIX}").read_text("utf-8"))


def parse_parameters(text: str) -> RiskParameters:
    """Parameters from the text of a file; equal content gives equal ``content`` and hash.

    Raises:
        ParameterError: the text is no JSON object, says a key twice, or has no name and version.
    """
    try:
        tree = untrusted_json.loads(
            text, object_pairs_hook=_object, parse_float=_finite, parse_constant=_finite
        )
    except ValueError as fault:
        raise ParameterError(f"parameters: no JSON: {fault}", field="risk.parameters") from fault
    if not isinstance(tree, dict):
        raise ParameterError("parameters: must be a JSON object", field="risk.parameters")
    content = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return RiskParameters(
        name=_text(tree, "name"),
        version=_text(tree, "version"),
        content=content,
        sha256=hashlib.sha256(content.encode()).hexdigest(),
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON lets a key stand twice, and the last one would win unseen."""
    tree = dict(pairs)
    if len(tree) < len(pairs):
        told: set[str] = set()
        for key, _ in pairs:
            if key in told:
                raise ValueError(f"the key {key!r} is said twice in one object")
            told.add(key)
    return tree


def _finite(written: str) -> float:
    """A number, for the core to refuse by its key; JSON has no ``1e400`` and no ``NaN``."""
    value = float(written)
    if not math.isfinite(value):
        raise ValueError(f"{written[:40]} is no finite number; decimals are written as texts")
    return value


def _text(tree: dict[str, object], key: str) -> str:
    value = tree.get(key)
    if not isinstance(value, str) or not value:
        raise ParameterError(f"parameters: {key}: must be a text that is not empty", field=key)
    return value


def _read_file(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise ParameterError(
            f"parameters: {path} cannot be read: {fault}", field="risk.parameters"
        ) from fault
