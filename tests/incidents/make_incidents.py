"""Writes the incident files anew: ``python -m tests.incidents.make_incidents``."""

from collections.abc import Callable

from tests.incidents.making import stable_and_stale
from tests.incidents.making.tape import Tape

MAKERS: tuple[Callable[[], Tape], ...] = (
    stable_and_stale.usdc,
    stable_and_stale.luna,
    stable_and_stale.pyth,
    stable_and_stale.solana,
)

if __name__ == "__main__":
    for make in MAKERS:
        tape = make()
        tape.path.write_text(tape.text(), "utf-8")
        print(f"{tape.path.name}: {len(tape.text()):,} characters")
