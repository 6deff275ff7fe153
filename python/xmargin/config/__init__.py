"""The configuration: a TOML file, ``XMARGIN__`` variables above it, secrets by ``_FILE``.

A mistake is one line that names the key and the fix (:class:`~xmargin.errors.ConfigError`).
Endpoint URLs often carry keys: they are held as secrets and print redacted (:func:`redact`).
"""

from xmargin.config.document import Config
from xmargin.config.loading import load_config, parse_config
from xmargin.config.sections import (
    MULTICALL3,
    ChainConfig,
    EndpointConfig,
    FeedConfig,
    PortfolioConfig,
    PriceConfig,
    RiskConfig,
    ServiceConfig,
    TokenConfig,
    VenueConfig,
)
from xmargin.config.urls import redact

__all__ = [
    "MULTICALL3",
    "ChainConfig",
    "Config",
    "EndpointConfig",
    "FeedConfig",
    "PortfolioConfig",
    "PriceConfig",
    "RiskConfig",
    "ServiceConfig",
    "TokenConfig",
    "VenueConfig",
    "load_config",
    "parse_config",
    "redact",
]
