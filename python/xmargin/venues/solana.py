"""The kinds of Solana venue there are."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from xmargin import extensions
from xmargin.venues import drift_v2, kamino, marginfi_v2, solana_wallet
from xmargin.venues.base import SolanaVenueKind
from xmargin.venues.outside_solana import OutsideSolanaKind

BUILT_IN: Final[Mapping[str, SolanaVenueKind]] = MappingProxyType(
    {
        drift_v2.KIND: drift_v2,
        kamino.KIND: kamino,
        marginfi_v2.KIND: marginfi_v2,
        solana_wallet.KIND: solana_wallet,
    }
)


def venue_kind(name: str) -> SolanaVenueKind | None:
    """A kind of ours, or of an installed package; ``None`` if there is none of the name.

    Raises:
        ConfigError: the package's cannot be loaded.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    extension = extensions.load(extensions.VENUES, name)
    if extension is None:
        return None
    return OutsideSolanaKind(extension.reader)


def venue_kinds() -> tuple[str, ...]:
    """The names there are: ours, then those of installed packages."""
    return (*BUILT_IN, *extensions.names(extensions.VENUES))
