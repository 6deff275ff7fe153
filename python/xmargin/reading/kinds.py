"""The kinds of chain there are, and which reader each gets: ours, or another package's."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from xmargin import extensions
from xmargin.config import ChainConfig
from xmargin.errors import ConfigError, XmarginError
from xmargin.model import ChainKind, Registry
from xmargin.reading.base import ChainReader, ClockMs

ReaderMaker: TypeAlias = Callable[[ChainConfig, Registry, ClockMs], ChainReader]
"""Makes the reader of one chain.

Raises:
    ConfigError: the chain has a feed, a venue or an account that the reader cannot read.
"""


def _evm(chain: ChainConfig, registry: Registry, clock_ms: ClockMs) -> ChainReader:
    from xmargin.reading.evm import EvmReader

    return EvmReader(chain, registry, clock_ms)


def _solana(chain: ChainConfig, registry: Registry, clock_ms: ClockMs) -> ChainReader:
    from xmargin.reading.solana import SolanaReader

    return SolanaReader(chain, registry, clock_ms)


def _hyperliquid(chain: ChainConfig, registry: Registry, clock_ms: ClockMs) -> ChainReader:
    from xmargin.reading.hyperliquid import HyperliquidReader

    return HyperliquidReader(chain, registry, clock_ms)


def _external(chain: ChainConfig, registry: Registry, clock_ms: ClockMs) -> ChainReader:
    make: Any = extensions.load(extensions.CHAINS, str(chain.reader))
    if make is None:
        known = ", ".join(extensions.names(extensions.CHAINS)) or "none is installed"
        raise ConfigError(
            f"chains.{chain.id}.reader: no installed package names a reader {chain.reader!r} "
            f"({known})",
            field="chains",
        )
    try:
        reader: ChainReader = make(chain, registry, clock_ms)
    except XmarginError:
        raise
    except Exception as error:
        raise ConfigError(
            f"chains.{chain.id}.reader: {chain.reader!r} could not be made "
            f"({type(error).__name__}: {error})",
            field="chains",
        ) from error
    if chain.quorum > 1 and not getattr(reader, "keeps_quorum", False):
        raise ConfigError(
            f"chains.{chain.id}.quorum: {chain.reader!r} does not say that it keeps a quorum; "
            "remove quorum",
            field="chains",
        )
    return reader


CHAIN_READERS: Final[Mapping[ChainKind, ReaderMaker]] = MappingProxyType(
    {
        ChainKind.EVM: _evm,
        ChainKind.SOLANA: _solana,
        ChainKind.HYPERLIQUID: _hyperliquid,
        ChainKind.EXTERNAL: _external,
    }
)


def reader_of(chain: ChainConfig, registry: Registry, clock_ms: ClockMs) -> ChainReader:
    """The reader of a chain, ready to run.

    Raises:
        ConfigError: there is none of the name, or it cannot read what is configured.
    """
    return CHAIN_READERS[chain.kind](chain, registry, clock_ms)
