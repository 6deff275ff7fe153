"""What to liquidate: of one account by its venue's rule, of a portfolio by the unified model."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from xmargin.model.identifiers import AccountId, PortfolioId, TokenId
from xmargin.model.reports import PositionSide


class PlanVerdict(StrEnum):
    """Whether to liquidate an account, or a portfolio."""

    NOT_DUE = "NOT_DUE"
    PROPOSED = "PROPOSED"
    TOXIC = "TOXIC"  # it would lower the account's health: not proposed as it is
    REFUSED = "REFUSED"  # due, but the venue lets nothing be done, or no plan reaches the target
    UNKNOWN = "UNKNOWN"  # not read, on hold, or without figures: it may be due


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


class LegSide(StrEnum):
    """What closing a leg does."""

    SELL = "SELL"  # net owned: sold for money
    BUY = "BUY"  # net owed: bought back with money


@dataclass(frozen=True, slots=True)
class ClosedLeg:
    """How much of a leg a plan closes.

    ``fraction`` is of the whole leg; ``amount`` in units of the asset, ``value`` and ``cost`` in
    USD. What is sold is valued at the low end of its price range, what is bought back at the high
    one; ``cost`` is a bound from above.
    """

    asset: str
    side: LegSide
    fraction: Decimal
    amount: Decimal
    value: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class PlanMove:
    """By how much a plan changes what an account holds or (DEBT) owes of a token (token units)."""

    account: AccountId
    token: TokenId
    symbol: str
    side: PositionSide
    change: Decimal


@dataclass(frozen=True, slots=True)
class CertifiedLeg:
    """A leg of the problem that was solved: what closing all of it costs, and the part closed."""

    name: str
    spread: Decimal
    impact: Decimal
    fraction: Decimal


@dataclass(frozen=True, slots=True)
class CertifiedScenario:
    """A scenario: the loss of each leg in it, in order, and its multiplier λ."""

    name: str
    losses: tuple[Decimal, ...]
    multiplier: Decimal


@dataclass(frozen=True, slots=True)
class PlanCertificate:
    """The leg-plan problem that was solved, and the proof of its answer (USD).

    Every decimal is exactly a binary float, so that ``xmargin.reference.leg_plan_check`` verifies
    it from these numbers alone. The last leg is what no plan closes; its spread is so high that
    closing it relieves no scenario. ``is_plan``: the fractions meet every scenario at ``value``,
    and no plan costs less than ``bound``; else the multipliers prove that every plan falls short
    by at least ``bound``. Where the scenarios' names say that nothing is charged, this is so in the
    model itself whatever contingencies are; where ``costs_counted`` is false, even if trading
    costs nothing.
    """

    is_plan: bool
    equity: Decimal
    loss_share_max: Decimal
    legs: tuple[CertifiedLeg, ...]
    scenarios: tuple[CertifiedScenario, ...]
    value: Decimal
    bound: Decimal
    costs_counted: bool


@dataclass(frozen=True, slots=True)
class PortfolioPlan:
    """What to close of a portfolio below maintenance margin, so that initial margin is met again.

    Money in USD. The plan is PROPOSED only if the model itself, evaluated on the portfolio as the
    plan leaves it, says that ``initial_excess_after`` is at least ``initial_excess_target``.
    ``cost`` is what closing costs at most, ``cost_bound`` what no plan of the certified problem can
    go below, ``gap`` the difference. ``buffer`` is the stressed value that the certified problem
    was made to leave (or, negative, to lack) until the model agreed, in ``evaluations`` what-if
    evaluations. Health factors are ``None`` where nothing is required, figures afterwards where
    there is no plan.
    """

    portfolio: PortfolioId
    verdict: PlanVerdict
    why: str
    money: str
    initial_excess_target: Decimal
    legs: tuple[ClosedLeg, ...]
    moves: tuple[PlanMove, ...]
    cost: Decimal | None
    cost_bound: Decimal | None
    gap: Decimal | None
    buffer: Decimal | None
    certificate: PlanCertificate | None
    initial_excess_before: Decimal | None
    initial_excess_after: Decimal | None
    health_factor_before: Decimal | None
    health_factor_after: Decimal | None
    evaluations: int
    flags: tuple[str, ...]
