"""Packages of others, as an installer leaves them: found by their metadata on ``sys.path``."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from xmargin import extensions


@contextmanager
def installed(
    folder: Path, package: str, points: Mapping[str, Mapping[str, str]]
) -> Iterator[None]:
    """``package`` is installed in ``folder``, and names objects by group and name."""
    info = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    sections = (
        "\n".join([f"[{group}]", *(f"{name} = {target}" for name, target in named.items())])
        for group, named in points.items()
    )
    (info / "entry_points.txt").write_text("\n\n".join(sections) + "\n")
    sys.path.insert(0, str(folder))
    extensions.load.cache_clear()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        extensions.load.cache_clear()
