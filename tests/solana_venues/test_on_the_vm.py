"""Accounts of the three programs on a real Solana VM, read as any other chain is."""

from collections.abc import Callable

import pytest
from solders.pubkey import Pubkey

from tests.solana.harness import config_of
from tests.solana_venues.placed import Placed, drift_accounts, kamino_accounts, marginfi_accounts
from xmargin.chains.solana.accounts import read_batches
from xmargin.chains.solana.endpoint import SolanaEndpoint
from xmargin.testbed.world import Testbed

BATCH = 90


@pytest.mark.parametrize("accounts", [drift_accounts, marginfi_accounts, kamino_accounts])
async def test_what_is_read_of_the_vm_decodes_to_what_was_placed(
    testbed: Testbed, accounts: Callable[[], list[Placed]]
) -> None:
    vm, placed = testbed.solana, accounts()
    for account, _ in placed:
        owner = Pubkey.from_string(account.owner)
        await vm.set_account(Pubkey.from_string(account.address), owner, account.data)
    addresses = [account.address for account, _ in placed]
    batches = [addresses[at : at + BATCH] for at in range(0, len(addresses), BATCH)]
    config = config_of(vm)
    async with SolanaEndpoint(config, config.endpoints[0]) as solana:
        answers = await read_batches(solana, batches, 0, rounds=3)
    read = [one for answer in answers for one in answer.accounts]
    for (account, decode), found in zip(placed, read, strict=True):
        assert found is not None
        assert (found.owner, found.data) == (account.owner, account.data)
        assert decode(found) == decode(account)
