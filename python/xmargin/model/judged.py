"""What a snapshot says of chains and prices, once judged."""

from dataclasses import dataclass
from decimal import Decimal

from xmargin.model.facts import BlockRef
from xmargin.model.identifiers import ChainId, FeedId
from xmargin.model.registry import FeedRole
from xmargin.model.verdicts import Condition, Finality, Verdict


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
    """One feed's quote after the guards; its prices are in quote units per base unit.

    ``guards`` names the guard behind each of ``reasons``. ``standing`` is the price the feed stood
    at for the better half of the jump window (zero: unknown), and ``moved_bps`` how far its raw
    answer is from there, whatever the verdict (``None``: it cannot be seen).
    """

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
    guards: tuple[str, ...] = ()
    origin: str = ""
    role: FeedRole = FeedRole.MARKET
    standing: Decimal = Decimal(0)
    moved_bps: int | None = None


@dataclass(frozen=True, slots=True)
class JudgedPrice:
    """The price of one base in USD after all its quotes.

    Positions are marked at ``mark``, net collateral valued at ``low``, net debt at ``high``.
    With REFUSE all three are zero and no number is served. ``guards`` names the guard behind each
    of ``reasons``; ``sources`` counts the independent origins accepted; ``alarms`` tell of guards
    that bind though the market did not move.
    """

    base: str
    verdict: Verdict
    reasons: tuple[str, ...]
    mark: Decimal
    low: Decimal
    high: Decimal
    price_age_ms: int
    quotes: tuple[JudgedQuote, ...]
    guards: tuple[str, ...] = ()
    sources: int = 0
    alarms: tuple[str, ...] = ()
