"""Opening the spine that a configuration describes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from xmargin.config import Config
from xmargin.engine import check_parameters, check_returns
from xmargin.model import FactorReturns, RiskParameters
from xmargin.params import load_parameters
from xmargin.params.returns import load_returns
from xmargin.reading.base import ClockMs
from xmargin.spine import Spine


@asynccontextmanager
async def open_spine(config: Config, tape: Path, clock_ms: ClockMs) -> AsyncIterator[Spine]:
    """The spine on ``tape``, told what ``config`` watches and by which parameters and returns.

    Raises:
        ParameterError: ``risk.parameters`` is no parameter set, or a value is out of range.
        ConfigError: ``risk.returns`` cannot be used.
        TapeError: the tape is damaged or another process writes it.
    """
    parameters = checked_parameters(config)
    returns = checked_returns(config, parameters)
    terms = config.liquidation.terms()
    spine = await Spine.open(
        tape, config.registry(), parameters, clock_ms, returns=returns, terms=terms
    )
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


def checked_returns(config: Config, parameters: RiskParameters) -> FactorReturns:
    """The factor returns that ``config`` names, enough of them for ``parameters``; or none.

    Raises:
        ConfigError: the file cannot be read, a line is wrong, or there is too little in it.
    """
    if config.risk.returns is None:
        return FactorReturns()
    returns = load_returns(config.risk.returns)
    check_returns(parameters, returns)
    return returns
