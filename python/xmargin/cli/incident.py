"""``xmargin replay`` of an incident file: verdicts and views step by step, and what is unsafe."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from xmargin.incidents import StepOutcome
    from xmargin.model import JudgedPrice

UNSAFE = 1
"""The exit code when any step was unsafe."""


def print_incident(path: Path, *, last: bool, as_json: bool) -> None:
    """Each step; exit code 1 after the last one if any was unsafe.

    Raises:
        TapeError: the file is no incident file, or a step of it cannot be taken.
        typer.Exit: a step was unsafe.
    """
    from xmargin.cli.output import print_json, print_line
    from xmargin.incidents import read_incident, replay_incident

    incident = read_incident(path)
    unsafe = 0
    if not as_json:
        print_line(f"{incident.date}  {incident.title}")
    for outcome in replay_incident(incident):
        unsafe += len(outcome.unsafe)
        if last and outcome.number < len(incident.steps):
            continue
        if as_json:
            print_json(step_document(outcome))
        else:
            for line in _lines(outcome):
                print_line(line)
    if not as_json:
        print_line(f"{len(incident.steps)} steps, {unsafe} unsafe outcomes")
    if unsafe:
        raise typer.Exit(UNSAFE)


def step_document(outcome: "StepOutcome") -> dict[str, Any]:
    """One step: its verdicts at a glance, what is unsafe, then the whole view."""
    from xmargin.cli.documents import view_document

    view = outcome.view
    return {
        "step": outcome.number,
        "name": outcome.step.name,
        "at": outcome.step.at,
        "prices": {price.base: _price(price) for price in view.metadata.prices},
        "statuses": {one: view.health(one).status for one in view.portfolio_ids},
        "order": [entry.account or entry.portfolio for entry in view.liquidations()],
        "crossings": [
            {"who": one.account or one.portfolio, "before": one.before, "after": one.after}
            for one in outcome.crossings
        ],
        "unsafe": [
            {"wrong": one.wrong, "subject": one.subject, "said": one.said} for one in outcome.unsafe
        ],
        **view_document(view),
    }


def _price(price: "JudgedPrice") -> dict[str, Any]:
    return {
        "verdict": price.verdict,
        "low": f"{price.low:f}",
        "mark": f"{price.mark:f}",
        "high": f"{price.high:f}",
        "reasons": list(price.reasons),
    }


def _lines(outcome: "StepOutcome") -> list[str]:
    view = outcome.view
    prices = [_price_line(price) for price in view.metadata.prices]
    cut_off = [f"  {c.name} is {c.condition}: {c.reason}" for c in view.metadata.as_of if c.cut_off]
    healths = [
        f"  {one}: {view.health(one).status}{_excess(view.health(one).initial_excess)}"
        for one in view.portfolio_ids
    ]
    due = [entry.account or entry.portfolio for entry in view.liquidations()]
    return [
        f"{outcome.number}. {outcome.step.at}  {outcome.step.name}",
        *prices,
        *cut_off,
        *healths,
        *([f"  to be liquidated, in this order: {', '.join(due)}"] if due else []),
        *(f"  UNSAFE, {one.wrong}: {one.subject} {one.said}" for one in outcome.unsafe),
    ]


def _price_line(price: "JudgedPrice") -> str:
    span = f"{price.low:f} - {price.high:f}" if price.mark else "no number is served"
    why = f": {'; '.join(price.reasons)}" if price.reasons else ""
    return f"  {price.base} {price.verdict}, {span}{why}"


def _excess(excess: Any) -> str:
    return "" if excess is None else f", initial excess {excess:,.2f} USD"
