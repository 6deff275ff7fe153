"""Lending accounts through the door, against the contract's arithmetic in plain Python (L1, L2)."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmargin.engine import (
    LendingAccount,
    LendingOrder,
    LendingPosition,
    VenueHealth,
    VenueStatus,
)
from xmargin.errors import EngineError
from xmargin.reference.aave_v3 import RAY, account_data
from xmargin.reference.book import AavePosition, AaveUser, Pool, Reserve

PRICES = [2_500 * 10**8, 2 * 10**8, 10**8]
"""Numbers 0 to 2; each price is of one reserve, whose indices have the next numbers."""
LEVELS = [*PRICES, *[RAY, 11 * RAY // 10, 12 * RAY // 10] * 2]
SUPPLY, DEBT = 3, 6
"""Numbers of the first supply and the first debt index."""


def position(price: int, supply: int, debt: int, threshold: int) -> LendingPosition:
    return LendingPosition(
        price=price,
        supply=supply,
        debt=debt,
        as_collateral=supply > 0,
        borrowing=debt > 0,
        ltv_bps=max(0, threshold - 300),
        liquidation_threshold_bps=threshold,
        decimals=18 if price < 2 else 6,
        supply_index=SUPPLY + price,
        debt_index=DEBT + price,
    )


def status_at(account: LendingAccount, levels: Sequence[int]) -> VenueStatus:
    """By the reference: a pool whose indices were stored in the very block."""
    reserves = tuple(
        Reserve(
            token="",
            decimals=held.decimals,
            ltv_bps=held.ltv_bps,
            liquidation_threshold_bps=held.liquidation_threshold_bps,
            emode=0,
            liquidity_index=levels[SUPPLY + held.price],
            variable_borrow_index=levels[DEBT + held.price],
            liquidity_rate=0,
            variable_borrow_rate=0,
            updated_at_s=0,
            price_base=levels[held.price],
        )
        for held in account.positions
    )
    positions = tuple(
        AavePosition(
            reserve=row,
            supply_scaled=held.supply or 0,
            variable_debt_scaled=held.debt or 0,
            as_collateral=held.as_collateral,
            borrowing=held.borrowing,
        )
        for row, held in enumerate(account.positions)
    )
    data = account_data(Pool(0, reserves), AaveUser("", 0, positions))
    return VenueStatus.LIQUIDATABLE if data.is_liquidatable else VenueStatus.SAFE


def borrower(random: Random) -> LendingAccount:
    ether, coins = random.randrange(10**19), random.randrange(10**22)
    value = ether * 2_500 + coins * 2
    debt = int(value / 10**12 * random.uniform(0.5, 0.9))
    return LendingAccount(
        (
            position(0, ether, 0, 8_250),
            position(1, coins, 0, random.choice([6_500, 8_250])),
            position(2, 0, debt, 8_000),
        )
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9))
def test_every_status_and_crossing_is_the_contracts(seed: int) -> None:
    random = Random(seed)
    accounts = {number: borrower(random) for number in range(30)}
    order = LendingOrder(LEVELS)
    order.set(accounts)
    levels = list(LEVELS)
    for _ in range(60):
        before = {number: order.status(number) for number in accounts}
        moved = random.randrange(len(LEVELS))
        by = random.uniform(0.97, 1.02) if moved < SUPPLY else random.uniform(1, 1.01)
        levels[moved] = int(levels[moved] * by)
        crossings, _ = order.tick({moved: levels[moved]})
        now = {number: status_at(account, levels) for number, account in accounts.items()}
        assert {number: order.status(number) for number in accounts} == now
        changed = [number for number in accounts if before[number] != now[number]]
        assert [crossing.id for crossing in crossings] == changed
        assert [crossing.after for crossing in crossings] == list(map(order.health, changed))
    assert order.audit() == []


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9))
def test_a_liquidation_price_is_exact(seed: int) -> None:
    account = borrower(Random(seed))
    order = LendingOrder(LEVELS)
    order.set({1: account})
    here = status_at(account, LEVELS)
    for change, inward in zip(order.changes(1, 0), (1, -1), strict=True):
        if change is None:
            continue
        assert change.is_exact
        assert status_at(account, [change.low, *LEVELS[1:]]) != here
        assert status_at(account, [change.low + inward, *LEVELS[1:]]) == here


def test_a_balance_can_be_told_as_it_is() -> None:
    order = LendingOrder(PRICES)
    told: dict[str, Any] = {"supply_index": None, "debt_index": None}
    collateral = replace(position(0, 10**18, 0, 8_250), **told)
    debt = replace(position(2, 0, 2_000 * 10**6, 8_000), **told, stable_debt=62_500_000)
    (health,) = order.set({1: LendingAccount((collateral, debt))})
    assert health == VenueHealth(VenueStatus.SAFE, 10**18)
    more = replace(debt, stable_debt=62_500_001)
    assert order.set({1: LendingAccount((collateral, more))})[0].status == VenueStatus.LIQUIDATABLE


def test_what_cannot_be_is_refused_and_changes_nothing() -> None:
    account = borrower(Random(1))
    order = LendingOrder(LEVELS)
    order.set({1: account})
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"price": 9}, "positions.level row 0: 9 is not one of the 9 levels"),
        ({"debt_index": 9}, "positions.level row 0: 9 is not one of the 9 levels"),
        ({"supply": 2**256}, "balance: .* is not an unsigned 256-bit integer"),
        ({"supply": -1}, "balance: -1 is not an unsigned"),
        ({"decimals": 256}, "a number is out of its column's range"),
    ]
    for fields, message in wrong:
        bad = LendingAccount((replace(account.positions[0], **fields),))
        with pytest.raises(EngineError, match=message):
            order.set({1: LendingAccount(()), 2: bad})
    for levels in ({9: 1}, {-1: 1}, {0: -1}, {0: 2**256}):
        with pytest.raises(EngineError):
            order.tick(levels)
    with pytest.raises(EngineError, match="-1 is not an unsigned"):
        order.extend([-1])
    with pytest.raises(EngineError, match="is not there"):
        order.changes(2, 0)
    assert order.status(2) is None
    assert order.status(1) == status_at(account, LEVELS)
    assert order.health(2) is None
    assert order.remove(1)
    assert not order.remove(1)


def test_threads_that_share_an_order_wait_for_each_other() -> None:
    random = Random(3)
    order = LendingOrder(LEVELS)
    order.set({number: borrower(random) for number in range(500)})
    falls = [PRICES[0] * (1_000 - step) // 1_000 for step in range(200)]
    with ThreadPoolExecutor(4) as threads:
        ticking = threads.submit(lambda: [order.tick({0: price}) for price in falls])
        assert list(threads.map(lambda _: order.audit(), range(40))) == [[]] * 40
        assert len(ticking.result()) == 200
    assert order.audit() == []
