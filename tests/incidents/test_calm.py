"""No guard is a refusal of everything: in calm markets hardly a step is held or refused."""

import pytest

from tests.incidents.calm import MINUTE_S, SERIES, wrong_steps
from tests.incidents.making.tape import DAY_S

pytestmark = pytest.mark.skipif(not SERIES.is_dir(), reason="../shared/data/var is not there")

WRONG_OF_MAX = 1_000
"""At most one step in so many."""
SHAPES = pytest.mark.parametrize("step_s", [MINUTE_S, DAY_S], ids=["intraday", "daily"])
DAYS_ALL = 10_000


@SHAPES
def test_calm_steps_are_not_held(step_s: int) -> None:
    steps, wrong = wrong_steps(step_s, 1_000)
    assert steps == 1_000
    assert len({step for step, _, _ in wrong}) * WRONG_OF_MAX <= steps, wrong[:3]


@pytest.mark.long
@SHAPES
def test_calm_steps_of_all_years_are_not_held(step_s: int) -> None:
    steps, wrong = wrong_steps(step_s, DAYS_ALL)
    assert steps > 3_000
    assert len({step for step, _, _ in wrong}) * WRONG_OF_MAX <= steps, wrong[:3]


def test_a_bound_that_is_too_tight_would_be_noticed() -> None:
    steps, wrong = wrong_steps(DAY_S, 100, disagreement_bps_max=5)
    assert len({step for step, _, _ in wrong}) * WRONG_OF_MAX > steps
