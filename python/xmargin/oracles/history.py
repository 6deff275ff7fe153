"""Where a feed stood: its answers over the last window, and the price it stood at for most of it.

The World keeps one :class:`FeedHistory` a feed as a fact, journalled like any other: it rolls back
with its chain. A window has 32 slots and a history at most one step a slot, so that it changes
seldom, whatever a feed's rhythm. A history is exact to a slot.
"""

from collections.abc import Mapping
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
    stood: dict[tuple[int, int], int] = {}
    begin_s, steps = now_s - window_s, history.steps
    if len(steps) == 1 and newest is not None and newest.answer == steps[0].answer:
        return steps[0].answer, steps[0].exponent  # as most feeds are for most of the time
    for step, after in pairwise(steps):
        if after.since_s > begin_s:
            _add(stood, step.answer, step.exponent, after.since_s - max(step.since_s, begin_s))
    last = steps[-1]
    if newest is None or not is_answer(newest):
        until_s = now_s
    else:
        until_s = min(now_s, _free_s(last, _slot_s(window_s)))
        _add(stood, newest.answer, newest.exponent, now_s - max(until_s, begin_s))
    _add(stood, last.answer, last.exponent, until_s - max(last.since_s, begin_s))
    return _lower_median(stood) if stood else (last.answer, last.exponent)


def _add(stood: dict[tuple[int, int], int], answer: int, exponent: int, held_s: int) -> None:
    if held_s > 0:
        stood[answer, exponent] = stood.get((answer, exponent), 0) + held_s


def _lower_median(stood: Mapping[tuple[int, int], int]) -> tuple[int, int]:
    """The least answer such that those not above it stood for half of the time or more."""
    if len(stood) == 1:
        return next(iter(stood))
    floor = min(exponent for _, exponent in stood)
    total, passed = sum(stood.values()), 0
    for price in sorted(stood, key=lambda one: (one[0] * 10 ** (one[1] - floor), one)):
        passed += stood[price]
        if 2 * passed >= total:
            return price
    raise AssertionError("weights sum up to their total")


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
