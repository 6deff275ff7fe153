"""A venue's reads made at one block of a node, as `reading` makes them."""

from collections.abc import Sequence
from typing import Any

from xmargin.model import ChainKind, ChainSpec, PortfolioSpec, Registry, VenueSpec
from xmargin.reads import EvmCall, EvmRead
from xmargin.testbed.anvil import MULTICALL3, Anvil
from xmargin.testbed.errors import TransactionError
from xmargin.venues.base import EvmAccess, Reread


def registry_of(node: Anvil, spec: VenueSpec, accounts: Sequence[str]) -> Registry:
    """A registry of one chain, one venue, one owner of all accounts."""
    chain = ChainSpec(node.chain, "local", ChainKind.EVM, 60_000)
    owner = PortfolioSpec("owner", tuple(sorted(accounts)))
    return Registry((chain,), (), (), (spec,), (owner,))


def access_at(node: Anvil, block: int) -> EvmAccess:
    """Calls at a block, one by one."""

    async def call(calls: Sequence[EvmCall]) -> list[bytes | None]:
        return [await _called(node, one, block) for one in calls]

    return EvmAccess(call, MULTICALL3)


async def _called(node: Anvil, call: EvmCall, block: int) -> bytes | None:
    request = {"to": call.target, "data": "0x" + call.data.hex()}
    try:
        return bytes.fromhex((await node.rpc("eth_call", request, hex(block)))[2:])
    except TransactionError:
        return None


async def told(access: EvmAccess, reads: Sequence[EvmRead]) -> list[Any]:
    """What the reads say, each asked again where it wants to be."""
    facts: list[Any] = []
    for read in reads:
        asked: EvmRead | None = read
        for _ in range(3):
            assert asked is not None
            try:
                facts += asked.decode(await access.call(asked.calls))
            except Reread as more:
                asked = more.read
            else:
                break
        else:
            raise AssertionError("the read asks for ever more")
    return facts


async def all_facts(kind: Any, spec: VenueSpec, registry: Registry, access: EvmAccess) -> list[Any]:
    """Discovery, and everything read once."""
    venue = await kind.discover(spec, registry, access)
    units = [venue.unit_read(unit) for unit in venue.units]
    return [*venue.static_facts, *await told(access, [*venue.block_reads(), *units])]
