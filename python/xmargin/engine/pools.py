"""What selling into Uniswap v3 pools brings, tick by tick, exact; and the depth that it makes."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from math import isqrt
from typing import Any, Final

from xmargin.engine.liquidation import document_of
from xmargin.errors import EngineError
from xmargin.model.identifiers import TokenId
from xmargin.model.liquidation_terms import AssetDepth, DepthKnot
from xmargin.model.uniswap_v3 import UniswapV3Pool

_Q192: Final = 2**192
_MILLION: Final = 10**6
_DIGITS: Final = 60
_UNLIMITED: Final = 2**255 - 1


@dataclass(frozen=True, slots=True)
class PoolOrder:
    """So much sold (``is_exact_in``) or bought; it ends where the price has come to the limit."""

    zero_for_one: bool
    amount: int
    is_exact_in: bool = True
    sqrt_price_limit_x96: int | None = None


@dataclass(frozen=True, slots=True)
class PoolSwap:
    """What an order alone would do; ``amount_in`` with fees, in the tokens' smallest units.

    ``refused`` says why the contract would not do it, or that it leaves the ticks that were read.
    """

    amount_in: int
    amount_out: int
    sqrt_price_x96: int
    ticks_crossed: int
    is_filled: bool
    refused: str = ""


def pool_swaps(pool: UniswapV3Pool, orders: Iterable[PoolOrder]) -> list[PoolSwap]:
    """What each order, by itself, would do with the pool as it was read.

    Raises:
        ParameterError: the pool contradicts itself.
    """
    from xmargin import _core

    document = {"pool": _pool(pool), "orders": [_order(order) for order in orders]}
    return [_swap(answer) for answer in json.loads(_core.pool_swaps(json.dumps(document)))]


def _pool(pool: UniswapV3Pool) -> dict[str, Any]:
    names = ("sqrt_price_x96", "tick", "liquidity", "fee", "tick_spacing", "window_low")
    written: dict[str, Any] = {name: str(getattr(pool, name)) for name in names}
    return written | {
        "window_high": str(pool.window_high),
        "ticks": document_of(pool.ticks),
    }


def _order(order: PoolOrder) -> dict[str, Any]:
    written: dict[str, Any] = {
        "zero_for_one": order.zero_for_one,
        "amount": str(order.amount),
        "is_exact_in": order.is_exact_in,
    }
    if order.sqrt_price_limit_x96 is None:
        return written
    return written | {"sqrt_price_limit_x96": str(order.sqrt_price_limit_x96)}


def _swap(answer: Mapping[str, Any]) -> PoolSwap:
    if "refused" in answer:
        return PoolSwap(0, 0, 0, 0, is_filled=False, refused=answer["refused"])
    return PoolSwap(
        amount_in=int(answer["amount_in"]),
        amount_out=int(answer["amount_out"]),
        sqrt_price_x96=int(answer["sqrt_price_x96"]),
        ticks_crossed=answer["ticks_crossed"],
        is_filled=answer["is_filled"],
    )


# --- Exits ----------------------------------------------------------------------------------------


def exit_slippage(pool: UniswapV3Pool, sold: TokenId, amount: int) -> Fraction:
    """The part of an amount's value at the pool's price that selling it loses, fees included.

    Args:
        pool: with ticks as far as the sale goes.
        sold: token 0 or token 1 of the pool.
        amount: above zero, in the token's smallest unit.

    Raises:
        EngineError: the pool does not trade the token, has not so much to give, or was not read
            so far.
    """
    if amount <= 0:
        raise EngineError(f"an exit of {amount} units is none; sell more than zero")
    [swap] = pool_swaps(pool, [PoolOrder(_sells_zero(pool, sold), amount)])
    if swap.refused or not swap.is_filled:
        raise EngineError(
            f"pool {pool.address} cannot take {amount} of {sold}: "
            f"{swap.refused or 'it has not so much to give'}"
        )
    return 1 - Fraction(swap.amount_out) / (amount * pool_price(pool, sold))


def _sells_zero(pool: UniswapV3Pool, sold: TokenId) -> bool:
    if sold not in (pool.token0, pool.token1):
        raise EngineError(f"pool {pool.address} does not trade {sold}")
    return sold == pool.token0


def pool_price(pool: UniswapV3Pool, sold: TokenId) -> Fraction:
    """Smallest units of the other token for one of the sold, before any fee.

    Raises:
        EngineError: the pool does not trade the token.
    """
    price = Fraction(pool.sqrt_price_x96**2, _Q192)
    return price if _sells_zero(pool, sold) else 1 / price


# --- Depth ----------------------------------------------------------------------------------------


def pool_depth(
    pools: Sequence[UniswapV3Pool],
    sold: TokenId,
    *,
    asset: str,
    decimals: int,
    step_bps: int = 20,
    steps: int = 100,
) -> AssetDepth:
    """A depth curve of an asset from the pools of one pair, for ``LiquidationTerms.depth``.

    The curve goes down in steps and never lies above what the pools pay for the next unit, fees
    included, as a part of their highest price. After the last step, or where the ticks that were
    read of all of them end, nothing can be sold.

    Args:
        pools: of the same two tokens.
        sold: the asset's token.
        asset: its name in the risk parameters.
        decimals: of the token.
        step_bps: how far apart the steps are.
        steps: how many, at most 127.

    Raises:
        EngineError: no pool is given, or one does not trade the token.
    """
    if not pools:
        raise EngineError(f"no pool of {sold} is given")
    top = max(pool_price(pool, sold) for pool in pools)
    sales = [PoolSale(pool, sold, decimals, top) for pool in pools]
    return sales_depth(sales, asset, step_bps=step_bps, steps=steps)


@dataclass(frozen=True, slots=True)
class PoolSale:
    """A token sold into a pool; ``par`` is the price that a multiple of 1 stands for.

    In smallest units of the other token for one of the sold; ``decimals`` are of the sold.
    """

    pool: UniswapV3Pool
    sold: TokenId
    decimals: int
    par: Fraction


def sales_depth(
    sales: Sequence[PoolSale], asset: str, *, step_bps: int = 20, steps: int = 100
) -> AssetDepth:
    """What all pools of an asset together take, each down to the same part of its par.

    Goes down in steps, as :func:`pool_depth`, and is a flat zero behind the first step that no
    pool was read down to. A pool that was read less far than others takes no more from there.

    Raises:
        EngineError: a pool does not trade the token.
        ParameterError: a pool contradicts itself.
    """
    levels = [10_000 - step * step_bps for step in range(1, steps + 1) if step * step_bps < 10_000]
    multiples = [Fraction(level, 10_000) for level in levels]
    by_pool = [_sellable(sale, multiples) for sale in sales]
    knots = [DepthKnot(Decimal(0), Decimal(1))]
    taken = [Decimal(0)] * len(sales)
    for level, *amounts in zip(levels, *by_pool, strict=True):
        if all(amount is None for amount in amounts):
            break
        taken = [old if new is None else new for old, new in zip(taken, amounts, strict=True)]
        multiple = Decimal(level) / 10_000
        with localcontext(prec=_DIGITS):
            units = sum(taken, Decimal(0))
        knots += [DepthKnot(knots[-1].sold, multiple), DepthKnot(units, multiple)]
    knots.append(DepthKnot(knots[-1].sold, Decimal(0)))
    return AssetDepth(asset, tuple(knots))


def _sellable(sale: PoolSale, multiples: Iterable[Fraction]) -> list[Decimal | None]:
    """What a pool takes before the next unit brings less than each part of par; falling parts.

    ``None`` where the pool was not read so far.
    """
    orders = [_down_to(sale, sale.par * multiple) for multiple in multiples]
    swaps = iter(pool_swaps(sale.pool, [order for order in orders if order is not None]))
    found: list[Decimal | None] = []
    for order in orders:
        swap = None if order is None else next(swaps)
        if swap is None:
            found.append(Decimal(0))
        else:
            found.append(None if swap.refused else _whole(swap.amount_in, sale.decimals))
    return found


def _down_to(sale: PoolSale, price: Fraction) -> PoolOrder | None:
    """All that can be sold at a price after the fee; ``None``: nothing, it pays less already."""
    pool, is_zero = sale.pool, _sells_zero(sale.pool, sale.sold)
    limit = _sqrt_limit(price * Fraction(_MILLION, _MILLION - pool.fee), is_zero=is_zero)
    is_ahead = limit < pool.sqrt_price_x96 if is_zero else limit > pool.sqrt_price_x96
    return PoolOrder(is_zero, _UNLIMITED, sqrt_price_limit_x96=limit) if is_ahead else None


def _sqrt_limit(price: Fraction, *, is_zero: bool) -> int:
    """The limit at which the sold token's price is ``price``, rounded to where less is sold."""
    ratio = price if is_zero else 1 / price
    down = isqrt(ratio.numerator * _Q192 // ratio.denominator)
    return down + 1 if is_zero else down


def _whole(units: int, decimals: int) -> Decimal:
    with localcontext(prec=_DIGITS):
        return Decimal(units).scaleb(-decimals)
