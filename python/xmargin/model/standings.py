"""Where an account stands at its venue, by the venue's own rule: what every rule takes and gives.

A venue kind brings a rule of its own (``xmargin.extensions``); these types are all it shares with
the engine. Amounts are exact integers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from xmargin.model.facts import ACCOUNT_RECORD, BlockRef, VenueRecord
from xmargin.model.identifiers import AccountId, TokenId
from xmargin.model.judged import JudgedPrice
from xmargin.model.registry import TokenSpec, VenueSpec


@dataclass(frozen=True, slots=True)
class VenueCase:
    """All that a rule may rest on: what was read of one venue as of ``block``.

    ``records`` are all of the venue, those of watched accounts among them, by record and key.
    ``prices`` are the guarded ones by base: for venues that have no price of their own.
    """

    venue: VenueSpec
    accounts: tuple[AccountId, ...]
    records: Mapping[tuple[str, str], VenueRecord]
    prices: Mapping[str, JudgedPrice]
    tokens: Mapping[TokenId, TokenSpec]
    block: BlockRef

    def account_record(self, account: AccountId) -> VenueRecord | None:
        """What was read of an account; ``None`` when it was not yet."""
        return self.records.get((ACCOUNT_RECORD, account))


@dataclass(frozen=True, slots=True)
class VenueLeg:
    """An amount of a token in its smallest units; owned, or (negative) owed.

    A derivative is two legs: the amount of the instrument, and what was paid for it in its quote
    token with the opposite sign.
    """

    token: TokenId
    amount: int


HELD_RECORD = "held"
"""The record of an account that is known by its legs alone; its key is the account's id."""


@dataclass(frozen=True, slots=True)
class HeldLegs:
    """The content of a :data:`HELD_RECORD`: what an account has, whatever its venue requires."""

    legs: tuple[VenueLeg, ...]


@dataclass(frozen=True, slots=True)
class VenueStanding:
    """An account by its venue's rule, in 10^-``decimals`` of ``unit``: USD, or a base with a price.

    ``counted`` is what of ``collateral`` the venue counts against ``requirement``, the maintenance
    requirement; ``available`` is what initial margin leaves free. ``health_factor_wad`` is absent
    where nothing is required. ``fault`` is why there are no figures.
    """

    collateral: int
    debt: int
    counted: int
    requirement: int
    available: int
    decimals: int
    unit: str
    health_factor_wad: int | None
    is_liquidatable: bool
    legs: tuple[VenueLeg, ...]
    fault: str = ""

    @classmethod
    def held(cls, legs: tuple[VenueLeg, ...]) -> "VenueStanding":
        """One that is known by its legs alone."""
        return cls(0, 0, 0, 0, 0, 0, "USD", None, is_liquidatable=False, legs=legs)

    @classmethod
    def at_fault(cls, fault: str) -> "VenueStanding":
        """One without figures."""
        return cls(0, 0, 0, 0, 0, 0, "USD", None, is_liquidatable=False, legs=(), fault=fault)


VenueRule: TypeAlias = Callable[[VenueCase], Mapping[AccountId, VenueStanding]]
"""Where the watched accounts of a venue stand. Pure; one that is left out counts as not read."""
