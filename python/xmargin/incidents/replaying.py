"""An incident, step by step, through the spine: World, snapshot, engine, view, and the checker."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from xmargin.crossings import CrossingLog
from xmargin.engine import Engine
from xmargin.engine.venue_watch import VenueWatch
from xmargin.errors import TapeError, XmarginError
from xmargin.incidents.checking import Unsafe, unsafe_in
from xmargin.incidents.document import Incident, Step
from xmargin.incidents.truth import true_book
from xmargin.model import Crossing, Observation
from xmargin.oracles.findings import NONE, Guards
from xmargin.snapshot import cut
from xmargin.spine import view_of
from xmargin.tape import codec
from xmargin.tape.position import START, TapePosition
from xmargin.view import View
from xmargin.world import World


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """The view after a step, who crossed since the one before, and all that is unsafe in it."""

    number: int
    step: Step
    view: View
    crossings: tuple[Crossing, ...]
    unsafe: tuple[Unsafe, ...]


def replay_incident(
    incident: Incident,
    changed: Callable[[Observation], Observation | None] = lambda one: one,
    without: Guards = NONE,
) -> Iterator[StepOutcome]:
    """Each step as one batch of a reader.

    ``changed`` is put between file and World (``None``: not told), and ``without`` switches guards
    of prices off: to show what would happen then.

    Raises:
        TapeError: a step's observations cannot be applied, or it has no view.
    """
    world, engine, truth_engine = World(), Engine(), Engine()
    position, crossings, watch = START, CrossingLog(), VenueWatch()
    for number, (step, batch) in enumerate(_batches(incident), start=1):
        try:
            told = [one for one in map(changed, batch) if one is not None]
            position = _take(world, told, position)
            snapshot = cut(world, without)
            view = view_of(snapshot, engine, position)
            book = true_book(snapshot, step.truth, truth_engine)
        except XmarginError as error:
            raise TapeError(
                f"{incident.path}: step {number}, {step.name}: {error.message}"
            ) from error
        before = crossings.newest
        crossings.follow(view, watch.advance(snapshot))
        crossed = crossings.after(before) or ()
        unsafe = unsafe_in(view, step.expected, book, crossed)
        yield StepOutcome(number, step, view, crossed, unsafe)


def observations_of(incident: Incident) -> Iterator[Observation]:
    """All that the World is told, in order: as JSON lines a tape that replays to the same views."""
    for _, batch in _batches(incident):
        yield from batch


def _batches(incident: Incident) -> Iterator[tuple[Step, tuple[Observation, ...]]]:
    """The steps with their observations, the risk parameters before all others."""
    for number, step in enumerate(incident.steps):
        batch = step.observations
        if number == 0:
            batch = (Observation(incident.parameters, batch[0].observed_at_ms), *batch)
        yield step, batch


def _take(world: World, batch: Sequence[Observation], position: TapePosition) -> TapePosition:
    """What a service does with a batch: checked whole, what is not news dropped, applied."""
    world.check(batch)
    for observation in world.news(batch):
        position = position.after(codec.encode(observation))
        world.apply(observation)
    return position
