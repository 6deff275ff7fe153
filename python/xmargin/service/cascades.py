"""``SimulateCascade``: what a shock would set off among all venue accounts."""

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation

from google.type.decimal_pb2 import Decimal as DecimalMessage

from xmargin.engine.cascade import HALF_THEN_ALL
from xmargin.engine.components import money
from xmargin.engine.venue_cascade import AssetOutcome, DueAccount, named
from xmargin.errors import InvalidArgumentError
from xmargin.model import CascadeAccount, CascadeAsset
from xmargin.v1 import liquidation_service_pb2 as pb
from xmargin.v1 import margin_report_pb2 as report_pb
from xmargin.view import View
from xmargin.wire import plain, to_message

PASSES_DEFAULT = 10_000
PASSES_MAX = 1_000_000
ACCOUNTS_DEFAULT = 100
ACCOUNTS_MAX = 10_000

_PARTS = (0.0, *(step.part for step in HALF_THEN_ALL))


def simulate(
    view: View, metadata: report_pb.ViewMetadata, request: pb.SimulateCascadeRequest
) -> pb.SimulateCascadeResponse:
    """The bracket of the view's accounts after the request's shocks.

    Raises:
        InvalidArgumentError: a shock is no number or of an unknown asset, or a limit is too high.
    """
    passes_max = _limit("passes_max", request.passes_max, PASSES_DEFAULT, PASSES_MAX)
    accounts_max = _limit("accounts_max", request.accounts_max, ACCOUNTS_DEFAULT, ACCOUNTS_MAX)
    found = view.cascade(dict(_shocks(request.shocks)), passes_max)
    due = sorted(found.due, key=lambda one: one.account)
    return pb.SimulateCascadeResponse(
        metadata=metadata,
        kind=pb.CascadeKind.Value(f"CASCADE_KIND_{found.kind.name}"),
        assets=[_asset(outcome) for outcome in found.assets],
        accounts=[_account(one) for one in due[:accounts_max]],
        due_least=sum(one.steps_least > 0 for one in due),
        due_most=len(due),
        bad_debt_least=_decimal(found.bad_debt_least),
        bad_debt_most=_decimal(found.bad_debt_most),
        passes=found.passes,
        flags=found.flags,
    )


def _limit(field: str, asked: int, unsaid: int, most: int) -> int:
    if asked > most:
        raise InvalidArgumentError(
            f"{field}: {asked} is too many; ask for 1 to {most:,}, or 0 for {unsaid:,}", field=field
        )
    return asked or unsaid


def _shocks(told: Mapping[str, DecimalMessage]) -> Iterator[tuple[str, float]]:
    for asset in sorted(told):
        text = told[asset].value
        try:
            move = Decimal(text)
        except InvalidOperation:
            move = Decimal("NaN")
        if not move.is_finite():
            raise InvalidArgumentError(
                f"shocks: {named([text])!r} of {named([asset])} is no number; "
                "write -0.2 for 20 % down",
                field="shocks",
            )
        yield asset, float(move)


def _asset(outcome: AssetOutcome) -> pb.CascadeAsset:
    asset = CascadeAsset(
        asset=outcome.asset,
        price=money(outcome.price_before),
        price_shocked=money(outcome.price_shocked),
        price_low=money(outcome.price_low),
        price_high=money(outcome.price_high),
        sold_least=money(outcome.sold_least),
        sold_most=money(outcome.sold_most),
    )
    return to_message(asset, pb.CascadeAsset)


def _account(due: DueAccount) -> pb.CascadeAccount:
    account = CascadeAccount(
        portfolio=due.portfolio,
        account=due.account,
        part_least=money(_PARTS[due.steps_least]),
        part_most=money(_PARTS[due.steps_most]),
    )
    return to_message(account, pb.CascadeAccount)


def _decimal(value: float) -> DecimalMessage:
    return DecimalMessage(value=plain(money(value)))
