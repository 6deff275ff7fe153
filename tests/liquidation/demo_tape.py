"""Snapshots of the recorded demo, and the same with other accounts and reserves."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import xmargin
from xmargin.engine import Engine, Evaluation
from xmargin.model import AaveV3Account, AaveV3Position, AaveV3Reserve, AccountId
from xmargin.snapshot import Snapshot, cut
from xmargin.tape import read_observations
from xmargin.world import ChainFact, World, key_of

Read = tuple[Snapshot, Evaluation]
"""A snapshot and the evaluation of it."""

TAPE = Path(xmargin.__file__).parent / "tapes" / "demo.tape"


@cache
def recorded(observations: int | None = None) -> Snapshot:
    """As the tape ends, or after so many observations."""
    world = World()
    for number, (observation, _) in enumerate(read_observations(TAPE)):
        if number == observations:
            break
        world.apply(observation)
    return cut(world)


def with_facts(snapshot: Snapshot, facts: Iterable[ChainFact]) -> Snapshot:
    """The same with these facts, in place of those with their keys."""
    tables = {kind: dict(table) for kind, table in snapshot.facts.items()}
    for fact in facts:
        key = key_of(fact)
        tables[key[0]][key] = fact
    return replace(snapshot, facts=tables)


def only(snapshot: Snapshot, accounts: Iterable[AccountId]) -> Snapshot:
    """The same, no other lending account having been read."""
    kept = set(accounts)
    few = {key_of(user): user for user in accounts_of(snapshot) if user.account in kept}
    return replace(snapshot, facts={**snapshot.facts, "aave-v3-account": few})


def evaluated(snapshot: Snapshot) -> Read:
    return snapshot, Engine().evaluate(snapshot)


def accounts_of(snapshot: Snapshot) -> list[AaveV3Account]:
    return [f for f in snapshot.facts["aave-v3-account"].values() if isinstance(f, AaveV3Account)]


def reserves_of(snapshot: Snapshot) -> list[AaveV3Reserve]:
    return [f for f in snapshot.facts["aave-v3-reserve"].values() if isinstance(f, AaveV3Reserve)]


def holding(
    account: AccountId,
    supplied: dict[int, int],
    owed: dict[int, int],
    emode: int = 0,
    unused: Iterable[int] = (),
) -> AaveV3Account:
    """An account of so many smallest units by reserve, at an index of one; collateral but where
    ``unused``."""
    positions = tuple(
        AaveV3Position(number, supplied.get(number, 0), owed.get(number, 0), 0, 0, 0)
        for number in sorted({*supplied, *owed})
    )
    used = sum(2 << 2 * number for number in supplied if number not in set(unused))
    borrowed = sum(1 << 2 * number for number in owed)
    return AaveV3Account(account, emode, used | borrowed, positions, "")
