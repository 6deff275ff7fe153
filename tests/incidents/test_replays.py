"""Every incident is lived through: no step of any file has an unsafe outcome."""

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
def test_the_file_is_what_its_maker_writes(make: "type[Tape]") -> None:
    tape = make()  # type: ignore[call-arg]
    assert tape.path.read_text("utf-8") == tape.text()


def test_every_file_has_a_maker_and_is_small() -> None:
    assert sorted(make().path for make in MAKERS) == FILES
    assert [path.name for path in FILES if path.stat().st_size > BYTES_MAX] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_says_where_its_figures_are_from_and_what_is_ours(path: Path) -> None:
    incident: Incident = read_incident(path)
    assert all(source.url.startswith("https://") and source.says for source in incident.sources)
    assert incident.sources
    assert len(incident.modelled) > 20
    assert incident.date.replace("-", "_") in path.stem
