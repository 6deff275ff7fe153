"""A client that has nothing but the address reads the same health."""

import asyncio
import json
import sys
from pathlib import Path

from google.protobuf import json_format

from tests.service.book import observed
from tests.service.conftest import Running
from xmargin.v1 import margin_service_pb2 as pb

CLIENT = Path(__file__).parents[2] / "examples" / "client.py"

PROVES_IT_IS_BARE = f"""
import runpy, sys
sys.argv = sys.argv[1:]
runpy.run_path({str(CLIENT)!r}, run_name="__main__")
assert not any(name.split(".")[0] == "xmargin" for name in sys.modules), "imports xmargin"
"""


async def run_client(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROVES_IT_IS_BARE, str(CLIENT), *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_a_client_built_from_reflection_alone_reads_the_same_health(
    running: Running,
) -> None:
    await running.spine.ingest(observed(1))
    ours = await running.margin.GetHealth(pb.GetHealthRequest(portfolio_id="called"))
    theirs = json.loads(await run_client(running.address, "called"))
    assert theirs == json_format.MessageToDict(ours)


async def test_it_lists_every_portfolio(running: Running) -> None:
    await running.spine.ingest(observed(1))
    lines = (await run_client(running.address)).splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["broke", "LIQUIDATABLE"],
        ["called", "MARGIN_CALL"],
        ["free", "NO_DEBT"],
        ["safe", "HEALTHY"],
    ]
