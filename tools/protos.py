"""Generate ``xmargin.v1`` from ``protos/``, hold the committed code against it, lint the protos.

Run by ``make protos`` (generate), ``make lint`` (check, lint). Everything works offline: the
compiler, its plugins and ``google/type/decimal.proto`` come from locked packages.
"""

import argparse
import difflib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

import google.type

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
PACKAGE = Path("xmargin/v1")
COMMITTED = ROOT / "python" / PACKAGE
GOOGLE_PROTOS = Path(google.type.__path__[0]).parent.parent
IMPORTED_PROTOS = (Path("google/type/decimal.proto"),)
SCRIPTS = Path(sysconfig.get_path("scripts"))
INIT = '''"""The wire types: generated from protos/ by `make protos`, never edited."""\n'''


class ToolError(Exception):
    """A tool failed; the message is what it printed."""


def run(command: Sequence[str | Path], cwd: Path) -> None:
    """Run ``command`` with the environment's own scripts first on the path."""
    path = f"{SCRIPTS}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(
        list(command), check=False, cwd=cwd, env=environment, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise ToolError((done.stdout + done.stderr).strip())


def proto_files() -> list[str]:
    """Our protos, relative to ``protos/``, in one order."""
    return sorted(path.relative_to(PROTOS).as_posix() for path in PROTOS.rglob("*.proto"))


def service_files() -> list[str]:
    """Those of our protos that define a service: only they get gRPC code."""
    return [name for name in proto_files() if name.endswith("_service.proto")]


def generate(python_root: Path) -> None:
    """Write the package ``xmargin.v1`` below ``python_root``."""
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", f"-I{GOOGLE_PROTOS}"]
    run([*protoc, f"--python_out={python_root}", f"--mypy_out={python_root}", *proto_files()], ROOT)
    run(
        [
            *protoc,
            f"--grpc_python_out={python_root}",
            f"--mypy_grpc_out={python_root}",
            *service_files(),
        ],
        ROOT,
    )
    (python_root / PACKAGE / "__init__.py").write_text(INIT)


def sources(folder: Path) -> dict[str, str]:
    """The generated files of a folder by name."""
    return {path.name: path.read_text() for path in sorted(folder.glob("*.py*")) if path.is_file()}


def drift() -> list[str]:
    """How the committed code differs from what the protos say, as diff lines; empty when equal."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = sources(Path(folder) / PACKAGE)
    committed = sources(COMMITTED)
    lines: list[str] = []
    for name in sorted(fresh.keys() | committed.keys()):
        lines += difflib.unified_diff(
            committed.get(name, "").splitlines(),
            fresh.get(name, "").splitlines(),
            f"committed/{name}",
            f"fresh/{name}",
            lineterm="",
        )
    return lines


def replace_committed() -> None:
    """Generate beside the committed code, then put the new in the place of the old."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        if COMMITTED.exists():
            shutil.rmtree(COMMITTED)
        shutil.copytree(Path(folder) / PACKAGE, COMMITTED)


def lint() -> None:
    """``buf lint`` of our protos, in a workspace where the imported ones lie beside them."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        shutil.copytree(PROTOS, workspace, dirs_exist_ok=True)
        for proto in IMPORTED_PROTOS:
            (workspace / proto).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(GOOGLE_PROTOS / proto, workspace / proto)
        ours = [argument for name in proto_files() for argument in ("--path", name)]
        run([SCRIPTS / "buf", "lint", *ours], workspace)
        run([SCRIPTS / "buf", "format", "--exit-code", "--diff", *ours], workspace)


def main() -> int:
    """Do what the command line asks; 1 and the reason on stderr when it does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["generate", "check", "lint"])
    action = parser.parse_args().action
    try:
        if action == "generate":
            replace_committed()
        elif action == "lint":
            lint()
        elif lines := drift():
            print(*lines[:60], sep="\n", file=sys.stderr)
            print("python/xmargin/v1 is not what protos/ say: run `make protos`", file=sys.stderr)
            return 1
    except ToolError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
