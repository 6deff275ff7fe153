"""A fork of a protocol is a row of configuration: the same code reads it under its own name."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from tests.chains.running import running
from tests.chains.test_venue_truth import contract_says, we_say
from xmargin.config import Config, parse_config
from xmargin.model import venue_of
from xmargin.testbed.world import Testbed

CORE = "eip155:31337"
FORK = f"spark@{CORE}"


def with_fork(bed: Testbed, tape: Path) -> Config:
    """The testbed's configuration, and its first pool once more as another venue.

    Each owner has a second portfolio, named after the fork, of the account there.
    """
    provider = bed.evm[CORE].aave.provider.address
    rows = [f'[[venues]]\nid = "{FORK}"\nkind = "aave-v3"\naddresses_provider = "{provider}"\n']
    for one in bed.portfolios:
        account = f"{FORK}/{one.evm_address}"
        rows.append(f'[[portfolios]]\nid = "fork-{one.id}"\naccounts = ["{account}"]\n')
    return parse_config("\n".join([bed.config_toml(tape=tape), *rows]))


async def test_one_pool_under_two_names_gives_both_the_same_health(
    testbed: Testbed, tmp_path: Path
) -> None:
    tape = tmp_path / "a.tape"
    core = testbed.evm[CORE]
    async with running(testbed, tape, with_fork(testbed, tape)) as xmargin:
        await xmargin.caught_up(testbed)
        await testbed.market.apply(testbed.market.steps[0])
        owner = testbed.portfolio("p01-healthy-eth").evm_address
        await core.node.send([core.aave.borrow("USDC", Decimal(1_000), owner)])
        view = await xmargin.caught_up(testbed)
    (block,) = (c.block for c in view.metadata.as_of if c.chain == CORE)
    assert block is not None
    for one in testbed.portfolios:
        (at_fork,) = view.health(f"fork-{one.id}").accounts
        assert at_fork.account == f"{FORK}/{one.evm_address.lower()}"
        at_home = [a for a in view.health(one.id).accounts if venue_of(a.account) == core.venue]
        assert [replace(health, account=at_fork.account) for health in at_home] == [at_fork]
        assert we_say(at_fork) == await contract_says(testbed, at_fork.account, block.hash)
        assert not at_fork.fault
    ordered = [entry.account for entry in view.liquidations() if entry.account]
    liquidatable = [account for account in ordered if venue_of(account) == core.venue]
    assert liquidatable
    assert [account for account in ordered if venue_of(account) == FORK] == [
        account.replace(core.venue, FORK) for account in liquidatable
    ]
