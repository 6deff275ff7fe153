"""What the reference takes: one snapshot as plain nested values, everything named by id."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Base:
    """What feeds price, in USD a unit; without ``usable`` the prices mean nothing."""

    asset: str
    mark: Fraction
    low: Fraction
    high: Fraction
    usable: bool = True
    held: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    """A token; ``base`` is ``None`` where nothing prices it, ``decimals`` where it is at fault."""

    base: str | None
    decimals: int | None
    haircut: Fraction = Fraction(0)
    wrapped: bool = False


@dataclass(frozen=True, slots=True)
class Reserve:
    """A reserve of an Aave v3 pool: ratios in basis points, indices and yearly rates in ray."""

    token: str
    decimals: int
    ltv_bps: int
    liquidation_threshold_bps: int
    emode: int
    liquidity_index: int
    variable_borrow_index: int
    liquidity_rate: int
    variable_borrow_rate: int
    updated_at_s: int
    price_base: int


@dataclass(frozen=True, slots=True)
class EMode:
    """An eMode category; ``price_base`` is 0 where it has no price source of its own.

    In 3.6 it lists reserves by number: those that are collateral at its ratios, and those against
    which it lets nothing be borrowed.
    """

    ltv_bps: int
    liquidation_threshold_bps: int
    price_base: int
    collateral: frozenset[int] = frozenset()
    ltvzero: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Pool:
    """An Aave v3 pool as of one block, of release 3.0 or 3.6."""

    timestamp_s: int
    reserves: tuple[Reserve, ...]
    emodes: Mapping[int, EMode] = field(default_factory=dict)
    release: str = "3.0"


@dataclass(frozen=True, slots=True)
class AavePosition:
    """What a user has in one reserve, by its number in the pool."""

    reserve: int
    supply_scaled: int = 0
    variable_debt_scaled: int = 0
    stable_debt_principal: int = 0
    stable_rate: int = 0
    stable_updated_at_s: int = 0
    as_collateral: bool = False
    borrowing: bool = False


@dataclass(frozen=True, slots=True)
class AaveUser:
    """A user of a pool."""

    pool: str
    emode: int
    positions: tuple[AavePosition, ...]


@dataclass(frozen=True, slots=True)
class WalletBalance:
    """A balance of a wallet, or of an account at another venue, in the token's smallest unit."""

    token: str
    amount: int
    looked_through: bool = False
    is_debt: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """One address at one venue: a wallet's balances, or an Aave user."""

    id: str
    chain: str
    balances: tuple[WalletBalance, ...] = ()
    aave: AaveUser | None = None
    venue_kind: str = "wallet"


@dataclass(frozen=True, slots=True)
class Portfolio:
    """All accounts of one owner."""

    id: str
    accounts: tuple[Account, ...]


@dataclass(frozen=True, slots=True)
class Book:
    """One snapshot; ``cut_off`` says of each chain whether it cannot meet a call elsewhere."""

    cut_off: Mapping[str, bool]
    bases: Mapping[str, Base]
    tokens: Mapping[str, Token]
    pools: Mapping[str, Pool]
    portfolios: tuple[Portfolio, ...]
