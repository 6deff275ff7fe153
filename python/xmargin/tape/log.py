"""The tape's file: records chained by SHA-256, written once, durable before acknowledged.

Layout: the magic, then records. A record is ``length (u32 BE) | crc32(length) (u32 BE) | payload |
chain``, where ``chain`` = SHA-256(chain before ‖ payload) and the first "chain before" is
SHA-256(magic). The last chain is the content hash of the whole tape. The length has a check of its
own so that a damaged length is never taken for a torn end.
"""

import contextlib
import errno
import fcntl
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from xmargin.errors import ObservationError, TapeError
from xmargin.model import Observation
from xmargin.tape import codec
from xmargin.tape.position import MAGIC, START, TapePosition

_HEADER = struct.Struct(">II")
_CHAIN_BYTES = 32
_PAYLOAD_BYTES_MAX = 64 * 1024 * 1024
_DISK_FULL = "the disk is full; free space on it, or move the tape to a larger one, and start again"
_FIXES = {
    errno.ENOSPC: _DISK_FULL,
    errno.EDQUOT: "your share of the disk is full; free space in it and start again",
    errno.EFBIG: "files may not grow so large here; raise the limit (ulimit -f) and start again",
}


def _record(payload: bytes, digest: str) -> bytes:
    length = struct.pack(">I", len(payload))
    return b"".join((length, struct.pack(">I", zlib.crc32(length)), payload, bytes.fromhex(digest)))


def _read_exactly(file: BinaryIO, size: int) -> bytes | None:
    """``size`` bytes, or ``None`` at a torn end."""
    data = file.read(size)
    return data if len(data) == size else None


def _records(file: BinaryIO, path: Path) -> Iterator[tuple[bytes, TapePosition, int]]:
    """Each payload with the position after it and the offset where it ends; stops at a torn end."""
    magic = file.read(len(MAGIC))
    if magic != MAGIC:
        if MAGIC.startswith(magic):
            return
        raise TapeError(f"{path}: is no xmargin tape; give a file written by `xmargin record`")
    position, offset = START, len(MAGIC)
    while True:
        header = _read_exactly(file, _HEADER.size)
        if header is None:
            return
        length, check = _HEADER.unpack(header)
        if zlib.crc32(header[:4]) != check or length > _PAYLOAD_BYTES_MAX:
            raise _damaged(path, offset, position)
        body = _read_exactly(file, length + _CHAIN_BYTES)
        if body is None:
            return
        payload, chain = body[:length], body[length:].hex()
        position = position.after(payload)
        if position.digest != chain:
            raise _damaged(path, offset, position)
        offset += _HEADER.size + len(body)
        yield payload, position, offset


def _damaged(path: Path, offset: int, position: TapePosition) -> TapeError:
    return TapeError(
        f"{path}: damaged at byte {offset} (after observation {position.sequence}); "
        "restore the file from a copy, nothing after this byte can be trusted",
        offset=str(offset),
    )


def read_tape(path: Path) -> Iterator[tuple[Observation, TapePosition]]:
    """The observations of the tape at ``path``, each with the position after it.

    An incomplete last record (a killed writer) ends the tape: it was never acknowledged.

    Raises:
        TapeError: not a tape, or damaged; the message holds the byte offset.
    """
    with opened(path) as file:
        yield from observations_in(file, path)


def observations_in(file: BinaryIO, path: Path) -> Iterator[tuple[Observation, TapePosition]]:
    """As :func:`read_tape`, of the tape open in ``file``; ``path`` names it in errors."""
    for payload, position, _ in _records(file, path):
        yield codec.decode(payload), position


def opened(path: Path) -> BufferedReader:
    """The file at ``path``, to be read; raises :class:`TapeError`."""
    try:
        return path.open("rb")
    except OSError as error:
        raise TapeError(
            f"{path}: cannot open the tape ({error.strerror}); check the path"
        ) from None


def _cannot_write(path: Path, error: OSError) -> TapeError:
    fix = _FIXES.get(error.errno or 0, "mend the disk it is on and start again")
    return TapeError(
        f"{path}: the tape cannot be written ({error.strerror}): {fix}; "
        "all that was acknowledged is on it"
    )


class TapeWriter:
    """Appends to one tape; only one writer at a time may hold it.

    ``append`` returns when the observations are on the disk: that is the acknowledgement.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the tape; an unacknowledged torn end is moved to a file beside it."""
        self.path = path
        self.position = START
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b")
        except OSError as error:
            raise TapeError(f"{path}: cannot open the tape ({error.strerror}); check it") from None
        try:
            self._lock()
            self._recover()
        except OSError as error:
            self._give_up()
            raise _cannot_write(path, error) from None
        except BaseException:
            self._file.close()
            raise

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise TapeError(
                f"{self.path}: another process writes this tape; end it or name another tape"
            ) from None

    def _recover(self) -> None:
        end = 0
        for _, position, offset in _records(self._file, self.path):
            self.position, end = position, offset
        size = self._file.seek(0, os.SEEK_END)
        if end == 0:
            self._keep_aside(len(MAGIC) if size >= len(MAGIC) else 0, size)
            self._file.seek(0)
            self._file.write(MAGIC)
            self._file.truncate()
        else:
            self._keep_aside(end, size)
            self._file.truncate(end)
        self._file.seek(0, os.SEEK_END)
        self._sync()
        self._sync_directory()

    def _keep_aside(self, start: int, size: int) -> None:
        """Bytes after the last whole record were never acknowledged, yet are not ours to lose."""
        if size > start:
            self._file.seek(start)
            aside = self.path.with_name(f"{self.path.name}.torn-at-{start}")
            aside.write_bytes(self._file.read())

    def append(self, observations: Sequence[Observation]) -> TapePosition:
        """Write ``observations`` and wait for the disk.

        Raises:
            TapeError: the disk refused; nothing of the batch is on the tape.
            ObservationError: one is larger than a tape's reader takes; as above.
        """
        if self._file.closed:
            raise TapeError(f"{self.path}: was closed by a failed write; mend the disk, start anew")
        start, position, chunks = self._file.tell(), self.position, []
        for observation in observations:
            payload = codec.encode(observation)
            if len(payload) > _PAYLOAD_BYTES_MAX:
                raise ObservationError(
                    f"an observation of {len(payload):,} bytes: a tape holds none above "
                    f"{_PAYLOAD_BYTES_MAX:,}; watch less in one"
                )
            position = position.after(payload)
            chunks.append(_record(payload, position.digest))
        try:
            self._file.write(b"".join(chunks))
            self._sync()
        except OSError as error:
            self._undo(start)
            raise _cannot_write(self.path, error) from None
        self.position = position
        return position

    def _undo(self, start: int) -> None:
        try:
            self._file.seek(start)
            self._file.truncate()
        except OSError:
            # The half-written batch stays as a torn end, which the next open sets aside.
            self._give_up()

    def _give_up(self) -> None:
        """Close; that tries to write what is buffered once more, and fails as the writing did."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _sync(self) -> None:
        self._file.flush()
        os.fdatasync(self._file.fileno())

    def _sync_directory(self) -> None:
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def close(self) -> None:
        """Release the tape."""
        self._file.close()
