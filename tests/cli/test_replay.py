"""``replay``: views and observations of a tape, and of observations as JSON lines."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.cli.command import xmargin
from tests.spine.examples import CHAIN
from tests.spine.test_lines import OBSERVATIONS
from xmargin.cli.stages import RECORDED_TAPE
from xmargin.tape import TapeWriter

INCIDENT = Path(__file__).parent.parent / "incidents" / "venus_luna_2022_05_12.json"


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    path = tmp_path / "a.tape"
    writer = TapeWriter(path)
    writer.append(OBSERVATIONS)
    writer.close()
    return path


async def test_observations_printed_from_a_tape_replay_to_the_same_bytes(
    tape: Path, tmp_path: Path
) -> None:
    printed = await xmargin("replay", str(tape), "--observations")
    assert (printed.code, printed.err) == (0, "")
    assert len(printed.out.splitlines()) == len(OBSERVATIONS)
    head = [json.loads(line) for line in printed.out.splitlines() if "chainHead" in line]
    assert head[0]["chain"] == CHAIN
    lines = tmp_path / "a.jsonl"
    lines.write_text(printed.out)
    views, again, reprinted = await asyncio.gather(
        xmargin("replay", str(tape)),
        xmargin("replay", str(lines)),
        xmargin("replay", str(lines), "--observations"),
    )
    assert (again.code, again.err) == (0, "")
    assert again.out == views.out != ""
    assert reprinted.out == printed.out


async def test_a_bad_line_is_one_line_naming_its_number(tape: Path, tmp_path: Path) -> None:
    printed = await xmargin("replay", str(tape), "--observations")
    lines = tmp_path / "a.jsonl"
    lines.write_text("\n".join([*printed.out.splitlines()[:2], '{"chain": 5}']))
    outcome = await xmargin("replay", str(lines), "--last")
    assert (outcome.code, outcome.out) == (1, "")
    (line,) = outcome.err.splitlines()
    assert line.startswith(f"error: {lines}: line 3 is no observation (")


async def test_there_is_no_last_observation(tape: Path) -> None:
    outcome = await xmargin("replay", str(tape), "--observations", "--last")
    assert (outcome.code, outcome.out) == (2, "")
    assert "--last" in outcome.err


async def test_the_packaged_tape_gives_the_same_bytes_whatever_the_hash_seed() -> None:
    outcomes = await asyncio.gather(
        *(
            xmargin("replay", str(RECORDED_TAPE), "--json", env={"PYTHONHASHSEED": seed})
            for seed in ("1", "2")
        )
    )
    assert [outcome.code for outcome in outcomes] == [0, 0]
    assert outcomes[0].out == outcomes[1].out
    assert len(outcomes[0].out.splitlines()) > 100


async def test_an_incident_file_is_printed_step_by_step() -> None:
    outcome = await xmargin("replay", str(INCIDENT), "--json")
    assert (outcome.code, outcome.err) == (0, "")
    steps = [json.loads(line) for line in outcome.out.splitlines()]
    assert [step["step"] for step in steps] == [1, 2, 3, 4]
    assert [step["prices"]["LUNA"]["verdict"] for step in steps][-1] == "REFUSE"
    assert all(step["unsafe"] == [] for step in steps)
    assert steps[-1]["view"]["prices"]
    read = await xmargin("replay", str(INCIDENT), "--last")
    assert read.code == 0
    assert "LUNA REFUSE, no number is served" in read.out
    assert read.out.endswith("4 steps, 0 unsafe outcomes\n")


async def test_an_unsafe_step_ends_with_code_one(tmp_path: Path) -> None:
    tree = json.loads(INCIDENT.read_text())
    tree["steps"][-1]["expected"]["order"] = ["attacker"]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(tree))
    outcome = await xmargin("replay", str(path))
    assert (outcome.code, outcome.err) == (1, "")
    assert "UNSAFE, unexpected: the liquidation order" in outcome.out


async def test_an_incident_s_observations_are_a_tape(tmp_path: Path) -> None:
    printed = await xmargin("replay", str(INCIDENT), "--observations")
    lines = tmp_path / "a.jsonl"
    lines.write_text(printed.out)
    views = await xmargin("replay", str(lines), "--last")
    steps = await xmargin("replay", str(INCIDENT), "--last", "--json")
    (view,), (step,) = views.out.splitlines(), steps.out.splitlines()
    assert json.loads(view)["healths"] == json.loads(step)["healths"]
