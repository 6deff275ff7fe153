"""Uniswap v3 pools: price, liquidity and the ticks around the price, as of one block.

A venue without accounts. Its settings name the ``pools``; ``addresses_provider`` the factory, if
each of them has to be one of its own.

A pool moves only with a log of its own, so it is read at first and when one of its logs is seen.
Ticks are found by the pool's own bitmap, a word for 256 multiples of its tick spacing, and only
initialised ones are read. What to ask is known from the last read of it; where that no longer
holds, the right question is asked at the same block (:class:`Reread`): at most the pool itself, its
words, their ticks. A pool that cannot be read is at fault by itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from xmargin.errors import DecodeError
from xmargin.evm_abi import Function
from xmargin.model import (
    ChainId,
    Fact,
    Registry,
    VenueId,
    VenueSpec,
    chain_of,
)
from xmargin.model.uniswap_v3 import POOL_RECORD, UniswapV3Pool, UniswapV3Tick
from xmargin.reads import EvmCall, EvmLog, EvmRead
from xmargin.records import market_fault, market_record
from xmargin.venues.base import EvmAccess, Reread, Unit
from xmargin.venues.settings import address

POOLS: Final = "pools"
SETTINGS: Final = (POOLS,)

TICK_MAX: Final = 887_272
"""Pools have prices from 1.0001^-887272 to 1.0001^887272."""
WORD_TICKS: Final = 256
TICKS_READ_MAX: Final = 1024
"""Anyone may initialise ticks for next to nothing: behind so many a pool is not read."""
WINDOW_TICKS: Final = 2_500
"""So far to each side the words are read, 22 % in price: depth goes down by 20 %."""

_SPACING_MAX: Final = 16_383
_MILLION: Final = 10**6
_STAGES_MAX: Final = 3

SLOT0 = Function("slot0()", "uint160", "int24", "uint16", "uint16", "uint16", "uint8", "bool")
LIQUIDITY = Function("liquidity()", "uint128")
FEE = Function("fee()", "uint24")
TICK_SPACING = Function("tickSpacing()", "int24")
TOKEN0 = Function("token0()", "address")
TOKEN1 = Function("token1()", "address")
TICK_BITMAP = Function("tickBitmap(int16)", "uint256")
TICKS = Function(
    "ticks(int24)",
    "uint128", "int128", "uint256", "uint256", "int56", "uint160", "uint32", "bool",
)  # fmt: skip
GET_POOL = Function("getPool(address,address,uint24)", "address")

_PARTS: Final = (SLOT0, LIQUIDITY, FEE, TICK_SPACING, TOKEN0, TOKEN1)


# --- One pool -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Question:
    """What a pool is asked for beside its parts, as far as it is known.

    ``identity`` is its tokens and fee, by which a factory knows it.
    """

    identity: tuple[str, str, int] | None = None
    words: range = range(0)
    ticks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Asked:
    """A pool as it is read: of a chain, by a factory where one is given, so far to each side."""

    chain: ChainId
    address: str
    factory: str
    words_each_side: int | None

    def calls(self, question: _Question) -> tuple[EvmCall, ...]:
        """Its parts, then what its factory says, its words and its ticks."""
        calls = [part(self.address) for part in _PARTS]
        if self.factory and question.identity is not None:
            calls.append(GET_POOL(self.factory, *question.identity))
        calls += [TICK_BITMAP(self.address, word) for word in question.words]
        calls += [TICKS(self.address, tick) for tick in question.ticks]
        return tuple(calls)

    def answered(
        self, question: _Question, results: Sequence[bytes | None]
    ) -> UniswapV3Pool | _Question:
        """The pool, or what has to be asked instead.

        Raises:
            DecodeError: no Uniswap v3 pool is there, or none of the factory's.
        """
        parts = [part.decode(one) for part, one in zip(_PARTS, results, strict=False)]
        (sqrt_price_x96, tick, *_), (liquidity,), (fee,), (spacing,), (token0,), (token1,) = parts
        _check(self.address, sqrt_price_x96, tick, fee, spacing)
        identity, words = (token0, token1, fee), self._words(tick, spacing)
        if (question.identity, question.words) != (identity, words):
            return _Question(identity, words)
        rest = list(results[len(_PARTS) :])
        if self.factory and GET_POOL.decode(rest.pop(0)) != (self.address,):
            raise DecodeError(f"{self.address} is no pool of the factory {self.factory}")
        bitmaps = [TICK_BITMAP.decode(one)[0] for one in rest[: len(words)]]
        words, found = _nearest(words, tick // spacing // WORD_TICKS, bitmaps, spacing)
        if question.ticks != found:
            return replace(question, ticks=found)
        nets = [TICKS.decode(one)[1] for one in rest[len(question.words) :]]
        return UniswapV3Pool(
            address=self.address,
            token0=f"{self.chain}/erc20:{token0}",
            token1=f"{self.chain}/erc20:{token1}",
            fee=fee,
            tick_spacing=spacing,
            sqrt_price_x96=sqrt_price_x96,
            tick=tick,
            liquidity=liquidity,
            ticks=tuple(UniswapV3Tick(*one) for one in zip(found, nets, strict=True)),
            window_low=max(words.start * WORD_TICKS * spacing, -TICK_MAX),
            window_high=min((words.stop * WORD_TICKS - 1) * spacing, TICK_MAX),
        )

    def _words(self, tick: int, spacing: int) -> range:
        """The words to read: no pool has ticks beyond the outermost."""
        each_side = self.words_each_side
        if each_side is None:
            each_side = -(-WINDOW_TICKS // (WORD_TICKS * spacing))
        word = tick // spacing // WORD_TICKS
        low, high = -TICK_MAX // spacing // WORD_TICKS, TICK_MAX // spacing // WORD_TICKS
        return range(max(word - each_side, low), min(word + each_side, high) + 1)


def _check(address: str, sqrt_price_x96: int, tick: int, fee: int, spacing: int) -> None:
    if not sqrt_price_x96:
        raise DecodeError(f"the pool {address} has no price yet")
    if abs(tick) > TICK_MAX or fee >= _MILLION or not 1 <= spacing <= _SPACING_MAX:
        raise DecodeError(
            f"{address} is no Uniswap v3 pool: tick {tick}, fee {fee}, tick spacing {spacing}"
        )


def _nearest(
    words: range, centre: int, bitmaps: Sequence[int], spacing: int
) -> tuple[range, tuple[int, ...]]:
    """The words with their initialised ticks, rising; fewer words where these are too many."""
    counts = {word: bitmap.bit_count() for word, bitmap in zip(words, bitmaps, strict=True)}
    while len(words) > 1 and sum(counts[word] for word in words) > TICKS_READ_MAX:
        is_low_farther = centre - words.start >= words.stop - 1 - centre
        words = range(words.start + is_low_farther, words.stop - (not is_low_farther))
    found = tuple(
        (word * WORD_TICKS + bit) * spacing
        for word, bitmap in zip(counts, bitmaps, strict=True)
        if word in words
        for bit in range(WORD_TICKS)
        if bitmap >> bit & 1
    )
    return words, found


async def read_pool(
    access: EvmAccess, chain: ChainId, address: str, *, words_each_side: int = 8
) -> UniswapV3Pool:
    """A pool with the words of its bitmap around the price.

    Args:
        access: calls at the block.
        chain: the pool's, for the ids of its tokens.
        address: of the pool.
        words_each_side: how far to read; a word is 256 tick spacings, so at spacing 60 a factor
            of 4.6 in price.

    Raises:
        DecodeError: no Uniswap v3 pool is there.
    """
    asked = _Asked(chain, address.lower(), "", words_each_side)
    answer: UniswapV3Pool | _Question = _Question()
    for _ in range(_STAGES_MAX):
        if isinstance(answer, UniswapV3Pool):
            break
        answer = asked.answered(answer, await access.call(asked.calls(answer)))
    if isinstance(answer, UniswapV3Pool):
        return answer
    raise DecodeError(_contradicts_itself(address))


# --- The venue ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UniswapV3:
    """The pools of a chain. A unit is ``(pool,)``; ``known`` is what each was asked for last."""

    id: VenueId
    factory: str
    pools: tuple[str, ...]
    known: dict[str, _Question] = field(default_factory=dict)

    @property
    def log_addresses(self) -> Sequence[str]:
        """The pools: whatever changes one is logged by it."""
        return self.pools

    @property
    def static_facts(self) -> Sequence[Fact]:
        """None."""
        return ()

    @property
    def units(self) -> Sequence[Unit]:
        """Every pool."""
        return [(pool,) for pool in self.pools]

    def block_reads(self) -> Sequence[EvmRead]:
        """None: a pool at rest stays what it is."""
        return ()

    def touched(self, log: EvmLog) -> Iterable[Unit]:
        """The pool whose log it is: Swap, Mint, Burn, or any other."""
        return [(log.address,)] if log.address in self.pools else ()

    def unit_read(self, unit: Unit) -> EvmRead:
        """A pool with the ticks around its price."""
        (pool,) = unit
        asked = _Asked(chain_of(self.id), pool, self.factory, None)
        return self._read(asked, self.known.get(pool, _Question()))

    def _read(self, asked: _Asked, question: _Question, stage: int = 1) -> EvmRead:
        def decode(results: Sequence[bytes | None]) -> list[Fact]:
            try:
                answer = asked.answered(question, results)
            except DecodeError as error:
                return [market_fault(self.id, POOL_RECORD, asked.address, error.message)]
            if not isinstance(answer, UniswapV3Pool):
                if stage == _STAGES_MAX:
                    fault = _contradicts_itself(asked.address)
                    return [market_fault(self.id, POOL_RECORD, asked.address, fault)]
                raise Reread(self._read(asked, answer, stage + 1))
            self.known[asked.address] = question
            return [market_record(self.id, POOL_RECORD, asked.address, answer)]

        return EvmRead(asked.calls(question), decode)


def _contradicts_itself(address: str) -> str:
    return f"the pool {address} contradicts itself at one block"


async def discover(spec: VenueSpec, registry: Registry, access: EvmAccess) -> UniswapV3:
    """The pools that the settings name; each says itself what it is when it is read.

    Raises:
        DecodeError: a pool is no address.
    """
    del registry, access
    pools = {address(spec, pool, POOLS) for pool in spec.values(POOLS)}
    return UniswapV3(spec.id, spec.addresses_provider.lower(), tuple(sorted(pools)))


def fault_facts(spec: VenueSpec, registry: Registry, fault: str) -> list[Fact]:
    """Every pool at fault."""
    del registry
    pools = sorted({pool.lower() for pool in spec.values(POOLS)})
    return [market_fault(spec.id, POOL_RECORD, pool, fault) for pool in pools]
