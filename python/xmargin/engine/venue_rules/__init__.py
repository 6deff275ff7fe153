"""The rules of venues that are margined account by account; one file each.

Aave v3 is not here: the core takes its accounts as tables, all at once (``engine.columns``).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from xmargin import extensions
from xmargin.engine.venue_rules import (
    drift_v2,
    hyperliquid,
    kamino,
    marginfi_v2,
    morpho_blue,
    perp_v2,
)
from xmargin.model.standings import VenueRule

VENUE_RULES: Final[Mapping[str, VenueRule]] = MappingProxyType(
    {
        "drift-v2": drift_v2.standings,
        "hyperliquid": hyperliquid.standings,
        "kamino": kamino.standings,
        "marginfi-v2": marginfi_v2.standings,
        "morpho-blue": morpho_blue.standings,
        "perp-v2": perp_v2.standings,
    }
)


def rule_of(kind: str) -> VenueRule | None:
    """The rule of a venue kind: ours, or that of an installed package; ``None`` if there is none.

    Raises:
        ConfigError: the package's cannot be loaded.
    """
    if kind in VENUE_RULES:
        return VENUE_RULES[kind]
    extension = extensions.load(extensions.VENUES, kind)
    if extension is None:
        return None
    rule: VenueRule = extension.rule
    return rule
