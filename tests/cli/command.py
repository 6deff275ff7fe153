"""Runs the real command line as its users do: as a process of its own."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

XMARGIN = (sys.executable, "-m", "xmargin.cli")


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


@asynccontextmanager
async def started(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The running command; killed if it outlives the block."""
    process = await asyncio.create_subprocess_exec(
        *XMARGIN,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(env or {})},
        cwd=cwd,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def interrupt_until_it_ends(
    process: asyncio.subprocess.Process, timeout_s: float = 30
) -> Outcome:
    """What becomes of a command at which Ctrl-C is pressed again and again."""
    said = asyncio.create_task(process.communicate())
    async with asyncio.timeout(timeout_s):
        while process.returncode is None:
            # Unlike `Process.send_signal` this does not race the loop for the exit code.
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGINT)
            await asyncio.sleep(0.005)
        out, err = await said
    return Outcome(process.returncode, out.decode(), err.decode())


async def xmargin_unread(*arguments: str) -> Outcome:
    """Run a command into a pipe that nobody reads any more, as ``| head`` leaves it."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        process = await asyncio.create_subprocess_exec(
            *XMARGIN,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=writing,
            stderr=asyncio.subprocess.PIPE,
        )
    finally:
        os.close(writing)
    _, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return Outcome(process.returncode, "", err.decode())


async def xmargin(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    interrupt_after_s: float | None = None,
    interrupt_once_logged: str = "",
    timeout_s: float = 60,
) -> Outcome:
    """Run a command to its end, or interrupt it as Ctrl-C does: after a while, or at a log line."""
    async with started(*arguments, env=env, cwd=cwd) as process:
        logged = b""
        if interrupt_once_logged:
            logged = await asyncio.wait_for(_lines_up_to(interrupt_once_logged, process), timeout_s)
        if interrupt_after_s is not None:
            await asyncio.sleep(interrupt_after_s)
        if interrupt_once_logged or interrupt_after_s is not None:
            process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), timeout_s)
        err = logged + err
        assert process.returncode is not None
        return Outcome(process.returncode, out.decode(), err.decode())


async def _lines_up_to(text: str, process: asyncio.subprocess.Process) -> bytes:
    assert process.stderr is not None
    logged = b""
    while text.encode() not in logged:
        line = await process.stderr.readline()
        assert line, f"ended without logging {text!r}: {logged.decode()}"
        logged += line
    return logged
