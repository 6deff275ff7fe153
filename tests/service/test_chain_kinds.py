"""Chains that other packages read: named in the configuration, found by their entry point."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.following import Told, now_ms, running
from tests.outside import installed
from xmargin import extensions
from xmargin.cli.probes import Grade, examine
from xmargin.config import parse_config
from xmargin.engine import Engine
from xmargin.errors import ConfigError
from xmargin.model import ChainKind, Finality, Observation
from xmargin.params import load_parameters
from xmargin.reading.kinds import CHAIN_READERS
from xmargin.service.intake import reader_plans
from xmargin.snapshot import cut
from xmargin.view import View

CHAIN = "harbour:north-1"
ACCOUNT = f"quay@{CHAIN}/Berth-7.a"
CONFIGURATION = f"""
[[chains]]
id = "{CHAIN}"
name = "harbour"
kind = "external"
reader = "harbour"
endpoints = [{{ label = "ledger", http = "http://localhost/LEDGER" }}]

[[tokens]]
id = "{CHAIN}/token:gold"
symbol = "GLD"
asset = "GOLD"
price = "GOLD"

[[feeds]]
id = "chainlink@{CHAIN}/gold-feed"
base = "GOLD"
heartbeat_s = 86400

[[venues]]
id = "quay@{CHAIN}"
kind = "quay"

[[portfolios]]
id = "captain"
accounts = ["{ACCOUNT}"]
"""


@pytest.fixture(autouse=True)
def harbours(tmp_path: Path) -> Iterator[None]:
    readers = {
        "harbour": "tests.service.harbour:HarbourReader",
        "unmakeable": "tests.service.harbour:unmakeable",
        "gone": "tests.service.harbour:Nothing",
    }
    with installed(tmp_path / "site", "harbours", {extensions.CHAINS: readers}):
        yield


def test_every_kind_of_chain_has_a_reader() -> None:
    assert CHAIN_READERS.keys() == set(ChainKind)


async def test_a_chain_of_another_package_is_read_into_the_view(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    ledger.write_text(f"[{now_ms() // 1000}, 5]\n[{now_ms() // 1000}, 9]\n")
    config = parse_config(CONFIGURATION.replace("/LEDGER", str(ledger)))
    (plan,) = reader_plans(config, now_ms)
    assert plan.chain == CHAIN
    told = Told(config.registry())
    async with running(plan.make(), told):
        await told.until(lambda: len(told.heads) == 2)
    told.world.apply(Observation(load_parameters("unified-v1"), now_ms()))
    snapshot = cut(told.world)
    view = View(snapshot, Engine().evaluate(snapshot), 1, "")
    (chain,) = view.metadata.as_of
    assert (chain.chain, chain.finality) == (CHAIN, Finality.FINALIZED)
    assert snapshot.registry.chains[0].kind is ChainKind.EXTERNAL
    (leg,) = view.standings[ACCOUNT].legs
    assert (leg.token, leg.amount) == (f"{CHAIN}/token:gold", 9)


async def test_the_doctor_reads_such_a_chain_too(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    ledger.write_text(f"[{now_ms() // 1000}, 5]\n")
    config = parse_config(CONFIGURATION.replace("/LEDGER", str(ledger)))
    checks = {check.kind: check for check in await examine(config, now_ms)}
    assert checks["endpoint"].grade is Grade.OK
    assert checks["heads"].grade is Grade.OK
    assert "kind external looks by itself" in checks["heads"].detail


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('reader = "harbour"\n', "", "kind external wants a reader"),
        ('kind = "external"', 'kind = "evm"', "wants an id beginning with eip155:"),
        (
            'reader = "harbour"',
            'reader = "nobody"',
            "no installed package names a reader 'nobody' (gone, harbour, unmakeable)",
        ),
        (
            'reader = "harbour"',
            'reader = "unmakeable"',
            "'unmakeable' could not be made (ZeroDivisionError: of another's making)",
        ),
        ('reader = "harbour"', 'reader = "gone"', "'gone' of harbours cannot be loaded"),
        (
            'endpoints = [{ label = "ledger", http = "http://localhost/LEDGER" }]',
            "quorum = 2\nendpoints = ["
            '{ label = "a", http = "http://localhost/A", operator = "x" }, '
            '{ label = "b", http = "http://localhost/B", operator = "y" }]',
            "'harbour' does not say that it keeps a quorum",
        ),
        ("quay@", "pier@", "the harbour has no quay to read"),
        (f'id = "{CHAIN}"\nname', 'id = "harbour:"\nname', "is no CAIP-2 id"),
    ],
)
def test_a_reader_that_cannot_be_is_told_before_anything_runs(
    before: str, after: str, says: str
) -> None:
    assert before in CONFIGURATION
    with pytest.raises(ConfigError) as refused:
        reader_plans(parse_config(CONFIGURATION.replace(before, after)), now_ms)
    assert says in refused.value.message
