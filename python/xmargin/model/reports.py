"""What a view answers: health and positions."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from xmargin.model.identifiers import AccountId, PortfolioId, TokenId
from xmargin.model.judged import ChainAsOf, JudgedPrice
from xmargin.model.verdicts import Verdict


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
    ``collateral_value`` of all positions sum to the portfolio's, ``*_contribution`` to the whole
    requirement, contingencies included.
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

    Amounts ``*_base`` are in units of ``base_unit`` (the price base; ``USD`` is itself) with
    ``base_decimals``. ``counted_base`` is what the venue counts of the collateral against
    ``requirement_base``, its maintenance requirement; the health factor, in wad, is absent where
    nothing is required. For Aave v3 exactly what ``getUserAccountData`` returns; other venues have
    no average thresholds (``docs/venues.md``). ``notes`` are what the venue forbids or limits of
    what the account holds or owes.
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
    counted_base: int
    requirement_base: int
    base_unit: str = "USD"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MarginComponent:
    """What one named part of the model asks for (USD); all of them sum to the requirements."""

    name: str
    maintenance: Decimal
    initial: Decimal


@dataclass(frozen=True, slots=True)
class PortfolioHealth:
    """Unified truth of one portfolio (USD), beside the venue truth of its accounts.

    When ``status`` is REFUSED the numbers are ``None``. ``verdict`` and ``flags`` say what the
    numbers rest on; ``partial`` that part of the portfolio could not be read. ``components`` are in
    a fixed order, the scenario loss first, and none are there when nothing is required.
    ``oracle_confidence`` is what price ranges have already taken from ``collateral_value``.
    ``scenario_losses`` are what the scenario loss is the worse of, ``scenario_note`` why one of
    them is missing, or what of it rests on the grid.
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
    components: tuple[MarginComponent, ...]
    scenario_losses: tuple[MarginComponent, ...]
    scenario_note: str
    oracle_confidence: Decimal | None
    accounts: tuple[AccountHealth, ...]
    positions: tuple[PositionHealth, ...]


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
