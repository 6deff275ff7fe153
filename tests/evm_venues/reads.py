"""A venue's reads made at one block of a node, as `reading` makes them."""

from collections.abc import Sequence
from typing import Any

from web3.types import RPCEndpoint

from xmargin.model import ChainKind, ChainSpec, PortfolioSpec, Registry, VenueSpec
from xmargin.reads import EvmCall, EvmRead
from xmargin.testbed.anvil import MULTICALL3, Anvil
from xmargin.venues.base import EvmAccess, Reread

_ETH_CALL = RPCEndpoint("eth_call")
_BATCH = 100


def registry_of(node: Anvil, spec: VenueSpec, accounts: Sequence[str]) -> Registry:
    """A registry of one chain, one venue, one owner of all accounts."""
    chain = ChainSpec(node.chain, "local", ChainKind.EVM, 60_000)
    owner = PortfolioSpec("owner", tuple(sorted(accounts)))
    return Registry((chain,), (), (), (spec,), (owner,))


def access_at(node: Anvil, block: int) -> EvmAccess:
    """Calls at a block; one that fails is ``None``."""

    async def call(calls: Sequence[EvmCall]) -> list[bytes | None]:
        found: list[bytes | None] = []
        for batch in _batches(calls):
            requests = [(_ETH_CALL, [_request(one), hex(block)]) for one in batch]
            answers = await node.w3.provider.make_batch_request(requests)
            assert isinstance(answers, list)
            found += [_result(answer) for answer in answers]
        return found

    return EvmAccess(call, MULTICALL3)


def _batches(calls: Sequence[EvmCall]) -> list[Sequence[EvmCall]]:
    return [calls[at : at + _BATCH] for at in range(0, len(calls), _BATCH)]


def _request(call: EvmCall) -> dict[str, str]:
    return {"to": call.target, "data": "0x" + call.data.hex()}


def _result(answer: Any) -> bytes | None:
    return None if "error" in answer else bytes.fromhex(answer["result"][2:])


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
