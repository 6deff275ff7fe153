"""Figures as text: thousands separated, ages in the unit that fits, colours that mean one thing."""

from decimal import ROUND_FLOOR, Decimal

from google.type.decimal_pb2 import Decimal as DecimalMessage
from rich.text import Text

from xmargin.v1 import margin_report_pb2 as report_pb
from xmargin.v1 import observation_pb2 as observation_pb

GOOD, CALM, WATCH, BAD, UNSURE = "green", "dim", "yellow", "bold red", "magenta"

_STATUS_STYLE = {
    report_pb.HEALTH_STATUS_NO_DEBT: CALM,
    report_pb.HEALTH_STATUS_HEALTHY: GOOD,
    report_pb.HEALTH_STATUS_MARGIN_CALL: WATCH,
    report_pb.HEALTH_STATUS_LIQUIDATABLE: BAD,
    report_pb.HEALTH_STATUS_HELD: UNSURE,
    report_pb.HEALTH_STATUS_REFUSED: UNSURE,
    report_pb.HEALTH_STATUS_UNKNOWN: UNSURE,
}
_VERDICT_STYLE = {
    report_pb.VERDICT_OK: GOOD,
    report_pb.VERDICT_FLAG: WATCH,
    report_pb.VERDICT_HAIRCUT: WATCH,
    report_pb.VERDICT_HOLD: UNSURE,
    report_pb.VERDICT_REFUSE: BAD,
}

_HEALTH_FACTOR_NEAR = Decimal("1.1")
_WAD_DECIMALS = 18
_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"))


def words(enum_name: str, prefix: str) -> str:
    """``HEALTH_STATUS_MARGIN_CALL`` as ``margin call``."""
    return enum_name.removeprefix(prefix).replace("_", " ").lower()


def status(value: "report_pb.HealthStatus.ValueType") -> Text:
    """A health status in its colour."""
    name = report_pb.HealthStatus.Name(value)
    return Text(words(name, "HEALTH_STATUS_"), _STATUS_STYLE.get(value, UNSURE))


def verdict(value: "report_pb.Verdict.ValueType") -> Text:
    """A verdict in its colour."""
    return Text(words(report_pb.Verdict.Name(value), "VERDICT_"), _VERDICT_STYLE.get(value, UNSURE))


def condition(value: "observation_pb.Condition.ValueType") -> Text:
    """The condition of a chain in its colour."""
    style = GOOD if value == observation_pb.CONDITION_OK else BAD
    return Text(words(observation_pb.Condition.Name(value), "CONDITION_"), style)


def decimal(message: DecimalMessage) -> Decimal:
    """The value of a ``google.type.Decimal``."""
    return Decimal(message.value)


def money(value: Decimal | None) -> Text:
    """Whole dollars; what is missing in red. Cents are noise in a table."""
    if value is None:
        return Text("-", CALM)
    return Text(f"{value:,.0f}", BAD if value < 0 else "")


def price(value: Decimal) -> str:
    """A price with the digits that matter at its size."""
    return f"{value:,.2f}" if value >= 10 else f"{value:,.4f}"


def amount(value: Decimal) -> str:
    """A quantity in token units, at most six decimals."""
    return f"{value:,.6f}".rstrip("0").rstrip(".")


def health_factor(value: Decimal | None) -> Text:
    """A health factor, rounded down: 0.996 must not look like 1.00."""
    if value is None:
        return Text("-", CALM)
    if value >= 1_000:
        return Text("> 999", GOOD)
    style = BAD if value < 1 else WATCH if value < _HEALTH_FACTOR_NEAR else GOOD
    return Text(f"{value.quantize(Decimal('0.01'), ROUND_FLOOR)}", style)


def wad(account: report_pb.AccountHealth) -> Decimal | None:
    """An account's health factor as a decimal; ``None`` without debt."""
    if not account.HasField("health_factor_wad"):
        return None
    return Decimal(account.health_factor_wad).scaleb(-_WAD_DECIMALS)


def age(milliseconds: int) -> str:
    """A span in its largest fitting unit, e.g. ``1.2 s`` or ``3 h``."""
    for size, unit in _UNITS:
        if milliseconds >= size:
            return (
                f"{milliseconds / size:.1f} {unit}"
                if unit == "s"
                else (f"{milliseconds // size} {unit}")
            )
    return f"{milliseconds} ms"


def short_hash(text: str) -> str:
    """The first digits of a hash."""
    return text[:12]


def short_address(text: str) -> str:
    """An address or id with its middle left out."""
    return text if len(text) <= 14 else f"{text[:6]}…{text[-4:]}"


def signed_money(value: Decimal | None) -> Text:
    """Whole dollars of a part in a sum, whose sign is no alarm."""
    if value is None:
        return Text("-", CALM)
    return Text(f"{value:,.0f}" if round(value) else "0")
