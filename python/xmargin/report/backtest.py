"""The backtest report: each series, long and short, and all of them together.

Its first five figures are those of ISO 20022 auth.066 (CCP back-testing result report), by its
element names: observations, exceptions, coverage, largest and average exception. An exception's
size is what the loss exceeds the value at risk by.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any

from xmargin.engine.statistical import (
    Forecasts,
    ReturnSeries,
    backtest,
    check_historical_parameters,
    historical_forecasts,
)
from xmargin.errors import EngineError, InvalidArgumentError
from xmargin.model import RiskParameters
from xmargin.params import parse_parameters
from xmargin.params.return_rows import date_of
from xmargin.report.series import joint

TOGETHER = "all together"
SIDES = {"long": 1.0, "short": -1.0}


@dataclass(frozen=True, slots=True)
class Line:
    """The backtest of one book; ``tests`` has the shape of ``_core.backtest``."""

    book: str
    side: str
    first_day: int
    last_day: int
    tests: dict[str, Any]
    requirement_exceptions: int

    def document(self) -> dict[str, Any]:
        """The line as JSON; amounts and probabilities are decimal texts."""
        tests = self.tests
        return {
            "book": self.book,
            "side": self.side,
            "first_date": date_of(self.first_day).isoformat(),
            "last_date": date_of(self.last_day).isoformat(),
            "auth_066": auth_066(tests),
            "requirement_exceptions": self.requirement_exceptions,
            "kupiec_pof": _likelihood_ratio(tests["kupiec"]),
            "christoffersen_independence": _likelihood_ratio(tests["independence"]),
            "christoffersen_conditional_coverage": _likelihood_ratio(tests["conditional"]),
            "acerbi_szekely": {
                "z1": _figure(tests["z1"]),
                "z2": _figure(tests["z2"]),
                "z2_below_published_threshold": tests["z2_below_threshold"],
                "z2_p_normal": _figure(tests["z2_p_normal"]),
            },
            "traffic_light": _light(tests["traffic_light"]),
            "traffic_light_250": _light(tests["traffic_light_250"]),
        }


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A book that could not be backtested, and why."""

    book: str
    side: str
    reason: str


@dataclass(frozen=True, slots=True)
class BacktestReport:
    """All lines, with what they were made by, and the books that have none."""

    parameters: RiskParameters
    confidence: float
    lookback_days: int
    exposure_usd: float
    lines: tuple[Line, ...]
    unjudged: tuple[Unjudged, ...] = ()

    def document(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "parameters": {
                "name": self.parameters.name,
                "version": self.parameters.version,
                "sha256": self.parameters.sha256,
            },
            "confidence": _figure(self.confidence),
            "lookback_days": self.lookback_days,
            "exposure_usd": _figure(self.exposure_usd),
            "lines": [line.document() for line in self.lines],
            "unjudged": [asdict(one) for one in self.unjudged],
        }


def with_confidence(parameters: RiskParameters, confidence: str) -> RiskParameters:
    """The parameters at another level; they hash differently.

    Raises:
        ParameterError: the parameters are malformed.
    """
    return parse_parameters(
        json.dumps({**json.loads(parameters.content), "confidence": confidence})
    )


def backtest_report(
    series: Sequence[ReturnSeries],
    parameters: RiskParameters,
    lookback_days: int,
    exposure_usd: float,
) -> BacktestReport:
    """Backtests ``exposure_usd`` in each series, and equally spread over all on common days.

    A book that has too few days, or no day in common with another, does not end the report.

    Raises:
        ParameterError: the parameters are out of range.
        EngineError: no book could be judged; the first one is named.
    """
    check_historical_parameters(parameters)
    confidence = _confidence(parameters)
    lines: list[Line] = []
    unjudged: list[Unjudged] = []
    for book, sample, deltas_usd in _books(series, exposure_usd):
        for side, sign in SIDES.items():
            held = {factor: sign * delta for factor, delta in deltas_usd.items()}
            try:
                forecasts = historical_forecasts(parameters, sample(), held, lookback_days)
                lines.append(_line(book, side, confidence, forecasts))
            except (EngineError, InvalidArgumentError) as fault:
                unjudged.append(Unjudged(book, side, str(fault)))
    if unjudged and not lines:
        first = unjudged[0]
        raise EngineError(f"{first.book} {first.side}: {first.reason}")
    made_by = (parameters, confidence, lookback_days, exposure_usd)
    return BacktestReport(*made_by, tuple(lines), tuple(unjudged))


def _confidence(parameters: RiskParameters) -> float:
    """The level, which the core has checked: a decimal, or a fraction of two such as 99/100."""
    over, _, under = json.loads(parameters.content)["confidence"].partition("/")
    return float(over) / float(under or 1)


def _books(
    series: Sequence[ReturnSeries], exposure_usd: float
) -> Iterator[tuple[str, Callable[[], Sequence[ReturnSeries]], Mapping[str, float]]]:
    for one in series:
        yield one.factor, partial(list, (one,)), {one.factor: exposure_usd}
    if len(series) > 1:
        share = exposure_usd / len(series)
        yield TOGETHER, partial(joint, series), {one.factor: share for one in series}


def _line(book: str, side: str, confidence: float, forecasts: Forecasts) -> Line:
    outcomes = zip(forecasts.pnl, forecasts.requirement, strict=True)
    # Z1 and Z2 divide by the expected shortfall: a book that had nothing to lose has neither.
    tested = forecasts if min(forecasts.es) > 0 else replace(forecasts, es=())
    return Line(
        book=book,
        side=side,
        first_day=forecasts.day[0],
        last_day=forecasts.day[-1],
        tests=backtest(confidence, tested),
        requirement_exceptions=sum(-pnl > requirement for pnl, requirement in outcomes),
    )


def auth_066(tests: Mapping[str, Any]) -> dict[str, Any]:
    """A ``MonthlyResult1`` of auth.066.001.01, over the whole period instead of a month.

    Coverage has ten decimals and amounts five, as the message allows at most.
    """
    day = tests["largest_exception_day"]
    return {
        "NbOfObsrvtns": str(tests["observations"]),
        "NbOfXcptns": str(tests["exceptions"]),
        "Cvrg": f"{tests['coverage']:.10f}",
        "LrgstXcptn": {"Ccy": "USD", "Amt": f"{tests['largest_exception']:.5f}"},
        "AvrgXcptn": {"Ccy": "USD", "Amt": f"{tests['average_exception']:.5f}"},
        **({} if day is None else {"LrgstXcptnId": {"Id": date_of(day).isoformat()}}),
    }


def _figure(value: float | None) -> str | None:
    """The shortest decimal that reads back as the same float, without an exponent."""
    return None if value is None else f"{Decimal(repr(value)):f}"


def _likelihood_ratio(pair: tuple[float, float]) -> dict[str, str | None]:
    statistic, p_value = pair
    return {"lr": _figure(statistic), "p": _figure(p_value)}


def _light(light: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if light is None:
        return None
    return {**light, "cumulative": _figure(light["cumulative"])}
