"""The lock holds what pyproject.toml asks for, and pyproject.toml declares what is imported."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.paths import ROOT, committed_files

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = dict(
    re.findall(
        r"^([a-z0-9.-]+)==([^ ;\\]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE
    )
)


def declared(requirements: list[str]) -> dict[str, Requirement]:
    parsed = [Requirement(line) for line in requirements]
    return {canonicalize_name(requirement.name): requirement for requirement in parsed}


def imported_packages(folder: str) -> set[str]:
    """Top-level names imported anywhere below ``folder``, ours and the standard library's aside."""
    found: set[str] = set()
    for path in committed_files():
        if path.suffix != ".py" or not path.is_relative_to(ROOT / folder):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"xmargin", "tests", "google"}


def test_every_requirement_is_met_by_the_lock() -> None:
    wanted = declared(
        [*PYPROJECT["project"]["dependencies"], *PYPROJECT["dependency-groups"]["dev"]]
    )
    missing = sorted(wanted.keys() - PINS.keys())
    unmet = [
        name for name in wanted.keys() & PINS.keys() if PINS[name] not in wanted[name].specifier
    ]
    assert (missing, unmet) == ([], [])


def test_every_pin_carries_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    lock += (ROOT / "tools/bench.lock").read_text()
    entries = re.split(r"\n(?=[a-z0-9])", lock)
    assert len(PINS) > 50
    assert [
        entry[:40] for entry in entries if "==" in entry and "--hash=sha256:" not in entry
    ] == []


def test_every_package_imported_at_run_time_is_declared() -> None:
    runtime = declared(PYPROJECT["project"]["dependencies"])
    distributions = packages_distributions()
    # Only the bench may import what it measures against, which has a group and a lock of its own.
    peers = declared(PYPROJECT["dependency-groups"]["bench"]).keys()
    elsewhere = {
        path.relative_to(ROOT / "python/xmargin").parts[0]
        for path in committed_files()
        if path.suffix == ".py"
        and path.is_relative_to(ROOT / "python/xmargin")
        and re.search(rf"^\s*(import|from) ({'|'.join(peers)})\b", path.read_text(), re.MULTILINE)
    }
    assert elsewhere == {"bench"}
    undeclared = {
        name
        for name in imported_packages("python/xmargin") - peers
        if not {canonicalize_name(owner) for owner in distributions.get(name, [])} & runtime.keys()
    }
    assert undeclared == set()
