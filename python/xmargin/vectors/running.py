"""Running vector files: what was computed, held against what the file says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xmargin.engine.grid import grid_evaluation
from xmargin.errors import InvalidArgumentError, XmarginError
from xmargin.model.derivatives import GridArbitrage
from xmargin.vectors import deribit_pme, derive_pmrm2
from xmargin.vectors.case import Check, Vector


@dataclass(frozen=True, slots=True)
class Format:
    """A file format with the tolerance that its figures are held to."""

    decode: Callable[[Path], Vector]
    tolerance: float
    floor: float


@dataclass(frozen=True, slots=True)
class Case:
    """One file: its largest relative error, the checks that failed, the arbitrage of its prices."""

    name: str
    checks: int
    max_rel_error: float
    failed: tuple[Check, ...]
    arbitrage: tuple[GridArbitrage, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All files of one run."""

    model: str
    tolerance: float
    floor: float
    cases: tuple[Case, ...]

    @property
    def failed(self) -> int:
        """How many cases failed."""
        return sum(bool(case.failed) for case in self.cases)

    @property
    def max_rel_error(self) -> float:
        """The largest relative error of any figure."""
        return max(case.max_rel_error for case in self.cases)

    @property
    def arbitrage(self) -> int:
        """How many free lunches the prices of all scenarios leave, the unshocked ones included."""
        return sum(len(case.arbitrage) for case in self.cases)


FORMATS: Mapping[str, Format] = {
    "deribit-pme": Format(deribit_pme.decode, tolerance=1e-9, floor=1e-9),
    "derive-pmrm2": Format(derive_pmrm2.decode, tolerance=1e-8, floor=1e-2),
}
"""By name. The tolerances are relative, of figures at least as large as the floor."""


def run(model: str, path: Path) -> Report:
    """Run a vector file, or every ``.json`` file of a folder in name order.

    Raises:
        InvalidArgumentError: the model is unknown, there is no such file, or one is not of the
            format or cannot be margined; the file is named.
    """
    if model not in FORMATS:
        raise InvalidArgumentError(f"no vector format {model!r}; use one of {', '.join(FORMATS)}")
    form = FORMATS[model]
    paths = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not paths:
        raise InvalidArgumentError(f"{path}: has no .json file")
    cases = tuple(_run_case(form, file) for file in paths)
    return Report(model, form.tolerance, form.floor, cases)


def _run_case(form: Format, path: Path) -> Case:
    try:
        vector = form.decode(path)
        answer = grid_evaluation(vector.parameters, vector.market, [vector.portfolio])
        (margin,) = answer.margins
        checks = vector.checks(margin)
    except XmarginError as fault:
        # What is wrong may be told by the core, which knows rows and no files.
        told = str(fault)
        message = told if path.name in told else f"{path.name}: {told}"
        field = fault.field if isinstance(fault, InvalidArgumentError) else path.name
        raise InvalidArgumentError(message, field=field) from fault
    errors = [check.error(form.floor) for check in checks]
    # Written so that an error that is no number fails.
    bad = [c for c, error in zip(checks, errors, strict=True) if not error <= form.tolerance]
    arbitrage = tuple(answer.arbitrage)
    return Case(path.stem, len(checks), max(errors, default=0.0), tuple(bad), arbitrage)
