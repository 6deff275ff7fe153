"""Derive's PMRM v2 unit-test cases as inputs of the scenario mechanism.

The file's rules are described in ``docs/margin.md``; source: the public repository
``derivexyz/v2-core``, ``PMRMLib_2.sol`` and its ``portfolio_cases``. Every case brings its own
parameters, so a parameter file is written from each.
"""

import json
from pathlib import Path
from typing import Any

from xmargin.errors import InvalidArgumentError
from xmargin.model.derivatives import (
    GridAsset,
    GridExpiry,
    GridInstrument,
    GridMargin,
    GridMarket,
    GridPortfolio,
    GridPosition,
    Smile,
)
from xmargin.vectors.case import Check, Vector
from xmargin.vectors.fields import Fields, fault, number, plain, read_file

SECONDS_PER_YEAR = 365 * 86_400
SETTLEMENT_SECONDS = 30 * 60
"""Settlement is at an average over this long before expiry; what of it has passed is fixed."""

_UNDERLYING = "underlying"
_SPOT = 0
_VOLS = {"Up": "up", "Down": "down", "None": "same", "LINEAR": "linear", "ABS": "abs"}
_SKEWS = ("linear", "abs")
_DIRECTIONS = {1: "up", -1: "down", 0: "same"}


def decode(path: Path) -> Vector:
    """A case file.

    Raises:
        InvalidArgumentError: it is not of the format; the field is named.
    """
    case = read_file(path)
    state, parameters = case.fields("Scenario"), case.fields("Parameters")
    scenarios = [_Scenario(entry) for entry in parameters.list_of_fields("Scenarios")]
    expected = _expected(case.fields("Result"))
    market, portfolio = _holdings(state)
    return Vector(
        parameters=json.dumps(_document(parameters, scenarios)),
        market=market,
        portfolio=portfolio,
        checks=lambda margin: _checks(expected, scenarios, margin),
    )


class _Scenario:
    """One entry of the scenario list: the relative move, the vol rule and the share."""

    def __init__(self, entry: Fields) -> None:
        self.relative = entry.decimal("SpotShock") - 1
        direction = entry.text("VolShockDirection")
        if direction not in _VOLS:
            raise fault("VolShockDirection", direction, f"one of {', '.join(_VOLS)}")
        self.vol = _VOLS[direction]
        self.share = entry.decimal("DampeningFactor")

    @property
    def name(self) -> str:
        """As the mechanism names it."""
        vol = "" if self.vol == "same" else f" vol {self.vol}"
        return f"spot {plain(self.relative)}{vol}"

    def is_like(self, relative: float, vol: str) -> bool:
        """Whether this is the scenario of a result, whose moves carry rounding noise."""
        return self.vol == vol and abs(float(self.relative) - relative) < 1e-12

    def rule(self) -> dict[str, Any]:
        """As a rule of a parameter file."""
        move = {"class": "spot", "reach": "together", "multiples": [plain(self.relative)]}
        rule = {"moves": [move], "vols": [self.vol], "damping": plain(self.share)}
        return rule | ({"expiry_pnl": "loss"} if self.vol in _SKEWS else {})


def _document(parameters: Fields, scenarios: list[_Scenario]) -> dict[str, Any]:
    margin, basis = parameters.fields("Margin"), parameters.fields("BasisContingency")
    other = parameters.fields("OtherContingency")

    def rates(kind: str) -> dict[str, str]:
        # The file's initial rate is what initial margin asks on top.
        maintenance = other.decimal(f"MM_{kind}_PERCENT")
        initial = maintenance + other.decimal(f"IM_{kind}_PERCENT")
        return {"maintenance": plain(maintenance), "initial": plain(initial)}

    return {
        "name": "derive-pmrm2",
        "version": "vector",
        "assets": {},
        "default_asset": {"class": "spot", "shock": "1"},
        "scenarios": [scenario.rule() for scenario in scenarios],
        "vol_rules": _vol_rules(parameters),
        "loss_factors": _texts(margin, maintenance="MM_LOSS_FACTOR", initial="IM_LOSS_FACTOR"),
        "surface": {"log_moneyness_stdevs": "4", "total_variance_max": "144"},
        "static_discount": {
            "long": _texts(
                margin,
                base="BASE_STATIC_DISCOUNT",
                rate_multiple="LONG_RATE_MULTSCALE",
                rate_addition="LONG_RATE_ADDSCALE",
            ),
            "short": _texts(
                margin,
                base="BASE_STATIC_DISCOUNT_NEG",
                rate_multiple="SHORT_RATE_MULTSCALE",
                rate_addition="SHORT_RATE_ADDSCALE",
            ),
        },
        "basis": {
            "up": plain(basis.decimal("SCENARIO_SPOT_UP") - 1),
            "down": plain(basis.decimal("SCENARIO_SPOT_DOWN") - 1),
            "factor": plain(basis.decimal("BASIS_CONT_ADD_FACTOR")),
            "factor_per_year": plain(basis.decimal("BASIS_CONT_MULT_FACTOR")),
        },
        "confidence": _texts(other, threshold="CONF_THRESHOLD", rate="CONF_MARGIN"),
        "depeg": _texts(other, threshold="PEG_LOSS_THRESHOLD", factor="PEG_LOSS_FACTOR"),
        "perp": rates("PERP"),
        "short_option": rates("OPTION"),
    }


def _vol_rules(parameters: Fields) -> dict[str, Any]:
    shock, skew = parameters.fields("VolShock"), parameters.fields("SkewShock")
    term = {
        "kind": "term_power",
        **_texts(
            shock,
            short_power="SHORTTERMPOWER",
            long_power="LONGTERMPOWER",
            expiry_days_min="DTE_FLOOR",
        ),
    }
    wings = {
        "kind": "skew",
        **_texts(
            skew,
            width="MIN_WIDTH_SCALE",
            vol_base="VOL_PARAM_STATIC",
            vol_slope="VOL_PARAM_SCALE",
            log_moneyness_min="MIN_K_STAR",
        ),
    }
    return {
        "up": term | _texts(shock, range="VOLRANGEUP", vol_min="MIN_VOL_EVAL_SHOCKED"),
        "down": term | {"range": plain(-shock.decimal("VOLRANGEDOWN")), "vol_min": "0"},
        "linear": wings
        | {"wings": "signed"}
        | _texts(skew, cap_base="LINEAR_SCALE_CAP", cap_slope="LINEAR_CBASE"),
        "abs": wings
        | {"wings": "both"}
        | _texts(skew, cap_base="ABS_SCALE_CAP", cap_slope="ABS_CBASE"),
    }


def _texts(fields: Fields, **keys: str) -> dict[str, str]:
    return {ours: plain(fields.decimal(theirs)) for ours, theirs in keys.items()}


def _holdings(state: Fields) -> tuple[GridMarket, GridPortfolio]:
    spot_confidence = state.number("SpotConfidence")
    cash_price = state.number("StablePrice")
    if cash_price <= 0:
        raise fault("Scenario.StablePrice", cash_price, "above zero: collateral is valued by it")
    feeds = state.list_of_fields("OptionFeeds")
    expiry_rows: dict[float, int] = {}
    for row, feed in enumerate(feeds):
        if expiry_rows.setdefault(feed.number("FeedExpiry"), row) != row:
            seconds = feed.number("FeedExpiry")
            raise fault("Scenario.OptionFeeds", seconds, "an expiry said once")
    instruments: list[GridInstrument] = []
    positions: list[GridPosition] = []

    def hold(instrument: GridInstrument, quantity: float, unsettled: float = 0.0) -> None:
        positions.append(GridPosition(len(instruments), quantity, unsettled))
        instruments.append(instrument)

    for collateral in state.list_of_fields("Collaterals"):
        hold(_collateral(collateral, cash_price, spot_confidence), collateral.number("Amount"))
    _hold_perp(state, hold)
    for option in state.list_of_fields("Options"):
        hold(_option(option, expiry_rows), option.number("Amount"))
    market = GridMarket(
        assets=[GridAsset(_UNDERLYING, state.number("SpotPrice"), spot_confidence)],
        expiries=[_expiry(feed) for feed in feeds],
        instruments=instruments,
        cash_price=cash_price,
    )
    return market, GridPortfolio("case", positions, cash=state.number("Cash"))


def _hold_perp(state: Fields, hold: Any) -> None:
    unsettled = state.number("UnrealisedPerpPNL") + state.number("UnrealisedFunding")
    quantity = state.number("NumPerps")
    if quantity or unsettled:
        perp = GridInstrument(
            "perp",
            "perp",
            asset=_SPOT,
            price=state.number("PerpPrice"),
            confidence=state.number("PerpConfidence"),
        )
        hold(perp, quantity, unsettled)


def _collateral(fields: Fields, cash_price: float, spot_confidence: float) -> GridInstrument:
    """Valued in units of the cash; the perps' confidence does not enter, the spot's does."""
    maintenance = fields.decimal("MMHaircut")
    return GridInstrument(
        id=fields.text("Name"),
        kind="spot",
        asset=_SPOT if fields.truth("IsRiskCancelling") else None,
        price=fields.number("Price") / cash_price,
        confidence=min(fields.number("Confidence"), spot_confidence),
        haircut_maintenance=float(maintenance),
        haircut_initial=float(maintenance + fields.decimal("IMHaircut")),
    )


def _option(fields: Fields, expiry_rows: dict[float, int]) -> GridInstrument:
    seconds = fields.number("Expiry")
    if seconds not in expiry_rows:
        raise InvalidArgumentError(f"Scenario.OptionFeeds: none has the expiry {seconds:g}")
    kind = "call" if fields.truth("IsCall") else "put"
    strike = fields.number("Strike")
    return GridInstrument(
        id=f"{seconds:.0f}-{strike!r}-{kind}",
        kind=kind,
        expiry=expiry_rows[seconds],
        strike=strike,
    )


def _expiry(feed: Fields) -> GridExpiry:
    seconds = feed.number("FeedExpiry")
    forward = feed.number("Forward")
    moving = min(seconds / SETTLEMENT_SECONDS, 1.0)
    confidences = ("ForwardConfidence", "RateConfidence", "OptionVolConfidences")
    return GridExpiry(
        asset=_SPOT,
        years=seconds / SECONDS_PER_YEAR,
        forward_fixed=forward * (1.0 - moving),
        forward_variable=forward * moving,
        rate=max(feed.number("Rate"), 0.0),
        confidence=min(feed.number(name) for name in confidences),
        smile=_smile(feed),
    )


def _smile(feed: Fields) -> Smile:
    values = [number(value, path) for value, path in feed.list_at("SVIparam")]
    if len(values) != len(Smile.__slots__):
        raise fault("SVIparam", len(values), f"{len(Smile.__slots__)} numbers")
    return Smile(*values)


def _expected(result: Fields) -> dict[str, Any]:
    """What the file says: margins, and every scenario by its move and vol."""
    scenarios: list[tuple[float, str, float]] = []
    for kind in ("reg_losses", "tail_losses"):
        for row, path in result.list_at(kind):
            relative, direction, pnl = _numbers(row, path, 3)
            if direction not in _DIRECTIONS:
                raise fault(path, direction, "a direction: -1, 0 or 1")
            scenarios.append((relative, _DIRECTIONS[int(direction)], pnl))
    for row, path in result.list_at("skew_losses"):
        if not isinstance(row, list) or len(row) != 2 or _VOLS.get(str(row[0])) not in _SKEWS:
            raise fault(path, row, "a skew and its number")
        scenarios.append((0.0, _VOLS[row[0]], number(row[1], path)))
    return {"MM": result.number("MM"), "IM": result.number("IM"), "scenarios": scenarios}


def _numbers(row: Any, path: str, count: int) -> list[float]:
    if not isinstance(row, list) or len(row) != count:
        raise fault(path, row, f"a list of {count} numbers")
    return [number(value, path) for value in row]


def _checks(
    expected: dict[str, Any], scenarios: list[_Scenario], margin: GridMargin
) -> list[Check]:
    checks = [
        Check("MM", expected["MM"], margin.maintenance_excess),
        Check("IM", expected["IM"], margin.initial_excess),
        Check("scenarios", float(len(expected["scenarios"])), float(len(scenarios))),
    ]
    for relative, vol, pnl in expected["scenarios"]:
        found = [s.name for s in scenarios if s.is_like(relative, vol)]
        if len(found) != 1:
            title = f"{relative:g} vol {vol}"
            raise InvalidArgumentError(f"Result: {title} is {len(found)} of the scenarios, not one")
        checks.append(Check(found[0], pnl, margin.pnl[found[0]]))
    return checks
