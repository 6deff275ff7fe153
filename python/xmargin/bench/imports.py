"""How long the package takes to import in a process of its own."""

import subprocess
import sys

from xmargin.bench.figures import Figure, quantiles

_RUNS = 21
_TIMED = (
    "import time; began = time.perf_counter(); import {module}; "
    "print((time.perf_counter() - began) * 1000)"
)


def measure() -> list[Figure]:
    """Import times in milliseconds; a first, uncounted run has warmed the disk."""
    return [
        Figure(
            f"import {module}",
            "ms",
            quantiles([_import_ms(module) for _ in range(_RUNS + 1)][1:]),
            "a fresh process each",
        )
        for module in ("xmargin", "xmargin.model", "xmargin.cli")
    ]


def _import_ms(module: str) -> float:
    code = _TIMED.format(module=module)
    done = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return float(done.stdout)
