"""What an observation may say: the only things that enter the system.

Chain integers (token amounts, indices, oracle answers) are ``int`` in the unit their contract uses;
times are Unix seconds (chain clocks) or milliseconds (our clock), as the names say.
"""

from dataclasses import dataclass
from typing import TypeAlias

from xmargin.model.identifiers import AccountId, ChainId, FeedId, TokenId, VenueId
from xmargin.model.liquidation_terms import LiquidationTerms
from xmargin.model.registry import Registry, RiskParameters
from xmargin.model.returns import FactorReturns
from xmargin.model.verdicts import Condition

REORG_DEPTH_MAX = 512
"""How many blocks of one chain the World can undo: no reader may tell a deeper reorg in steps."""


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
    failed (then the numbers are zero), else empty. ``published_at_s`` is zero for what is computed
    from the chain's state: that is as old as the chain's head. ``liquidity`` is what stands behind
    the answer, in the feed's own unit (``None``: it does not say).
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
    liquidity: int | None = None


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
class TokenSupply:
    """How much of a token there is, in its smallest unit; ``fault`` is why it was not read."""

    token: TokenId
    amount: int
    fault: str


@dataclass(frozen=True, slots=True)
class AaveV3Reserve:
    """One reserve of an Aave v3 pool, as ``getReserveData`` and the pool's oracle give it.

    Indices and rates in ray (1e27); ``configuration`` is the raw bitmap; ``price_base`` is in
    the oracle's base currency unit (8 decimals for USD), 0 where it gives no price.
    ``stable_debt_token`` is empty where there is none (3.6). ``*_scaled*`` are divided by the
    supply or debt index; the totals are those that the caps bind, and are read of 3.6 only.
    ``isolated_debt_cents`` is what users in isolation mode owe against this collateral. Until
    ``liquidation_grace_until_s``, that second too, nothing of the reserve is liquidated.
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
    release: str = ""  # tapes of before know 3.0 only
    supply_scaled_total: int = 0
    debt_scaled_total: int = 0
    treasury_scaled: int = 0
    isolated_debt_cents: int = 0
    liquidation_grace_until_s: int = 0


@dataclass(frozen=True, slots=True)
class AaveV3EMode:
    """An eMode category; ratios in basis points, ``price_base`` 0 where it has no own price.

    In 3.6 the bitmaps say which reserves are of it, by id: as collateral at its ratios, to be
    borrowed, and as collateral against which nothing can be borrowed. In 3.0 they are 0.
    """

    venue: VenueId
    category: int
    ltv: int
    liquidation_threshold: int
    liquidation_bonus: int
    price_base: int
    label: str
    collateral_bitmap: int = 0
    borrowable_bitmap: int = 0
    ltvzero_bitmap: int = 0


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


ACCOUNT_RECORD = "account"
"""The record of an account; its key is the account's id."""


@dataclass(frozen=True, slots=True)
class VenueRecord:
    """What a venue says of one of its things, in the venue's own words and integers.

    ``record`` is what kind of thing (:data:`ACCOUNT_RECORD`, or the venue's own, e.g. ``market``),
    ``key`` which one. ``content`` is the canonical JSON of the venue kind's own dataclass, empty
    with a ``fault``, which is why it could not be read.
    """

    venue: VenueId
    record: str
    key: str
    content: str
    fault: str


@dataclass(frozen=True, slots=True)
class ClockTick:
    """Our clock moved on with nothing else to say: prices and heads age by it."""


Fact: TypeAlias = (
    Registry
    | RiskParameters
    | FactorReturns
    | LiquidationTerms
    | ChainHead
    | ChainReorg
    | ChainStatus
    | FeedRound
    | TokenState
    | TokenBalance
    | TokenSupply
    | AaveV3Reserve
    | AaveV3EMode
    | AaveV3Account
    | VenueRecord
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
