"""Uniswap v3 pools as feeds: the time-weighted mean, and what is paid at this instant.

The mean is that of the tick over ``twap_s``, rounded down, as OracleLibrary's ``consult``: a
geometric mean price 1.0001^tick, in smallest units of token 1 for one of token 0. The liquidity
behind it is the harmonic mean over the same time. Whitepaper, sections 5.2 and 6.1.
"""

from decimal import ROUND_FLOOR, Context, Decimal
from typing import Final

from xmargin.errors import DecodeError
from xmargin.evm_abi import Function
from xmargin.model import FeedRound, FeedSpec, address_of
from xmargin.oracles.contract import (
    DECIMALS,
    EXPONENT,
    Results,
    contract_read,
    decimals_of,
    required,
    worked_out,
)
from xmargin.reads import EvmCall, EvmRead

TWAP: Final = "uniswap-v3-twap"
SPOT: Final = "uniswap-v3-spot"
TOKEN0: Final = Function("token0()", "address")
TOKEN1: Final = Function("token1()", "address")
OBSERVE: Final = Function("observe(uint32[])", "int56[]", "uint160[]")
SLOT0: Final = Function(
    "slot0()", "uint160", "int24", "uint16", "uint16", "uint16", "uint8", "bool"
)
LIQUIDITY: Final = Function("liquidity()", "uint128")
TICK_MAX: Final = 887_272

_CONTEXT: Final = Context(prec=120, Emax=999_999, Emin=-999_999, rounding=ROUND_FLOOR)
_TICK: Final = Decimal("1.0001")
_X192: Final = 1 << 192


def twap_read(feed: FeedSpec) -> EvmRead:
    """The read of a pool's mean price: ``liquidity`` is the harmonic mean over the time.

    At fault where the pool does not remember ``twap_age_s_min``, or holds other tokens.

    Raises:
        ConfigError: the feed names no ``base_token``, ``quote_token`` or ``twap_s``.
    """
    twap_s = int(required(feed, "twap_s", "how many seconds the mean is over"))
    pool, oldest_s = address_of(feed.id), max(twap_s, feed.twap_age_s_min)
    means = (OBSERVE(pool, [twap_s, 0]), OBSERVE(pool, [oldest_s]))
    return contract_read(feed, (*_token_calls(feed), *means), _mean_round)


def spot_read(feed: FeedSpec) -> EvmRead:
    """The read of what a pool pays now, which anyone can move: ``liquidity`` is that in range.

    Raises:
        ConfigError: the feed names no ``base_token`` or ``quote_token``.
    """
    pool = address_of(feed.id)
    return contract_read(feed, (*_token_calls(feed), SLOT0(pool), LIQUIDITY(pool)), _spot_round)


def _token_calls(feed: FeedSpec) -> tuple[EvmCall, ...]:
    pool = address_of(feed.id)
    base = required(feed, "base_token", "the address of the token that is priced")
    quote = required(feed, "quote_token", "the address of the token it is priced in")
    return TOKEN0(pool), TOKEN1(pool), DECIMALS(base), DECIMALS(quote)


def _mean_round(feed: FeedSpec, results: Results) -> FeedRound:
    forward, base_decimals, quote_decimals = _tokens(feed, results)
    ticks, seconds = OBSERVE.decode(results[4])
    if results[5] is None:
        oldest_s = max(feed.twap_s, feed.twap_age_s_min)
        raise DecodeError(f"its pool does not remember {oldest_s:,} s")
    if len(ticks) != 2 or len(seconds) != 2:
        raise DecodeError(f"observe() returned {len(ticks)} and {len(seconds)} observations")
    tick = _signed(ticks[1] - ticks[0], 56) // feed.twap_s
    liquidity = _harmonic(seconds[1] - seconds[0], feed.twap_s)
    answer = price_at(tick if forward else -tick, base_decimals - quote_decimals)
    return worked_out(feed, answer, _described(feed, base_decimals, quote_decimals), liquidity)


def _spot_round(feed: FeedSpec, results: Results) -> FeedRound:
    forward, base_decimals, quote_decimals = _tokens(feed, results)
    sqrt_price, *_ = SLOT0.decode(results[4])
    (liquidity,) = LIQUIDITY.decode(results[5])
    if not sqrt_price:
        raise DecodeError("its pool has no price yet")
    bought, sold = (sqrt_price**2, _X192) if forward else (_X192, sqrt_price**2)
    answer = bought * 10 ** (base_decimals - EXPONENT) // (sold * 10**quote_decimals)
    return worked_out(feed, answer, _described(feed, base_decimals, quote_decimals), liquidity)


def _tokens(feed: FeedSpec, results: Results) -> tuple[bool, int, int]:
    """Whether the base is token 0, and the decimals of base and quote."""
    (token0,), (token1,) = TOKEN0.decode(results[0]), TOKEN1.decode(results[1])
    if {token0, token1} != {feed.base_token, feed.quote_token}:
        raise DecodeError(f"its pool is of {token0} and {token1}")
    return token0 == feed.base_token, decimals_of(results[2]), decimals_of(results[3])


def _described(feed: FeedSpec, base_decimals: int, quote_decimals: int) -> str:
    return f"{feed.base_token} ({base_decimals}) in {feed.quote_token} ({quote_decimals})"


def price_at(tick: int, decimals: int) -> int:
    """1.0001^tick × 10^(decimals + 18), rounded down.

    Raises:
        DecodeError: no pool has such a tick.
    """
    if abs(tick) > TICK_MAX:
        raise DecodeError(f"its mean tick {tick} is beyond {TICK_MAX}")
    return int(_CONTEXT.scaleb(_CONTEXT.power(_TICK, tick), decimals - EXPONENT))


def _harmonic(seconds_per_liquidity_x128: int, twap_s: int) -> int:
    """As OracleLibrary: seconds × (2¹⁶⁰ − 1) ÷ (the growth of seconds per liquidity × 2³²)."""
    growth = seconds_per_liquidity_x128 % (1 << 160)
    if not growth:
        raise DecodeError("its pool's liquidity cannot be told")
    return min(twap_s * ((1 << 160) - 1) // (growth << 32), (1 << 128) - 1)


def _signed(value: int, bits: int) -> int:
    """``value`` as the two's complement of so many bits, in which cumulative ticks wrap."""
    wrapped = value % (1 << bits)
    return wrapped - (1 << bits) if wrapped >> (bits - 1) else wrapped
