"""What the same engine says of the same book at the prices that were true: the yardstick.

Prices that are ranges are tried at every corner of the box they span, so that an outcome is called
wrong only where it is wrong at every price that the sources allow.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product
from typing import Final

from xmargin.engine import Engine
from xmargin.errors import TapeError
from xmargin.incidents.document import Truth
from xmargin.model import (
    AaveV3Reserve,
    ChainAsOf,
    Condition,
    HealthStatus,
    JudgedPrice,
    PortfolioId,
    Verdict,
)
from xmargin.snapshot import Snapshot
from xmargin.spine import view_of
from xmargin.tape.position import START
from xmargin.view import View

CORNERS_MAX: Final = 64
_BASE_UNIT: Final = 10**8
"""Aave v3 markets keep their base currency, USD, with 8 decimals."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A portfolio at the true prices.

    The best of its initial excess over all corners (USD; absent where no corner gives a number),
    and whether every corner has it short of maintenance margin.
    """

    initial_excess_best: Decimal | None
    always_short: bool


@dataclass(frozen=True, slots=True)
class TrueBook:
    """Portfolios by id; ``liquidatable`` are the ids, of accounts too, due at any corner."""

    portfolios: Mapping[PortfolioId, Standing]
    liquidatable: frozenset[str]


def true_book(snapshot: Snapshot, truth: Truth, engine: Engine) -> TrueBook:
    """The book of ``snapshot`` at the true prices, chains standing still where they truly did.

    Raises:
        TapeError: the truth lacks a base of the registry, or spans too many corners.
    """
    views = [view_of(one, engine, START) for one in _true_snapshots(snapshot, truth)]
    return TrueBook(
        {portfolio: _standing(views, portfolio) for portfolio in views[0].portfolio_ids},
        frozenset(due for view in views for due in due_at(view)),
    )


def due_at(view: View) -> tuple[str, ...]:
    """Who is due in a view, by rank: a portfolio by its id, a venue account by its own."""
    return tuple(entry.account or entry.portfolio for entry in view.liquidations())


def _standing(views: list[View], portfolio: PortfolioId) -> Standing:
    healths = [view.health(portfolio) for view in views]
    excesses = [one.initial_excess for one in healths if one.initial_excess is not None]
    return Standing(
        max(excesses, default=None),
        all(one.status is HealthStatus.LIQUIDATABLE for one in healths),
    )


def _true_snapshots(snapshot: Snapshot, truth: Truth) -> Iterator[Snapshot]:
    missing = sorted(snapshot.prices.keys() - truth.prices.keys())
    if missing:
        raise TapeError(f"truth: no price of {', '.join(missing)}; give each base its range")
    bases = sorted(snapshot.prices)
    ends = [sorted(set(truth.prices[base])) for base in bases]
    corners = list(product(*ends))
    if len(corners) > CORNERS_MAX:
        raise TapeError(f"truth: {len(corners)} corners; at most {CORNERS_MAX} are tried")
    chains = tuple(_true_chain(chain, truth) for chain in snapshot.chains)
    for corner in corners:
        yield _at(replace(snapshot, chains=chains), dict(zip(bases, corner, strict=True)))


def _true_chain(chain: ChainAsOf, truth: Truth) -> ChainAsOf:
    if chain.block is None:
        return chain
    condition = Condition.LAGGING if chain.chain in truth.halted else Condition.OK
    return replace(chain, condition=condition, reason="as it truly was")


def _at(snapshot: Snapshot, prices: Mapping[str, Decimal]) -> Snapshot:
    judged = {
        base: JudgedPrice(base, Verdict.OK, (), price, price, price, 0, ())
        for base, price in prices.items()
    }
    price_of = {token.id: prices.get(token.price) for token in snapshot.registry.tokens}
    reserves = {
        key: replace(fact, price_base=int(price * _BASE_UNIT))
        if isinstance(fact, AaveV3Reserve) and (price := price_of.get(fact.token)) is not None
        else fact
        for key, fact in snapshot.facts["aave-v3-reserve"].items()
    }
    facts = {**snapshot.facts, "aave-v3-reserve": reserves}
    return replace(snapshot, prices=judged, facts=facts)
