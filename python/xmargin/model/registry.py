"""What is watched, and by which parameters: facts of our own."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from xmargin.model.identifiers import AccountId, ChainId, FeedId, PortfolioId, TokenId, VenueId


class ChainKind(StrEnum):
    """The family of a chain, which decides how it is read."""

    EVM = "evm"
    SOLANA = "solana"


@dataclass(frozen=True, slots=True)
class ChainSpec:
    """A watched chain. A head older than ``head_age_ms_max`` cuts the chain off.

    So does, where ``sequencer_feed`` names one, a sequencer that is down or came back no more than
    ``sequencer_grace_s`` ago.
    """

    id: ChainId
    name: str
    kind: ChainKind
    head_age_ms_max: int
    sequencer_feed: str = ""
    sequencer_grace_s: int = 0


class Claim(StrEnum):
    """What holding a token means, beyond being the asset itself."""

    NONE = "none"
    WRAPPED = "wrapped"  # stands for its asset with a basis that may break (wstETH, bridged)
    VENUE_SUPPLY = "venue-supply"  # a venue account's supply (aToken): counted there, once


@dataclass(frozen=True, slots=True)
class TokenSpec:
    """A watched token: ``asset`` is what it economically is, ``price`` which base prices it.

    ``program`` is the owning token program on Solana. ``haircut`` in [0, 1] is taken from net
    collateral. ``venue`` is the venue whose supply a VENUE_SUPPLY token stands for.
    """

    id: TokenId
    symbol: str
    asset: str
    price: str
    claim: Claim = Claim.NONE
    venue: VenueId = ""
    haircut: Decimal = Decimal(0)
    program: str = ""


@dataclass(frozen=True, slots=True)
class FeedSpec:
    """A price feed and the bounds its quotes must keep.

    ``decimals`` and ``description`` pin what the feed must go on saying; when ``None`` / empty
    the first round read is the pin. ``confidence_bps_max`` bounds confidence ÷ price (Pyth).
    ``pyth_feed_id`` is the hex feed id a Pyth account must carry.
    """

    id: FeedId
    base: str
    quote: str
    heartbeat_s: int
    tolerance_s: int
    decimals: int | None = None
    description: str = ""
    confidence_bps_max: int = 200
    pyth_feed_id: str = ""


@dataclass(frozen=True, slots=True)
class VenueSetting:
    """One of a venue's own settings; a name with several values stands there several times."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class VenueSpec:
    """A watched venue; a fork of a protocol is one more row with its own addresses."""

    id: VenueId
    kind: str
    addresses_provider: str = ""
    settings: tuple[VenueSetting, ...] = ()

    def values(self, name: str) -> tuple[str, ...]:
        """All values of a setting, in their order."""
        return tuple(each.value for each in self.settings if each.name == name)


@dataclass(frozen=True, slots=True)
class PortfolioSpec:
    """All accounts of one owner."""

    id: PortfolioId
    accounts: tuple[AccountId, ...]
    label: str = ""


@dataclass(frozen=True, slots=True)
class SupplySpec:
    """How much of a token there may be; more than that was made out of nothing.

    No more than ``approved`` (smallest units, ``None``: any) grown since ``approved_at_s`` by at
    most ``growth_bps_max`` of it a year of 365 days; nor more than ``escrow``, an account, holds
    of ``locked``, the token that this one stands for (empty: nothing is locked for it).
    """

    token: TokenId
    approved: int | None = None
    approved_at_s: int = 0
    growth_bps_max: int = 0
    escrow: AccountId = ""
    locked: TokenId = ""


@dataclass(frozen=True, slots=True)
class Registry:
    """Everything watched; sorted by id, so that its order is nobody's accident.

    ``venue_price_bps_max`` bounds how far a venue's own price may be from the judged range before
    its accounts are no longer proposed for liquidation; zero: the two are not compared.
    """

    chains: tuple[ChainSpec, ...]
    tokens: tuple[TokenSpec, ...]
    feeds: tuple[FeedSpec, ...]
    venues: tuple[VenueSpec, ...]
    portfolios: tuple[PortfolioSpec, ...]
    disagreement_bps_max: int = 200
    future_s_max: int = 15
    supplies: tuple[SupplySpec, ...] = ()
    venue_price_bps_max: int = 0


@dataclass(frozen=True, slots=True)
class RiskParameters:
    """A parameter file as approved: its name, version, exact content (JSON) and SHA-256."""

    name: str
    version: str
    content: str
    sha256: str
