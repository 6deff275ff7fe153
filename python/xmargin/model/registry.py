"""What is watched, and by which parameters: facts of our own."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from xmargin.model.identifiers import AccountId, ChainId, FeedId, PortfolioId, TokenId, VenueId


class ChainKind(StrEnum):
    """The family of a chain, which decides how it is read.

    EXTERNAL is one that a package of others reads; the configuration names its reader.
    """

    EVM = "evm"
    SOLANA = "solana"
    HYPERLIQUID = "hyperliquid"
    EXTERNAL = "external"


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


class FeedRole(StrEnum):
    """What a feed's answer is to the price of its base."""

    MARKET = "market"  # what the market pays: a source
    RATE = "rate"  # what the base's own contract redeems it for, in the quote unit: a ceiling
    SPOT = "spot"  # what one pool pays at this instant: told, never a source


@dataclass(frozen=True, slots=True)
class FeedSpec:
    """A price feed and the bounds its quotes must keep.

    ``decimals``, ``description`` and ``source`` (the aggregator, or the owner program) pin what
    the feed must go on saying; when ``None`` / empty the first round read since ``approval`` was
    last raised is the pin. ``confidence_bps_max`` bounds confidence ÷ price (Pyth).
    ``pyth_feed_id`` is the hex feed id a Pyth account must carry.

    ``origin`` names whose prices these are: feeds of one origin are one source; empty means the
    feed's kind. ``role`` ``None`` is what its kind implies. ``price_min`` and ``price_max``
    (in quote units per base unit) are what is believed at all.

    ``liquidity_min`` and ``liquidity_ample`` bound what stands behind an answer, in the feed's own
    unit of liquidity: below the first it is refused, below the second its range is widened by
    ``haircut_bps``.

    A RATE grows from ``rate_snapshot`` (quote units per base unit, at ``rate_snapshot_at_s``) by at
    most ``rate_growth_bps_max`` of the snapshot a year of 365 days.

    A TWAP is of ``base_token`` in ``quote_token`` (addresses) over ``twap_s``; the pool must
    remember ``twap_age_s_min``.
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
    origin: str = ""
    role: FeedRole | None = None
    source: str = ""
    approval: int = 0
    price_min: Decimal | None = None
    price_max: Decimal | None = None
    liquidity_min: int | None = None
    liquidity_ample: int | None = None
    haircut_bps: int = 0
    rate_snapshot: Decimal | None = None
    rate_snapshot_at_s: int = 0
    rate_growth_bps_max: int | None = None
    base_token: str = ""
    quote_token: str = ""
    twap_s: int = 0
    twap_age_s_min: int = 0


@dataclass(frozen=True, slots=True)
class PriceSpec:
    """The bounds of the price of one base, over all its feeds.

    With fewer than ``sources_min`` independent origins it is held. ``price_min`` and ``price_max``
    are in USD. Held is a price that moved more than ``jump_bps_max`` (``None``: any) from where it
    stood within ``jump_window_s``, unless ``jump_sources_min`` origins say so. A market further
    than ``basis_bps_max`` (``None``: the bound between sources) from the rate is doubted. ``peg``
    names the unit (USD or a base) the price is meant to be one of: further from it than
    ``peg_bps_max``, and under its rate, the range is widened by ``haircut_bps``. A guard that binds
    while no answer moved more than ``quiet_bps_max`` within the window is an alarm.
    """

    base: str
    sources_min: int = 1
    price_min: Decimal | None = None
    price_max: Decimal | None = None
    jump_bps_max: int | None = None
    jump_window_s: int = 900
    jump_sources_min: int = 2
    basis_bps_max: int | None = None
    peg: str = ""
    peg_bps_max: int = 100
    haircut_bps: int = 0
    quiet_bps_max: int = 50


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
    its accounts are no longer proposed for liquidation, and a pool's before it is no depth; zero:
    the two are not compared.
    """

    chains: tuple[ChainSpec, ...]
    tokens: tuple[TokenSpec, ...]
    feeds: tuple[FeedSpec, ...]
    venues: tuple[VenueSpec, ...]
    portfolios: tuple[PortfolioSpec, ...]
    disagreement_bps_max: int = 200
    future_s_max: int = 15
    prices: tuple[PriceSpec, ...] = ()
    supplies: tuple[SupplySpec, ...] = ()
    venue_price_bps_max: int = 0

    def price_spec(self, base: str) -> PriceSpec:
        """The bounds of ``base``; the usual ones where none are given."""
        return next((spec for spec in self.prices if spec.base == base), PriceSpec(base))


@dataclass(frozen=True, slots=True)
class RiskParameters:
    """A parameter file as approved: its name, version, exact content (JSON) and SHA-256."""

    name: str
    version: str
    content: str
    sha256: str
