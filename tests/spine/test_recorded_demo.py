"""The recorded demo holds parameters of its day: a newer engine must go on reading them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import xmargin
from xmargin.model import RiskParameters
from xmargin.params import load_parameters, parse_parameters
from xmargin.spine import replay
from xmargin.tape import TapeWriter, read_tape

TAPE = Path(xmargin.__file__).parent / "tapes" / "demo.tape"
SINCE_VERSION_2 = ("historical_es", "liquidity", "mobility", "venue_risk")


def of_version_1() -> RiskParameters:
    """The shipped file as it was before it had the sections of version 2."""
    tree = json.loads(load_parameters("unified-v1").content)
    for section in SINCE_VERSION_2:
        del tree[section]
    return parse_parameters(json.dumps(tree | {"version": "1.0.0"}))


def test_the_recorded_demo_is_margined_with_the_shipped_parameters() -> None:
    *_, view = replay(TAPE)
    assert view.metadata.parameter_sha256 == load_parameters("unified-v1").sha256


def test_a_tape_with_parameters_of_version_1_is_margined_as_it_was(tmp_path: Path) -> None:
    """Scenario loss and wrapped depeg alone: sections that a file does not have charge nothing."""
    tape = TapeWriter(tmp_path / "old.tape")
    tape.append(
        [
            replace(observation, fact=of_version_1())
            if isinstance(observation.fact, RiskParameters)
            else observation
            for observation, _ in read_tape(TAPE)
        ]
    )
    tape.close()
    *_, view = replay(tmp_path / "old.tape")
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
