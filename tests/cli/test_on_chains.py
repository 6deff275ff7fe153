"""The commands against the real local chains."""

import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.command import interrupt_until_it_ends, started, xmargin
from xmargin.cli.client import HealthClient
from xmargin.errors import EndpointError
from xmargin.spine import replay
from xmargin.tape import read_tape
from xmargin.v1.margin_report_pb2 import VERDICT_OK
from xmargin.v1.observation_pb2 import CONDITION_OK

if TYPE_CHECKING:
    from xmargin.testbed.world import Testbed

LIVES = 4
MINING_S = 0.1


@asynccontextmanager
async def mining(bed: "Testbed") -> AsyncIterator[None]:
    """Blocks come on both EVM chains while the block lasts."""

    enough = asyncio.Event()

    async def mine() -> None:
        while not enough.is_set():
            await bed.mine()
            await asyncio.sleep(MINING_S)

    async with asyncio.TaskGroup() as group:
        group.create_task(mine())
        try:
            yield
        finally:
            enough.set()


def write_config(bed: "Testbed", folder: Path) -> tuple[Path, Path]:
    config, tape = folder / "served.toml", folder / "served.tape"
    config.write_text(bed.config_toml(listen="127.0.0.1:0", tape=tape))
    return config, tape


async def test_killing_the_server_at_any_moment_loses_nothing_a_client_saw(
    testbed: "Testbed", tmp_path: Path
) -> None:
    config, tape = write_config(testbed, tmp_path)
    moments = random.Random(7)
    seen: list[tuple[int, str, str]] = []
    async with mining(testbed):
        for _ in range(LIVES):
            before = seen[-1][0] if seen else 0
            with pytest.raises(EndpointError):
                await watch_until_killed(config, moments.uniform(0.05, 1.5), seen)
            assert seen[-1][0] > before
    held = {position.sequence: position.digest for _, position in read_tape(tape)}
    assert all(held[sequence] == tape_hash for sequence, tape_hash, _ in seen)
    replayed = {view.metadata.tape_sequence: view.metadata for view in replay(tape)}
    assert all(replayed[sequence].snapshot_hash == snapshot for sequence, _, snapshot in seen)


async def watch_until_killed(
    config: Path, moment_s: float, seen: list[tuple[int, str, str]]
) -> None:
    """Adds (sequence, tape hash, snapshot hash) of every view a client saw of one server."""
    async with started("serve", "--config", str(config), "--json") as process:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        async with HealthClient(json.loads(line)["listening"]) as client:
            first = True
            async for answer in client.watch():
                metadata = answer.metadata
                seen.append((metadata.tape_sequence, metadata.tape_hash, metadata.snapshot_hash))
                if first:
                    asyncio.get_running_loop().call_later(moment_s, process.kill)
                first = False


async def test_the_doctor_finds_the_testbed_well(testbed: "Testbed", tmp_path: Path) -> None:
    config, _ = write_config(testbed, tmp_path)
    outcome = await xmargin("doctor", "--config", str(config), "--json")
    document = json.loads(outcome.out)
    wrong = [check for check in document["checks"] if check["grade"] != "ok"]
    assert (outcome.code, wrong) == (0, [])
    kinds = {check["kind"] for check in document["checks"]}
    assert kinds == {
        *("parameters", "tape", "endpoint", "heads", "feed", "token", "venue", "accounts"),
    }


async def test_the_doctor_names_an_endpoint_of_another_chain(
    testbed: "Testbed", tmp_path: Path
) -> None:
    config, _ = write_config(testbed, tmp_path)
    first, second = testbed.evm.values()
    text = config.read_text()
    config.write_text(
        text.replace(first.node.http_url, second.node.http_url).replace(
            first.node.ws_url, second.node.ws_url
        )
    )
    outcome = await xmargin("doctor", "--config", str(config))
    assert outcome.code == 1
    assert f"is an endpoint of {second.id}, not of {first.id}" in _unfolded(outcome.out)


def _unfolded(table: str) -> str:
    """A table's folded cells as running text."""
    return " ".join(table.split())


async def test_a_venue_that_cannot_be_read_is_never_exit_0(
    testbed: "Testbed", tmp_path: Path
) -> None:
    config, _ = write_config(testbed, tmp_path)
    rows, *portfolios = config.read_text().split("[[portfolios]]")
    (sound,) = (text for text in portfolios if 'id = "p01-healthy-eth"' in text)
    text = f"{rows}[[portfolios]]{sound}"
    provider = testbed.evm["eip155:31338"].aave.provider.address.lower()
    assert provider in text
    for named, code, status in (
        (provider, 0, "HEALTH_STATUS_HEALTHY"),
        ("0x" + "ee" * 20, 5, "HEALTH_STATUS_UNKNOWN"),
    ):
        config.write_text(text.replace(provider, named))
        async with mining(testbed), started("serve", "--config", str(config), "--json") as process:
            assert process.stdout is not None
            listening = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
            server = listening["listening"]
            await all_chains_read(server)
            order = await xmargin("order", "--server", server, "--json")
            health = await xmargin("health", "p01-healthy-eth", "--server", server, "--json")
        assert (order.code, health.code) == (code, code)
        assert json.loads(order.out)["entries"] == []
        (one,) = json.loads(health.out)["healths"]
        assert one["status"] == status
        told = "".join(json.loads(order.out)["metadata"]["flags"])
        assert ("no Aave addresses provider at 0xeeee" in told) == (code == 5)


async def all_chains_read(server: str) -> None:
    """Wait for a view with a block of every chain, and every price believed."""
    async with asyncio.timeout(30), HealthClient(server) as client:
        async for answer in client.watch():
            metadata = answer.metadata
            chains = [chain.condition for chain in metadata.as_of]
            prices = [price.verdict for price in metadata.prices]
            if set(chains) == {CONDITION_OK} and set(prices) == {VERDICT_OK}:
                return


async def test_a_recorded_tape_plays_back_as_it_was_recorded(
    testbed: "Testbed", tmp_path: Path
) -> None:
    from xmargin.cli.showing import first_whole_view
    from xmargin.cli.stages import tape_stage

    config, _ = write_config(testbed, tmp_path)
    tape = tmp_path / "recorded.tape"
    async with mining(testbed):
        recorded = await xmargin(
            "record", "--config", str(config), "--tape", str(tape), "--seconds", "6", "--json"
        )
    assert recorded.code == 0
    held = {position.sequence: position.digest for _, position in read_tape(tape)}
    assert json.loads(recorded.out)["hash"] == held[max(held)]
    async with tape_stage(tape) as stage, HealthClient(stage.address) as client:
        view = await first_whole_view(client)
    assert len(view.healths.healths) == len(testbed.portfolios)
    assert held[view.metadata.tape_sequence] == view.metadata.tape_hash


async def test_replaying_prints_the_same_bytes_every_time(
    testbed: "Testbed", tmp_path: Path
) -> None:
    config, _ = write_config(testbed, tmp_path)
    tape = tmp_path / "recorded.tape"
    async with mining(testbed):
        arguments = ("--config", str(config), "--tape", str(tape), "--seconds", "5")
        assert (await xmargin("record", *arguments)).code == 0
    once, again, last = await asyncio.gather(
        xmargin("replay", str(tape)),
        xmargin("replay", str(tape), env={"PYTHONHASHSEED": "1"}),
        xmargin("replay", str(tape), "--last"),
    )
    assert (once.code, once.err) == (0, "")
    assert once.out == again.out
    assert last.out.splitlines() == once.out.splitlines()[-1:]
    document: dict[str, Any] = json.loads(last.out)
    assert document.keys() == {"view", "healths", "liquidations"}


async def test_the_demo_prints_one_document_of_all_portfolios(testbed: "Testbed") -> None:
    outcome = await xmargin("demo", "--once", "--json")
    assert outcome.code == 0
    (line,) = outcome.out.splitlines()
    document = json.loads(line)
    assert [health["portfolio"] for health in document["healths"]] == sorted(
        portfolio.id for portfolio in testbed.portfolios
    )
    assert not document["view"]["partial"]
    assert {chain["condition"] for chain in document["view"]["asOf"]} == {"CONDITION_OK"}
    assert [entry["rank"] for entry in document["liquidations"]] == list(
        range(1, len(document["liquidations"]) + 1)
    )
    assert document["liquidations"]


async def test_the_demo_ends_promptly_at_ctrl_c(testbed: "Testbed") -> None:
    del testbed  # it only says that the chains' packages are there
    async with asyncio.timeout(30):
        outcome = await xmargin("demo", "--json", interrupt_after_s=8)
    assert outcome.code == 130
    assert "Traceback" not in outcome.err


async def test_a_second_ctrl_c_does_not_hurry_the_demo(testbed: "Testbed") -> None:
    del testbed
    async with started("demo", "--json") as process:
        assert process.stdout is not None
        await asyncio.wait_for(process.stdout.readexactly(1), 60)
        outcome = await interrupt_until_it_ends(process)
    assert outcome.code == 130
    assert "Traceback" not in outcome.err
    assert "KeyboardInterrupt" not in outcome.err


async def test_without_node_the_demo_plays_the_recorded_tape_and_says_so() -> None:
    outcome = await xmargin(
        "demo", "--once", "--json", env={"PATH": str(Path(sys.executable).parent)}
    )
    assert outcome.code == 0
    assert "Node is missing" in outcome.err
    assert len(json.loads(outcome.out)["healths"]) >= 24
