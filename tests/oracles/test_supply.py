"""How much of a token there may be: each bound at its edge, and what a doubt makes of prices."""

from dataclasses import replace
from decimal import Decimal

import pytest

from xmargin.model import (
    JudgedPrice,
    SupplySpec,
    TokenBalance,
    TokenState,
    TokenSupply,
    Verdict,
)
from xmargin.oracles.findings import Guard
from xmargin.oracles.supply import YEAR_S, SupplyFacts, approved_most, held, supply_doubts

HOME, TWIN, OTHER = (f"eip155:{n}/erc20:0x{'0a' * 20}" for n in (1, 10, 42161))
ESCROW = f"wallet@eip155:1/0x{'ee' * 20}"
AT_S = 1_800_000_000
SPEC = SupplySpec(HOME, approved=1_000_000, approved_at_s=AT_S, growth_bps_max=1_000)


def read(
    supplies: dict[str, int], locked: int | None = None, decimals: dict[str, int] | None = None
) -> SupplyFacts:
    """What was read, without a fault; all tokens have six decimals where none are given."""
    given = {HOME: 6, TWIN: 6, OTHER: 6} | (decimals or {})
    balances: dict[tuple[str, ...], TokenBalance] = {}
    if locked is not None:
        balances[ESCROW, HOME] = TokenBalance(ESCROW, HOME, locked, "")
    return SupplyFacts(
        {(token,): TokenSupply(token, amount, "") for token, amount in supplies.items()},
        {(token,): TokenState(token, number, "X", "") for token, number in given.items()},
        balances,
    )


def doubts(specs: list[SupplySpec], facts: SupplyFacts, after_s: int = 0) -> list[tuple[str, str]]:
    return list(supply_doubts(specs, facts, (AT_S + after_s) * 1000))


@pytest.mark.parametrize(
    ("amount", "after_s", "is_doubted"),
    [
        (1_000_000, 0, False),
        (1_000_001, 0, True),
        (1_100_000, YEAR_S, False),
        (1_100_001, YEAR_S, True),
        (1_000_000, -YEAR_S, False),
        (0, 0, False),
    ],
)
def test_what_was_approved_grows_by_the_bound_and_by_nothing_more(
    amount: int, after_s: int, is_doubted: bool
) -> None:
    found = doubts([SPEC], read({HOME: amount}), after_s)
    assert [token for token, _ in found] == [HOME] * is_doubted
    assert approved_most(SPEC, (AT_S + YEAR_S) * 1000) == 1_100_000


def test_a_doubt_says_how_much_there_is() -> None:
    ((_, why),) = doubts([SPEC], read({HOME: 1_500_000}))
    assert why == (f"there is 5,000 bps more of {HOME} than was approved: 1500000, at most 1000000")


@pytest.mark.parametrize(
    ("issued", "locked", "is_doubted"),
    [
        ({TWIN: 60, OTHER: 40}, 100, False),
        ({TWIN: 60, OTHER: 41}, 100, True),
        ({TWIN: 60}, 100, True),
        ({TWIN: 0, OTHER: 0}, 0, False),
        ({TWIN: 1, OTHER: 0}, None, True),
    ],
)
def test_twins_together_are_no_more_than_their_escrow_holds(
    issued: dict[str, int], locked: int | None, is_doubted: bool
) -> None:
    specs = [SupplySpec(token, escrow=ESCROW, locked=HOME) for token in (TWIN, OTHER)]
    found = {token for token, _ in doubts(specs, read(issued, locked))}
    assert found == ({HOME, TWIN, OTHER} if is_doubted else set())


def test_twins_of_other_decimals_are_compared_in_tokens() -> None:
    specs = [SupplySpec(TWIN, escrow=ESCROW, locked=HOME)]
    facts = read({TWIN: 100 * 10**18}, 100 * 10**6, {TWIN: 18})
    assert doubts(specs, facts) == []
    assert doubts(specs, read({TWIN: 100 * 10**18 + 1}, 100 * 10**6, {TWIN: 18})) != []


def test_what_is_not_known_is_doubted() -> None:
    ((_, unread),) = doubts([SPEC], read({}))
    assert unread == f"the supply of {HOME} has not been read yet"
    facts = read({HOME: 1})
    at_fault = replace(facts, supplies={(HOME,): TokenSupply(HOME, 0, "it reverts")})
    ((_, faulty),) = doubts([SPEC], at_fault)
    assert faulty == f"the supply of {HOME} is not known: it reverts"


def price(verdict: Verdict, mark: str = "2.5") -> JudgedPrice:
    number = Decimal(mark)
    return JudgedPrice("X", verdict, (), number, number - 1, number + 1, 0, ())


@pytest.mark.parametrize("verdict", [Verdict.OK, Verdict.FLAG, Verdict.HAIRCUT, Verdict.HOLD])
def test_a_doubted_base_is_held_from_next_to_nothing_up(verdict: Verdict) -> None:
    found = held(price(verdict), ["too much of it"])
    assert found.verdict is Verdict.HOLD
    assert (found.low, found.mark, found.high) == (
        Decimal("2.5e-6"),
        Decimal("2.5"),
        Decimal("3.5"),
    )
    assert found.reasons == found.alarms == ("too much of it",)
    assert found.guards == (Guard.SUPPLY,)


def test_what_is_refused_or_not_doubted_stays_as_it_is() -> None:
    refused = price(Verdict.REFUSE)
    assert held(refused, ["too much of it"]) is refused
    sound = price(Verdict.OK)
    assert held(sound, []) is sound
