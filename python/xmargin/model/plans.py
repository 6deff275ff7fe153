"""What a venue would let be liquidated of one account, and whether it should be."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from xmargin.model.identifiers import AccountId, PortfolioId, TokenId


class PlanVerdict(StrEnum):
    """Whether to liquidate an account."""

    NOT_DUE = "NOT_DUE"
    PROPOSED = "PROPOSED"
    TOXIC = "TOXIC"  # it would lower the account's health: not proposed as it is
    REFUSED = "REFUSED"  # due, but the venue lets nothing be done
    UNKNOWN = "UNKNOWN"  # not read, or without figures: it may be due


@dataclass(frozen=True, slots=True)
class TokenAmount:
    """So much of a token, in token units, exact."""

    token: TokenId
    symbol: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class PlanLegs:
    """What one liquidation moves.

    ``debt_to_cover`` is what to ask the venue for, in smallest units of the repaid token, so that
    just this is moved; 2^256 - 1 is all that is allowed. ``seize`` is what the liquidator receives,
    ``protocol_fee`` what the venue keeps of the same token, ``deficits`` what it writes off.
    """

    repay: TokenAmount
    seize: TokenAmount
    protocol_fee: TokenAmount
    deficits: tuple[TokenAmount, ...]
    debt_to_cover: int


@dataclass(frozen=True, slots=True)
class LiquidationPlan:
    """The liquidation of one venue account by its venue's own rule, as of the block read.

    ``legs`` are there when PROPOSED and when TOXIC. Health is ``None`` where nothing is owed, and
    when UNKNOWN; after a liquidation without legs it is as before. ``flags`` say what of the
    account is doubtful.
    """

    portfolio: PortfolioId
    account: AccountId
    rule: str
    release: str
    verdict: PlanVerdict
    why: str
    health_before: Decimal | None
    health_after: Decimal | None
    legs: PlanLegs | None
    flags: tuple[str, ...]
