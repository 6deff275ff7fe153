"""What is not known, contradicts itself or counts twice is said, and never makes anyone sound."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.spine.examples import (
    AAVE,
    CHAIN,
    OTHER,
    REGISTRY,
    START_S,
    VENUE,
    WALLET,
    WETH,
    block,
    block_facts,
    committed,
)
from xmargin.errors import TapeError
from xmargin.model import (
    AaveV3Account,
    AaveV3Position,
    AaveV3Reserve,
    Claim,
    ClockTick,
    Condition,
    Counting,
    Fact,
    FeedRound,
    HealthStatus,
    LiquidationKind,
    Observation,
    Registry,
    TokenBalance,
    TokenSpec,
    TokenState,
    Verdict,
)
from xmargin.params import load_parameters
from xmargin.spine import Spine
from xmargin.view import View

PARAMETERS = load_parameters("unified-v1")
A_WETH = f"{CHAIN}/erc20:0x" + "a1" * 20
OWED_USDC = f"{CHAIN}/erc20:0x" + "d2" * 20
ETHER = 10**18


@asynccontextmanager
async def opened(
    path: Path, registry: Registry = REGISTRY, now_s: int = START_S
) -> AsyncIterator[Spine]:
    spine = await Spine.open(path, registry, PARAMETERS, lambda: now_s * 1000)
    try:
        yield spine
    finally:
        await spine.close()


async def view_after(spine: Spine, facts: Sequence[Fact], height: int = 7) -> View:
    await spine.ingest(committed(list(facts), block(height)))
    assert spine.view is not None
    return spine.view


def with_claims(facts: Sequence[Fact]) -> list[Fact]:
    """The reserves say their aToken and their token of debt."""
    named = {0: (A_WETH, ""), 1: ("", OWED_USDC)}
    return [
        replace(f, a_token=named[f.reserve_id][0], variable_debt_token=named[f.reserve_id][1])
        if isinstance(f, AaveV3Reserve)
        else f
        for f in facts
    ]


def watching(*tokens: TokenSpec) -> Registry:
    every = sorted((*REGISTRY.tokens, *tokens), key=lambda token: token.id)
    return replace(REGISTRY, tokens=tuple(every))


A_WETH_STATES: list[Fact] = [
    TokenState(A_WETH, 18, "aWETH", ""),
    TokenBalance(WALLET, A_WETH, ETHER, ""),
]


@pytest.mark.parametrize(
    "spec",
    [
        TokenSpec(A_WETH, "aWETH", "ETH", "ETH"),
        TokenSpec(A_WETH, "aWETH", "ETH", "ETH", Claim.VENUE_SUPPLY, VENUE),
        TokenSpec(A_WETH, "aWETH", "ETH", "ETH", Claim.VENUE_SUPPLY, f"aave-v3@{OTHER}"),
    ],
    ids=["not said to be a claim", "said", "said of another venue"],
)
async def test_an_atoken_counts_once_whatever_the_configuration_says_of_it(
    tmp_path: Path, spec: TokenSpec
) -> None:
    async with opened(tmp_path / "a.tape", watching(spec)) as spine:
        facts = with_claims(block_facts(7, debt=10**9))
        health = (await view_after(spine, [*facts, *A_WETH_STATES])).health("alice")
    in_wallet = next(p for p in health.positions if p.token == A_WETH)
    assert in_wallet.counting is Counting.LOOKED_THROUGH
    assert in_wallet.collateral_value == 0


async def test_an_atoken_whose_venue_does_not_know_it_is_no_claim_on_it(tmp_path: Path) -> None:
    spec = TokenSpec(A_WETH, "aWETH", "ETH", "ETH", Claim.VENUE_SUPPLY, VENUE)
    async with opened(tmp_path / "a.tape", watching(spec)) as spine:
        view = await view_after(spine, [*block_facts(7), *A_WETH_STATES])
    (in_wallet,) = (p for p in view.health("alice").positions if p.token == A_WETH)
    assert in_wallet.counting is Counting.COUNTED


async def test_a_token_of_debt_in_a_wallet_is_no_asset(tmp_path: Path) -> None:
    spec = TokenSpec(OWED_USDC, "variableDebtUSDC", "USDC", "USDC")
    states: list[Fact] = [
        TokenState(OWED_USDC, 6, "variableDebtUSDC", ""),
        TokenBalance(WALLET, OWED_USDC, 10**9, ""),
    ]
    async with opened(tmp_path / "a.tape", watching(spec)) as spine:
        view = await view_after(spine, [*with_claims(block_facts(7, debt=10**9)), *states])
    owed = next(p for p in view.health("alice").positions if p.token == OWED_USDC)
    assert owed.counting is Counting.LOOKED_THROUGH
    assert owed.collateral_value == 0


async def test_what_is_watched_anew_is_unread_until_the_next_head_of_its_chain(
    tmp_path: Path,
) -> None:
    tape = tmp_path / "a.tape"
    fewer = replace(REGISTRY, portfolios=REGISTRY.portfolios[1:])
    async with opened(tape, fewer) as spine:
        await view_after(spine, block_facts(7, debt=10**9))
    async with opened(tape) as spine:
        assert spine.view is not None
        before = spine.view
        after = await view_after(spine, block_facts(8, debt=10**9), 8)
    as_of = next(c for c in before.metadata.as_of if c.chain == CHAIN)
    assert (as_of.condition, as_of.reason) == (
        Condition.UNREAD,
        "not read since what is watched changed",
    )
    assert before.metadata.partial
    assert before.health("alice").partial
    assert not before.liquidations()
    assert next(c for c in after.metadata.as_of if c.chain == CHAIN).condition is Condition.OK


async def test_a_balance_nobody_told_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    async with opened(tmp_path / "a.tape") as spine:
        view = await view_after(spine, block_facts(7))
    bob = view.health("bob")
    assert bob.partial
    assert any(f"{WETH}: not read yet" in flag for flag in bob.flags)


async def test_a_token_at_fault_from_the_start_is_flagged_and_takes_no_account_with_it(
    tmp_path: Path,
) -> None:
    dead = TokenSpec(f"{CHAIN}/erc20:0x" + "de" * 20, "DEAD", "ETH", "ETH")
    fault = TokenState(dead.id, 0, "", "decimals() returned 0 bytes, not 32")
    async with opened(tmp_path / "a.tape", watching(dead)) as spine:
        view = await view_after(spine, [*block_facts(7, debt=10**9), fault])
    flag = f"token {dead.id} is excluded: {fault.fault}"
    alice = view.health("alice")
    assert flag in view.metadata.flags
    assert flag in alice.flags
    assert (alice.status, alice.verdict) == (HealthStatus.HEALTHY, Verdict.FLAG)


async def test_an_emode_nobody_read_is_its_accounts_fault_alone(tmp_path: Path) -> None:
    user = AaveV3Account(AAVE, 9, 0b10, (AaveV3Position(0, ETHER, 0, 0, 0, 0),), "")
    async with opened(tmp_path / "a.tape") as spine:
        view = await view_after(spine, [*block_facts(7)[:-1], user])
    (account,) = view.health("alice").accounts
    assert account.fault == "in eMode 9, which was not read"
    assert view.health("alice").status is HealthStatus.UNKNOWN
    assert view.health("bob").status is HealthStatus.NO_DEBT


async def test_who_is_short_with_an_account_unread_is_listed_with_that_said(
    tmp_path: Path,
) -> None:
    second = f"spark@{CHAIN}"
    account = f"{second}/{AAVE.rsplit('/', 1)[1]}"
    alice = replace(REGISTRY.portfolios[0], accounts=(AAVE, account, WALLET))
    venue = replace(REGISTRY.venues[0], id=second, addresses_provider="0x" + "0b" * 20)
    registry = replace(
        REGISTRY, portfolios=(alice, REGISTRY.portfolios[1]), venues=(*REGISTRY.venues, venue)
    )
    async with opened(tmp_path / "a.tape", registry) as spine:
        view = await view_after(spine, block_facts(7, debt=3_000 * 10**6))
    entries = [e for e in view.liquidations() if e.kind is LiquidationKind.PORTFOLIO]
    assert [e.portfolio for e in entries] == ["alice"]
    assert entries[0].reason.endswith("; a venue account of it was not read")


async def test_a_block_from_the_future_cuts_its_chain_off(tmp_path: Path) -> None:
    ahead = replace(block(7), time_s=START_S + 7 + 3_600)
    async with opened(tmp_path / "a.tape") as spine:
        batch = committed(block_facts(7), ahead)
        await spine.ingest([replace(told, observed_at_ms=1000 * START_S) for told in batch])
        await spine.ingest([Observation(ClockTick(), 1000 * START_S + 10)])
        assert spine.view is not None
        as_of = next(c for c in spine.view.metadata.as_of if c.chain == CHAIN)
    assert as_of.condition is Condition.INVALID
    assert "ahead of our clock" in as_of.reason


async def test_a_tape_from_the_future_is_refused_with_the_way_out(tmp_path: Path) -> None:
    tape = tmp_path / "a.tape"
    async with opened(tape) as spine:
        await spine.ingest([Observation(ClockTick(), 1000 * (START_S + 30 * 86_400))])
    with pytest.raises(TapeError, match="ahead of this machine's clock; set the clock right"):
        async with opened(tape):
            pass
    async with opened(tape, now_s=START_S + 30 * 86_400):
        pass


async def test_an_alarm_of_a_price_is_a_flag_of_the_view(tmp_path: Path) -> None:
    """The aggregator changes and nothing else: no market did that."""
    facts = block_facts(6)
    changed = [
        replace(fact, source="0xother") if isinstance(fact, FeedRound) else fact for fact in facts
    ]
    async with opened(tmp_path / "tape") as spine:
        await spine.ingest(committed(block_facts(5), block(5)))
        before = spine.view
        await spine.ingest(committed(changed, block(6)))
        after = spine.view
    assert before is not None
    assert not any(flag.startswith("alarm") for flag in before.metadata.flags)
    assert after is not None
    assert any(
        flag == "alarm: price of ETH: identity binds though no answer moved by more than 50 bps "
        "within 900 s"
        for flag in after.metadata.flags
    )
