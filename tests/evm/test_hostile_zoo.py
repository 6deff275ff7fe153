"""A zoo of generated tokens: none crashes anything, none is worth more than it says or twice."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from tests.evm import hostile
from tests.evm.harness import CHAIN, Followed, follow, settings, with_tokens
from tests.evm.zoo import HUGE, ZOO, Token, token
from xmargin.engine import Engine
from xmargin.model import Observation, PortfolioHealth, Registry, TokenBalance, TokenState
from xmargin.params import load_parameters
from xmargin.snapshot import cut
from xmargin.testbed.evm_chain import EvmChain
from xmargin.testbed.world import Testbed
from xmargin.view import View

pytestmark = pytest.mark.chains
SYMBOL_CHARACTERS_MAX = 32
# Values are made in floats.
TOLERANCE = Fraction(1, 10**12)


def address(number: int) -> str:
    return f"0x{0x2000000 + number:040x}"


def token_id(number: int) -> str:
    return f"{CHAIN}/erc20:{address(number)}"


def view_of(followed: Followed) -> View:
    world = followed.world
    now_ms = world.now_ms
    world.apply(Observation(load_parameters("unified-v1"), now_ms))
    snapshot = cut(world)
    return View(snapshot, Engine().evaluate(snapshot), 1, "")


def one_owner(registry: Registry, zoo: list[Token]) -> Registry:
    """One wallet holds all of a zoo; nothing of its own is in it."""
    wallet = f"wallet@{CHAIN}/0x{0xA11CE:040x}"
    tokens = [address(number) for number in range(len(zoo))]
    owner = replace(registry.portfolios[0], accounts=(wallet,))
    return replace(with_tokens(registry, *tokens), portfolios=(owner,))


async def told(
    testbed: Testbed, core: EvmChain, zoo: list[Token]
) -> tuple[PortfolioHealth, dict[str, TokenState]]:
    """What is said of the owner of a zoo."""
    for number, one in enumerate(zoo):
        await hostile.place(core.node, address(number), one.code)
    await core.node.mine()
    async with follow(testbed, registry=one_owner(settings(testbed)[1], zoo)) as followed:
        await followed.caught_up(testbed)
        await core.node.mine()
        await followed.caught_up(testbed)
        view = view_of(followed)
    (health,) = (view.health(portfolio) for portfolio in view.portfolio_ids)
    return health, {f.token: f for f in followed.facts().values() if isinstance(f, TokenState)}


async def test_no_token_of_the_zoo_is_worth_more_than_it_says_or_counted_twice(
    testbed: Testbed, core: EvmChain
) -> None:
    health, states = await told(testbed, core, ZOO)
    held = Counter(position.token for position in health.positions)
    assert all(count == 1 for count in held.values())
    unit = next(at for at, one in enumerate(ZOO) if one.amount == 10**18)
    mark = Fraction(value_of(unit, health))
    total = sum(check(at, one, health, states, mark) for at, one in enumerate(ZOO))
    assert health.equity is not None
    assert abs(Fraction(health.equity) - total) <= total * TOLERANCE
    # What could not be read makes its owner partial, and is named.
    assert health.partial


async def test_amounts_beyond_all_reason_are_carried_exactly(
    testbed: Testbed, core: EvmChain
) -> None:
    health, states = await told(testbed, core, [next(one for one in ZOO if one.amount), *HUGE])
    for number, one in enumerate(HUGE, start=1):
        check(number, one, health, states, mark=None)


def value_of(number: int, health: PortfolioHealth) -> Decimal:
    (position,) = (one for one in health.positions if one.token == token_id(number))
    assert position.value is not None
    return position.value


def check(
    number: int,
    one: Token,
    health: PortfolioHealth,
    states: dict[str, TokenState],
    mark: Fraction | None,
) -> Fraction:
    """What a token adds to its owner's equity."""
    token = token_id(number)
    symbol = states[token].symbol
    assert len(symbol) <= SYMBOL_CHARACTERS_MAX, one.name
    assert symbol.isprintable(), one.name
    found = [position for position in health.positions if position.token == token]
    if one.amount is None:
        assert not any(position.value or position.collateral_value for position in found), one.name
        assert states[token].fault or any(token in flag for flag in health.flags), one.name
        return Fraction(0)
    assert states[token].fault == "", one.name
    (position,) = found
    whole = Fraction(one.amount, 10**one.decimals)
    assert position.amount is not None
    assert Fraction(position.amount) == whole, one.name
    assert position.counting == "COUNTED"
    value = Fraction(value_of(number, health))
    assert mark is None or abs(value - whole * mark) <= whole * mark * TOLERANCE, one.name
    return value


# --- Balances that do not keep to transfers -----------------------------------------------------

TRANSFER_EVENT = "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
_LOAD, _STORE, _ARGUMENT = bytes([0x54]), bytes([0x55]), bytes([0x35])
_RETURN_WORD = hostile.push(0) + bytes([hostile.MSTORE]) + hostile.returns_zeros(32)


def rebasing() -> bytes:
    """Everybody holds as much as there are blocks, and nothing says so."""
    return token(balance=bytes([0x43]) + _RETURN_WORD)


def fee_on_transfer() -> bytes:
    """What arrives is 99 % of what is sent; balances are kept by address."""
    receiver = hostile.push(4) + _ARGUMENT
    sent = hostile.push(36) + _ARGUMENT + hostile.push(99) + b"\x02"
    arrives = sent + hostile.push(100) + b"\x90\x04"
    credit = arrives + receiver + _LOAD + b"\x01" + receiver + _STORE
    event = receiver + b"\x33\x7f" + bytes.fromhex(TRANSFER_EVENT)
    event += hostile.push(0) + hostile.push(0) + b"\xa3"
    return hostile.returns_by_selector(
        {
            hostile.DECIMALS: hostile.returns_word(18),
            hostile.SYMBOL: hostile.returns_text(b"FEE"),
            hostile.BALANCE_OF: receiver + _LOAD + _RETURN_WORD,
            "a9059cbb": credit + event + hostile.returns_word(1),
        },
        hostile.REVERTS,
    )


async def test_balances_that_rebase_or_lose_on_the_way_are_told_as_they_are(
    testbed: Testbed, core: EvmChain
) -> None:
    zoo = [Token("rebases", rebasing(), 0), Token("takes a fee", fee_on_transfer(), 0)]
    for number, one in enumerate(zoo):
        await hostile.place(core.node, address(number), one.code)
    await core.node.mine()
    registry = one_owner(settings(testbed)[1], zoo)
    (wallet,) = registry.portfolios[0].accounts
    sender = (await core.node.rpc("eth_accounts"))[0]
    async with follow(testbed, registry=registry) as followed:
        for turn in range(1, 4):
            call = f"0xa9059cbb{0xA11CE:064x}{1_000:064x}"
            await core.node.rpc(
                "eth_sendTransaction", {"from": sender, "to": address(1), "data": call}
            )
            await core.node.mine()
            await followed.caught_up(testbed)
            rebased, received = (
                fact.amount
                for number in (0, 1)
                for fact in followed.facts().values()
                if isinstance(fact, TokenBalance)
                if (fact.account, fact.token) == (wallet, token_id(number))
            )
            head = followed.heads[-1].block
            assert head is not None
            assert (rebased, received) == (head.height, turn * 990)
