"""Venue accounts that are not what they should be, on a real Solana VM beside honest ones."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.chains.running import healths
from tests.solana_venues import drift_golden, kamino_golden, marginfi_golden
from tests.solana_venues.packing import unpacked
from tests.solana_venues.serving import Chain, chain_of, pyth_update, served
from tests.solana_venues.test_served import accounts, all_read, renamed
from xmargin.model import HealthStatus
from xmargin.solana_prices import PYTH_PROGRAM
from xmargin.testbed.world import Testbed
from xmargin.venues import drift_v2, kamino, marginfi_v2
from xmargin.venues.solana_wallet import SYSTEM_PROGRAM, TOKEN_PROGRAM

NOISE = zlib.compress(bytes(range(256)) * 64)


class Damage(NamedTuple):
    """What lies at an account's address instead of it."""

    name: str
    owner: str
    data: bytes


def damages(honest: bytes, program: str, other: bytes) -> Iterator[Damage]:
    """What no account of its program is; ``other`` is another honest account of the same type."""
    for owner in (SYSTEM_PROGRAM, TOKEN_PROGRAM, PYTH_PROGRAM):
        yield Damage(f"of {owner}", owner, honest)
    for size in (0, 7, 8, 9, len(honest) // 2, len(honest) - 1):
        yield Damage(f"{size} bytes", program, honest[:size])
    yield Damage("one byte more", program, honest + b"\0")
    yield Damage("twice", program, honest * 2)
    yield Damage("no discriminator", program, bytes(8) + honest[8:])
    yield Damage("all ones", program, b"\xff" * len(honest))
    yield Damage("nothing but its discriminator, moved", program, bytes(1) + honest[:-1])
    yield Damage("a price", program, pyth_update(10**8, 1))
    yield Damage("noise", program, (NOISE * (len(honest) // len(NOISE) + 1))[: len(honest)])
    yield Damage("another's", program, other)


async def put_damaged(
    chain: Chain, program: str, addresses: list[str], honest: list[bytes]
) -> dict[str, str]:
    """One kind of damage an account; the damage by address."""
    one = honest[0]
    kinds = list(damages(one, program, honest[-1]))
    if program == marginfi_v2.PROGRAM:
        kinds.pop()  # an account of marginfi says nothing of its own address
    for address, damage in zip(addresses, kinds, strict=False):
        await chain.put(address, damage.owner, damage.data)
    assert len(kinds) <= len(addresses)
    return {address: damage.name for address, damage in zip(addresses, kinds, strict=False)}


async def test_damaged_accounts_have_no_figures_and_honest_ones_keep_theirs(
    testbed: Testbed, tmp_path: Path
) -> None:
    chain = await chain_of(testbed)
    drift = await chain.put_drift()
    users = {drift_v2.user_address(user.account): user.account for user, _ in drift.users}
    texts = [unpacked(one["bytes"]) for one in drift_golden.document()["users"]]
    names = {address: renamed(account, chain) for address, account in users.items()}
    harmed = await put_damaged(chain, drift_v2.PROGRAM, list(users), texts)
    await check(testbed, chain, tmp_path / "d", names, harmed)

    marginfi, _ = await chain.put_marginfi()
    texts = [unpacked(one["bytes"]) for one in marginfi_golden.document()["accounts"]]
    names = {one.account.split("/")[1]: renamed(one.account, chain) for one, _ in marginfi.accounts}
    harmed = await put_damaged(chain, marginfi_v2.PROGRAM, list(names), texts)
    await check(testbed, chain, tmp_path / "m", names, harmed)

    obligations = (await chain.put_kamino()).obligations
    texts = [unpacked(one["bytes"]) for one in kamino_golden.document()["obligations"]]
    names = {one.account.split("/")[1]: renamed(one.account, chain) for one, _ in obligations}
    harmed = await put_damaged(chain, kamino.PROGRAM, list(names), texts)
    await check(testbed, chain, tmp_path / "k", names, harmed)


async def check(
    testbed: Testbed, chain: Chain, folder: Path, names: dict[str, str], harmed: dict[str, str]
) -> None:
    """Those that were harmed are refused with nothing counted; most of the others have figures."""
    folder.mkdir()
    by_portfolio = {f"p{number}": [name] for number, name in enumerate(names.values())}
    async with served(testbed, chain, folder, by_portfolio) as running:
        said = await all_read(running, list(names.values()))
        view = await running.until(lambda view: bool(accounts(view)))
    health_of = {one.accounts[0].account: one for one in healths(view).values()}
    for address, name in names.items():
        if address in harmed:
            assert said[name].status is HealthStatus.REFUSED, harmed[address]
            assert said[name].fault, harmed[address]
            assert health_of[name].positions == (), harmed[address]
            assert health_of[name].partial
    whole = [name for address, name in names.items() if address not in harmed]
    sound = [name for name in whole if not said[name].fault]
    assert len(sound) >= len(whole) // 2
    assert all(health_of[name].positions for name in sound if said[name].collateral_base)


async def test_an_account_that_rests_on_what_is_none_has_no_figures(
    testbed: Testbed, tmp_path: Path
) -> None:
    """Banks and price accounts that are another's, another thing or not there."""
    chain = await chain_of(testbed)
    golden, _ = await chain.put_marginfi()
    documents = marginfi_golden.document()["banks"]
    honest = {one["address"]: unpacked(one["bytes"]) for one in documents}
    victims = sorted({each.bank for account, _ in golden.accounts for each in account.balances})
    a_mint = bytes(36) + bytes(8) + bytes([6, 1]) + bytes(36)
    for number, bank in enumerate(victims):
        owner, data = [
            (SYSTEM_PROGRAM, honest[bank]),
            (marginfi_v2.PROGRAM, honest[victims[number - 1]]),
            (marginfi_v2.PROGRAM, a_mint),
            (TOKEN_PROGRAM, a_mint),
            (marginfi_v2.PROGRAM, honest[bank][:-1]),
        ][number % 5]
        await chain.put(bank, owner, data)
    names = [renamed(account.account, chain) for account, _ in golden.accounts if account.balances]
    async with served(testbed, chain, tmp_path, {"m": names}) as running:
        said = await all_read(running, names)
    for name in names:
        assert said[name].status is HealthStatus.REFUSED
        assert said[name].fault, name
