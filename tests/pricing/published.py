"""Where numbers that others published are kept, beside the checkout; absent elsewhere."""

from pathlib import Path

import pytest

_DATA = Path(__file__).parents[3] / "shared" / "data"


def published(name: str) -> Path:
    """A file of published numbers; the test that asks is skipped where it is absent."""
    path = _DATA / name
    if not path.is_file():
        pytest.skip(f"needs the published numbers in ../shared/data/{name}")
    return path
