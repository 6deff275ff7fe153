"""What import-linter cannot see: the compiled core, and what is loaded before it is used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.paths import ROOT

PACKAGE = ROOT / "python/xmargin"
HEAVY = {"web3", "solana", "solders", "pyarrow", "grpc", "aiohttp", "pydantic", "rich"}


def imports_of(path: Path) -> set[str]:
    """Every module a file imports, ``from a import b`` counted as ``a`` and ``a.b``."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_only_the_engine_imports_the_compiled_core() -> None:
    callers = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if any(name.startswith("xmargin._core") for name in imports_of(path))
    }
    assert callers == {"engine"}


@pytest.mark.parametrize(
    "module", ["xmargin", "xmargin.model", "xmargin.errors", "xmargin.cli.app"]
)
def test_heavy_packages_load_only_when_they_are_used(module: str) -> None:
    program = f"import sys, {module}; print(*sorted({{n.split('.')[0] for n in sys.modules}}))"
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert set(answer.stdout.split()) & HEAVY == set()
