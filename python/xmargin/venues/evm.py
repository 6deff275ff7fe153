"""The kinds of EVM venue there are. A fork of one of them is a row of ``[[venues]]``, no code."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from xmargin import extensions
from xmargin.model import VenueSpec
from xmargin.venues import aave_v3, claims, evm_wallet, morpho_blue, perp_v2, uniswap_v3
from xmargin.venues.base import EvmVenueKind
from xmargin.venues.outside import OutsideKind
from xmargin.venues.settings import check_names

BUILT_IN: Final[Mapping[str, EvmVenueKind]] = MappingProxyType(
    {
        "aave-v3": aave_v3,
        "claims": claims,
        "morpho-blue": morpho_blue,
        "perp-v2": perp_v2,
        "uniswap-v3": uniswap_v3,
        "wallet": evm_wallet,
    }
)

_SETTINGS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "claims": claims.SETTINGS,
        "perp-v2": perp_v2.SETTINGS,
        "uniswap-v3": uniswap_v3.SETTINGS,
    }
)


def check_settings(spec: VenueSpec) -> None:
    """Refuse settings that a kind of ours does not know; those of others are theirs to check.

    Raises:
        ConfigError: naming the setting.
    """
    if spec.kind in BUILT_IN:
        check_names(spec, _SETTINGS.get(spec.kind, ()))


def venue_kind(name: str) -> EvmVenueKind | None:
    """A kind of ours, or of an installed package; ``None`` if there is none of the name.

    Raises:
        ConfigError: the package's cannot be loaded.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    extension = extensions.load(extensions.VENUES, name)
    if extension is None:
        return None
    return OutsideKind(extension.reader)


def venue_kinds() -> tuple[str, ...]:
    """The names there are: ours, then those of installed packages."""
    return (*BUILT_IN, *extensions.names(extensions.VENUES))
