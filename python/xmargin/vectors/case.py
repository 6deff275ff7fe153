"""One case of a vector file, as every format decodes it."""

from collections.abc import Callable
from dataclasses import dataclass

from xmargin.model.derivatives import GridMargin, GridMarket, GridPortfolio


@dataclass(frozen=True, slots=True)
class Vector:
    """One case: what the mechanism is given, and what it must answer."""

    parameters: str
    market: GridMarket
    portfolio: GridPortfolio
    checks: Callable[[GridMargin], "list[Check]"]


@dataclass(frozen=True, slots=True)
class Check:
    """One figure: by ``field``, as the file has it and as it was computed."""

    field: str
    expected: float | str
    actual: float | str

    def error(self, floor: float) -> float:
        """Relative to the expected, or to ``floor`` where that is smaller; 0 or 1 of texts."""
        if isinstance(self.expected, str) or isinstance(self.actual, str):
            return float(self.expected != self.actual)
        return abs(self.actual - self.expected) / max(abs(self.expected), floor)
