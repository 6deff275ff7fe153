"""Mainnet's own feed accounts on the VM, told by the reader beside everything else."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from solders.pubkey import Pubkey

from tests.solana.harness import follow, registry_of
from xmargin.model import FeedRound, FeedSpec
from xmargin.oracles import pyth_legacy, switchboard
from xmargin.testbed.solana_vm import SolanaVm

pytestmark = pytest.mark.chains
ACCOUNTS = Path(__file__).resolve().parents[1] / "oracles/accounts"
FEEDS: tuple[tuple[ModuleType, str, str, int], ...] = (
    (
        switchboard,
        "BSzfJs4d1tAkSDqkepnfzEVcx2WtDVnwwXa2giy9PLeP",
        "switchboard_sol_usd.bin",
        155_594045270000000000,
    ),
    (
        pyth_legacy,
        "Gnt27xtC473ZT2Mw5u8wZ68Z3gULkSTb5DuxJy7eJotD",
        "pyth_legacy_usdc_usd.bin",
        100_000_750,
    ),
)


async def test_accounts_of_each_kind_are_read_and_one_taken_over_is_a_fault(vm: SolanaVm) -> None:
    specs = []
    for kind, address, file, _ in FEEDS:
        owner, content = Pubkey.from_string(kind.PROGRAMS[0]), (ACCOUNTS / file).read_bytes()
        await vm.set_account(Pubkey.from_string(address), owner, content)
        specs.append(FeedSpec(f"{kind.KIND}@{vm.chain}/{address}", "SOL", "USD", 60, 5))
    registry = registry_of(vm)
    feeds = tuple(sorted((*registry.feeds, *specs), key=lambda feed: feed.id))
    async with follow(vm, replace(registry, feeds=feeds)) as followed:

        def told(spec: FeedSpec) -> FeedRound | None:
            return followed.world.feed_round(spec.id)

        await followed.until(lambda: all(told(spec) is not None for spec in specs))
        for spec, (_, _, _, answer) in zip(specs, FEEDS, strict=True):
            newest = told(spec)
            assert newest is not None
            assert (newest.answer, newest.fault) == (answer, "")
        kind, address, file, _ = FEEDS[0]
        hostile = (ACCOUNTS / file).read_bytes()
        await vm.set_account(Pubkey.from_string(address), Pubkey.default(), hostile)
        await followed.until(lambda: bool(getattr(told(specs[0]), "fault", "")))
        newest = told(specs[0])
        assert newest is not None
        assert newest.fault.endswith("not by Switchboard On-Demand")
