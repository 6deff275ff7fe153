"""What the guards must know of feed kinds; how each is read stands in its own file."""

from typing import Final

from xmargin.model import FeedRole, FeedSpec, kind_of

VERIFIED_KINDS: Final = frozenset({"pyth"})
"""Their rounds carry a verification level, which has to be full."""

STATE_KINDS: Final = frozenset({"erc4626", "uniswap-v3-twap", "uniswap-v3-spot"})
"""Computed from the chain's state at the head, so as old as that."""

_ROLES: Final = {
    "erc4626": FeedRole.RATE,
    "uniswap-v3-spot": FeedRole.SPOT,
}

_ORIGINS: Final = {
    "pyth-evm": "pyth",
    "pyth-legacy": "pyth",
    "uniswap-v3-twap": "uniswap-v3",
    "uniswap-v3-spot": "uniswap-v3",
}
"""The same publishers, or the same pools, read another way."""


def role_of(spec: FeedSpec) -> FeedRole:
    """The role given to the feed, or what its kind implies."""
    return spec.role or _ROLES.get(kind_of(spec.id), FeedRole.MARKET)


def origin_of(spec: FeedSpec) -> str:
    """Whose prices the feed tells: its kind's, where no origin is named."""
    kind = kind_of(spec.id)
    return spec.origin or _ORIGINS.get(kind, kind)
