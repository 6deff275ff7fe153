"""The liquidation order: by expected bad debt avoided per priced unit of depth.

The method: ``docs/liquidation.md``, *Fleet order*. Venue accounts compete with each other for
depth; portfolios follow in the order they came, since the same collateral is in both lists.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isinf

from xmargin.engine.components import money
from xmargin.engine.evaluate import Evaluation
from xmargin.engine.expectation import ExposedAccount, expected_bad_debt
from xmargin.engine.fleet import DistressedAccount, FleetPlan, order_fleet
from xmargin.engine.fleet import RankReason as FleetReason
from xmargin.engine.market_depth import AssetMarket, Markets
from xmargin.engine.venue_plans import VenuePlans
from xmargin.errors import ParameterError
from xmargin.model import (
    AccountId,
    FleetCertificate,
    LiquidationEntry,
    LiquidationKind,
    LiquidationPlan,
    PlanVerdict,
    RankReason,
    TokenAmount,
)
from xmargin.snapshot import Snapshot

_USD_MIN = 1e-9
_UNITS_MIN = 1e-24


@dataclass(frozen=True, slots=True)
class Ranking:
    """All entries by rank, and the certificate of the venue accounts, if any was ordered."""

    entries: tuple[LiquidationEntry, ...]
    certificates: tuple[FleetCertificate, ...]


@dataclass(frozen=True, slots=True)
class _Liquidation:
    """What an account has and what its plan leaves of it (USD), and the units that are sold."""

    before: ExposedAccount
    after: ExposedAccount
    written_off: float
    sold: Mapping[str, float]


class Ranker:
    """Orders the entries of one snapshot."""

    def __init__(self, snapshot: Snapshot, evaluation: Evaluation, plans: VenuePlans) -> None:
        self._snapshot = snapshot
        self._evaluation = evaluation
        self._plans = plans
        self._markets = Markets(snapshot)

    def rank(self, entries: Sequence[LiquidationEntry]) -> Ranking:
        """Order entries that are worst first: this order breaks ties.

        Of the venue accounts, those whose plan can be valued come first, by the fleet order; the
        others, and all portfolios, keep their order behind them.
        """
        accounts = [e for e in entries if e.kind is LiquidationKind.VENUE_ACCOUNT]
        portfolios = [e for e in entries if e.kind is LiquidationKind.PORTFOLIO]
        ordered, certificates = self._accounts(accounts)
        numbered = enumerate([*ordered, *portfolios], start=1)
        return Ranking(
            tuple(replace(entry, rank=rank) for rank, entry in numbered), tuple(certificates)
        )

    # --- Venue accounts ---------------------------------------------------------------------------

    def _accounts(
        self, entries: Sequence[LiquidationEntry]
    ) -> tuple[list[LiquidationEntry], list[FleetCertificate]]:
        plans = [self._plans.of_account(entry.account) for entry in entries]
        judged = [
            replace(entry, verdict=plan.verdict) for entry, plan in zip(entries, plans, strict=True)
        ]
        held = self._exposed({entry.account for entry in entries})
        valued = {
            row: liquidation
            for row, plan in enumerate(plans)
            if (liquidation := self._liquidation(plan, held.get(plan.account))) is not None
        }
        try:
            fleet = self._fleet(valued)
        except ParameterError:
            # Parameters without liquidity say neither how far prices move nor what selling costs.
            return judged, []
        ranked = [
            replace(judged[reason.id], rank_reason=_reason(reason)) for reason in fleet.plan.reasons
        ]
        others = [entry for row, entry in enumerate(judged) if row not in valued]
        certificate = fleet.certificate(LiquidationKind.VENUE_ACCOUNT)
        return [*ranked, *others], [certificate] if ranked else []

    def _exposed(self, accounts: set[AccountId]) -> dict[AccountId, ExposedAccount]:
        """Equity and exposures of accounts all of whose positions have a value."""
        rows = self._evaluation.rows
        wanted = {rows.accounts[account]: account for account in accounts}
        found: dict[AccountId, dict[str, float]] = {}
        unvalued = set()
        columns = self._evaluation.position_columns("account", "token", "value")
        for account_row, token, value in zip(*columns, strict=True):
            if account_row not in wanted:
                continue
            account, spec = wanted[account_row], rows.token_specs.get(rows.token_ids[token])
            if value is None or spec is None:
                unvalued.add(account)
                continue
            exposures = found.setdefault(account, {})
            exposures[spec.asset] = exposures.get(spec.asset, 0.0) + value
        return {
            account: ExposedAccount(sum(exposures.values()), exposures)
            for account, exposures in found.items()
            if account not in unvalued
        }

    def _liquidation(
        self, plan: LiquidationPlan, before: ExposedAccount | None
    ) -> _Liquidation | None:
        """What a proposed plan does; ``None`` where it is not proposed or has no value."""
        if plan.verdict is not PlanVerdict.PROPOSED or plan.legs is None or before is None:
            return None
        legs = plan.legs
        moved = [
            (legs.repay, 1.0),
            (legs.seize, -1.0),
            (legs.protocol_fee, -1.0),
            *((lost, 1.0) for lost in legs.deficits),
        ]
        exposures = dict(before.exposures)
        for amount, sign in moved:
            asset, value = self._valued(amount)
            exposures[asset] = exposures.get(asset, 0.0) + sign * value
        asset, value = self._valued(legs.seize)
        price = self._markets.price_usd(asset)
        return _Liquidation(
            before=before,
            after=ExposedAccount(sum(exposures.values()), exposures),
            written_off=sum(self._valued(lost)[1] for lost in legs.deficits),
            sold={asset: value / price} if price else {},
        )

    def _valued(self, amount: TokenAmount) -> tuple[str, float]:
        """The asset of a token, and what the amount is worth at its mark, USD."""
        spec = self._evaluation.rows.token_specs[amount.token]
        return spec.asset, float(amount.amount * self._snapshot.prices[spec.price].mark)

    # --- The fleet --------------------------------------------------------------------------------

    def _fleet(self, liquidations: Mapping[int, _Liquidation]) -> "_Fleet":
        """Order liquidations, by the row that each has in the order that breaks ties.

        Raises:
            ParameterError: the parameters have no ``liquidity``.
        """
        ways = [one for each in liquidations.values() for one in (each.before, each.after)]
        moves = self._markets.moves({asset for way in ways for asset in way.exposures})
        expected = [_usd(each) for each in expected_bad_debt(ways, moves)]
        markets = self._markets.of({a for each in liquidations.values() for a in each.sold})
        distressed = [
            DistressedAccount(
                id=row,
                bad_debt_expected=expected[2 * place],
                cost=each.written_off + expected[2 * place + 1] + _impact_usd(each, markets),
                depth_used=each.sold,
            )
            for place, (row, each) in enumerate(liquidations.items())
        ]
        impact_max = self._markets.impact_max
        depth = {asset: _units(market.saleable(impact_max)) for asset, market in markets.items()}
        block_accounts_max = self._snapshot.terms.block_accounts_max
        plan = order_fleet(distressed, depth, block_accounts_max=block_accounts_max)
        return _Fleet(plan, depth)


def _usd(amount: float) -> float:
    """What the far tail of a distribution leaves is no money."""
    return amount if amount >= _USD_MIN else 0.0


def _units(amount: float) -> float:
    """Less of a market than any venue counts is none."""
    return amount if amount >= _UNITS_MIN else 0.0


def _impact_usd(liquidation: _Liquidation, markets: Mapping[str, AssetMarket]) -> float:
    return sum(markets[asset].impact_usd(units) for asset, units in liquidation.sold.items())


@dataclass(frozen=True, slots=True)
class _Fleet:
    plan: FleetPlan
    depth: Mapping[str, float]

    def certificate(self, kind: LiquidationKind) -> FleetCertificate:
        return FleetCertificate(
            kind=kind,
            avoided=money(self.plan.avoided),
            bound=money(self.plan.bound),
            price_of_depth={a: money(p) for a, p in self.plan.price_of_depth.items()},
            depth={asset: money(units) for asset, units in self.depth.items()},
        )


def _reason(reason: FleetReason) -> RankReason:
    return RankReason(
        bad_debt_expected=money(reason.bad_debt_expected),
        cost=money(reason.cost),
        bad_debt_avoided=money(reason.bad_debt_avoided),
        depth_used={asset: money(units) for asset, units in reason.depth_used.items()},
        priced_depth=money(reason.priced_depth),
        key=None if isinf(reason.key) else money(reason.key),
        share=money(reason.share),
        batch=None if reason.batch is None else reason.batch + 1,
    )
