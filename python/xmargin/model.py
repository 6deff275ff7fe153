"""The words of xmargin as frozen types.

Nothing here reads, computes margin or knows a wire format. Chain integers (token amounts,
indices, oracle answers) are Python ``int`` in the unit their contract uses; times are Unix
seconds (chain clocks) or milliseconds (our clock), as the names say.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from xmargin.errors import InvalidArgumentError

# --- Names -----------------------------------------------------------------------------------

ChainId: TypeAlias = str  # CAIP-2, e.g. ``eip155:1``
TokenId: TypeAlias = str  # CAIP-19, e.g. ``eip155:1/erc20:0xc02a…``; hex in lower case
VenueId: TypeAlias = str  # ``aave-v3@eip155:1``
AccountId: TypeAlias = str  # ``aave-v3@eip155:1/0xabc…``: venue / address [/ sub-account]
FeedId: TypeAlias = str  # ``chainlink@eip155:1/0xproxy…``: feed kind @ chain / address
PortfolioId: TypeAlias = str

REORG_DEPTH_MAX = 512
"""How many blocks of one chain the World can undo: no reader may tell a deeper reorg in steps."""

_CHAIN = re.compile(r"(eip155:[1-9][0-9]{0,31}|solana:[1-9A-HJ-NP-Za-km-z]{32})")
_KIND_AT_CHAIN = re.compile(rf"([a-z0-9][a-z0-9.-]*)@{_CHAIN.pattern}")
_EVM_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
_SOLANA_ADDRESS = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32,44}")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_SOLANA_ADDRESS_BYTES = 32
_SUB_ACCOUNT = re.compile(r"[0-9A-Za-z_-]{1,64}")
_PORTFOLIO = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_TOKEN = re.compile(r"(erc20|token|slip44):(.+)")


def chain_of(identifier: str) -> ChainId:
    """The CAIP-2 chain inside a token, venue, account or feed id."""
    match = _CHAIN.search(identifier)
    if match is None:
        raise InvalidArgumentError(f"{identifier!r} names no chain; expected CAIP-2 in it")
    return match.group(0)


def address_of(account_or_feed: str) -> str:
    """The address part of an account or feed id (without a sub-account)."""
    return account_or_feed.split("/")[1]


def venue_of(account: AccountId) -> VenueId:
    """The venue part of an account id."""
    return account.split("/", 1)[0]


def kind_of(venue_or_feed: str) -> str:
    """The part before the ``@``: which protocol or feed kind this is."""
    return venue_or_feed.split("@", 1)[0]


def parse_chain_id(text: str, field: str = "chain") -> ChainId:
    """``text`` if it is a CAIP-2 id we know the form of, else :class:`InvalidArgumentError`."""
    if _CHAIN.fullmatch(text) is None:
        raise InvalidArgumentError(
            f"{field}: {text!r} is no CAIP-2 id; write eip155:<number> or solana:<32 characters>",
            field=field,
        )
    return text


def parse_address(chain: ChainId, text: str, field: str = "address") -> str:
    """The canonical form of an address on ``chain``: lower-case hex, or base58 as it is."""
    if chain.startswith("eip155:"):
        lowered = text.lower()
        if _EVM_ADDRESS.fullmatch(lowered):
            return lowered
        raise InvalidArgumentError(
            f"{field}: {text!r} is no EVM address; write 0x and 40 hex digits", field=field
        )
    if _SOLANA_ADDRESS.fullmatch(text) and _base58_bytes(text) == _SOLANA_ADDRESS_BYTES:
        return text
    raise InvalidArgumentError(
        f"{field}: {text!r} is no Solana address; write the base58 form of 32 bytes", field=field
    )


def _base58_bytes(text: str) -> int:
    """How many bytes base58 text stands for: each leading ``1`` is a zero byte."""
    value = 0
    for character in text:
        value = value * 58 + _BASE58.index(character)
    zeros = len(text) - len(text.lstrip("1"))
    return zeros + (value.bit_length() + 7) // 8


def parse_venue_id(text: str, field: str = "venue") -> VenueId:
    """``text`` if it is ``<kind>@<CAIP-2>``."""
    if _KIND_AT_CHAIN.fullmatch(text) is None:
        raise InvalidArgumentError(
            f"{field}: {text!r} is no venue id; write <venue>@<chain>, e.g. aave-v3@eip155:1",
            field=field,
        )
    return text


def parse_account_id(text: str, field: str = "account") -> AccountId:
    """The canonical form of ``<venue>@<chain>/<address>[/<sub-account>]``."""
    venue, _, rest = text.partition("/")
    if not rest:
        raise InvalidArgumentError(
            f"{field}: {text!r} is no account id; write <venue>@<chain>/<address>", field=field
        )
    parse_venue_id(venue, field)
    address, slash, sub_account = rest.partition("/")
    if slash and _SUB_ACCOUNT.fullmatch(sub_account) is None:
        raise InvalidArgumentError(
            f"{field}: {sub_account!r} is no sub-account; use 1 to 64 letters, digits, '_' or '-'",
            field=field,
        )
    return f"{venue}/{parse_address(chain_of(venue), address, field)}{slash}{sub_account}"


def parse_feed_id(text: str, field: str = "feed") -> FeedId:
    """The canonical form of ``<feed kind>@<chain>/<address>``."""
    return parse_account_id(text, field)


def parse_token_id(text: str, field: str = "token") -> TokenId:
    """The canonical form of a CAIP-19 token id on a chain we know."""
    chain, _, asset = text.partition("/")
    parse_chain_id(chain, field)
    match = _TOKEN.fullmatch(asset)
    if match is None:
        raise InvalidArgumentError(
            f"{field}: {text!r} is no CAIP-19 id; write <chain>/erc20:<address>, "
            "<chain>/token:<mint> or <chain>/slip44:<coin>",
            field=field,
        )
    namespace, reference = match.groups()
    if namespace == "slip44":
        if not reference.isdecimal():
            raise InvalidArgumentError(
                f"{field}: slip44 takes a number, not {reference!r}", field=field
            )
        return text
    return f"{chain}/{namespace}:{parse_address(chain, reference, field)}"


def parse_portfolio_id(text: str, field: str = "portfolio_id") -> PortfolioId:
    """``text`` if it is 1 to 64 of ``a-z 0-9 . _ -``, starting with a letter or digit."""
    if _PORTFOLIO.fullmatch(text) is None:
        raise InvalidArgumentError(
            f"{field}: {text!r} is no portfolio id; use 1 to 64 of a-z, 0-9, '.', '_', '-', "
            "beginning with a letter or digit",
            field=field,
        )
    return text


def is_native(token: TokenId) -> bool:
    """Whether the token is a chain's own coin."""
    return "/slip44:" in token


def token_address(token: TokenId) -> str:
    """The contract or mint address of a token that is not a native coin."""
    return token.rsplit(":", 1)[1]


# --- Verdicts and labels ---------------------------------------------------------------------


class Verdict(StrEnum):
    """What the guards say; ordered from best to worst by :func:`worst`."""

    OK = "OK"
    FLAG = "FLAG"
    HAIRCUT = "HAIRCUT"
    HOLD = "HOLD"
    REFUSE = "REFUSE"


def worst(*verdicts: Verdict) -> Verdict:
    """The worst of the verdicts; OK when there is none."""
    order = list(Verdict)
    return max(verdicts, key=order.index, default=Verdict.OK)


class Finality(StrEnum):
    """How sure it is that a block stays; Solana's *confirmed* is SAFE, *processed* LATEST."""

    LATEST = "LATEST"
    SAFE = "SAFE"
    FINALIZED = "FINALIZED"


class Condition(StrEnum):
    """The state of our view of one chain."""

    UNREAD = "UNREAD"  # never read since the tape began
    OK = "OK"
    LAGGING = "LAGGING"  # its head is older than head_age_ms_max
    UNREACHABLE = "UNREACHABLE"  # no endpoint answers
    INVALID = "INVALID"  # an endpoint answers, but wrongly (other chain id, garbage)


# --- The registry: what is watched, as facts of our own ---------------------------------------


class ChainKind(StrEnum):
    """The family of a chain, which decides how it is read."""

    EVM = "evm"
    SOLANA = "solana"


@dataclass(frozen=True, slots=True)
class ChainSpec:
    """A watched chain. A head older than ``head_age_ms_max`` cuts the chain off."""

    id: ChainId
    name: str
    kind: ChainKind
    head_age_ms_max: int


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
class VenueSpec:
    """A watched venue; a fork of a protocol is one more row with its own addresses."""

    id: VenueId
    kind: str
    addresses_provider: str = ""


@dataclass(frozen=True, slots=True)
class PortfolioSpec:
    """All accounts of one owner."""

    id: PortfolioId
    accounts: tuple[AccountId, ...]
    label: str = ""


@dataclass(frozen=True, slots=True)
class Registry:
    """Everything watched; sorted by id, so that its order is nobody's accident."""

    chains: tuple[ChainSpec, ...]
    tokens: tuple[TokenSpec, ...]
    feeds: tuple[FeedSpec, ...]
    venues: tuple[VenueSpec, ...]
    portfolios: tuple[PortfolioSpec, ...]
    disagreement_bps_max: int = 200
    future_s_max: int = 15


@dataclass(frozen=True, slots=True)
class RiskParameters:
    """A parameter file as approved: its name, version, exact content (JSON) and SHA-256."""

    name: str
    version: str
    content: str
    sha256: str


# --- Facts: what an observation may say --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BlockRef:
    """A block (or slot): ``hash`` and ``parent_hash`` are empty where a chain has none."""

    height: int
    hash: str
    parent_hash: str
    time_s: int


@dataclass(frozen=True, slots=True)
class ChainHead:
    """Commit mark: everything watched on the chain has been read as of ``Observation.block``."""

    safe_height: int
    finalized_height: int


@dataclass(frozen=True, slots=True)
class ChainReorg:
    """Blocks above ``Observation.block`` (the common ancestor) are undone."""

    abandoned_height: int
    abandoned_hash: str


@dataclass(frozen=True, slots=True)
class ChainStatus:
    """What our reader says of its endpoint; holds until the next status of the chain."""

    condition: Condition
    reason: str
    endpoint: str


@dataclass(frozen=True, slots=True)
class FeedRound:
    """One oracle answer as read: price = answer × 10^exponent, ± confidence × 10^exponent.

    ``source`` is the aggregator behind a proxy or the owner program; ``fault`` is why the read
    failed (then the numbers are zero), else empty.
    """

    feed: FeedId
    answer: int
    confidence: int
    exponent: int
    published_at_s: int
    round_id: int
    description: str
    verification: str
    source: str
    fault: str


@dataclass(frozen=True, slots=True)
class TokenState:
    """What a token says of itself; a ``fault`` excludes the token, never the account."""

    token: TokenId
    decimals: int
    symbol: str
    fault: str


@dataclass(frozen=True, slots=True)
class TokenBalance:
    """A wallet's balance in the token's smallest unit; ``fault`` is why it could not be read."""

    account: AccountId
    token: TokenId
    amount: int
    fault: str


@dataclass(frozen=True, slots=True)
class AaveV3Reserve:
    """One reserve of an Aave v3 pool, as ``getReserveData`` and the pool's oracle give it.

    Indices and rates in ray (1e27); ``configuration`` is the raw bitmap; ``price_base`` is in
    the oracle's base currency unit (8 decimals for USD), 0 where it gives no price.
    """

    venue: VenueId
    reserve_id: int
    token: TokenId
    a_token: TokenId
    stable_debt_token: TokenId
    variable_debt_token: TokenId
    configuration: int
    liquidity_index: int
    variable_borrow_index: int
    liquidity_rate: int
    variable_borrow_rate: int
    updated_at_s: int
    price_base: int


@dataclass(frozen=True, slots=True)
class AaveV3EMode:
    """An eMode category; ratios in basis points, ``price_base`` 0 where it has no own price."""

    venue: VenueId
    category: int
    ltv: int
    liquidation_threshold: int
    liquidation_bonus: int
    price_base: int
    label: str


@dataclass(frozen=True, slots=True)
class AaveV3Position:
    """One reserve of one user; ``*_scaled`` in ray-scaled units, ``stable_rate`` in ray."""

    reserve_id: int
    supply_scaled: int
    variable_debt_scaled: int
    stable_debt_principal: int
    stable_rate: int
    stable_updated_at_s: int


@dataclass(frozen=True, slots=True)
class AaveV3Account:
    """A user of an Aave v3 pool; ``configuration`` is the raw user bitmap (2 bits a reserve)."""

    account: AccountId
    emode: int
    configuration: int
    positions: tuple[AaveV3Position, ...]
    fault: str


@dataclass(frozen=True, slots=True)
class ClockTick:
    """Our clock moved on with nothing else to say: prices and heads age by it."""


Fact: TypeAlias = (
    Registry
    | RiskParameters
    | ChainHead
    | ChainReorg
    | ChainStatus
    | FeedRound
    | TokenState
    | TokenBalance
    | AaveV3Reserve
    | AaveV3EMode
    | AaveV3Account
    | ClockTick
)


@dataclass(frozen=True, slots=True)
class Observation:
    """One dated fact with its source: the only thing that enters the system.

    ``chain`` and ``block`` are empty / ``None`` for facts of our own. ``observed_at_ms`` is our
    clock at the reading; it never decreases along a tape, and it is the only ``now`` there is.
    """

    fact: Fact
    observed_at_ms: int
    chain: ChainId = ""
    block: BlockRef | None = None
    source: str = ""


# --- Snapshot parts -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChainAsOf:
    """Per chain: what a figure is as of, and whether the chain can meet a call elsewhere."""

    chain: ChainId
    name: str
    block: BlockRef | None
    finality: Finality
    safe_height: int
    finalized_height: int
    condition: Condition
    reason: str
    head_age_ms: int

    @property
    def cut_off(self) -> bool:
        """Whether collateral here must not be counted on elsewhere."""
        return self.condition is not Condition.OK


@dataclass(frozen=True, slots=True)
class JudgedQuote:
    """One feed's quote after the guards; the three prices are in quote units per base unit."""

    feed: FeedId
    base: str
    quote: str
    verdict: Verdict
    reasons: tuple[str, ...]
    price: Decimal
    low: Decimal
    high: Decimal
    published_at_s: int
    price_age_ms: int
    round_id: int


@dataclass(frozen=True, slots=True)
class JudgedPrice:
    """The price of one base after all its quotes, in quote units per base unit.

    Positions are marked at ``mark``, net collateral valued at ``low``, net debt at ``high``.
    With REFUSE all three are zero and no number is served.
    """

    base: str
    verdict: Verdict
    reasons: tuple[str, ...]
    mark: Decimal
    low: Decimal
    high: Decimal
    price_age_ms: int
    quotes: tuple[JudgedQuote, ...]


# --- View parts ---------------------------------------------------------------------------------


class HealthStatus(StrEnum):
    """Where a portfolio or account stands."""

    NO_DEBT = "NO_DEBT"
    HEALTHY = "HEALTHY"
    MARGIN_CALL = "MARGIN_CALL"  # below initial margin
    LIQUIDATABLE = "LIQUIDATABLE"  # below maintenance margin, or health factor below one
    HELD = "HELD"  # prices disagree: a range is served, nothing is liquidatable
    REFUSED = "REFUSED"  # no number is served
    UNKNOWN = "UNKNOWN"  # what was read is sound, but a venue account was not read


class PositionSide(StrEnum):
    """Whether a position is owned or owed."""

    ASSET = "ASSET"
    DEBT = "DEBT"


class Counting(StrEnum):
    """Whether a position entered the unified margin, and if not, why."""

    COUNTED = "COUNTED"
    LOOKED_THROUGH = "LOOKED_THROUGH"  # a claim counted once, where it points to
    CUT_OFF = "CUT_OFF"  # on a chain that cannot meet a call elsewhere
    EXCLUDED = "EXCLUDED"  # token at fault or price refused


@dataclass(frozen=True, slots=True)
class PositionHealth:
    """One position with its part in the portfolio's margin (USD, decimal strings inside).

    ``amount`` is in token units (``None``: decimals unknown), ``value`` marked and signed (debt
    negative).
    ``collateral_value`` of all positions sum to the portfolio's, ``*_contribution`` to the
    requirement less contingencies.
    """

    account: AccountId
    token: TokenId
    symbol: str
    asset: str
    side: PositionSide
    amount: Decimal | None
    value: Decimal | None
    collateral_value: Decimal
    maintenance_contribution: Decimal
    initial_contribution: Decimal
    counting: Counting
    note: str


@dataclass(frozen=True, slots=True)
class AccountHealth:
    """Venue truth: one account by its own venue's rules, in the venue's own units.

    For Aave v3 exactly what ``getUserAccountData`` returns: base currency with
    ``base_decimals``, thresholds in basis points, health factor in wad (absent without debt).
    """

    account: AccountId
    status: HealthStatus
    collateral_base: int
    debt_base: int
    available_borrows_base: int
    liquidation_threshold_bps: int
    ltv_bps: int
    health_factor_wad: int | None
    base_decimals: int
    fault: str


@dataclass(frozen=True, slots=True)
class PortfolioHealth:
    """Unified truth of one portfolio (USD), beside the venue truth of its accounts.

    When ``status`` is REFUSED the numbers are ``None``. ``verdict`` and ``flags`` say what the
    numbers rest on; ``partial`` that part of the portfolio could not be read.
    """

    portfolio: PortfolioId
    label: str
    status: HealthStatus
    verdict: Verdict
    partial: bool
    flags: tuple[str, ...]
    equity: Decimal | None
    collateral_value: Decimal | None
    initial_margin: Decimal | None
    maintenance_margin: Decimal | None
    initial_excess: Decimal | None
    maintenance_excess: Decimal | None
    health_factor: Decimal | None
    worst_scenario: str
    contingencies: Mapping[str, Decimal]
    accounts: tuple[AccountHealth, ...]
    positions: tuple[PositionHealth, ...]


class LiquidationKind(StrEnum):
    """Which truth puts an entry on the liquidation list."""

    VENUE_ACCOUNT = "VENUE_ACCOUNT"
    PORTFOLIO = "PORTFOLIO"


@dataclass(frozen=True, slots=True)
class LiquidationEntry:
    """One rank of the total order; money in USD (an account's in its venue's base currency)."""

    rank: int
    kind: LiquidationKind
    portfolio: PortfolioId
    account: AccountId
    health_factor: Decimal | None
    shortfall: Decimal
    debt: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class ViewMetadata:
    """What every answer carries, so that it can be reproduced."""

    snapshot_hash: str
    now_ms: int
    tape_sequence: int
    tape_hash: str
    parameter_name: str
    parameter_version: str
    parameter_sha256: str
    engine_version: str
    partial: bool
    flags: tuple[str, ...]
    as_of: tuple[ChainAsOf, ...]
    prices: tuple[JudgedPrice, ...]
