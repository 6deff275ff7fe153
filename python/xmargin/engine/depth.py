"""What a sale costs along a depth curve, and how much can be sold (``docs/liquidation.md``)."""

from xmargin.engine.cascade import DepthCurve


def sale_cost(curve: DepthCurve, price: float, units: float) -> float:
    """``price x (units - integral of the multiple from 0 to units)``: what the sale itself costs.

    In the money of ``price``; exact for straight pieces but for rounding. Units below zero are
    bought, and cost what they are dearer. Convex: parts, each from fresh depth, cost no more than
    the whole.

    Raises:
        EngineError: the curve is none, or a number is no number; the message names it.
    """
    from xmargin import _core

    (cost,) = _core.sale_costs(knots=list(curve.knots), price=price, sold=[units])
    return cost


def sellable_units(curve: DepthCurve, impact_max: float) -> float:
    """How many units are sold before the price is below ``1 - impact_max`` of what it was.

    The fleet order's depth of an asset. At most up to the last knot: nobody is known to bid beyond.

    Raises:
        EngineError: the curve is none; the message names the knot.
        ParameterError: ``impact_max`` is not in [0, 1].
    """
    from xmargin import _core

    return _core.sellable_amount(knots=list(curve.knots), impact_max=impact_max)
