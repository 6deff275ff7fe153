"""A venue written from outside: installed beside us, read on a chain, seen in the view."""

import dataclasses
import shutil
import sys
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from eth_utils.address import to_checksum_address
from web3.contract import AsyncContract

from tests.chains.running import Running, running_on
from tests.evm_venues.serving import config_of
from tests.house.paths import ROOT
from tests.outside import installed
from xmargin import extensions, records
from xmargin.errors import DecodeError, EndpointError
from xmargin.model import HealthStatus, Registry, VenueSpec
from xmargin.reads import EvmCall, EvmLog, EvmRead, Rediscover
from xmargin.testbed import artifacts, chainlink, solidity
from xmargin.testbed.anvil import Anvil, Transaction
from xmargin.testbed.calldata import call_data
from xmargin.testbed.chainlink import PriceFeed
from xmargin.testbed.script import Script
from xmargin.testbed.venue_packages import OPENZEPPELIN
from xmargin.venues.base import EvmAccess, Reread
from xmargin.venues.evm import venue_kind
from xmargin.venues.outside import OutsideKind

FOLDER = ROOT / "examples/outside_venue"
HOLDERS = ("0x" + "a1" * 20, "0x" + "a2" * 20)
UNITS = 10**6


@pytest.fixture(autouse=True)
def package(tmp_path: Path) -> Iterator[None]:
    """What an installer makes of the example's ``pyproject.toml``."""
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
    site = tmp_path / "site"
    site.mkdir()
    shutil.copy(FOLDER / "vault_venue.py", site)
    with installed(site, project["name"], project["entry-points"]):
        yield
    sys.modules.pop("vault_venue", None)


def test_it_is_written_in_less_than_a_hundred_lines() -> None:
    code = list(FOLDER.glob("*.py"))
    assert len(code) == 1
    assert len(code[0].read_text().splitlines()) < 100


def test_it_is_found_by_its_entry_point() -> None:
    assert "erc4626-vault" in extensions.names(extensions.VENUES)
    assert venue_kind("erc4626-vault") is not None


# --- On a chain -----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Deployed:
    """OpenZeppelin's vault over a dollar token with a feed."""

    node: Anvil
    vault: AsyncContract
    token: AsyncContract
    feed: PriceFeed

    @property
    def venue(self) -> str:
        return f"savings@{self.node.chain}"

    def account(self, holder: str) -> str:
        return f"{self.venue}/{holder}"

    async def send(self, contract: AsyncContract, sender: str, name: str, *args: Any) -> None:
        data = call_data(contract, name, args)
        await self.node.send([Transaction(sender, contract.address, data, name)])

    async def deposit(self, holder: str, amount: int) -> None:
        await self.send(self.token, self.node.admin, "mint", holder, amount)
        await self.send(self.token, holder, "approve", self.vault.address, amount)
        await self.send(self.vault, holder, "deposit", amount, holder)

    async def says(self, holder: str, block: int) -> int:
        owner = to_checksum_address(holder)
        answer: int = await self.vault.functions.maxWithdraw(owner).call(block_identifier=block)
        return answer


@pytest.fixture
async def deployed(anvil: Anvil) -> Deployed:
    code = solidity.compiled(OPENZEPPELIN, "Vaults.sol", ["Vault"])
    script = await Script.begin(anvil, anvil.admin)
    token = script.deploy(artifacts.aave("mocks/tokens/MintableERC20"), "USDC", "USDC", 6)
    vault = script.deploy(code["Vault"], token.address, "savings")
    feed = chainlink.deploy_feed(script, anvil.admin, "USDC", Decimal("0.999"))
    await script.run()
    return Deployed(anvil, vault, token, feed)


@asynccontextmanager
async def served(bed: Deployed, tape: Path, vault: str) -> AsyncIterator[Running]:
    token = {
        "id": f"{bed.node.chain}/erc20:{bed.token.address.lower()}",
        "symbol": "USDC",
        "asset": "USDC",
        "price": "USDC",
    }
    config = config_of(
        bed.node,
        tape,
        venue={"id": bed.venue, "kind": "erc4626-vault", "addresses_provider": vault.lower()},
        tokens=[token],
        feeds=[bed.feed],
        accounts=[bed.account(holder) for holder in HOLDERS],
    )
    async with running_on(config, tape) as xmargin:
        yield xmargin


async def test_its_accounts_have_what_the_vault_says_at_every_block(
    deployed: Deployed, tmp_path: Path
) -> None:
    bed = deployed
    await bed.deposit(HOLDERS[0], 1_000 * UNITS)
    async with served(bed, tmp_path / "a.tape", bed.vault.address) as xmargin:
        for turn in range(4):
            if turn == 1:  # the vault earns, and no log of it says so
                await bed.send(bed.token, bed.node.admin, "mint", bed.vault.address, 77 * UNITS)
            elif turn == 2:
                await bed.deposit(HOLDERS[1], 333_333_333)
            elif turn == 3:
                args = (100 * UNITS, HOLDERS[0], HOLDERS[0])
                await bed.send(bed.vault, HOLDERS[0], "withdraw", *args)
            block = await bed.node.block_number()
            view = await xmargin.at_block(bed.node.chain, block)
            health = view.health("everyone")
            said = [await bed.says(holder, block) for holder in HOLDERS]
            assert [one.collateral_base for one in health.accounts] == said
            assert {one.base_unit for one in health.accounts} == {"USDC"}
            held = sum((p.amount or Decimal(0) for p in health.positions), start=Decimal(0))
            assert held == Decimal(sum(said)).scaleb(-6)
            assert all(one.status is HealthStatus.NO_DEBT for one in health.accounts)
    assert said[0] < 1_000 * UNITS < sum(said)


async def test_a_contract_that_is_no_vault_is_said_to_be_none(
    deployed: Deployed, tmp_path: Path
) -> None:
    bed = deployed
    async with served(bed, tmp_path / "a.tape", bed.token.address) as xmargin:
        block = await bed.node.block_number()
        view = await xmargin.at_block(bed.node.chain, block)
    health = view.health("everyone")
    assert [one.fault for one in health.accounts] == ["asset() failed"] * 2
    assert {one.status for one in health.accounts} == {HealthStatus.REFUSED}
    (chain,) = view.metadata.as_of
    assert not chain.cut_off, "the chain itself is read all the same"


# --- A reader that fails --------------------------------------------------------------------------

SPEC = VenueSpec("savings@eip155:1", "odd")
LOG = EvmLog("0x", (), b"")
OWN = records.account_fault("savings@eip155:1/0xaa", "")
STRANGE = records.account_fault("morpho-blue@eip155:1/0xaa", "")


async def no_calls(calls: Sequence[EvmCall]) -> list[bytes | None]:
    return [None for _ in calls]


def failing(*_: object) -> Any:
    raise ZeroDivisionError("of another's making")


async def discovered(**changes: Any) -> Any:
    """A venue of a reader that gives ``changes`` for what a reader should."""
    sound: dict[str, Any] = {
        "log_addresses": ("0x",),
        "static_facts": (),
        "units": (("a",),),
        "block_reads": tuple,
        "unit_read": lambda _: EvmRead((), lambda _: [OWN]),
        "touched": lambda _: [("a",)],
    }

    async def discover(*_: object) -> Any:
        return SimpleNamespace(**(sound | changes))

    kind = OutsideKind(SimpleNamespace(discover=discover))
    return await kind.discover(SPEC, Registry((), (), (), (), ()), EvmAccess(no_calls, ""))


async def test_a_sound_reader_is_passed_on() -> None:
    venue = await discovered()
    assert venue.unit_read(("a",)).decode([]) == [OWN]
    assert venue.touched(LOG) == (("a",),)
    assert (venue.units, venue.log_addresses) == ((("a",),), ("0x",))


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("units", 7, "TypeError"),
        ("units", (7,), "gave a int for a unit"),
        ("units", ((7,),), "gave a int for a text"),
        ("log_addresses", (None,), "gave a NoneType for a text"),
        ("static_facts", ("sound",), "tells what is none of its venue's: a str"),
        ("static_facts", (STRANGE,), "tells what is none of its venue's: a VenueRecord"),
    ],
)
async def test_a_discovery_that_is_none_is_refused(name: str, value: object, says: str) -> None:
    with pytest.raises(DecodeError, match=says):
        await discovered(**{name: value})


async def test_a_discovery_that_fails_is_refused_and_an_endpoints_failure_is_its_own() -> None:
    endpoint_error = EndpointError("gone", condition="unreachable", endpoint="e")

    def raising(error: Exception) -> Callable[..., Any]:
        async def discover(*_: object) -> Any:
            raise error

        return discover

    access = EvmAccess(no_calls, "")
    empty = Registry((), (), (), (), ())
    for error, expected in (
        (ZeroDivisionError("x"), DecodeError),
        (endpoint_error, EndpointError),
        (DecodeError("no vault"), DecodeError),
    ):
        kind = OutsideKind(SimpleNamespace(discover=raising(error)))
        with pytest.raises(expected):
            await kind.discover(SPEC, empty, access)


def seven(_: object) -> Any:
    return 7


READS: tuple[Any, ...] = (
    failing,
    lambda *_: ["no read"],
    lambda *_: [EvmRead((), failing)],
    lambda *_: [EvmRead((), lambda _: [STRANGE])],
    lambda *_: [EvmRead((), seven)],
)


@pytest.mark.parametrize("read", READS, ids=range(len(READS)))
async def test_reads_that_fail_or_tell_nonsense_are_decoded_to_a_fault(read: Any) -> None:
    venue = await discovered(block_reads=read, unit_read=lambda _: read()[0])
    for one in (*venue.block_reads(), venue.unit_read(("a",))):
        with pytest.raises(DecodeError, match="its reader"):
            one.decode([])


async def test_signals_of_a_reader_pass_through_and_what_is_asked_again_is_held_too() -> None:
    def again(_: object) -> Any:
        raise Reread(EvmRead((), failing))

    def anew(_: object) -> Any:
        raise Rediscover

    venue = await discovered(block_reads=lambda: [EvmRead((), again), EvmRead((), anew)])
    first, second = venue.block_reads()
    with pytest.raises(Reread) as more:
        first.decode([])
    with pytest.raises(DecodeError, match="its reader failed"):
        more.value.read.decode([])
    with pytest.raises(Rediscover):
        second.decode([])


async def test_a_log_that_a_reader_fails_on_touches_everything() -> None:
    venue = await discovered(touched=failing)
    assert venue.touched(LOG) == venue.units
