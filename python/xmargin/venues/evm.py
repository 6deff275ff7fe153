"""The kinds of EVM venue there are. A fork of one of them is a row of ``[[venues]]``, no code."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from xmargin.venues import aave_v3, evm_wallet
from xmargin.venues.base import EvmVenueKind

EVM_VENUE_KINDS: Final[Mapping[str, EvmVenueKind]] = MappingProxyType(
    {"aave-v3": aave_v3, "wallet": evm_wallet}
)
