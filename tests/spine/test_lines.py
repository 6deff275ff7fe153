"""Observations as JSON lines say what the tape says, and a bad line is named by its number."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.spine.examples import REGISTRY, START_S, block, block_facts, committed, reorg
from xmargin.errors import DecodeError, TapeError
from xmargin.model import ClockTick, Observation
from xmargin.params import load_parameters
from xmargin.spine import replay
from xmargin.tape import TapeWriter, codec, read_observations, read_tape

OBSERVATIONS = [
    Observation(REGISTRY, START_S * 1_000),
    Observation(load_parameters("unified-v1"), START_S * 1_000),
    *committed(block_facts(7, debt=10**9), block(7)),
    *committed(block_facts(8, eth_usd=2_400, debt=10**9), block(8)),
    reorg(block(7), block(8)),
    *committed(block_facts(8, weth=9), block(8, "b")),
    Observation(ClockTick(), START_S * 1_000 + 90_000),
]


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    path = tmp_path / "a.tape"
    writer = TapeWriter(path)
    writer.append(OBSERVATIONS)
    writer.close()
    return path


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f"{codec.to_json(one)}\n" for one in OBSERVATIONS))
    return path


def test_lines_are_the_observations_at_the_positions_of_their_tape(tape: Path, lines: Path) -> None:
    assert list(read_observations(lines)) == list(read_observations(tape)) == list(read_tape(tape))


def test_lines_replay_to_the_views_of_their_tape(tape: Path, lines: Path) -> None:
    views = [view.sha256 for view in replay(tape)]
    assert len(views) > 3
    assert [view.sha256 for view in replay(lines)] == views


def test_blank_lines_and_a_missing_last_newline_are_nothing(lines: Path) -> None:
    text = lines.read_text()
    expected = list(read_observations(lines))
    lines.write_text(text.replace("\n", "\n \n\n", 2).rstrip())
    assert list(read_observations(lines)) == expected


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("not JSON", "Expecting value"),
        ("[]", "not a JSON object"),
        ("0", "not a JSON object"),
        ("null", "not a JSON object"),
        ('{"chainHead": 5}', "chainHead"),
        ('{"chainHead": null}', "no fact is set"),
        ('{"observedAtMs": 1.5, "clockTick": {}}', "observedAtMs"),
        ('{"observedAtMs": "1", "colour": "red"}', "colour"),
        ('{"observedAtMs": "1"}', "no fact is set"),
        ('{"observedAtMs": "1", "tokenBalance": {"amount": "12,5"}}', "TokenBalance.amount"),
        ('{"observedAtMs": "1", "chainStatus": {"condition": 99}}', "ChainStatus.condition"),
        ('{"observedAtMs": "1", "chainStatus": {"condition": -1}}', "ChainStatus.condition"),
        ('{"observedAtMs": "1", "chainStatus": {}}', "ChainStatus.condition"),
        ("[" * 100_000, "nested deeper"),
        ("\ud800", "Expecting value"),
    ],
)
def test_a_bad_line_is_one_line_that_names_its_number(lines: Path, line: str, says: str) -> None:
    good = lines.read_text().splitlines()
    content = "\n".join([*good[:2], line, *good[2:]])
    lines.write_bytes(content.encode(errors="surrogatepass"))
    with pytest.raises(TapeError) as refused:
        list(read_observations(lines))
    message = refused.value.message
    assert message.startswith(f"{lines}: line 3 is no observation (")
    assert says in message
    assert "\n" not in message


@given(st.text() | st.binary())
def test_any_line_is_an_observation_or_says_why_not(line: str | bytes) -> None:
    with contextlib.suppress(DecodeError):
        assert isinstance(codec.from_json(line), Observation)


def test_a_file_that_is_not_there_or_neither_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(TapeError, match="cannot open the tape"):
            list(read_observations(path))
    other = tmp_path / "other"
    other.write_text("observations:\n")
    with pytest.raises(TapeError, match="is no xmargin tape"):
        list(read_observations(other))
