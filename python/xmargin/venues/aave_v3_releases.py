"""What each release of Aave v3 is asked, and how its answers are decoded.

``V3_0`` is core 1.19.3 (3.0.2), ``V3_6`` aave-v3-origin 3.6.0. All others are refused: their rules
stand between these, or after them, and none of their contracts is held to ours by a test.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from xmargin.errors import DecodeError
from xmargin.reads import EvmCall
from xmargin.venues import aave_v3_abi as abi

Answers: TypeAlias = Iterator[bytes | None]
"""The results of calls, in their order; each decode takes its own."""

V3_6_REVISION: Final = 10
"""``PoolInstance.POOL_REVISION`` of 3.6; 3.7 has 11."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """A listed reserve's fixed part; ``stable_debt_token`` is empty where there is none."""

    reserve_id: int
    asset: str
    a_token: str
    stable_debt_token: str
    variable_debt_token: str

    @property
    def borrowing_bit(self) -> int:
        """The reserve's borrowing bit in a user's configuration."""
        return 1 << (2 * self.reserve_id)

    @property
    def use_bits(self) -> int:
        """The reserve's borrowing and collateral bits in a user's configuration."""
        return 3 << (2 * self.reserve_id)

    @property
    def tokens(self) -> tuple[str, ...]:
        """Those that stand for supply and debt of it."""
        all_tokens = (self.a_token, self.stable_debt_token, self.variable_debt_token)
        return tuple(token for token in all_tokens if token)


@dataclass(frozen=True, slots=True)
class ReserveState:
    """What a release says of a reserve beside ``getReserveData``; zero where it is not read."""

    supply_scaled_total: int = 0
    debt_scaled_total: int = 0
    liquidation_grace_until_s: int = 0


@dataclass(frozen=True, slots=True)
class EModeLists:
    """The reserves of an eMode category, one bit each by id; none in 3.0."""

    collateral_bitmap: int = 0
    borrowable_bitmap: int = 0
    ltvzero_bitmap: int = 0


@dataclass(frozen=True, slots=True)
class Debt:
    """What a user owes in a reserve; the stable part has a rate (ray) and a date of its own."""

    variable_scaled: int = 0
    stable_principal: int = 0
    stable_rate: int = 0
    stable_updated_at_s: int = 0


class Release(Protocol):
    """One release: calls, and a decode that takes as many answers as there were calls."""

    @property
    def name(self) -> str:
        """As facts and plans name it."""
        ...

    def reserve_of(self, asset: str, data: abi.ReserveData) -> Reserve:
        """The fixed part; raises :class:`DecodeError` where the layout is not this release's."""
        ...

    def category_of(self, data: abi.ReserveData) -> int:
        """The eMode category that a reserve names, 0 for none."""
        ...

    def reserve_calls(self, pool: str, reserve: Reserve) -> list[EvmCall]:
        """Of :meth:`decode_reserve`."""
        ...

    def decode_reserve(self, answers: Answers) -> ReserveState:
        """What is said of a reserve beside its data."""
        ...

    def emode_calls(self, pool: str, category: int) -> list[EvmCall]:
        """Of :meth:`decode_emode`."""
        ...

    def decode_emode(self, answers: Answers) -> EModeLists:
        """The reserves of a category."""
        ...

    def debt_calls(self, reserve: Reserve, user: str) -> list[EvmCall]:
        """Of :meth:`decode_debt`."""
        ...

    def decode_debt(self, answers: Answers) -> Debt:
        """What a user owes in a reserve."""
        ...


class _V3x0:
    """A reserve names its category; debt is variable or stable."""

    name = "3.0"

    def reserve_of(self, asset: str, data: abi.ReserveData) -> Reserve:
        if data.stable_debt_token == abi.NO_ADDRESS:
            raise DecodeError(
                "getReserveData() names no stable debt token, as from Aave v3.2 on, but the pool "
                "knows no getLiquidationGracePeriod(), as until v3.0"
            )
        tokens = (data.a_token, data.stable_debt_token, data.variable_debt_token)
        return Reserve(data.reserve_id, asset, *tokens)

    def category_of(self, data: abi.ReserveData) -> int:
        return data.emode_category

    def reserve_calls(self, pool: str, reserve: Reserve) -> list[EvmCall]:
        del pool, reserve
        return []

    def decode_reserve(self, answers: Answers) -> ReserveState:
        del answers
        return ReserveState()

    def emode_calls(self, pool: str, category: int) -> list[EvmCall]:
        del pool, category
        return []

    def decode_emode(self, answers: Answers) -> EModeLists:
        del answers
        return EModeLists()

    def debt_calls(self, reserve: Reserve, user: str) -> list[EvmCall]:
        stable = reserve.stable_debt_token
        return [
            abi.SCALED_BALANCE_OF(reserve.variable_debt_token, user),
            abi.PRINCIPAL_BALANCE_OF(stable, user),
            abi.GET_USER_STABLE_RATE(stable, user),
            abi.GET_USER_LAST_UPDATED(stable, user),
        ]

    def decode_debt(self, answers: Answers) -> Debt:
        (variable_scaled,) = abi.SCALED_BALANCE_OF.decode(next(answers))
        (principal,) = abi.PRINCIPAL_BALANCE_OF.decode(next(answers))
        (rate,) = abi.GET_USER_STABLE_RATE.decode(next(answers))
        (updated_at_s,) = abi.GET_USER_LAST_UPDATED.decode(next(answers))
        return Debt(variable_scaled, principal, rate, updated_at_s)


class _V3x6:
    """A category lists its reserves; all debt is variable.

    The category bits of a reserve's configuration and the stable debt token of its data are left
    over from before: nothing reads them.
    """

    name = "3.6"

    def reserve_of(self, asset: str, data: abi.ReserveData) -> Reserve:
        return Reserve(data.reserve_id, asset, data.a_token, "", data.variable_debt_token)

    def category_of(self, data: abi.ReserveData) -> int:
        del data
        return 0

    def reserve_calls(self, pool: str, reserve: Reserve) -> list[EvmCall]:
        return [
            abi.SCALED_TOTAL_SUPPLY(reserve.a_token),
            abi.SCALED_TOTAL_SUPPLY(reserve.variable_debt_token),
            abi.GET_LIQUIDATION_GRACE_PERIOD(pool, reserve.asset),
        ]

    def decode_reserve(self, answers: Answers) -> ReserveState:
        (supply,) = abi.SCALED_TOTAL_SUPPLY.decode(next(answers))
        (debt,) = abi.SCALED_TOTAL_SUPPLY.decode(next(answers))
        (grace_until_s,) = abi.GET_LIQUIDATION_GRACE_PERIOD.decode(next(answers))
        return ReserveState(supply, debt, grace_until_s)

    def emode_calls(self, pool: str, category: int) -> list[EvmCall]:
        return [
            abi.GET_EMODE_COLLATERAL_BITMAP(pool, category),
            abi.GET_EMODE_BORROWABLE_BITMAP(pool, category),
            abi.GET_EMODE_LTVZERO_BITMAP(pool, category),
        ]

    def decode_emode(self, answers: Answers) -> EModeLists:
        (collateral,) = abi.GET_EMODE_COLLATERAL_BITMAP.decode(next(answers))
        (borrowable,) = abi.GET_EMODE_BORROWABLE_BITMAP.decode(next(answers))
        (ltvzero,) = abi.GET_EMODE_LTVZERO_BITMAP.decode(next(answers))
        return EModeLists(collateral, borrowable, ltvzero)

    def debt_calls(self, reserve: Reserve, user: str) -> list[EvmCall]:
        return [abi.SCALED_BALANCE_OF(reserve.variable_debt_token, user)]

    def decode_debt(self, answers: Answers) -> Debt:
        (variable_scaled,) = abi.SCALED_BALANCE_OF.decode(next(answers))
        return Debt(variable_scaled)


V3_0: Final[Release] = _V3x0()
V3_6: Final[Release] = _V3x6()


def recognition_calls(pool: str) -> list[EvmCall]:
    """What :func:`recognised` needs beside the revision."""
    return [abi.GET_LIQUIDATION_GRACE_PERIOD(pool, pool), abi.GET_EMODE_LTVZERO_BITMAP(pool, 1)]


def recognised(pool: str, revision: bytes | None, answers: Answers) -> Release:
    """The release of a pool: 3.0 by what it lacks, for forks number as they like; 3.6 by both.

    Raises:
        DecodeError: it is of another release.
    """
    grace, ltvzero = next(answers), next(answers)
    if grace is None:
        return V3_0
    (number,) = abi.POOL_REVISION.decode(revision)
    if number == V3_6_REVISION and ltvzero is not None:
        return V3_6
    raise DecodeError(
        f"the pool {pool} is of Aave v3.1 or later (it knows getLiquidationGracePeriod) and has "
        f"POOL_REVISION {number}; only v3.0.x and v3.6 (POOL_REVISION {V3_6_REVISION}) are "
        "supported"
    )
