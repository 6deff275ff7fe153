"""Every incident is lived through: no step of any file has an unsafe outcome."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.incidents.make_incidents import MAKERS
from tests.incidents.making.tape import HERE, Tape
from xmargin.incidents import Incident, read_incident, replay_incident

FILES = sorted(HERE.glob("*.json"))
BYTES_MAX = 100_000


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_step_is_unsafe(path: Path) -> None:
    outcomes = list(replay_incident(read_incident(path)))
    assert [(o.number, one) for o in outcomes for one in o.unsafe] == []
    assert len(outcomes) >= 3


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_the_file_says_what_its_maker_does(make: Callable[[], Tape], tmp_path: Path) -> None:
    tape = make()
    made = tmp_path / tape.path.name
    made.write_text(tape.text(), "utf-8")
    for beside in HERE.glob("parameters/*.json"):
        (tmp_path / "parameters").mkdir(exist_ok=True)
        (tmp_path / "parameters" / beside.name).write_text(beside.read_text())
    assert replace(read_incident(made), path=tape.path) == read_incident(tape.path)


def test_every_file_has_a_maker_and_is_small() -> None:
    assert sorted(make().path for make in MAKERS) == FILES
    assert [path.name for path in FILES if path.stat().st_size > BYTES_MAX] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_says_where_its_figures_are_from_and_what_is_ours(path: Path) -> None:
    incident: Incident = read_incident(path)
    assert all(
        source.url.startswith(("https://", "http://")) and source.says
        for source in incident.sources
    )
    assert incident.sources
    assert len(incident.modelled) > 20
    assert incident.date.replace("-", "_") in path.stem
