"""Child processes that end when their parent does, however it ends.

Two independent means, since a parent killed with SIGKILL runs no code of its own:

- on Linux the kernel kills the child (`PR_SET_PDEATHSIG`, set through util-linux' `setpriv`;
  `preexec_fn` would run Python between fork and exec, which is unsafe beside threads);
- everywhere a watchdog shell reads a pipe only the parent can write to, and kills the child when
  the pipe closes.
"""

import asyncio
import collections
import contextlib
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from xmargin.testbed.errors import ProcessError

_WATCHDOG_SCRIPT = 'cat >/dev/null; kill -KILL "$1" 2>/dev/null'
_STOP_TIMEOUT_S = 3.0
_LINES_KEPT = 30


def _dies_with_parent(argv: Sequence[str]) -> list[str]:
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return [setpriv, "--pdeathsig", "KILL", "--", *argv] if setpriv else list(argv)


class ChildProcess:
    """One running child; its output is read all the time and its tail kept for error messages."""

    def __init__(
        self,
        name: str,
        process: asyncio.subprocess.Process,
        watchdog: asyncio.subprocess.Process,
    ) -> None:
        self.name = name
        self._process = process
        self._watchdog = watchdog
        self._tail: collections.deque[str] = collections.deque(maxlen=_LINES_KEPT)
        self._drain: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        name: str,
        argv: Sequence[str],
        *,
        ready: str,
        timeout_s: float,
        cwd: Path | None = None,
    ) -> "tuple[ChildProcess, re.Match[str]]":
        """Start `argv`, its end tied to ours, and wait for the line that `ready` matches.

        Returns:
            The child and the match. Its standard input is a pipe that closes when we end.

        Raises:
            ProcessError: it cannot be started, ended, or did not get ready in time.
        """
        process = await _spawn(_dies_with_parent(argv), asyncio.subprocess.PIPE, cwd)
        watchdog = await _spawn(
            ["/bin/sh", "-c", _WATCHDOG_SCRIPT, "xmargin-watchdog", str(process.pid)],
            asyncio.subprocess.DEVNULL,
        )
        child = cls(name, process, watchdog)
        try:
            return child, await child._line_matching(re.compile(ready), timeout_s)
        except BaseException:
            await child.stop()
            raise

    @property
    def pid(self) -> int:
        """The operating system's id of the child."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the child has not ended yet."""
        return self._process.returncode is None

    async def _line_matching(self, pattern: re.Pattern[str], timeout_s: float) -> re.Match[str]:
        try:
            async with asyncio.timeout(timeout_s):
                async for line in self._lines():
                    if found := pattern.search(line):
                        self._drain = asyncio.create_task(self._read_to_the_end())
                        return found
        except TimeoutError as late:
            raise ProcessError(
                f"{self.name} was not ready within {timeout_s:.0f} s; {self._last_words()}"
            ) from late
        raise ProcessError(f"{self.name} ended at its start; {self._last_words()}")

    async def _lines(self) -> AsyncIterator[str]:
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        async for raw in self._process.stdout:
            line = raw.decode(errors="replace").rstrip()
            self._tail.append(line)
            yield line

    async def _read_to_the_end(self) -> None:
        """An unread pipe would fill and block the child."""
        async for _ in self._lines():
            pass
        # The id of an ended child may be given to another process, which is not ours to kill.
        _signal(self._watchdog, signal.SIGKILL)

    def _last_words(self) -> str:
        said = " | ".join(line for line in self._tail if line)[-600:]
        return f"it last said: {said}" if said else "it said nothing"

    def pause(self) -> None:
        """Stop the child where it is (SIGSTOP): connections stay open and nothing answers."""
        _signal(self._process, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused child go on (SIGCONT)."""
        _signal(self._process, signal.SIGCONT)

    async def stop(self) -> None:
        """End the child: politely, then by force. Does nothing to one that has ended."""
        _signal(self._process, signal.SIGTERM)
        _signal(self._process, signal.SIGCONT)  # a paused child ends only once it goes on
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            _signal(self._process, signal.SIGKILL)
            await self._process.wait()
        _signal(self._watchdog, signal.SIGKILL)
        await self._watchdog.wait()
        if self._drain is not None:
            await self._drain


async def _spawn(
    argv: Sequence[str], stdout: int, cwd: Path | None = None
) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            stdin=asyncio.subprocess.PIPE,
            stdout=stdout,
            stderr=asyncio.subprocess.STDOUT,
            # Ctrl-C belongs to the parent, which stops its children in order.
            start_new_session=True,
        )
    except OSError as cause:
        raise ProcessError(f"{argv[0]} cannot be started: {cause}") from cause


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Unlike `Process.send_signal` this never polls, which would race the loop's own reaping."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
