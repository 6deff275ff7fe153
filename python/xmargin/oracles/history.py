"""Where a feed stood: its answers over the last window, and the price it stood at for most of it.

The World keeps one :class:`FeedHistory` a feed as a fact, journalled like any other: it rolls back
with its chain. A window has 32 slots and a history at most one step a slot, so that it changes
seldom, whatever a feed's rhythm. A history is exact to a slot.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from xmargin.model import FeedId, FeedRound

EXPONENT_MIN: Final = -36
_SLOTS: Final = 32


@dataclass(frozen=True, slots=True)
class FeedStep:
    """From ``since_s`` (the chain's clock) on the feed answered ``answer`` × 10^``exponent``."""

    since_s: int
    answer: int
    exponent: int


@dataclass(frozen=True, slots=True)
class FeedHistory:
    """The steps of one feed within the window and the one before, oldest first; never empty."""

    feed: FeedId
    steps: tuple[FeedStep, ...]


def is_answer(round_: FeedRound) -> bool:
    """Whether a round says a number that a history can hold."""
    return not round_.fault and round_.answer > 0 and EXPONENT_MIN <= round_.exponent <= 0


def stepped(
    history: FeedHistory | None,
    before: FeedRound | None,
    newest: FeedRound,
    at_s: int,
    window_s: int,
) -> FeedHistory:
    """The history once ``newest`` was read at ``at_s``; until then ``before`` was what stood."""
    if history is None:
        return FeedHistory(newest.feed, (_step(newest, at_s),))
    slot_s = _slot_s(window_s)
    steps = list(history.steps)
    free_s = _free_s(steps[-1], slot_s)
    if before is not None and is_answer(before) and free_s <= at_s:
        _append(steps, _step(before, free_s))
        free_s = _free_s(steps[-1], slot_s)
    if free_s <= at_s:
        _append(steps, _step(newest, at_s))
    while len(steps) > 1 and steps[1].since_s <= at_s - window_s:
        del steps[0]
    return history if tuple(steps) == history.steps else FeedHistory(newest.feed, tuple(steps))


def standing(
    history: FeedHistory, newest: FeedRound | None, now_s: int, window_s: int
) -> tuple[int, int]:
    """Answer and exponent that stood for at least half of the window until ``now_s``.

    It is the lower weighted median, the weight of an answer being how long it stood: a spike of
    less than half a window never moves it past its neighbours.
    """
    weighed = [
        (answer, exponent, to_s - from_s)
        for from_s, to_s, answer, exponent in _stretches(history, newest, now_s, window_s)
        if to_s > from_s
    ]
    if not weighed:
        last = history.steps[-1]
        return last.answer, last.exponent
    floor = min(exponent for _, exponent, _ in weighed)
    weighed.sort(key=lambda one: one[0] * 10 ** (one[1] - floor))
    total, passed = sum(weight for _, _, weight in weighed), 0
    for answer, exponent, weight in weighed:
        passed += weight
        if 2 * passed >= total:
            return answer, exponent
    raise AssertionError("weights sum up to their total")


def _stretches(
    history: FeedHistory, newest: FeedRound | None, now_s: int, window_s: int
) -> Iterator[tuple[int, int, int, int]]:
    """From when to when which answer stood within the window."""
    begin_s = now_s - window_s
    steps = history.steps
    for step, after in pairwise(steps):
        yield max(step.since_s, begin_s), after.since_s, step.answer, step.exponent
    last = steps[-1]
    if newest is None or not is_answer(newest):
        yield max(last.since_s, begin_s), now_s, last.answer, last.exponent
        return
    until_s = min(now_s, _free_s(last, _slot_s(window_s)))
    yield max(last.since_s, begin_s), until_s, last.answer, last.exponent
    yield max(until_s, begin_s), now_s, newest.answer, newest.exponent


def _step(round_: FeedRound, since_s: int) -> FeedStep:
    return FeedStep(since_s, round_.answer, round_.exponent)


def _append(steps: list[FeedStep], step: FeedStep) -> None:
    last = steps[-1]
    if (last.answer, last.exponent) != (step.answer, step.exponent):
        steps.append(step)


def _slot_s(window_s: int) -> int:
    return max(1, -(-window_s // _SLOTS))


def _free_s(step: FeedStep, slot_s: int) -> int:
    """When the slot of a step is over."""
    return (step.since_s // slot_s + 1) * slot_s
