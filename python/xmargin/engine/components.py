"""A row of the core's portfolios as what requirements are made of."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from xmargin.model import MarginComponent

_COMPONENTS = (
    "scenario_loss",
    "wrapped_depeg",
    "venue_risk",
    "mobility",
    "liquidity",
    "concentration",
)
"""The core's columns, each of both margins, in the order they are shown."""


WAD_DECIMALS = 18


def money(value: float) -> Decimal:
    """A float's shortest exact-round-trip digits; ``-0.0`` is zero."""
    return Decimal(repr(value + 0.0))


def optional_money(value: float | None) -> Decimal | None:
    """As :func:`money`; nothing of nothing."""
    return None if value is None else money(value)


def scaled(amount: int, decimals: int) -> Decimal:
    """``amount`` × 10^-``decimals``, exact whatever the decimal context."""
    return Decimal(f"{amount}E-{decimals}")


def factor_of(wad: int | None) -> Decimal | None:
    """A venue's health factor of its wad; nothing of nothing."""
    return None if wad is None else scaled(wad, WAD_DECIMALS)


def components(numbers: Mapping[str, Any]) -> tuple[MarginComponent, ...]:
    """What makes the requirements; nothing where nothing is required or served."""
    if numbers["refused"] or not numbers["owes"]:
        return ()
    return tuple(
        MarginComponent(
            name=name,
            maintenance=money(numbers[f"{name}_maintenance"]),
            initial=money(numbers[f"{name}_initial"]),
        )
        for name in _COMPONENTS
    )


def scenario_losses(numbers: Mapping[str, Any]) -> tuple[MarginComponent, ...]:
    """What the scenario loss is the worse of; nothing where nothing is required or served."""
    if numbers["refused"] or not numbers["owes"]:
        return ()
    return tuple(
        MarginComponent(
            name=name,
            maintenance=money(numbers[f"{column}_maintenance"]),
            initial=money(numbers[f"{column}_initial"]),
        )
        for name, column in (("grid", "grid_loss"), ("historical_es", "historical_es"))
        if numbers[f"{column}_maintenance"] is not None
    )
