"""The commands: what `make` lists, when set-up runs again, what it says when a tool is missing."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.paths import ROOT, committed_files
from xmargin.testbed.packages import NODE_MAJOR_MIN

TARGETS = [
    *("help", "setup", "demo", "bench", "test", "test-fast", "test-long"),
    "reliability",
    *("lint", "fmt", "protos", "lock", "clean"),
]
STAMPS = ("venv", "packages", "core", "chains")
SET_UP_INPUTS = ("Makefile", "pyproject.toml", "requirements.lock", "Cargo.toml", "Cargo.lock")


def run(
    *command: str, cwd: Path = ROOT, path: str | None = None
) -> subprocess.CompletedProcess[str]:
    of_make = {"MAKEFLAGS", "MAKELEVEL", "PYTHON"}  # `make test` runs these tests
    environment = {name: value for name, value in os.environ.items() if name not in of_make}
    if path is not None:
        environment["PATH"] = path
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def tools_only(tmp_path: Path) -> Path:
    """A folder with the few system tools that set-up itself is written in, and no others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("sh", "dirname", "sed"):
        found = shutil.which(tool)
        assert found is not None
        (folder / tool).symlink_to(found)
    return folder


@pytest.fixture
def set_up_tree(tmp_path: Path) -> Path:
    """A copy of what set-up looks at, as it is after a set-up: every stamp newer than its input."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in SET_UP_INPUTS:
        shutil.copy2(ROOT / name, tree)
    for folder in ("rust", "tools", "python/xmargin/testbed"):
        shutil.copytree(ROOT / folder, tree / folder)
    stamps = tree / ".venv/.stamps"
    stamps.mkdir(parents=True)
    for path in [*tree.rglob("*"), tree]:
        os.utime(path, (1_000, 1_000))
    for time_s, name in enumerate(STAMPS, start=2_000):
        (stamps / name).touch()
        os.utime(stamps / name, (time_s, time_s))
    return tree


def stale_stamps(tree: Path) -> list[str]:
    return [
        name
        for name in STAMPS
        if run("make", "--question", f".venv/.stamps/{name}", cwd=tree).returncode != 0
    ]


def test_make_alone_lists_every_target_with_a_line_of_help() -> None:
    listed = run("make")
    lines = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
    assert [line[1] for line in lines] == TARGETS
    assert all(len(line) == 3 for line in lines)


def test_continuous_integration_runs_make_test_and_nothing_else() -> None:
    script = (ROOT / ".ci/run").read_text().splitlines()
    assert script[0] == "#!/usr/bin/env bash"
    assert script[1] == "set -euo pipefail"
    assert script[-1] == "exec make test"
    assert len(script) == 4


def test_a_finished_set_up_has_nothing_to_do(set_up_tree: Path) -> None:
    assert stale_stamps(set_up_tree) == []


@pytest.mark.parametrize(
    ("changed", "stale"),
    [
        ("rust/xmargin-core/src/lib.rs", ["core", "chains"]),
        ("rust/xmargin-py/Cargo.toml", ["core", "chains"]),
        ("Cargo.lock", ["core", "chains"]),
        ("pyproject.toml", ["core", "chains"]),
        ("requirements.lock", ["packages", "core", "chains"]),
        ("python/xmargin/testbed/packages.py", ["chains"]),
    ],
)
def test_a_change_makes_stale_what_rests_on_it(
    set_up_tree: Path, changed: str, stale: list[str]
) -> None:
    (set_up_tree / changed).touch()
    assert stale_stamps(set_up_tree) == stale


def test_a_rust_file_that_comes_or_goes_makes_the_core_stale(set_up_tree: Path) -> None:
    (set_up_tree / "rust/xmargin-core/src/lib.rs").unlink()
    assert stale_stamps(set_up_tree) == ["core", "chains"]


def test_one_run_names_every_missing_tool(tools_only: Path) -> None:
    answer = run("tools/setup.sh", "need", "python", "rust", "linker", "node", path=str(tools_only))
    missing = [line.split(";")[0] for line in answer.stderr.splitlines()]
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert [line.removeprefix("set-up: missing: ").split()[0] for line in missing] == [
        "Python",
        "Rust",
        "cc,",
        "Node.js",
    ]


def test_a_rust_that_is_too_old_is_named_with_its_version(tools_only: Path) -> None:
    for tool, version in (
        ("rustc", "rustc 1.75.0 (82e1608df 2023-12-21)"),
        ("cargo", "cargo 1.75.0"),
    ):
        script = tools_only / tool
        script.write_text(f"#!/bin/sh\necho '{version}'\n")
        script.chmod(0o755)
    answer = run("tools/setup.sh", "need", "rust", path=str(tools_only))
    assert answer.returncode == 1
    assert "(found 1.75)" in answer.stderr


def test_a_node_that_is_too_old_is_named_with_its_version(tools_only: Path) -> None:
    for tool, version in (("node", "v16.20.2"), ("npm", "8.19.4")):
        script = tools_only / tool
        script.write_text(f"#!/bin/sh\necho '{version}'\n")
        script.chmod(0o755)
    answer = run("tools/setup.sh", "need", "node", path=str(tools_only))
    assert answer.returncode == 1
    assert f"Node.js {NODE_MAJOR_MIN} or newer with npm (found 16)" in answer.stderr


def test_the_oldest_node_is_one_number_everywhere() -> None:
    texts = [path for path in committed_files() if path.suffix in {".md", ".py", ".sh"}]
    said = {
        (path.name, found)
        for path in texts
        for found in re.findall(r"Node(?:\.js)? (?:≥ |>= )?([0-9]+)", path.read_text())
    }
    assert ("README.md", str(NODE_MAJOR_MIN)) in said
    assert {number for _, number in said} == {str(NODE_MAJOR_MIN)}


def test_a_named_python_that_does_not_fit_is_not_passed_over() -> None:
    answer = subprocess.run(
        ["tools/setup.sh", "need", "python"],
        cwd=ROOT,
        env={**os.environ, "PYTHON": "/nonexistent/python"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith("set-up: missing: Python 3.11")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("book", "--accounts", "0"), "--accounts: [0] are not all from 1 to 10,000,000"),
        (("book", "--accounts", "5", "99000000"), "are not all from 1 to"),
        (("latency", "--owners", "-3"), "--owners: -3 is below 0"),
        (("imports", "--out", "/absent/x.json"), "--out: there is no folder /absent"),
        (("nope",), "no part 'nope'"),
    ],
)
def test_the_bench_refuses_before_it_measures(arguments: tuple[str, ...], told: str) -> None:
    answer = run(sys.executable, "-m", "xmargin.bench", *arguments)
    assert answer.returncode == 2
    assert told in answer.stderr
    assert "measuring" not in answer.stderr
