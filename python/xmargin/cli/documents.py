"""The JSON document of one view: ``{"view": …, "healths": […], "liquidations": […]}``."""

from collections.abc import Iterable
from typing import Any

from xmargin.cli.output import as_json
from xmargin.service.answers import Answers
from xmargin.v1 import liquidation_service_pb2 as liquidation_pb
from xmargin.v1 import margin_report_pb2 as pb
from xmargin.view import View


def document(
    metadata: pb.ViewMetadata,
    healths: Iterable[pb.PortfolioHealth],
    liquidations: Iterable[liquidation_pb.LiquidationEntry],
) -> dict[str, Any]:
    """The document from the messages of one and the same view."""
    return {
        "view": as_json(metadata),
        "healths": [as_json(health) for health in healths],
        "liquidations": [as_json(entry) for entry in liquidations],
    }


def view_document(view: View) -> dict[str, Any]:
    """The document of a view that was not asked for over gRPC; the same as if it were."""
    answers = Answers(view)
    healths = answers.healths(view.portfolio_ids, full=True)
    return document(answers.metadata, healths, answers.liquidations(0, with_plans=False))
