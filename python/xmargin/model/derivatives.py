"""Markets with derivatives, what is held in them, and the margin it asks for.

Prices are in one currency, that of the cash. Confidences are in [0, 1].
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GridAsset:
    """An underlying; ``confidence`` in [0, 1] is its feed's own."""

    name: str
    spot: float
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Smile:
    """A raw SVI slice: total variance by log-moneyness from ``forward``, spread over ``years``."""

    a: float
    b: float
    rho: float
    m: float
    sigma: float
    forward: float
    years: float


@dataclass(frozen=True, slots=True)
class GridExpiry:
    """An expiry of the asset at row ``asset``.

    ``forward_fixed`` is the part of the forward that the spot no longer moves, ``rate`` is
    continuously compounded per year, ``confidence`` the least of the expiry's feeds.
    """

    asset: int
    years: float
    forward_fixed: float
    forward_variable: float
    rate: float = 0.0
    confidence: float = 1.0
    smile: Smile | None = None


@dataclass(frozen=True, slots=True)
class GridInstrument:
    """What a position can be in.

    ``kind`` is ``spot``, ``perp``, ``future``, ``call`` or ``put``. Options have no price; without
    a vol they take the smile's. A spot without asset moves with nothing.
    """

    id: str
    kind: str
    asset: int | None = None
    expiry: int | None = None
    price: float | None = None
    strike: float | None = None
    vol: float | None = None
    confidence: float = 1.0
    haircut_maintenance: float = 0.0
    haircut_initial: float = 0.0
    wrapped: bool = False


@dataclass(frozen=True, slots=True)
class GridMarket:
    """The state of the market; ``cash_price`` is what a unit of the cash is worth."""

    assets: Sequence[GridAsset]
    expiries: Sequence[GridExpiry]
    instruments: Sequence[GridInstrument]
    cash_price: float = 1.0


@dataclass(frozen=True, slots=True)
class GridPosition:
    """``quantity`` of the instrument at row ``instrument``; ``unsettled`` is not in cash yet."""

    instrument: int
    quantity: float
    unsettled: float = 0.0


@dataclass(frozen=True, slots=True)
class GridPortfolio:
    """Cash and positions; ``reserved_initial`` is what a venue holds for other things."""

    id: str
    positions: Sequence[GridPosition]
    cash: float = 0.0
    reserved_initial: float = 0.0


@dataclass(frozen=True, slots=True)
class GridRequirement:
    """One kind of margin by component; ``margin`` is their sum, ``loss`` and ``roll`` factored."""

    margin: float
    loss_factor: float
    loss: float
    roll: float
    haircut: float
    wrapped_depeg: float
    perp: float
    short_option: float
    confidence: float
    reserved: float


@dataclass(frozen=True, slots=True)
class PositionShare:
    """A position alone in every scenario, and what it contributes to the requirements."""

    pnl: dict[str, float]
    maintenance: float
    initial: float


@dataclass(frozen=True, slots=True)
class GridMargin:
    """A portfolio's margin; ``pnl`` by scenario name, in scenario order; ``worst`` names one."""

    portfolio: str
    equity: float
    pnl: dict[str, float]
    basis_pnl: float
    worst: str
    maintenance: GridRequirement
    initial: GridRequirement
    positions: Sequence[PositionShare]

    @property
    def maintenance_excess(self) -> float:
        """Equity minus maintenance margin; negative is a shortfall."""
        return self.equity - self.maintenance.margin

    @property
    def initial_excess(self) -> float:
        """Equity minus initial margin; negative is a shortfall."""
        return self.equity - self.initial.margin


@dataclass(frozen=True, slots=True)
class GridArbitrage:
    """A free lunch at the prices that margins are made of.

    ``expiry`` is its row, ``scenario`` the name of the one whose prices these are, ``kind`` one of
    ``parity``, ``bound``, ``slope``, ``butterfly`` and ``calendar``, ``strike`` where it is, and
    ``amount`` what it brings at once per unit of the option there, in the currency of prices.
    """

    expiry: int
    scenario: str
    kind: str
    strike: float
    amount: float


@dataclass(frozen=True, slots=True)
class GridEvaluation:
    """Portfolios' margins, and the arbitrage by expiry, scenario, strike and kind."""

    margins: Sequence[GridMargin]
    arbitrage: Sequence[GridArbitrage]
