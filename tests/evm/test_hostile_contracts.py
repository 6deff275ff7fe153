"""Contracts that mean harm exclude themselves; accounts, other tokens and feeds are untouched."""

from dataclasses import replace

import pytest

from tests.evm import hostile
from tests.evm.harness import CHAIN, Followed, follow, read_anew, settings, with_tokens
from xmargin.chains.evm.endpoint import EvmEndpoint
from xmargin.chains.evm.multicall import Multicall
from xmargin.config import MULTICALL3
from xmargin.model import AaveV3Account, FeedRound, FeedSpec, TokenBalance, TokenState, VenueSpec
from xmargin.reads import EvmCall
from xmargin.testbed.evm_chain import EvmChain
from xmargin.testbed.portfolios import PORTFOLIO_BY_ID
from xmargin.testbed.world import Testbed

pytestmark = pytest.mark.chains


def well(symbol: bytes = b"GOOD", balance: bytes = hostile.returns_word(7)) -> bytes:
    """A token of 18 decimals, but for the parts that are given."""
    return hostile.returns_by_selector(
        {
            hostile.DECIMALS: hostile.returns_word(18),
            hostile.SYMBOL: hostile.returns_text(symbol),
            hostile.BALANCE_OF: balance,
        },
        hostile.REVERTS,
    )


# What it does, and what its fault says.
HOSTILE = {
    "reverts": (hostile.REVERTS, "decimals() failed"),
    "burns all gas": (hostile.BURNS_ALL_GAS, "decimals() failed"),
    "invalid opcode": (hostile.INVALID_OPCODE, "decimals() failed"),
    "answers nothing": (hostile.RETURNS_NOTHING, "decimals() returned 0 bytes"),
    "answers a megabyte": (hostile.returns_zeros(1024 * hostile.KIBI), "decimals() failed"),
    "answers 100 kB": (hostile.returns_zeros(100 * hostile.KIBI), "decimals() failed"),
    "answers a byte": (hostile.returns_zeros(1), "decimals() returned 1 bytes"),
    "claims 255 decimals": (hostile.returns_word(255), "claims 255 decimals"),
    "claims 2^256 - 1 decimals": (hostile.returns_word(2**256 - 1), "claims 1157920892"),
    "has no code": (b"", "decimals() returned 0 bytes"),
    "symbol is garbage": (
        hostile.returns_by_selector({hostile.SYMBOL: hostile.returns_zeros(64)}, b"")
        + hostile.returns_word(6),
        "",
    ),
}


def address(number: int) -> str:
    return f"0x{0xBAD0000 + number:040x}"


def token_id(number: int) -> str:
    return f"{CHAIN}/erc20:{address(number)}"


def honest_facts(followed: Followed) -> dict[tuple[str, ...], object]:
    return {k: f for k, f in followed.facts().items() if "0bad" not in "".join(k)}


async def place_all(core: EvmChain) -> list[str]:
    for number, (code, _) in enumerate(HOSTILE.values()):
        await hostile.place(core.node, address(number), code)
    await core.node.mine()
    return [address(number) for number in range(len(HOSTILE))]


async def test_hostile_tokens_are_flagged_and_all_else_is_read(
    testbed: Testbed, core: EvmChain
) -> None:
    clean = honest_facts(await read_anew(testbed))
    registry = with_tokens(settings(testbed)[1], *await place_all(core))
    async with follow(testbed, registry=registry) as followed:
        await followed.caught_up(testbed)
        states = {f.token: f for f in followed.facts().values() if isinstance(f, TokenState)}
        for number, (name, (_, why)) in enumerate(HOSTILE.items()):
            assert why in states[token_id(number)].fault, name
            if why:
                assert not any(
                    token_id(number) in k and k[0] == "balance" for k in followed.facts()
                )
        after = honest_facts(followed)
        assert {k for k in clean if k[0] != "feed"} == {k for k in after if k[0] != "feed"}
        assert not any(getattr(fact, "fault", "") for fact in after.values())


async def test_a_token_hostile_only_when_asked_for_balances(
    testbed: Testbed, core: EvmChain
) -> None:
    """Each does its harm in ``balanceOf``; a token between them gives its balance all the same."""
    kinds = [
        well(balance=hostile.BURNS_ALL_GAS),
        well(),
        well(balance=hostile.returns_zeros(1024 * hostile.KIBI)),
        well(balance=hostile.REVERTS),
        well(),
        well(balance=hostile.RETURNS_NOTHING),
    ]
    for number, code in enumerate(kinds):
        await hostile.place(core.node, address(number), code)
    await core.node.mine()
    addresses = [address(number) for number in range(len(kinds))]
    registry = with_tokens(settings(testbed)[1], *addresses)
    async with follow(testbed, registry=registry) as followed:
        await followed.caught_up(testbed)
        balances = [f for f in followed.facts().values() if isinstance(f, TokenBalance)]
        for number, code in enumerate(kinds):
            told = {(b.amount, b.fault != "") for b in balances if b.token == token_id(number)}
            assert told == ({(7, False)} if code == well() else {(0, True)}), number
        honest = [b for b in balances if "0bad" not in b.token]
        assert honest
        assert not [b for b in honest if b.fault]
        for _ in range(3):
            await core.node.mine()
            await followed.caught_up(testbed)
        # What was found out is remembered: no block after the first looks for culprits again.
        assert followed.reader.calls_last_block["eth_call"] <= 1 + 2 * len(kinds)


async def test_gas_burnt_by_one_contract_is_not_blamed_on_the_next(
    testbed: Testbed, core: EvmChain
) -> None:
    """The burner leaves enough to end the batch, but not for an honest call that needs more."""
    hungry = hostile.after_work(50_000, hostile.returns_word(9))
    await hostile.place(core.node, address(0), hostile.BURNS_ALL_GAS)
    await hostile.place(core.node, address(1), hungry)
    await core.node.mine()
    (endpoint,) = settings(testbed)[0].endpoints
    calls = [EvmCall(address(number), bytes(4)) for number in (0, 1)]
    head = await core.w3.eth.get_block("latest")
    async with EvmEndpoint(settings(testbed)[0], endpoint) as link:
        multicall = Multicall(MULTICALL3, calls_per_batch_max=100)
        for _ in range(2):
            results = await multicall.read(link, head["hash"].to_0x_hex(), calls)
            assert results == [None, (9).to_bytes(32)]
        # The innocent shares batches again; the burner is kept apart.
        assert multicall.isolated == (address(0),)
        before = link.calls["eth_call"]
        await multicall.read(link, head["hash"].to_0x_hex(), calls)
        assert link.calls["eth_call"] - before <= 3


async def test_a_batch_too_large_for_the_endpoint_is_made_smaller_and_nobody_is_blamed(
    testbed: Testbed, core: EvmChain
) -> None:
    await hostile.place(core.node, address(0), hostile.after_work(50_000, hostile.returns_word(9)))
    await core.node.mine()
    (endpoint,) = settings(testbed)[0].endpoints
    block_number = EvmCall(MULTICALL3, bytes.fromhex("42cbb15c"))
    calls = [EvmCall(address(0), bytes(4)), block_number] * 60
    head = await core.w3.eth.get_block("latest")
    async with EvmEndpoint(settings(testbed)[0], endpoint) as link:
        multicall = Multicall(MULTICALL3, calls_per_batch_max=200)
        results = await multicall.read(link, head["hash"].to_0x_hex(), calls)
        assert multicall.isolated == ()
    assert results == [(9).to_bytes(32), head["number"].to_bytes(32)] * 60


async def test_code_in_a_symbol_is_only_ever_text(testbed: Testbed, core: EvmChain) -> None:
    await hostile.place(core.node, address(0), well(symbol=b"\x1b[31m<script>alert(1)</script>"))
    await hostile.place(
        core.node,
        address(1),
        hostile.returns_by_selector(
            {hostile.SYMBOL: hostile.returns_word(int.from_bytes(b"MKR".ljust(32, b"\0")))},
            hostile.returns_word(18),
        ),
    )
    await core.node.mine()
    registry = with_tokens(settings(testbed)[1], address(0), address(1))
    async with follow(testbed, registry=registry) as followed:
        await followed.caught_up(testbed)
        states = {f.token: f for f in followed.facts().values() if isinstance(f, TokenState)}
    assert states[token_id(0)].symbol == "[31m<script>alert(1)</script>"
    assert states[token_id(1)].symbol == "MKR"
    assert not states[token_id(0)].fault + states[token_id(1)].fault


async def test_a_feed_that_is_none_is_at_fault_alone(testbed: Testbed, core: EvmChain) -> None:
    await hostile.place(core.node, address(0), hostile.BURNS_ALL_GAS)
    await core.node.mine()
    registry = settings(testbed)[1]
    bad = FeedSpec(f"chainlink@{CHAIN}/{address(0)}", "ETH", "USD", 3600, 60)
    feeds = tuple(sorted((bad, *registry.feeds), key=lambda feed: feed.id))
    async with follow(testbed, registry=replace(registry, feeds=feeds)) as followed:
        await followed.caught_up(testbed)
        rounds = {f.feed: f for f in followed.facts().values() if isinstance(f, FeedRound)}
        assert rounds[bad.id].fault == "latestRoundData() failed"
        assert [r.feed for r in rounds.values() if r.fault] == [bad.id]
        assert not any(
            f.fault
            for f in followed.facts().values()
            if isinstance(f, AaveV3Account | TokenBalance)
        )


@pytest.mark.parametrize(
    ("provider", "pool", "why"),
    [
        (b"", b"", "no Aave addresses provider at"),
        (hostile.returns_word(0), b"", "names no pool or no price oracle"),
        (hostile.returns_word(0xBAD0001), hostile.returns_word(0), "is of Aave v3.1 or later"),
        (hostile.returns_word(0xBAD0001), hostile.REVERTS, "getReservesList() failed"),
        (hostile.returns_word(0xBAD0001), hostile.BURNS_ALL_GAS, "getReservesList() failed"),
    ],
)
async def test_a_venue_that_is_no_aave_v3_0_is_refused_with_its_reason(
    testbed: Testbed, core: EvmChain, provider: bytes, pool: bytes, why: str
) -> None:
    await hostile.place(core.node, address(0), provider)
    await hostile.place(core.node, address(1), pool)
    await core.node.mine()
    registry = settings(testbed)[1]
    fork = VenueSpec(f"fork@{CHAIN}", "aave-v3", address(0))
    owner = PORTFOLIO_BY_ID["p31-empty"].evm_address.lower()
    watched = replace(
        registry,
        venues=tuple(sorted((*registry.venues, fork), key=lambda venue: venue.id)),
        portfolios=(
            *registry.portfolios,
            replace(registry.portfolios[0], id="z", accounts=(f"{fork.id}/{owner}",)),
        ),
    )
    async with follow(testbed, registry=watched) as followed:
        for _ in range(3):
            await core.node.mine()
            await followed.caught_up(testbed)
        accounts = [f for f in followed.facts().values() if isinstance(f, AaveV3Account)]
        faults = {a.account: a.fault for a in accounts if a.fault}
        assert list(faults) == [f"{fork.id}/{owner}"]
        assert why in faults[f"{fork.id}/{owner}"]


async def test_a_fork_is_a_row_of_configuration(testbed: Testbed, core: EvmChain) -> None:
    registry = settings(testbed)[1]
    aave = next(v for v in registry.venues if v.id == core.venue)
    fork = replace(aave, id=f"spark@{CHAIN}")
    owner = PORTFOLIO_BY_ID["p06-healthy-many-assets"].evm_address.lower()
    watched = replace(
        registry,
        venues=(*registry.venues, fork),
        portfolios=(replace(registry.portfolios[0], accounts=(f"{fork.id}/{owner}",)),),
    )
    async with follow(testbed, registry=watched) as followed:
        await followed.caught_up(testbed)
        (account,) = [f for f in followed.facts().values() if isinstance(f, AaveV3Account)]
        assert account.account == f"{fork.id}/{owner}"
        assert len(account.positions) == 5
