"""Hyperliquid's answers as records: whatever an answer holds, it is understood or refused.

The API answers for a user without naming it, so an answer about another user cannot be told from
the right one; what can be checked is that an answer agrees with itself.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from xmargin.errors import DecodeError
from xmargin.model import AccountId, VenueId
from xmargin.model.hyperliquid import (
    USD_DECIMALS,
    HyperliquidAccount,
    HyperliquidMarket,
    HyperliquidPosition,
    HyperliquidSummary,
    HyperliquidTier,
)

KIND: Final = "hyperliquid"

_USD_UNIT: Final = Decimal(1).scaleb(-USD_DECIMALS)

_DECIMAL: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?", re.ASCII)
_COIN: Final = re.compile(r"[0-9A-Za-z-]{1,32}")
_POSITIONS_MAX: Final = 2_000
_LEVERAGE_MAX: Final = 1_000
_SIZE_DECIMALS_MAX: Final = 18
_TIME_MS_MAX: Final = 10**14
# A table number below this is itself the leverage of its one tier (docs, "Margin tiers").
_LISTED_TABLES_MIN: Final = 50
_SHOWN_MAX: Final = 60

Json = Any


# --- Accounts -------------------------------------------------------------------------------------


def account_of(answer: Json, account: AccountId) -> HyperliquidAccount:
    """The answer to ``clearinghouseState`` as a record.

    Raises:
        DecodeError: it is not such an answer, or contradicts itself; the message says where.
    """
    fields = _object(answer, "the answer")
    listed = _list(fields.get("assetPositions"), "assetPositions", _POSITIONS_MAX)
    maintenance = fields.get("crossMaintenanceMarginUsed")
    state = HyperliquidAccount(
        account=account,
        time_ms=_whole(fields.get("time"), "time", 1, _TIME_MS_MAX),
        whole=_summary(fields, "marginSummary"),
        cross=_summary(fields, "crossMarginSummary"),
        cross_maintenance=(
            None if maintenance is None else _amount(maintenance, "crossMaintenanceMarginUsed")
        ),
        withdrawable=_amount(fields.get("withdrawable"), "withdrawable"),
        positions=tuple(_position(one, index) for index, one in enumerate(listed)),
    )
    _require_distinct([position.coin for position in state.positions], "coin")
    for contradiction in _contradictions(state):
        raise DecodeError(f"the answer contradicts itself: {contradiction}")
    return state


def _position(row: Json, index: int) -> HyperliquidPosition:
    where = f"assetPositions[{index}]"
    fields = _object(row, where)
    if fields.get("type") != "oneWay":
        raise DecodeError(f"{where}.type: {_shown(fields.get('type'))} is not known")
    held = _object(fields.get("position"), f"{where}.position")
    leverage = _object(held.get("leverage"), f"{where}.leverage")
    margin = leverage.get("type")
    if margin not in ("cross", "isolated"):
        raise DecodeError(f"{where}.leverage.type: {_shown(margin)} is not known")
    price = held.get("liquidationPx")
    position = HyperliquidPosition(
        coin=_coin(held.get("coin"), f"{where}.coin"),
        size=_amount(held.get("szi"), f"{where}.szi"),
        value=_amount(held.get("positionValue"), f"{where}.positionValue"),
        leverage=_whole(leverage.get("value"), f"{where}.leverage.value", 1, _LEVERAGE_MAX),
        isolated_raw_usd=(
            _amount(leverage.get("rawUsd"), f"{where}.rawUsd") if margin == "isolated" else None
        ),
        liquidation_price=None if price is None else _amount(price, f"{where}.liquidationPx"),
    )
    if not position.size or position.value <= 0:
        raise DecodeError(
            f"{where}: a size of {position.size} with a value of {position.value} is no position"
        )
    return position


def _summary(fields: Mapping[str, Json], name: str) -> HyperliquidSummary:
    given = _object(fields.get(name), name)
    return HyperliquidSummary(
        account_value=_amount(given.get("accountValue"), f"{name}.accountValue"),
        notional=_amount(given.get("totalNtlPos"), f"{name}.totalNtlPos"),
        raw_usd=_amount(given.get("totalRawUsd"), f"{name}.totalRawUsd"),
        margin_used=_amount(given.get("totalMarginUsed"), f"{name}.totalMarginUsed"),
    )


def _contradictions(state: HyperliquidAccount) -> Iterator[str]:
    """What of the sums does not add up; each figure was rounded once."""
    shared = [one for one in state.positions if one.isolated_raw_usd is None]
    own = sum((one.isolated_raw_usd or Decimal(0) for one in state.positions), Decimal(0))
    sums = (
        ("crossMarginSummary", state.cross, shared, state.cross.raw_usd),
        ("marginSummary", state.whole, state.positions, state.cross.raw_usd + own),
    )
    for name, summary, positions, raw_usd in sums:
        signed = sum((one.value.copy_sign(one.size) for one in positions), Decimal(0))
        notional = sum((one.value for one in positions), Decimal(0))
        rounding = (len(positions) + 2) * _USD_UNIT
        for field, said, summed in (
            ("totalRawUsd", summary.raw_usd, raw_usd),
            ("totalNtlPos", summary.notional, notional),
            ("accountValue", summary.account_value, summary.raw_usd + signed),
        ):
            if abs(said - summed) > rounding:
                yield f"{name}.{field} says {said}, its parts come to {summed}"


# --- Markets --------------------------------------------------------------------------------------


def markets_of(answer: Json, venue: VenueId) -> tuple[HyperliquidMarket, ...]:
    """The answer to ``meta`` as records, those of delisted coins too.

    Raises:
        DecodeError: it is not such an answer; the message says where.
    """
    fields = _object(answer, "the answer")
    listed = _list(fields.get("marginTables", []), "marginTables")
    tables = dict(_table(row, index) for index, row in enumerate(listed))
    rows = _list(fields.get("universe"), "universe", _POSITIONS_MAX)
    markets = tuple(_market(row, venue, tables, index) for index, row in enumerate(rows))
    _require_distinct([market.coin for market in markets], "name")
    return markets


def _market(
    row: Json,
    venue: VenueId,
    tables: Mapping[int, tuple[HyperliquidTier, ...]],
    index: int,
) -> HyperliquidMarket:
    where = f"universe[{index}]"
    fields = _object(row, where)
    leverage = _whole(fields.get("maxLeverage"), f"{where}.maxLeverage", 1, _LEVERAGE_MAX)
    number = _whole(fields.get("marginTableId", leverage), f"{where}.marginTableId", 1, 10**9)
    tiers = tables.get(number)
    if tiers is None:
        if number != leverage and number >= _LISTED_TABLES_MIN:
            raise DecodeError(f"{where}: there is no margin table {number}")
        tiers = (HyperliquidTier(Decimal(0), number),)
    return HyperliquidMarket(
        venue=venue,
        coin=_coin(fields.get("name"), f"{where}.name"),
        size_decimals=_whole(
            fields.get("szDecimals"), f"{where}.szDecimals", 0, _SIZE_DECIMALS_MAX
        ),
        tiers=tiers,
    )


def _table(row: Json, index: int) -> tuple[int, tuple[HyperliquidTier, ...]]:
    where = f"marginTables[{index}]"
    pair = _list(row, where)
    if len(pair) != 2:
        raise DecodeError(f"{where}: expected a number and its table")
    listed = _list(_object(pair[1], where).get("marginTiers"), f"{where}.marginTiers")
    tiers = tuple(_tier(one, where) for one in listed)
    ascends = all(a.value_min < b.value_min for a, b in pairwise(tiers))
    tightens = all(a.leverage_max >= b.leverage_max for a, b in pairwise(tiers))
    if not tiers or tiers[0].value_min or not ascends or not tightens:
        raise DecodeError(f"{where}: its tiers do not ascend from zero with ever less leverage")
    return _whole(pair[0], where, 1, 10**9), tiers


def _tier(row: Json, where: str) -> HyperliquidTier:
    fields = _object(row, where)
    return HyperliquidTier(
        value_min=_amount(fields.get("lowerBound"), f"{where}.lowerBound"),
        leverage_max=_whole(fields.get("maxLeverage"), f"{where}.maxLeverage", 1, _LEVERAGE_MAX),
    )


# --- Untrusted values -----------------------------------------------------------------------------


def _object(value: Json, where: str) -> Mapping[str, Json]:
    if not isinstance(value, dict):
        raise DecodeError(f"{where}: expected an object, not {_shown(value)}")
    return value


def _list(value: Json, where: str, length_max: int = _POSITIONS_MAX) -> Sequence[Json]:
    if not isinstance(value, list) or len(value) > length_max:
        raise DecodeError(f"{where}: expected a list of at most {length_max}, not {_shown(value)}")
    return value


def _amount(value: Json, where: str) -> Decimal:
    """Decimals come as texts; a number has already lost digits."""
    if not isinstance(value, str) or _DECIMAL.fullmatch(value) is None:
        raise DecodeError(f"{where}: expected a decimal as text, not {_shown(value)}")
    return Decimal(value)


def _whole(value: Json, where: str, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise DecodeError(
            f"{where}: expected an integer from {least} to {most}, not {_shown(value)}"
        )
    return value


def _coin(value: Json, where: str) -> str:
    if not isinstance(value, str) or _COIN.fullmatch(value) is None:
        raise DecodeError(f"{where}: {_shown(value)} is no coin of the first perp dex")
    return value


def _require_distinct(names: Sequence[str], what: str) -> None:
    if len(set(names)) != len(names):
        twice = min(name for name in names if names.count(name) > 1)
        raise DecodeError(f"{what} {twice} stands there twice")


def _shown(value: Json) -> str:
    return ascii(value)[:_SHOWN_MAX]
