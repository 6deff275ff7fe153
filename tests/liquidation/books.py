"""Random distressed books, and their plans as the engine gives them."""

from collections.abc import Sequence
from random import Random

from hypothesis import strategies as st

from xmargin.engine.plan import Leg, LegPlan, plan_legs
from xmargin.reference.leg_plan_check import Book


def planned(book: Book) -> LegPlan:
    terms = zip(book.spread, book.impact, book.lots, strict=True)
    return plan_legs(
        equity=book.equity,
        loss_share_max=book.loss_share_max,
        legs=[Leg(f"leg {row}", a, b, lots) for row, (a, b, lots) in enumerate(terms)],
        losses=book.losses,
    )


@st.composite
def distressed(
    draw: st.DrawFn, legs_max: int = 8, lots: Sequence[int] = (0,), thin: bool = False
) -> Book:
    """Longs, shorts and hedges; equity from hopeless to nearly enough; if ``thin``, little."""
    legs = draw(st.integers(1, legs_max))
    scenarios = draw(st.integers(1, 8))
    random = Random(draw(st.integers(0, 2**32)))
    notional = [10 ** random.uniform(2, 6) for _ in range(legs)]
    losses = [[n * random.uniform(-0.4, 0.4) for n in notional] for _ in range(scenarios)]
    worst = max(1.0, *(sum(row) for row in losses))
    closing = 0.02 * sum(notional)
    return Book(
        equity=closing * random.uniform(-0.2, 1.0) if thin else worst * random.uniform(0.2, 1.0),
        loss_share_max=random.choice([0.5, 1.0, 1.5]),
        spread=[n * random.uniform(0, 0.005) for n in notional],
        impact=[n * random.uniform(0, 0.02) for n in notional],
        lots=[random.choice(lots) for _ in notional],
        losses=losses,
    )
