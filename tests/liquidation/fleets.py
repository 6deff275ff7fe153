"""Random distressed fleets, and the engine's answers in the checker's words."""

from collections.abc import Mapping, Sequence
from random import Random

from hypothesis import strategies as st

from xmargin.engine.fleet import DistressedAccount, FleetPlan, order_fleet
from xmargin.reference.fleet_check import Account, Order, Ranked, faults_of_order

Fleet = tuple[list[DistressedAccount], dict[str, float]]


@st.composite
def fleets(draw: st.DrawFn, accounts_max: int = 30, assets_max: int = 5) -> Fleet:
    """From plenty of depth to none; some accounts worth nothing, some alike to the last digit."""
    random = Random(draw(st.integers(0, 2**32)))
    names = [f"A{number}" for number in range(draw(st.integers(1, assets_max)))]
    accounts = []
    for account_id in random.sample(range(10**6), draw(st.integers(0, accounts_max))):
        size = random.choice([100.0, 10 ** random.uniform(1, 6)])
        held = random.sample(names, random.randint(0, min(3, len(names))))
        accounts.append(
            DistressedAccount(
                account_id,
                bad_debt_expected=size * random.choice([0.0, 0.5, random.random()]),
                cost=size * random.choice([0.0, 0.01, random.random() / 2]),
                depth_used={name: size * random.choice([1.0, random.random()]) for name in held},
            )
        )
    total = {name: sum(a.depth_used.get(name, 0.0) for a in accounts) for name in names}
    return accounts, {
        name: amount * random.choice([0.0, 0.1, random.random(), 1.0, 3.0])
        for name, amount in total.items()
    }


def faults(
    accounts: Sequence[DistressedAccount],
    depth: Mapping[str, float],
    plan: FleetPlan,
    *,
    parts: bool = True,
    block_accounts_max: int = 1_000_000,
) -> list[str]:
    """What the exact checker finds wrong."""
    order = Order(
        [Ranked(one.id, one.key, one.share, one.batch) for one in plan.reasons],
        plan.price_of_depth,
        plan.avoided,
        plan.bound,
    )
    fleet = [Account(a.id, a.bad_debt_expected, a.cost, a.depth_used) for a in accounts]
    return faults_of_order(fleet, depth, order, parts=parts, block_accounts_max=block_accounts_max)


def planned(fleet: Fleet, *, parts: bool = True, block_accounts_max: int = 3) -> FleetPlan:
    return order_fleet(*fleet, parts=parts, block_accounts_max=block_accounts_max)
