"""Where a feed stood: the answer that stood for at least half of the window."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracles.rounds import CHAINLINK_ROUND
from xmargin.model import FeedRound
from xmargin.oracles.history import FeedHistory, standing, stepped

WINDOW_S = 320  # slots of ten seconds


def answered(answer: int, exponent: int = -8) -> FeedRound:
    return replace(CHAINLINK_ROUND, answer=answer, exponent=exponent)


def history_of(rounds: Sequence[tuple[int, int]]) -> FeedHistory:
    """The history of answers, each from its second on."""
    (first_s, first), *rest = rounds
    history = stepped(None, None, answered(first), first_s, WINDOW_S)
    before = answered(first)
    for at_s, answer in rest:
        history = stepped(history, before, answered(answer), at_s, WINDOW_S)
        before = answered(answer)
    return history


def stood(rounds: Sequence[tuple[int, int]], now_s: int) -> int:
    return standing(history_of(rounds), answered(rounds[-1][1]), now_s, WINDOW_S)[0]


def test_a_first_answer_stands_from_the_start() -> None:
    assert stood([(1_000, 7)], 1_000) == 7
    assert stood([(1_000, 7)], 5_000) == 7


def test_a_new_answer_is_where_it_stands_once_it_stood_for_more_than_half_the_window() -> None:
    rounds = [(1_000, 100), (2_000, 50)]
    assert stood([(1_000, 50), (2_000, 100)], 2_000 + WINDOW_S // 2) == 50
    assert stood([(1_000, 50), (2_000, 100)], 2_000 + WINDOW_S // 2 + 1) == 100
    assert stood(rounds, 2_000) == 100
    assert stood(rounds, 2_000 + WINDOW_S // 2 - 1) == 100
    assert stood(rounds, 2_000 + WINDOW_S // 2) == 50


def test_a_spike_shorter_than_half_the_window_leaves_no_trace() -> None:
    rounds = [(1_000, 100), (2_000, 5), (2_000 + WINDOW_S // 2 - 1, 101)]
    end_s = rounds[-1][0]
    for now_s in range(2_000, end_s + 2 * WINDOW_S):
        told = [one for one in rounds if one[0] <= now_s]
        assert stood(told, now_s) in (100, 101)


def test_small_steps_do_not_hide_a_pump() -> None:
    pump = [(2_000 + 3 * step, 1_000 + 10 * step) for step in range(1, 101)]
    rounds = [(1_000, 1_000), *pump]
    assert stood(rounds, 2_300) <= 1_500


def test_answers_of_one_slot_cost_one_step_and_the_last_of_them_stands_after_it() -> None:
    history = history_of([(1_000, 1), (1_001, 2), (1_009, 3)])
    assert [step.answer for step in history.steps] == [1]
    assert standing(history, answered(3), 1_100, WINDOW_S) == (3, -8)


def test_what_stood_between_two_steps_is_kept() -> None:
    history = history_of([(1_000, 1), (1_001, 2), (1_200, 3)])
    assert [(step.since_s, step.answer) for step in history.steps] == [
        (1_000, 1),
        (1_010, 2),
        (1_200, 3),
    ]


def test_steps_that_ended_before_the_window_are_dropped() -> None:
    history = history_of([(1_000, 1), (1_100, 2), (1_100 + WINDOW_S, 3)])
    assert [step.answer for step in history.steps] == [2, 3]
    history = history_of([(1_000, 1), (1_100, 2), (1_099 + WINDOW_S, 3)])
    assert [step.answer for step in history.steps] == [1, 2, 3]


def test_answers_are_compared_at_one_scale() -> None:
    history = stepped(None, None, answered(5, 0), 1_000, WINDOW_S)
    history = stepped(history, answered(5, 0), answered(60, -1), 2_000, WINDOW_S)
    assert standing(history, answered(60, -1), 2_000 + WINDOW_S // 2, WINDOW_S) == (5, 0)


@pytest.mark.parametrize(
    "spoilt", [{"fault": "it reverts"}, {"answer": 0}, {"answer": -4}, {"exponent": -(2**31)}]
)
def test_what_is_no_answer_leaves_the_last_one_standing(spoilt: dict[str, Any]) -> None:
    history = history_of([(1_000, 7)])
    unreadable = replace(answered(9), **spoilt)
    assert standing(history, unreadable, 9_000, WINDOW_S) == (7, -8)
    assert stepped(history, unreadable, answered(8), 2_000, WINDOW_S).steps[-1].answer == 8


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 1000)), min_size=1, max_size=80))
def test_g8_a_feed_stands_where_some_answer_stood_and_its_history_stays_short(
    moves: list[tuple[int, int]],
) -> None:
    """G8: at most two steps a slot are kept; the standing price lies among the window's answers."""
    at_s, rounds = 1_000, []
    for gap_s, answer in moves:
        at_s += gap_s
        rounds.append((at_s, answer))
    history = history_of(rounds)
    assert len(history.steps) <= 66
    within = [answer for _, answer in rounds]
    low, high = min(within), max(within)
    answer, exponent = standing(history, answered(rounds[-1][1]), at_s + 5, WINDOW_S)
    assert low <= answer <= high
    assert exponent == -8


@given(
    st.lists(st.integers(1, 1000), min_size=1, max_size=60),
    st.integers(0, 400),
)
def test_g9_with_one_answer_a_slot_it_is_the_exact_weighted_median(
    answers: list[int], wait_s: int
) -> None:
    """G9: the least answer such that those not above it stood for half of the window or more."""
    rounds = [(1_000 + 10 * number, answer) for number, answer in enumerate(answers)]
    now_s = rounds[-1][0] + wait_s
    begin_s = max(now_s - WINDOW_S, 1_000)
    weights: dict[int, int] = {}
    for (from_s, answer), to_s in zip(
        rounds, [at_s for at_s, _ in rounds[1:]] + [now_s], strict=True
    ):
        span_s = min(to_s, now_s) - max(from_s, begin_s)
        weights[answer] = weights.get(answer, 0) + max(0, span_s)
    total = sum(weights.values())
    if total:
        passed = 0
        for answer in sorted(weights):
            passed += weights[answer]
            if weights[answer] and Fraction(passed, total) >= Fraction(1, 2):
                assert stood(rounds, now_s) == answer
                break
