"""Liquidations by the venues' own rules (``docs/liquidation.md``), exact where a venue is integer.

Amounts are in the venue's smallest units, ratios in basis points, prices in the unit each field
says. An account holds all its rule needs: positions, parameters and prices.
"""

import dataclasses
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, TypeAlias


@dataclass(frozen=True, slots=True)
class AaveV3Growth:
    """What a reserve earns and owes since the pool stored it; rates in ray a year."""

    supply_rate: int
    debt_rate: int
    updated_at_s: int
    stable_rate: int = 0
    stable_updated_at_s: int = 0


@dataclass(frozen=True, slots=True)
class AaveV3Reserve:
    """One user's part in one Aave v3 reserve; indices in ray.

    Indices and stable debt are as of now; with ``growth``, as the pool stored them.
    """

    decimals: int
    price_base: int
    liquidation_threshold_bps: int
    bonus_bps: int
    """10,500 for five percent on top."""
    protocol_fee_bps: int
    """Of the bonus."""
    supply_scaled: int = 0
    supply_index: int = 10**27
    debt_scaled: int = 0
    debt_index: int = 10**27
    stable_debt: int = 0
    emode: int = 0
    as_collateral: bool = False
    borrowing: bool = False
    halted: bool = False
    """Paused or inactive: the pool liquidates nothing of it, and nothing for it."""
    growth: AaveV3Growth | None = None
    """Given for every reserve if the account says ``now_s``, else for none."""


@dataclass(frozen=True, slots=True)
class AaveV3EMode:
    """The user's eMode category; ``price_base`` is 0 where it has no price of its own."""

    category: int
    liquidation_threshold_bps: int
    bonus_bps: int
    price_base: int = 0


@dataclass(frozen=True, slots=True)
class AaveV3Call:
    """One given ``liquidationCall``, by numbers of reserves in the account."""

    collateral: int
    debt: int
    debt_to_cover: int


@dataclass(frozen=True, slots=True)
class AaveV3Account:
    """All reserves of a user; without a ``call``, the best one is looked for."""

    rule: ClassVar[str] = "aave_v3"
    release: str
    """``3.0`` (to 3.2) or ``3.6``."""
    reserves: tuple[AaveV3Reserve, ...]
    emode: AaveV3EMode | None = None
    call: AaveV3Call | None = None
    now_s: int | None = None
    """The chain's clock that balances grow to."""


@dataclass(frozen=True, slots=True)
class AaveV4Side:
    """A collateral, or a debt, in token units."""

    amount: int
    decimals: int
    price_base: int


@dataclass(frozen=True, slots=True)
class AaveV4Account:
    """An account against one collateral and one debt; values with the oracle's 8 decimals."""

    rule: ClassVar[str] = "aave_v4"
    collateral: AaveV4Side
    debt: AaveV4Side
    factor_bps: int
    """Collateral factor of the collateral seized."""
    bonus_max_bps: int
    """10,500 for five percent on top."""
    fee_bps: int
    """The protocol's share of the bonus."""
    target_wad: int
    bonus_max_health_wad: int
    """At and below it the bonus is largest."""
    bonus_factor_bps: int
    """The smallest bonus, as a share of the largest."""
    other_weighted: int = 0
    """Sum of value × factor in basis points of all other collateral."""
    other_debt_base: int = 0
    has_other_collateral: bool = False
    debt_to_cover: int = 2**256 - 1


@dataclass(frozen=True, slots=True)
class Close:
    """One given position, and how much of it to close."""

    position: int
    size: int


@dataclass(frozen=True, slots=True)
class DydxV4Position:
    """A perpetual; quote quantums are ``quantums × price × 10^exponent``."""

    quantums: int
    price: int
    exponent: int
    initial_margin_ppm: int
    maintenance_fraction_ppm: int


@dataclass(frozen=True, slots=True)
class DydxV4Account:
    """A dYdX v4 subaccount, in quantums; without ``close``, what requires most is closed whole."""

    rule: ClassVar[str] = "dydx_v4"
    quote: int
    positions: tuple[DydxV4Position, ...]
    bankruptcy_adjustment_ppm: int = 1_000_000
    spread_to_maintenance_ppm: int = 100_000
    fee_max_ppm: int = 5_000
    close: Close | None = None


@dataclass(frozen=True, slots=True)
class DriftPosition:
    """A Drift perp: base 10^9, prices and fees 10^6, ratios 10^4."""

    base: int
    price: int
    maintenance_ratio: int
    size_factor: int
    liquidator_fee: int
    fund_fee_max: int
    step: int = 1


@dataclass(frozen=True, slots=True)
class DriftAccount:
    """A Drift user; ``cash`` is all collateral beside the base of the positions, in quote 10^6."""

    rule: ClassVar[str] = "drift"
    cash: int
    positions: tuple[DriftPosition, ...]
    buffer_ratio: int
    initial_share: int
    """Of the shortage that may be freed at once, 10^4; grows to all over ``duration_slots``."""
    duration_slots: int
    elapsed_slots: int = 0
    margin_freed: int = 0
    quote_price: int = 10**6
    close: Close | None = None


@dataclass(frozen=True, slots=True)
class EulerAccount:
    """An Euler v2 violator against one collateral; values in the unit of account."""

    rule: ClassVar[str] = "euler"
    liability: int
    liability_value: int
    adjusted_value: int
    """All collateral at its liquidation LTVs."""
    collateral: int
    collateral_value: int
    ltv_bps: int
    discount_max_bps: int
    desired_repay: int | None = None


@dataclass(frozen=True, slots=True)
class DeriveAccount:
    """A Derive account on auction; amounts and shares in wads, times in seconds."""

    rule: ClassVar[str] = "derive"
    mark: int
    """Mark to market, ``reserved`` included."""
    maintenance: int
    """Mark less the maintenance requirement."""
    elapsed_s: int
    start: int
    """Share of the mark asked at the start; ``cutoff`` when the fast part ends."""
    cutoff: int
    fast_s: int
    slow_s: int
    insolvent_s: int
    buffer: int
    """Of the requirement."""
    reserved: int = 0
    share: int | None = None


VenueAccount: TypeAlias = (
    AaveV3Account | AaveV4Account | DydxV4Account | DriftAccount | EulerAccount | DeriveAccount
)


class LiquidationVerdict(StrEnum):
    """Whether to liquidate."""

    NOT_DUE = "not_due"
    PROPOSED = "proposed"
    TOXIC = "toxic"
    """It would lower the account's health: not proposed as it is."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class LiquidationLegs:
    """What is moved: numbers of rows in the account, and amounts in the venue's units.

    ``closes`` is repaid or closed by ``repaid``, ``takes`` is seized (``None``: the venue's cash).
    ``cover`` is what to ask the venue for so that just this is moved. ``fee`` is the venue's or its
    insurance fund's, ``deficits`` what is written off, or what the fund must give.
    """

    closes: int
    takes: int | None
    cover: int
    repaid: int
    seized: int
    fee: int
    deficits: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class LiquidationProposal:
    """The answer of a rule; health is ``None`` where nothing is required."""

    verdict: LiquidationVerdict
    why: str
    health_before_wad: int | None
    health_after_wad: int | None
    legs: LiquidationLegs | None


def propose_liquidation(account: VenueAccount) -> LiquidationProposal:
    """Which liquidation the account's venue allows, and whether it should be done.

    Raises:
        ParameterError: a field is out of its range; the message names it.
        EngineError: the venue's own arithmetic leaves its range.
    """
    from xmargin import _core

    document = {"rule": account.rule} | document_of(account)
    answer = json.loads(_core.propose_liquidation(json.dumps(document)))
    legs = answer["legs"]
    return LiquidationProposal(
        LiquidationVerdict(answer["verdict"]),
        answer["why"],
        _number(answer["health_before_wad"]),
        _number(answer["health_after_wad"]),
        None if legs is None else _legs(legs),
    )


def document_of(value: Any) -> Any:
    """A dataclass as the core reads it: whole numbers as texts, absent fields left out."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        return [document_of(one) for one in value]
    fields = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
    return {name: document_of(one) for name, one in fields if one is not None}


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _legs(legs: dict[str, Any]) -> LiquidationLegs:
    return LiquidationLegs(
        closes=legs["closes"],
        takes=legs["takes"],
        cover=int(legs["cover"]),
        repaid=int(legs["repaid"]),
        seized=int(legs["seized"]),
        fee=int(legs["fee"]),
        deficits=tuple((row, int(amount)) for row, amount in legs["deficits"]),
    )
