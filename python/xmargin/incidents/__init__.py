"""Incident files: what went wrong once, as observations, and what a safe engine makes of them.

``docs/incidents.md`` says how a file is written. :mod:`document` reads one, :mod:`replaying` takes
it step by step through World, snapshot, engine and view, and :mod:`checking` is the one checker of
all of them.
"""

from xmargin.incidents.checking import Unsafe, Wrong
from xmargin.incidents.document import Incident, Step, is_incident, read_incident
from xmargin.incidents.replaying import StepOutcome, observations_of, replay_incident

__all__ = [
    "Incident",
    "Step",
    "StepOutcome",
    "Unsafe",
    "Wrong",
    "is_incident",
    "observations_of",
    "read_incident",
    "replay_incident",
]
