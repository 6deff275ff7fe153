"""By which market and over which horizon liquidations are ordered: a fact of our own."""

from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

DEPTH_ASSETS_MAX = 256
DEPTH_KNOTS_MAX = 256
HORIZON_S_MAX = 30 * 86_400
BLOCK_ACCOUNTS_MAX = 1_000_000
_AMOUNT_MAX = Decimal("1e18")
_DECIMALS_MAX = 100


@dataclass(frozen=True, slots=True)
class DepthKnot:
    """When ``sold`` units, net, have been sold, the price is ``multiple`` of what it was."""

    sold: Decimal
    multiple: Decimal


@dataclass(frozen=True, slots=True)
class AssetDepth:
    """Depth of one asset's market: straight between knots, flat beyond the last."""

    asset: str
    knots: tuple[DepthKnot, ...]


@dataclass(frozen=True, slots=True)
class LiquidationTerms:
    """What ordering liquidations rests on beside the risk parameters.

    Bad debt is expected over ``horizon_s``, if an account is left alone, while different assets
    move with ``correlation``. Depth is what can be sold within ``impact_bps_max``. Assets without a
    ``depth`` of their own have that of the risk parameters' liquidity, up to what trades in
    ``trading_s``.
    """

    horizon_s: int = 864_000
    correlation: Decimal = Decimal("0.8")
    impact_bps_max: int = 500
    trading_s: int = 3_600
    block_accounts_max: int = 50
    depth: tuple[AssetDepth, ...] = ()


class LiquidationTermsError(ValueError):
    """Liquidation terms contradict themselves; the message says where and what they should be."""


def check_liquidation_terms(terms: LiquidationTerms) -> None:
    """Refuse what nothing can be ordered by.

    Raises:
        LiquidationTermsError: a number is out of its range, an asset stands twice, or a curve does
            not begin at (0, 1), turns back, or rises.
    """
    knots = [knot for one in terms.depth for knot in one.knots]
    numbers = [terms.correlation, *(k.sold for k in knots), *(k.multiple for k in knots)]
    if not all(number.is_finite() for number in numbers):
        raise LiquidationTermsError("a number of it is infinite or none at all; give decimals")
    for number in numbers:
        # Written out in full, 1e-99999999 is longer than any observation may be.
        if number.as_tuple().exponent < -_DECIMALS_MAX:  # type: ignore[operator] # finite: an int
            raise LiquidationTermsError(f"{number:.3e} has more than {_DECIMALS_MAX} decimals")
    for name, value, least, most in (
        ("horizon_s", terms.horizon_s, 1, HORIZON_S_MAX),
        ("trading_s", terms.trading_s, 1, HORIZON_S_MAX),
        ("correlation", terms.correlation, 0, 1),
        ("impact_bps_max", terms.impact_bps_max, 1, 10_000),
        ("block_accounts_max", terms.block_accounts_max, 1, BLOCK_ACCOUNTS_MAX),
    ):
        if not least <= value <= most:
            raise LiquidationTermsError(f"{name} is {value}; it must be in [{least}, {most:,}]")
    assets = [one.asset for one in terms.depth]
    if assets != sorted(set(assets)) or "" in assets or len(assets) > DEPTH_ASSETS_MAX:
        raise LiquidationTermsError(
            f"depth: assets must be named, in order, each once, and at most {DEPTH_ASSETS_MAX}"
        )
    for one in terms.depth:
        check_asset_depth(one)


def check_asset_depth(depth: AssetDepth) -> None:
    """Refuse a curve that is none.

    Raises:
        LiquidationTermsError: it does not begin at (0, 1), has too many knots, turns back or rises.
    """
    where, knots = f"depth of {depth.asset}", depth.knots
    if not 1 <= len(knots) <= DEPTH_KNOTS_MAX:
        raise LiquidationTermsError(
            f"{where}: {len(knots)} knots; give 1 to {DEPTH_KNOTS_MAX}, the first of them (0, 1)"
        )
    if knots[0].sold != 0 or knots[0].multiple != 1:
        raise LiquidationTermsError(f"{where}: must begin at sold 0, multiple 1")
    for row, knot in enumerate(knots):
        is_in_range = 0 <= knot.sold <= _AMOUNT_MAX and 0 <= knot.multiple <= 1
        if not is_in_range:
            raise LiquidationTermsError(
                f"{where}: knot {row} ({knot.sold}, {knot.multiple}) must be in [0, 1e18] x [0, 1]"
            )
    for row, (one, other) in enumerate(pairwise(knots), start=1):
        if other.sold < one.sold or other.multiple > one.multiple:
            raise LiquidationTermsError(
                f"{where}: knot {row} must not sell less, or at more, than the one before it"
            )
