"""The recorded demo holds parameters of its day: a newer engine must go on reading them."""

from pathlib import Path

import pytest

import xmargin
from xmargin.spine import replay

TAPE = Path(xmargin.__file__).parent / "tapes" / "demo.tape"


def test_a_tape_with_parameters_of_version_1_is_margined_as_it_was() -> None:
    """Scenario loss and wrapped depeg alone: sections that a file does not have charge nothing."""
    *_, view = replay(TAPE)
    assert view.metadata.parameter_version == "1.0.0"
    owing = [h for h in map(view.health, view.portfolio_ids) if h.components]
    assert owing
    for health in owing:
        by_name = {component.name: component for component in health.components}
        known = [by_name.pop("scenario_loss"), by_name.pop("wrapped_depeg")]
        assert all(one.maintenance == one.initial == 0 for one in by_name.values())
        assert health.maintenance_margin is not None
        total = float(sum(one.maintenance for one in known))
        assert total == pytest.approx(float(health.maintenance_margin), rel=1e-12)
