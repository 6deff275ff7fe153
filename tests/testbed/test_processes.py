"""No child outlives its parent, by each of the two means on its own."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from xmargin.testbed.errors import ProcessError
from xmargin.testbed.processes import ChildProcess

END_TIMEOUT_S = 5.0

PARENT_OF_A_SLEEPER = """
import asyncio, os, signal, sys
from xmargin.testbed.processes import ChildProcess

async def main():
    sleeper = ["/bin/sh", "-c", "echo ready; exec /bin/sleep 600"]
    child, _ = await ChildProcess.start("sleeper", sleeper, ready="ready", timeout_s=10)
    if "without-watchdog" in sys.argv:
        os.kill(child._watchdog.pid, signal.SIGKILL)
        await child._watchdog.wait()
    print(child.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""

PARENT_OF_A_TESTBED = """
import asyncio
from xmargin.testbed.world import open_testbed

async def main():
    async with open_testbed() as bed:
        processes = [bed.solana.process, *(chain.node.process for chain in bed.evm.values())]
        print(*(p.pid for p in processes), *(p._watchdog.pid for p in processes), flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def _alive(pid: int) -> bool:
    """Running, and not a zombie that an absent init process failed to reap."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rsplit(")", 1)[1].split()[0] != "Z"


def _pids_left_by_killed_parent(
    program: str, *args: str, environment: dict[str, str] | None = None
) -> list[int]:
    """Start `program`, which prints the pids of its children; kill it; those still alive."""
    parent = subprocess.Popen(
        [sys.executable, "-c", program, *args],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert parent.stdout is not None
    children = [int(pid) for pid in parent.stdout.readline().split()]
    try:
        assert children, "the parent named no child"
        assert all(_alive(pid) for pid in children)
        parent.send_signal(signal.SIGKILL)
        parent.wait(timeout=END_TIMEOUT_S)
        deadline_s = time.monotonic() + END_TIMEOUT_S
        while any(_alive(pid) for pid in children) and time.monotonic() < deadline_s:
            time.sleep(0.02)
        return [pid for pid in children if _alive(pid)]
    finally:
        for pid in filter(_alive, [parent.pid, *children]):
            os.kill(pid, signal.SIGKILL)
        parent.wait(timeout=END_TIMEOUT_S)


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs util-linux' setpriv")
def test_the_kernel_alone_ends_the_child_of_a_killed_parent() -> None:
    assert _pids_left_by_killed_parent(PARENT_OF_A_SLEEPER, "without-watchdog") == []


def test_the_watchdog_alone_ends_the_child_of_a_killed_parent(tmp_path: Path) -> None:
    cat = shutil.which("cat")
    assert cat is not None
    (tmp_path / "cat").symlink_to(cat)
    only_cat = os.environ | {"PATH": str(tmp_path)}
    assert shutil.which("setpriv", path=str(tmp_path)) is None
    assert _pids_left_by_killed_parent(PARENT_OF_A_SLEEPER, environment=only_cat) == []


@pytest.mark.chains
def test_a_killed_testbed_leaves_no_chain_and_no_watchdog(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    assert _pids_left_by_killed_parent(PARENT_OF_A_TESTBED, environment=environment) == []


async def test_a_child_that_fails_at_its_start_is_quoted() -> None:
    argv = ["/bin/sh", "-c", "echo the port is taken; exit 3"]
    with pytest.raises(ProcessError, match="ended at its start; it last said: the port is taken"):
        await ChildProcess.start("node", argv, ready="ready", timeout_s=10)


async def test_a_child_that_never_gets_ready_is_ended() -> None:
    argv = ["/bin/sh", "-c", "echo $$; exec /bin/sleep 600"]
    with pytest.raises(ProcessError, match=r"not ready within 0 s; it last said: \d+") as raised:
        await ChildProcess.start("node", argv, ready="ready", timeout_s=0.3)
    pid = int(str(raised.value).rsplit(" ", 1)[1])
    assert not _alive(pid)


async def test_a_paused_child_can_be_stopped() -> None:
    argv = ["/bin/sh", "-c", "echo ready; exec /bin/sleep 600"]
    child, _ = await ChildProcess.start("node", argv, ready="ready", timeout_s=10)
    child.pause()
    await child.stop()
    assert not child.running
    assert not _alive(child.pid)


async def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(ProcessError, match="no-such-program"):
        await ChildProcess.start("node", ["/no-such-program"], ready="ready", timeout_s=10)
