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
class AaveV3Reserve:
    """One user's part in one Aave v3 reserve; indices in ray, as of now."""

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
    """``3.0`` (to 3.2) or ``3.6`` (from 3.5)."""
    reserves: tuple[AaveV3Reserve, ...]
    emode: AaveV3EMode | None = None
    call: AaveV3Call | None = None


VenueAccount: TypeAlias = AaveV3Account


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

    ``cover`` is what to ask the venue for so that just this is moved.
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

    document = {"rule": account.rule} | _document(account)
    answer = json.loads(_core.propose_liquidation(json.dumps(document)))
    legs = answer["legs"]
    return LiquidationProposal(
        LiquidationVerdict(answer["verdict"]),
        answer["why"],
        _number(answer["health_before_wad"]),
        _number(answer["health_after_wad"]),
        None if legs is None else _legs(legs),
    )


def _document(value: Any) -> Any:
    """Whole numbers as texts, absent fields left out."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        return [_document(one) for one in value]
    fields = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
    return {name: _document(one) for name, one in fields if one is not None}


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
