"""``replay``: views and observations of a tape, and of observations as JSON lines."""

import json
from pathlib import Path

import pytest

from tests.cli.command import xmargin
from tests.spine.examples import CHAIN
from tests.spine.test_lines import OBSERVATIONS
from xmargin.cli.stages import RECORDED_TAPE
from xmargin.tape import TapeWriter


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
    views = await xmargin("replay", str(tape))
    again = await xmargin("replay", str(lines))
    assert (again.code, again.err) == (0, "")
    assert again.out == views.out != ""
    assert (await xmargin("replay", str(lines), "--observations")).out == printed.out


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
    outcomes = [
        await xmargin("replay", str(RECORDED_TAPE), "--json", env={"PYTHONHASHSEED": seed})
        for seed in ("1", "2")
    ]
    assert [outcome.code for outcome in outcomes] == [0, 0]
    assert outcomes[0].out == outcomes[1].out
    assert len(outcomes[0].out.splitlines()) > 100
