"""Opening the spine that a configuration describes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from xmargin.config import Config
from xmargin.engine import check_parameters
from xmargin.model import RiskParameters
from xmargin.params import load_parameters
from xmargin.reading.base import ClockMs
from xmargin.spine import Spine


@asynccontextmanager
async def open_spine(config: Config, tape: Path, clock_ms: ClockMs) -> AsyncIterator[Spine]:
    """The spine on ``tape``, told what ``config`` watches and by which risk parameters.

    Raises:
        ParameterError: ``risk.parameters`` is no parameter set, or a value is out of range.
        TapeError: the tape is damaged or another process writes it.
    """
    parameters = checked_parameters(config)
    spine = await Spine.open(tape, config.registry(), parameters, clock_ms)
    try:
        yield spine
    finally:
        await spine.close()


def checked_parameters(config: Config) -> RiskParameters:
    """The risk parameters that ``config`` names, every value in its range.

    Raises:
        ParameterError: there is no such set, or a value is out of range.
    """
    parameters = load_parameters(config.risk.parameters)
    check_parameters(parameters)
    return parameters
