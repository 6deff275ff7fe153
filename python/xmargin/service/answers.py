"""Views as messages: each message is built once a view and shared by all who ask."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property

from xmargin.crossings import at_risk
from xmargin.errors import InvalidArgumentError, NotReadyError, PortfolioNotFoundError
from xmargin.model import Crossing, PortfolioId, parse_portfolio_id
from xmargin.spine import Spine
from xmargin.v1 import liquidation_service_pb2 as liquidation_pb
from xmargin.v1 import margin_report_pb2 as report_pb
from xmargin.v1 import margin_service_pb2 as margin_pb
from xmargin.view import View
from xmargin.wire import to_message


class Answers:
    """What can be said of one view. Messages it returns are shared: never change them."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.metadata = to_message(view.metadata, report_pb.ViewMetadata)
        self._known = frozenset(view.portfolio_ids)
        self._healths: dict[bool, dict[PortfolioId, report_pb.PortfolioHealth]]
        self._healths = {True: {}, False: {}}  # by whether it is the full one
        self._changes: dict[int, tuple[PortfolioId, ...]] = {}
        self._watch_all: dict[tuple[int, bool], margin_pb.WatchHealthResponse] = {}
        self.told: dict[tuple[int, bool], Sequence[liquidation_pb.WatchLiquidationsResponse]] = {}
        """To watchers of all crossings, by the number of the first and whether with plans."""
        self._entries: dict[tuple[bool, int], liquidation_pb.LiquidationEntry] = {}

    @property
    def sequence(self) -> int:
        """The view's place on the tape; grows from view to view."""
        return self.view.metadata.tape_sequence

    def check_known(self, portfolio_id: str, field: str) -> PortfolioId:
        """``portfolio_id`` if the view has it.

        Raises:
            InvalidArgumentError: malformed; ``field`` names where it stands in the request.
            PortfolioNotFoundError: well formed, but unknown.
        """
        parse_portfolio_id(portfolio_id, field)
        if portfolio_id not in self._known:
            raise PortfolioNotFoundError(
                f"no portfolio {portfolio_id!r}; ListPortfolios has those there are",
                portfolio_id=portfolio_id,
            )
        return portfolio_id

    def check_all_known(self, portfolio_ids: Sequence[str]) -> list[PortfolioId]:
        """All of the request's ``portfolio_ids``; as :meth:`check_known`."""
        return [
            self.check_known(one, f"portfolio_ids[{index}]")
            for index, one in enumerate(portfolio_ids)
        ]

    def health(self, portfolio_id: PortfolioId, *, full: bool) -> report_pb.PortfolioHealth:
        """The portfolio's health; without components, accounts and positions when not ``full``."""
        return self.healths([portfolio_id], full=full)[0]

    def healths(
        self, portfolio_ids: Sequence[PortfolioId], *, full: bool
    ) -> list[report_pb.PortfolioHealth]:
        """The healths of many, in the order asked for."""
        known = self._healths[full]
        missing = [portfolio for portfolio in portfolio_ids if portfolio not in known]
        known.update(zip(missing, self._build(missing, full=full), strict=True))
        return [known[portfolio] for portfolio in portfolio_ids]

    def _build(
        self, portfolio_ids: Sequence[PortfolioId], *, full: bool
    ) -> Iterable[report_pb.PortfolioHealth]:
        if full:
            healths = map(self.view.health, portfolio_ids)
            return (to_message(health, report_pb.PortfolioHealth) for health in healths)
        return map(report_pb.PortfolioHealth.FromString, self.view.summaries(portfolio_ids))

    def liquidations(
        self, start: int, end: int | None = None, *, with_plans: bool
    ) -> list[liquidation_pb.LiquidationEntry]:
        """The order from the entry at ``start`` on, up to that at ``end``."""
        rows = range(len(self.view.liquidations()))[start:end]
        for key in ((with_plans, row) for row in rows):
            if key not in self._entries:
                self._entries[key] = self._entry(key[1], with_plan=with_plans)
        return [self._entries[with_plans, row] for row in rows]

    def _entry(self, row: int, *, with_plan: bool) -> liquidation_pb.LiquidationEntry:
        entry = self.view.liquidations()[row]
        if with_plan and entry.account:
            entry = replace(entry, plan=self.view.plans.of_account(entry.account))
        elif with_plan:
            plan = self.view.portfolio_plans.of(entry.portfolio)
            entry = replace(entry, portfolio_plan=plan, verdict=plan.verdict)
        return to_message(entry, liquidation_pb.LiquidationEntry)

    @cached_property
    def certificates(self) -> list[liquidation_pb.FleetCertificate]:
        """How far the order is from the best, one a kind of entry."""
        return [
            to_message(one, liquidation_pb.FleetCertificate)
            for one in self.view.ranking.certificates
        ]

    @cached_property
    def at_risk(self) -> tuple[Crossing, ...]:
        """Everyone of whom a watcher hears first."""
        return at_risk(self.view)

    def changes(
        self, told: View | None, watched: frozenset[PortfolioId], *, full: bool
    ) -> margin_pb.WatchHealthResponse:
        """What a watcher who was ``told`` an earlier view (``None``: nothing yet) must hear.

        An empty ``watched`` is all portfolios; those watchers share one message.
        """
        told_sequence = -1 if told is None else told.metadata.tape_sequence
        if told_sequence not in self._changes:
            self._changes[told_sequence] = self.view.changed_since(told)
        changed = self._changes[told_sequence]
        if watched:
            return self._watch_message([i for i in changed if i in watched], full=full)
        key = (told_sequence, full)
        if key not in self._watch_all:
            self._watch_all[key] = self._watch_message(list(changed), full=full)
        return self._watch_all[key]

    def _watch_message(
        self, portfolio_ids: list[PortfolioId], *, full: bool
    ) -> margin_pb.WatchHealthResponse:
        return margin_pb.WatchHealthResponse(
            metadata=self.metadata,
            changed=self.healths(portfolio_ids, full=full),
        )


class Latest:
    """The spine's newest view as :class:`Answers`, made once whoever asks first."""

    def __init__(self, spine: Spine) -> None:
        self._spine = spine
        self._answers: Answers | None = None

    def answers(self) -> Answers:
        """Of the newest view; raises :class:`NotReadyError` while there is none."""
        view = self._spine.view
        if view is None:
            raise NotReadyError("no chain has been read yet; try again shortly")
        return self._of(view)

    async def after(self, sequence: int) -> Answers:
        """Of the newest view beyond ``sequence``, once there is one.

        A watcher that was slow finds the newest here and skips what it missed: nothing queues.
        """
        return self._of(await self._spine.next_view(sequence))

    def _of(self, view: View) -> Answers:
        if self._answers is None or self._answers.view is not view:
            self._answers = Answers(view)
        return self._answers


def wants_full(detail: "margin_pb.HealthDetail.ValueType", *, unsaid: bool) -> bool:
    """Whether ``detail`` asks for accounts and positions; ``unsaid`` is the method's own choice."""
    if detail == margin_pb.HEALTH_DETAIL_UNSPECIFIED:
        return unsaid
    if detail in (margin_pb.HEALTH_DETAIL_SUMMARY, margin_pb.HEALTH_DETAIL_FULL):
        return detail == margin_pb.HEALTH_DETAIL_FULL
    raise InvalidArgumentError(
        f"detail: {int(detail)} is no HealthDetail; use HEALTH_DETAIL_SUMMARY or "
        "HEALTH_DETAIL_FULL",
        field="detail",
    )
