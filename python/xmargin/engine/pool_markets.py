"""The depth of assets in the Uniswap v3 pools of a snapshot, and which pools are not believed.

The method, and what makes it cautious: ``docs/liquidation.md``, *Depth*.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

from xmargin import records
from xmargin.engine.pools import PoolSale, pool_price, sales_depth
from xmargin.engine.standings import DECIMALS_MAX
from xmargin.engine.venue_doubt import bps_outside
from xmargin.errors import DecodeError, EngineError, ParameterError
from xmargin.model import (
    AssetDepth,
    ChainId,
    JudgedPrice,
    TokenId,
    TokenSpec,
    TokenState,
    VenueRecord,
    Verdict,
    chain_of,
)
from xmargin.model.liquidation_terms import LiquidationTermsError, check_asset_depth
from xmargin.model.uniswap_v3 import POOL_RECORD, UNISWAP_V3, UniswapV3Pool
from xmargin.snapshot import Snapshot

_DEPTHS_HELD: Final = 64
_MILLION: Final = 10**6
_UNFIT: Final = (Verdict.HOLD, Verdict.REFUSE)


class _NotUsedError(EngineError):
    """Why a pool is no depth."""


@dataclass(frozen=True, slots=True)
class _Side:
    """A token of a pool that has a price."""

    spec: TokenSpec
    decimals: int
    judged: JudgedPrice

    @property
    def unit_usd(self) -> Fraction:
        """What its smallest unit is worth at the guarded mark."""
        return Fraction(self.judged.mark) / Fraction(10**self.decimals)


class PoolMarkets:
    """What the pools of a snapshot take of each asset; ``flags`` say which are not used, and why.

    A pure function of the snapshot, as everything here.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        pools: Iterable[VenueRecord],
        bases: Mapping[str, str],
        own: Iterable[str],
        money: Iterable[str],
    ) -> None:
        """The pools that count.

        Args:
            snapshot: what the pools are held against.
            pools: its records of pools.
            bases: by asset, the base that prices it: tokens with another one are worth another
                amount, and their pools are no depth of the asset.
            own: assets whose curve is written by hand; pools of them are not looked at.
            money: assets that a sale may be for. Against others a pool says how two prices move
                together, and not what one falls by.
        """
        self._snapshot = snapshot
        self._bases, self._own, self._money = bases, frozenset(own), frozenset(money)
        self._tokens = {token.id: token for token in snapshot.registry.tokens}
        self._cut_off = {c.chain: c for c in snapshot.chains if c.cut_off}
        self._sales: dict[str, dict[ChainId, list[PoolSale]]] = {}
        flags = []
        seen = set()
        for record in pools:
            pool = chain_of(record.venue), record.key
            if pool in seen:  # under two venues it is still one
                continue
            seen.add(pool)
            try:
                self._add(record)
            except (_NotUsedError, DecodeError) as error:
                flags.append(f"{record.venue}: pool {record.key} is no depth: {error.message}")
        self.flags = tuple(flags)

    @property
    def assets(self) -> tuple[str, ...]:
        """Those that some pool is the depth of."""
        return tuple(sorted(self._sales))

    def note(self, asset: str) -> str:
        """That the depth of an asset is that of pools; empty where it is not."""
        chosen = self._deepest(asset)
        if chosen is None:
            return ""
        pools = ", ".join(sale.pool.address for sale in chosen[1])
        return f"depth of {asset} is that of Uniswap v3 pools on {chosen[0]}: {pools}"

    def depth(self, asset: str) -> AssetDepth | None:
        """The curve of an asset in its units, as parts of its guarded mark."""
        chosen = self._deepest(asset)
        return None if chosen is None else chosen[2]

    def _deepest(self, asset: str) -> tuple[ChainId, tuple[PoolSale, ...], AssetDepth] | None:
        """Pools of one chain add up; what is on another has to be brought there first."""
        best = None
        for chain, sales in sorted(self._sales.get(asset, {}).items()):
            depth = _depth(asset, tuple(sales))
            if best is None or _most(depth) > _most(best[2]):
                best = chain, tuple(sales), depth
        return best

    # --- One pool -----------------------------------------------------------------------------

    def _add(self, record: VenueRecord) -> None:
        """Take a pool, or say why not.

        Raises:
            DecodeError: it could not be read.
            _NotUsedError: it was, but is not to be believed, or is of no use.
        """
        chain = chain_of(record.venue)
        if chain in self._cut_off:
            raise _NotUsedError(f"its chain is {self._cut_off[chain].condition}")
        pool = records.read(record, UniswapV3Pool)
        if pool.sqrt_price_x96 <= 0 or not 0 <= pool.fee < _MILLION:
            raise _NotUsedError("it contradicts itself")
        specs = [self._spec(token) for token in (pool.token0, pool.token1)]
        sold, paid = self._sold_for(*specs)
        if sold.asset in self._own:
            return
        sale = self._sale(pool, self._side(sold), self._side(paid))
        try:
            check_asset_depth(_depth(sold.asset, (sale,)))
        except (EngineError, ParameterError) as error:
            raise _NotUsedError(error.message) from None
        except LiquidationTermsError as error:
            raise _NotUsedError(str(error)) from None
        self._sales.setdefault(sold.asset, {}).setdefault(chain, []).append(sale)

    def _spec(self, token: TokenId) -> TokenSpec:
        if token not in self._tokens:
            raise _NotUsedError(f"its token {token} is not configured")
        return self._tokens[token]

    def _sold_for(self, one: TokenSpec, other: TokenSpec) -> tuple[TokenSpec, TokenSpec]:
        """What is sold, and the money that it is sold for."""
        pairs = ((one, other), (other, one))
        found = [p for p in pairs if p[0].asset not in self._money and p[1].asset in self._money]
        if not found:
            raise _NotUsedError(f"of {one.symbol} and {other.symbol}, one has to be money")
        [(sold, paid)] = found
        if sold.price != self._bases.get(sold.asset):
            raise _NotUsedError(f"{sold.symbol} is not priced as its asset {sold.asset} is")
        return sold, paid

    def _side(self, spec: TokenSpec) -> _Side:
        state = self._snapshot.facts["token"].get(("token", spec.id))
        if not isinstance(state, TokenState) or state.fault:
            why = state.fault if isinstance(state, TokenState) else "not read yet"
            raise _NotUsedError(f"its token {spec.id}: {why}")
        if state.decimals > DECIMALS_MAX:
            raise _NotUsedError(f"its token {spec.id} has {state.decimals} decimals")
        judged = self._snapshot.prices.get(spec.price)
        if judged is None or judged.verdict in _UNFIT or judged.low <= 0:
            raise _NotUsedError(f"{spec.price} has no price to hold it against")
        return _Side(spec, state.decimals, judged)

    def _sale(self, pool: UniswapV3Pool, sold: _Side, paid: _Side) -> PoolSale:
        price = pool_price(pool, sold.spec.id)
        price_usd = price * paid.unit_usd * Fraction(10**sold.decimals)
        apart_bps = bps_outside(sold.judged, price_usd)
        bound_bps = self._snapshot.registry.venue_price_bps_max
        if bound_bps and apart_bps > bound_bps:
            raise _NotUsedError(
                f"its price of {sold.spec.symbol} is {apart_bps:,} bps outside the judged range; "
                f"the bound is {bound_bps:,} bps"
            )
        par = sold.unit_usd / paid.unit_usd
        return PoolSale(pool, sold.spec.id, sold.decimals, par)


def pool_records(snapshot: Snapshot) -> list[VenueRecord]:
    """Every pool of a snapshot, by venue and address."""
    kinds = {spec.id for spec in snapshot.registry.venues if spec.kind == UNISWAP_V3}
    if not kinds:
        return []
    facts = snapshot.facts["venue-record"].values()
    found = (fact for fact in facts if isinstance(fact, VenueRecord))
    return [one for one in found if one.record == POOL_RECORD and one.venue in kinds]


@lru_cache(maxsize=_DEPTHS_HELD)
def _depth(asset: str, sales: tuple[PoolSale, ...]) -> AssetDepth:
    """Pools at rest, at prices at rest, are asked once."""
    return sales_depth(sales, asset)


def _most(depth: AssetDepth) -> Decimal:
    return depth.knots[-1].sold
