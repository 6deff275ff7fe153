"""What can be sold of each asset, and at what: own curves, else pools, else the parameters' law."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import inf

from xmargin.engine.cascade import DepthCurve
from xmargin.engine.depth import sale_cost, sellable_units
from xmargin.engine.expectation import PriceMoves, daily_deviations
from xmargin.engine.pool_markets import PoolMarkets, pool_records
from xmargin.errors import ParameterError
from xmargin.model import AssetDepth, LiquidationTerms, RiskParameters, TokenSpec, Verdict
from xmargin.snapshot import Snapshot

_DAY_S = 86_400
_MONEY_DEVIATION_MAX = 0.005
"""An asset without an own curve that moves no more in a day is money: trading it moves no price."""


@dataclass(frozen=True, slots=True)
class AssetMarket:
    """The market of one asset: its price (USD), and price multiples by units sold.

    ``units_max`` is all that trades meanwhile; an own curve says itself where it ends.
    """

    price_usd: float
    curve: DepthCurve
    units_max: float

    def saleable(self, impact_max: float) -> float:
        """Units that can be sold until the price has fallen by ``impact_max``."""
        return min(sellable_units(self.curve, impact_max), self.units_max)

    def impact_usd(self, units: float) -> float:
        """What selling so many units costs."""
        return sale_cost(self.curve, self.price_usd, units)


class Markets:
    """The markets of a snapshot's assets, and how their prices are thought to move."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._parameters: RiskParameters = snapshot.parameters
        self._terms: LiquidationTerms = snapshot.terms
        self._own = {one.asset: one for one in snapshot.terms.depth}
        self._snapshot = snapshot

    @property
    def impact_max(self) -> float:
        """How far selling may take a price."""
        return self._terms.impact_bps_max / 10_000

    def price_usd(self, asset: str) -> float | None:
        """What a unit of the asset is worth: the believed price of the base of its name.

        Where no base has its name it is that of the first of its bases; ``None`` without any.
        """
        base = self._bases.get(asset)
        return None if base is None else float(self._snapshot.prices[base].mark)

    def of(self, assets: Iterable[str]) -> dict[str, AssetMarket]:
        """The markets of those assets that have a price.

        Raises:
            ParameterError: the parameters have no ``liquidity``, and an asset no curve of its own.
        """
        found = {}
        for asset in sorted(set(assets)):
            price = self.price_usd(asset)
            if price is not None:
                found[asset] = self._market(asset, price)
        return found

    def own_curves(self) -> dict[str, DepthCurve]:
        """The curves that the terms give, or else pools make, in units of their assets."""
        known = {asset: self._curve(asset) for asset in {*self._own, *self._pools.assets}}
        return {asset: curve for asset, curve in sorted(known.items()) if curve is not None}

    @property
    def flags(self) -> tuple[str, ...]:
        """Which assets have their depth of pools, and which pools are not used, and why."""
        notes = (self._pools.note(asset) for asset in self._pools.assets)
        return (*notes, *self._pools.flags)

    def notes(self, assets: Iterable[str]) -> dict[str, str]:
        """Of the assets whose depth is that of pools: that it is, and of which."""
        noted = {asset: self._pools.note(asset) for asset in sorted(set(assets))}
        return {asset: note for asset, note in noted.items() if note}

    def cascade_curves(self, assets: Iterable[str]) -> dict[str, DepthCurve]:
        """Curves for cascades: of assets that have an own one, and of all others that are no money.

        Without parameters that have ``liquidity`` there are only the own ones.
        """
        names = sorted(set(assets))
        try:
            deviations = daily_deviations(self._parameters, names)
        except ParameterError:
            deviations = dict.fromkeys(names, 0.0)
        moving = [
            name
            for name in names
            if self._curve(name) is not None or deviations[name] > _MONEY_DEVIATION_MAX
        ]
        return {asset: market.curve for asset, market in self.of(moving).items()}

    @cached_property
    def _bases(self) -> Mapping[str, str]:
        return _bases_of_assets(self._snapshot)

    def moves(self, assets: Iterable[str]) -> PriceMoves:
        """Deviations, correlation and horizon by which bad debt is expected.

        Raises:
            ParameterError: the parameters have no ``liquidity``.
        """
        return PriceMoves(
            daily_deviations(self._parameters, assets),
            float(self._terms.correlation),
            float(self._terms.horizon_s),
        )

    def _market(self, asset: str, price_usd: float) -> AssetMarket:
        curve = self._curve(asset)
        if curve is not None:
            return AssetMarket(price_usd, curve, inf)
        from xmargin import _core

        daily_volume_usd, by_usd = _core.depth_curve(self._parameters.content, asset)
        knots = tuple((sold / price_usd, multiple) for sold, multiple in by_usd)
        units_max = daily_volume_usd / price_usd * self._terms.trading_s / _DAY_S
        return AssetMarket(price_usd, DepthCurve(knots), units_max)

    def _curve(self, asset: str) -> DepthCurve | None:
        """By hand, or of pools."""
        known = self._own.get(asset) or self._pools.depth(asset)
        return None if known is None else _curve_of(known)

    @cached_property
    def _pools(self) -> PoolMarkets:
        pools = pool_records(self._snapshot)
        bases, money = (self._bases, self._money()) if pools else ({}, [])
        return PoolMarkets(self._snapshot, pools, bases, self._own, money)

    def _money(self) -> list[str]:
        assets = {token.asset for token in self._snapshot.registry.tokens}
        try:
            deviations = daily_deviations(self._parameters, assets)
        except ParameterError:
            # Without liquidity it is not known what is money: no pool has a side to be sold for.
            return []
        return [asset for asset in deviations if deviations[asset] <= _MONEY_DEVIATION_MAX]


def _curve_of(own: AssetDepth) -> DepthCurve:
    return DepthCurve(tuple((float(knot.sold), float(knot.multiple)) for knot in own.knots))


def _bases_of_assets(snapshot: Snapshot) -> Mapping[str, str]:
    """By asset, what prices it; bases without a believed, positive price do not count."""
    believed = {
        price.base
        for price in snapshot.prices.values()
        if price.verdict is not Verdict.REFUSE and price.mark > 0
    }
    tokens: tuple[TokenSpec, ...] = snapshot.registry.tokens
    found: dict[str, str] = {}
    for token in sorted(tokens, key=lambda token: (token.price != token.asset, token.price)):
        if token.price in believed:
            found.setdefault(token.asset, token.price)
    return found
