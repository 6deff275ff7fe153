"""A zoo of generated mints and token accounts on a real Solana VM, and how many there are."""

from collections import Counter
from decimal import Decimal
from fractions import Fraction

from solders.pubkey import Pubkey

from tests.evm.zoo import HUGE
from tests.evm.zoo import ZOO as EVM_ZOO
from tests.following import now_ms
from tests.solana.harness import follow, registry_of
from tests.solana.zoo import OWNER, ZOO, Animal
from xmargin.engine import Engine
from xmargin.model import Condition, Observation, PortfolioHealth, TokenSpec
from xmargin.params import load_parameters
from xmargin.snapshot import cut
from xmargin.testbed.solana_vm import SolanaVm
from xmargin.view import View

TOLERANCE = Fraction(1, 10**12)
SOL_USD = Decimal("150.25")


def token_id(vm: SolanaVm, one: Animal) -> str:
    return f"{vm.chain}/token:{one.key}"


def test_there_are_more_than_two_hundred_hostile_tokens_and_accounts() -> None:
    names = [one.name for one in ZOO]
    assert len(set(names)) == len(names)
    assert len(EVM_ZOO) + len(HUGE) + len(ZOO) >= 200


async def test_nothing_of_the_zoo_is_worth_more_than_it_is_or_counted_twice(vm: SolanaVm) -> None:
    for one in ZOO:
        for address, owner, data in one.placed():
            await vm.set_account(Pubkey.from_string(address), Pubkey.from_string(owner), data)
    await vm.post_prices({"SOL": SOL_USD}, now_ms() // 1000)
    specs = tuple(
        TokenSpec(token_id(vm, one), "USDC", "SOL", "SOL", program=one.program) for one in ZOO
    )
    async with follow(vm, registry_of(vm, OWNER, tokens=specs)) as followed:
        await followed.told(Condition.OK)
        followed.world.apply(Observation(load_parameters("unified-v1"), followed.world.now_ms))
        snapshot = cut(followed.world)
        view = View(snapshot, Engine().evaluate(snapshot), 1, "")
        faults = {one.name: followed.token(token_id(vm, one)).fault for one in ZOO}
        faults |= {
            one.name: faults[one.name] or followed.balance(OWNER, token_id(vm, one)).fault
            for one in ZOO
        }
    (health,) = (view.health(portfolio) for portfolio in view.portfolio_ids)
    held = Counter(position.token for position in health.positions)
    assert all(count == 1 for count in held.values())
    total = sum(check(vm, one, health, faults[one.name]) for one in ZOO)
    assert health.equity is not None
    assert abs(Fraction(health.equity) - total) <= total * TOLERANCE
    assert health.partial


def check(vm: SolanaVm, one: Animal, health: PortfolioHealth, fault: str) -> Fraction:
    """What an animal adds to its owner's equity."""
    found = [each for each in health.positions if each.token == token_id(vm, one)]
    if one.amount is None:
        assert fault, one.name
        assert not any(each.value or each.collateral_value for each in found), one.name
        return Fraction(0)
    assert fault == "", one.name
    if not one.amount:
        assert not any(each.value for each in found), one.name
        return Fraction(0)
    (position,) = found
    assert position.amount is not None
    assert position.value is not None
    whole = Fraction(one.amount, 10**one.decimals)
    assert Fraction(position.amount) == whole, one.name
    value = Fraction(position.value)
    assert abs(value - whole * Fraction(SOL_USD)) <= value * TOLERANCE, one.name
    assert Fraction(position.collateral_value) <= value * Fraction(10_000 - one.haircut_bps, 10_000)
    assert bool(one.haircut_bps) == ("haircut" in position.note), one.name
    return value
