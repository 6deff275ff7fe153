"""The checker finds each kind of unsafe outcome, and the reader refuses what is no incident."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.incidents.making.tape import HERE
from xmargin.errors import TapeError
from xmargin.incidents import Incident, Unsafe, Wrong, is_incident, read_incident, replay_incident
from xmargin.model import FeedRound, Observation

USDC = HERE / "usdc_2023_03_11.json"
LUNA = HERE / "venus_luna_2022_05_12.json"


def unsafe_in(
    incident: Incident, changed: Callable[[Observation], Observation] = lambda one: one
) -> list[Unsafe]:
    return [one for outcome in replay_incident(incident, changed) for one in outcome.unsafe]


def answering(base_price: int, factor: float) -> Callable[[Observation], Observation]:
    """Rounds at a price become others."""

    def changed(one: Observation) -> Observation:
        fact = one.fact
        if isinstance(fact, FeedRound) and fact.answer == base_price * 10**8:
            return replace(one, fact=replace(fact, answer=int(fact.answer * factor)))
        return one

    return changed


def test_more_borrowed_than_the_truth_allows_is_overvalued() -> None:
    found = unsafe_in(read_incident(USDC), answering(1_450, 1.3))
    assert (Wrong.OVERVALUED, "borrower") in {(one.wrong, one.subject) for one in found}


def test_who_is_due_at_no_true_price_is_wrongly_liquidated() -> None:
    found = unsafe_in(read_incident(USDC), answering(1_450, 0.5))
    assert (Wrong.WRONGLY_LIQUIDATED, "borrower") in {(one.wrong, one.subject) for one in found}


def with_truth(incident: Incident, base: str, price: str) -> Incident:
    told = (Decimal(price), Decimal(price))
    steps = tuple(
        replace(step, truth=replace(step.truth, prices={**step.truth.prices, base: told}))
        for step in incident.steps
    )
    return replace(incident, steps=steps)


def test_who_is_short_at_every_true_price_may_not_be_called_sound() -> None:
    found = unsafe_in(with_truth(read_incident(USDC), "ETH", "700"))
    assert (Wrong.CALLED_SOUND, "borrower") in {(one.wrong, one.subject) for one in found}


@pytest.mark.parametrize(
    "expected",
    [
        {"prices": {"LUNA": ["HAIRCUT"]}},
        {"prices": {"NOTHING": ["OK"]}},
        {"ranges": {"LUNA": ["0.001", "0.01"]}},
        {"statuses": {"attacker": ["LIQUIDATABLE"]}},
        {"statuses": {"nobody": ["HEALTHY"]}},
        {"chains": {"eip155:56": ["LAGGING"]}},
        {"excess_max": {"attacker": "-1000000"}},
        {"order": ["attacker"]},
        {"crossings": ["attacker LIQUIDATABLE"]},
        {"flags": ["a flag that nobody raises"]},
    ],
    ids=lambda expected: next(iter(expected)),
)
def test_whatever_a_file_names_is_checked(expected: dict[str, Any], tmp_path: Path) -> None:
    tree = json.loads(LUNA.read_text())
    tree["steps"][-1]["expected"] = {"order": [], **expected}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(tree))
    assert len(unsafe_in(read_incident(path))) == 1


def broken(change: Callable[[Any], object], tmp_path: Path) -> str:
    tree = json.loads(LUNA.read_text())
    change(tree)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(tree))
    with pytest.raises(TapeError) as raised:
        list(replay_incident(read_incident(path)))
    return raised.value.message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tree: tree["incident"].pop("sources"), "'sources' is missing"),
        (lambda tree: tree["incident"].update(title=""), "title must be a text"),
        (lambda tree: tree["incident"].update(parameters="none-such"), "no parameter set"),
        (lambda tree: tree.update(steps=[]), "it has no step"),
        (lambda tree: tree["steps"][1].pop("at"), "step 2: 'at' is missing"),
        (lambda tree: tree["steps"][1].update(at="yesterday"), "step 2: Invalid isoformat"),
        (lambda tree: tree["steps"][1].update(at="2020-01-01T00:00:00Z"), "stands after one of"),
        (lambda tree: tree["steps"][1]["expected"].pop("order"), "step 2: 'order' is missing"),
        (lambda tree: tree["steps"][1]["expected"].update(typo=1), "expected: typo: unknown"),
        (
            lambda tree: tree["steps"][1]["expected"].update(prices={"LUNA": ["FINE"]}),
            "step 2: 'FINE' is not a valid Verdict",
        ),
        (lambda tree: tree["steps"][2]["truth"]["prices"].update(LUNA=["0", "1"]), "above zero"),
        (lambda tree: tree["steps"][2]["truth"]["prices"].update(LUNA=["2", "1"]), "no range"),
        (lambda tree: tree["steps"][0]["truth"]["prices"].pop("BUSD"), "truth: no price of BUSD"),
        (lambda tree: tree["steps"][0]["observations"].insert(0, {"feedRound": 5}), "step 1: "),
        (lambda tree: tree["steps"][0]["observations"].pop(0), "step 1"),
        (lambda tree: tree.update(steps=[None]), "step 1: a value is of another type"),
        (lambda tree: tree["steps"][1].update(truth=7), "step 2: a value is of another type"),
        (lambda tree: tree["steps"][1].update(expected="none"), "step 2: a value is of another"),
        (
            lambda tree: tree["steps"][1]["expected"].update(ranges=["1"]),
            "step 2: a value is of another type",
        ),
        (lambda tree: tree["steps"][1].update(at="0001-01-01T00:00:00+14:00"), "step 2: "),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_what_is_wrong(
    change: Callable[[Any], object], said: str, tmp_path: Path
) -> None:
    assert said in broken(change, tmp_path)


def test_what_is_no_incident_file_is_left_to_others(tmp_path: Path) -> None:
    assert is_incident(LUNA)
    lines = tmp_path / "a.jsonl"
    lines.write_text('{"chain": "eip155:1"}\n')
    assert not is_incident(lines)
    assert not is_incident(tmp_path / "none")
    assert not is_incident(tmp_path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert not is_incident(pipe), "and it was not opened: that would wait for a writer"
