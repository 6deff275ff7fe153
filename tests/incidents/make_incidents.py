"""Writes the incident files anew: ``python -m tests.incidents.make_incidents``."""

from collections.abc import Callable

from tests.incidents.making import (
    one_venue_apart,
    out_of_nothing,
    stable_and_stale,
    thin_markets,
    wrong_feeds,
)
from tests.incidents.making.tape import Tape

MAKERS: tuple[Callable[[], Tape], ...] = (
    stable_and_stale.usdc,
    stable_and_stale.luna,
    stable_and_stale.pyth,
    stable_and_stale.solana,
    one_venue_apart.compound,
    one_venue_apart.binance,
    one_venue_apart.maker,
    wrong_feeds.moonwell,
    wrong_feeds.capo,
    wrong_feeds.arbitrum,
    out_of_nothing.resolv,
    out_of_nothing.kelp,
    thin_markets.solend,
    thin_markets.mango,
    thin_markets.jelly,
    thin_markets.deleveraged,
    thin_markets.wusdm,
)

if __name__ == "__main__":
    for make in MAKERS:
        tape = make()
        tape.path.write_text(tape.text(), "utf-8")
        print(f"{tape.path.name}: {len(tape.text()):,} characters")
