"""Where the tree is, and which files are in it."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def committed_files() -> list[Path]:
    """The files git tracks that are there, in one order."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return sorted(ROOT / name for name in listed.stdout.split("\0") if (ROOT / name).is_file())
