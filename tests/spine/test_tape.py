"""A tape loses nothing that was acknowledged and believes nothing that was changed."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.limits import no_file_may_grow_beyond
from tests.spine.examples import block, block_facts, committed
from xmargin.errors import ObservationError, TapeError
from xmargin.model import ClockTick, Observation, RiskParameters
from xmargin.tape import TapeWriter, read_tape

BATCH = committed(block_facts(7), block(7))


def written(path: Path, batches: int = 3) -> TapeWriter:
    writer = TapeWriter(path)
    for _ in range(batches):
        writer.append(BATCH)
    return writer


def test_what_was_written_is_read_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "a.tape"
    position = written(path).position
    read = list(read_tape(path))
    assert [observation for observation, _ in read] == BATCH * 3
    assert read[-1][1] == position
    assert position.sequence == 3 * len(BATCH)


def test_what_no_reader_would_take_is_never_written(tmp_path: Path) -> None:
    path = tmp_path / "a.tape"
    writer = written(path, 1)
    content = "x" * 64 * 1024 * 1024
    large = Observation(RiskParameters("large", "1", content, "0" * 64), BATCH[-1].observed_at_ms)
    with pytest.raises(ObservationError, match="an observation of 67,1"):
        writer.append([*BATCH, large])
    writer.append(BATCH)
    writer.close()
    assert [observation for observation, _ in read_tape(path)] == BATCH * 2


def test_a_tape_goes_on_where_it_stopped(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole.tape", tmp_path / "parts.tape"
    written(whole, 3).close()
    written(parts, 1).close()
    written(parts, 2).close()
    assert whole.read_bytes() == parts.read_bytes()


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    first = written(tmp_path / "a.tape")
    with pytest.raises(TapeError, match="another process writes"):
        TapeWriter(tmp_path / "a.tape")
    first.close()
    TapeWriter(tmp_path / "a.tape").close()


@settings(max_examples=40)
@given(cut=st.integers(1, 10_000))
def test_a_torn_end_loses_no_whole_record_and_is_kept_aside(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("tape") / "a.tape"
    written(path).close()
    whole = path.read_bytes()
    torn = whole[: max(0, len(whole) - cut % len(whole))]
    path.write_bytes(torn)
    before = [observation for observation, _ in read_tape(path)]
    assert before == (BATCH * 3)[: len(before)]
    writer = TapeWriter(path)
    writer.append(BATCH[:1])
    writer.close()
    assert [o for o, _ in read_tape(path)] == before + BATCH[:1]
    aside = sorted(path.parent.glob("*.torn-at-*"))
    kept = sum(len(file.read_bytes()) for file in aside)
    reread = path.read_bytes()
    shared = next((i for i, (a, b) in enumerate(zip(torn, reread, strict=False)) if a != b), None)
    assert shared is None or kept >= len(torn) - shared


@settings(max_examples=80)
@given(where=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_is_never_believed(
    tmp_path_factory: pytest.TempPathFactory, where: int, bit: int
) -> None:
    path = tmp_path_factory.mktemp("tape") / "a.tape"
    written(path).close()
    damaged = bytearray(path.read_bytes())
    damaged[where % len(damaged)] ^= 1 << bit
    path.write_bytes(damaged)
    with pytest.raises(TapeError):
        list(read_tape(path))
    with pytest.raises(TapeError):
        TapeWriter(path)
    assert path.read_bytes() == bytes(damaged), "a damaged tape is left as it is"


def test_the_error_names_the_byte_where_the_damage_is(tmp_path: Path) -> None:
    path = tmp_path / "a.tape"
    writer = TapeWriter(path)
    writer.append([Observation(ClockTick(), 1)])
    end = path.stat().st_size
    writer.append([Observation(ClockTick(), 2)])
    writer.close()
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(TapeError, match=f"damaged at byte {end} "):
        list(read_tape(path))


def test_a_full_disk_is_named_with_the_way_out_and_loses_nothing_acknowledged(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.tape"
    writer = written(path)
    with Path("/dev/full").open("r+b", buffering=0) as full:
        os.dup2(full.fileno(), writer._file.fileno())
    with pytest.raises(TapeError) as refused:
        writer.append(BATCH)
    message = refused.value.message
    assert message.startswith(f"{path}: the tape cannot be written (No space left on device): ")
    assert "the disk is full; free space on it" in message
    assert "start again" in message
    with pytest.raises(TapeError, match="closed by a failed write"):
        writer.append(BATCH)
    assert [observation for observation, _ in read_tape(path)] == BATCH * 3


def test_a_disk_without_room_for_a_new_tape_is_named_too(tmp_path: Path) -> None:
    with no_file_may_grow_beyond(4), pytest.raises(TapeError) as refused:
        TapeWriter(tmp_path / "a.tape")
    assert "the tape cannot be written (File too large): " in refused.value.message
    assert "ulimit" in refused.value.message
    written(tmp_path / "a.tape").close()


@pytest.mark.parametrize("content", [b"not a tape at all", b"xmargin tape 2\n"])
def test_a_file_that_is_no_tape_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.tape"
    path.write_bytes(content)
    with pytest.raises(TapeError, match="no xmargin tape"):
        TapeWriter(path)
    assert path.read_bytes() == content
