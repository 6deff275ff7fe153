"""The fastest engines that Python users write by hand; each loads its library when it is used.

All get the book prepared for them, untimed: linear instruments netted to one delta a factor,
options as dense (accounts, 5) columns. Each prices, evaluates, selects the breached, orders those.
"""

from importlib import import_module
from typing import Any, Protocol

from xmargin.bench.workload import Workload

NAMES = ("pure_python", "numpy_engine", "scipy_engine", "numba_engine", "jax_engine")


class Opponent(Protocol):
    """One engine on one workload."""

    def reprice(self) -> Any:
        """Marks and P&L of every row, priced now."""

    def step(self, matrix: Any) -> tuple[Any, Any]:
        """Worst scenario and excess of every account."""


def load(name: str, workload: Workload) -> Opponent:
    """An engine by the name of its module."""
    engine: Opponent = import_module(f"xmargin.bench.opponents.{name}").Engine(workload)
    return engine
