"""Sparing the garbage collector what the first full read built, once, for good."""

import asyncio
import contextlib
import gc

from xmargin.errors import XmarginError
from xmargin.spine import Spine

_PATIENCE_S = 60.0


async def settle(spine: Spine) -> None:
    """Freeze the facts of the first full read, then wait for ever.

    Tens of thousands of facts live as long as the service; walking them in every full collection
    would stop all answers for tens of milliseconds.
    """
    with contextlib.suppress(TimeoutError, XmarginError):
        async with asyncio.timeout(_PATIENCE_S):
            await _all_chains_read(spine)
    gc.collect()
    gc.freeze()
    await asyncio.Event().wait()


async def _all_chains_read(spine: Spine) -> None:
    sequence = -1
    while True:
        metadata = (await spine.next_view(sequence)).metadata
        if all(chain.block is not None for chain in metadata.as_of):
            return
        sequence = metadata.tape_sequence
