"""Contracts compiled from Solidity sources: of pinned npm packages, and a few of ours.

The compiler is solc's own build for Node, pinned like every package. What it made is kept in the
cache by the hash of all that went in, so each is compiled once a machine.
"""

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from xmargin.errors import SetupError
from xmargin.testbed.artifacts import Artifact
from xmargin.testbed.packages import Package, cache_dir, fetch, node_path
from xmargin.testbed.venue_packages import SOLC

COMPILE_TIMEOUT_S = 300.0
_HERE = Path(__file__).parent
_OPTIMIZER_RUNS = 200


def compiled(package: Package, own: str, names: Iterable[str]) -> dict[str, Artifact]:
    """Contracts by name, of a package's sources and one file of ours beside them.

    Args:
        package: its Solidity members are importable by ``<package name>/<member>``.
        own: a file of ``testbed/contracts``, whose imports reach all that is compiled.
        names: the contracts wanted.

    Raises:
        SetupError: the compiler refused the sources, or a contract is in none of them.
    """
    output = json.loads(_cached(_input(package, own)))
    faults = [one for one in output.get("errors", ()) if one["severity"] == "error"]
    if faults:
        raise SetupError(f"solc refused {own}: {faults[0]['formattedMessage']}")
    by_name = {
        name: content for file in output["contracts"].values() for name, content in file.items()
    }
    missing = [name for name in names if name not in by_name]
    if missing:
        raise SetupError(f"{own} reaches no contract {missing[0]}: import it there")
    return {name: _artifact(name, by_name[name]) for name in names}


def _input(package: Package, own: str) -> str:
    folder = fetch(package)
    members = {
        f"{package.name}/{member}": {"content": (folder / member).read_text()}
        for member in package.members
        if member.endswith(".sol")
    }
    sources = members | {own: {"content": (_HERE / "contracts" / own).read_text()}}
    settings = {
        "evmVersion": "paris",
        "viaIR": True,  # Morpho's stack is too deep without
        "optimizer": {"enabled": True, "runs": _OPTIMIZER_RUNS},
        "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object"]}},
    }
    document = {"language": "Solidity", "sources": sources, "settings": settings}
    return json.dumps(document, sort_keys=True)


def _cached(source: str) -> str:
    key = hashlib.sha256(f"{SOLC.integrity}\n{source}".encode()).hexdigest()
    kept = cache_dir() / "solidity" / f"{key}.json"
    if not kept.is_file():
        output = _compile(source)
        kept.parent.mkdir(parents=True, exist_ok=True)
        # Written aside and renamed: several processes may compile the same at once.
        with tempfile.NamedTemporaryFile("w", dir=kept.parent, delete=False) as part:
            part.write(output)
        Path(part.name).rename(kept)
    return kept.read_text()


def _compile(source: str) -> str:
    command = [node_path(), str(_HERE / "compile.js"), str(fetch(SOLC) / "soljson.js")]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, no shell
            command,
            input=source,
            capture_output=True,
            text=True,
            timeout=COMPILE_TIMEOUT_S,
            check=True,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        raise SetupError(f"solc {SOLC.version} did not run: {error}") from error
    return done.stdout


def _artifact(name: str, content: Mapping[str, Any]) -> Artifact:
    return Artifact(name, content["abi"], "0x" + content["evm"]["bytecode"]["object"], {})
