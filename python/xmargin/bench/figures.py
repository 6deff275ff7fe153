"""What a measurement gives, and the machine it was made on."""

import math
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a report: what was measured, its values by name, and what they are."""

    name: str
    unit: str
    values: dict[str, float]
    note: str


def quantiles(samples: Sequence[float]) -> dict[str, float]:
    """p50, p99 and largest by nearest rank, and how many samples there were."""
    ordered = sorted(samples)

    def rank(share: float) -> float:
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    return {
        "p50": rank(0.50),
        "p99": rank(0.99),
        "max": ordered[-1],
        "samples": float(len(ordered)),
    }


def machine() -> dict[str, str]:
    """The machine, as a reader of the figures wants to know it."""
    return {
        "cpu": _cpu_model(),
        "cores": str(os.cpu_count()),
        "memory_gib": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f}",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())
