"""The venues' own clients, run by Node over scenarios of ours."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from xmargin.errors import SetupError
from xmargin.testbed import packages
from xmargin.testbed.packages import Package

FOLDER = Path(__file__).parent
INSTALL_TIMEOUT_S = 600


def run(
    package: Package, script: str, scenario: dict[str, Any], beside: tuple[str, ...] = ()
) -> dict[str, Any]:
    """What ``script`` prints for a scenario, with ``package`` and what it depends on installed.

    ``beside`` names versions that the package needs and does not pin.
    """
    environment = {**os.environ, "NODE_PATH": str(installed(package, beside) / "node_modules")}
    done = subprocess.run(
        [packages.node_path(), str(FOLDER / script)],
        input=json.dumps(scenario),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SetupError(f"{script} failed: {done.stderr[-2000:]}")
    printed = done.stdout[done.stdout.index("{") :]
    answer: dict[str, Any] = json.loads(printed)
    return answer


def installed(package: Package, beside: tuple[str, ...] = ()) -> Path:
    """A folder with the package in ``node_modules``, held to its pinned integrity."""
    folder = packages.cache_dir() / "clients" / package.cache_key
    lock = folder / "package-lock.json"
    if not lock.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}\n')
        command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"]
        specs = [package.spec, *beside]
        subprocess.run([*command, *specs], cwd=folder, check=True, timeout=INSTALL_TIMEOUT_S)
    locked = json.loads(lock.read_text())["packages"][f"node_modules/{package.name}"]
    if locked["integrity"] != package.integrity:
        raise SetupError(f"{package.spec} is not the pinned one: remove {folder}")
    return folder
