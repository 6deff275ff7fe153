"""What bitmaps of Aave v3 say, by release: the one place that takes them apart.

Bits are those of ReserveConfiguration.sol, UserConfiguration.sol and EModeConfiguration.sol.
"""

from collections.abc import Iterable

from xmargin.model import AaveV3Account, AaveV3EMode, AaveV3Reserve, VenueId

FIRST_RELEASE = "3.0"
"""What facts are of that name none: discovery refused all others when they were written."""
RELEASES = (FIRST_RELEASE, "3.6")
"""Those whose rules the core has."""


def bits(word: int, low: int, width: int) -> int:
    """``width`` bits of a bitmap from bit ``low`` on."""
    return word >> low & ((1 << width) - 1)


def release_of(reserve: AaveV3Reserve) -> str:
    """The release of the reserve's pool."""
    return reserve.release or FIRST_RELEASE


def is_known(reserve: AaveV3Reserve) -> bool:
    """Whether the core has the rules of the reserve's pool."""
    return release_of(reserve) in RELEASES


def venue_releases(reserves: Iterable[AaveV3Reserve]) -> dict[VenueId, str]:
    """The release of each venue: what was delisted before an upgrade still says the one before."""
    releases: dict[VenueId, str] = {}
    for reserve in reserves:
        release = release_of(reserve)
        releases[reserve.venue] = max(releases.get(reserve.venue, release), release)
    return releases


def uses(user: AaveV3Account, reserve_id: int) -> tuple[bool, bool]:
    """Whether a reserve is the account's collateral, and whether it is borrowed."""
    word = bits(user.configuration, 2 * reserve_id, 2)
    return bool(word & 2), bool(word & 1)


def own_category(reserve: AaveV3Reserve) -> int:
    """The eMode category that a reserve names: in 3.0; since 3.2 the bits are left over."""
    return bits(reserve.configuration, 168, 8) if release_of(reserve) == FIRST_RELEASE else 0


def is_in_emode(reserve: AaveV3Reserve, emode: AaveV3EMode | None) -> bool:
    """Whether a category's ratios (and in 3.0 its price) hold for a reserve of its users."""
    if emode is None:
        return False
    if release_of(reserve) == FIRST_RELEASE:
        return own_category(reserve) == emode.category
    return bool(bits(emode.collateral_bitmap, reserve.reserve_id, 1))


def threshold_bps(reserve: AaveV3Reserve, emode: AaveV3EMode | None) -> int:
    """The liquidation threshold that counts; in 3.0 a category gives none where there is none."""
    own = bits(reserve.configuration, 16, 16)
    if emode is None or not is_in_emode(reserve, emode):
        return own
    return emode.liquidation_threshold if own or release_of(reserve) != FIRST_RELEASE else 0


def decimals_of(reserve: AaveV3Reserve) -> int:
    """Decimals of the underlying."""
    return bits(reserve.configuration, 48, 8)


def is_stopped(reserve: AaveV3Reserve) -> bool:
    """Not active, or paused: nothing of it can be supplied, withdrawn, owed, repaid or seized."""
    word = reserve.configuration
    return not bits(word, 56, 1) or bool(bits(word, 60, 1))


def is_liquidated(reserve: AaveV3Reserve, now_s: int) -> bool:
    """Whether the pool liquidates the reserve in a block of this time."""
    return not is_stopped(reserve) and reserve.liquidation_grace_until_s < max(now_s, 1)
