"""Every guard is necessary: with it switched off, an incident turns unsafe."""

import pytest

from tests.incidents.guards_off import NOTHING_TO_JUDGE, OFF, Off
from tests.incidents.making.tape import HERE
from xmargin.incidents import Wrong, read_incident, replay_incident
from xmargin.oracles.findings import Guard


@pytest.mark.parametrize("off", OFF, ids=str)
def test_without_it_an_incident_turns_unsafe(off: Off) -> None:
    incident = read_incident(HERE / f"{off.incident}.json")
    outcomes = replay_incident(incident, off.changed, off.without)
    found = {one.wrong for outcome in outcomes for one in outcome.unsafe}
    harm = found - {Wrong.UNEXPECTED}
    # What is planned into a market that takes nothing harms by being planned.
    assert harm if off.name != "liquidation.depth" else found


def test_no_guard_of_prices_is_left_out() -> None:
    switched_off = frozenset().union(*(off.without for off in OFF))
    assert switched_off == frozenset(Guard) - NOTHING_TO_JUDGE
