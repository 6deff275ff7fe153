"""Lending accounts through the door, against the contract's arithmetic in plain Python (L1, L2)."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmargin.engine import LendingAccount, LendingOrder, LendingPosition, VenueStatus
from xmargin.errors import EngineError
from xmargin.reference.aave_v3 import percent_mul, wad_div

PRICES = [2_500 * 10**8, 2 * 10**8, 10**8]
WAD = 10**18


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
    )


def status_at(account: LendingAccount, prices: list[int]) -> VenueStatus:
    """``GenericLogic.calculateUserAccountData``, without eMode."""

    def value(held: LendingPosition, amount: int | None) -> int:
        assert amount is not None
        unit: int = 10**held.decimals
        return amount * prices[held.price] // unit

    owned = [
        (value(held, held.supply), held.liquidation_threshold_bps)
        for held in account.positions
        if held.as_collateral and held.liquidation_threshold_bps
    ]
    collateral = sum(worth for worth, _ in owned)
    debt = sum(value(held, held.debt) for held in account.positions if held.borrowing)
    if not debt:
        return VenueStatus.SAFE
    weighted = sum(worth * threshold for worth, threshold in owned)
    average = weighted // collateral if collateral else 0
    health = wad_div(percent_mul(collateral, average), debt)
    return VenueStatus.LIQUIDATABLE if health < WAD else VenueStatus.SAFE


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
    order = LendingOrder(PRICES)
    order.set(accounts)
    prices = list(PRICES)
    for _ in range(60):
        before = {number: order.status(number) for number in accounts}
        moved = random.randrange(2)
        prices[moved] = int(prices[moved] * random.uniform(0.97, 1.02))
        crossings, _ = order.tick({moved: prices[moved]})
        now = {number: status_at(account, prices) for number, account in accounts.items()}
        assert {number: order.status(number) for number in accounts} == now
        changed = [number for number in accounts if before[number] != now[number]]
        assert [crossing.id for crossing in crossings] == changed
    assert order.audit() == []


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9))
def test_a_liquidation_price_is_exact(seed: int) -> None:
    account = borrower(Random(seed))
    order = LendingOrder(PRICES)
    order.set({1: account})
    here = status_at(account, PRICES)
    for change, inward in zip(order.changes(1, 0), (1, -1), strict=True):
        if change is None:
            continue
        assert change.is_exact
        assert status_at(account, [change.low, *PRICES[1:]]) != here
        assert status_at(account, [change.low + inward, *PRICES[1:]]) == here


def test_what_cannot_be_is_refused_and_changes_nothing() -> None:
    account = borrower(Random(1))
    order = LendingOrder(PRICES)
    order.set({1: account})
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"price": 3}, "positions.price row 0: 3 is not one of the 3 prices"),
        ({"supply": 2**256}, "balance: .* is not an unsigned 256-bit integer"),
        ({"supply": -1}, "balance: -1 is not an unsigned"),
        ({"decimals": 256}, "a number is out of its column's range"),
    ]
    for fields, message in wrong:
        bad = LendingAccount((replace(account.positions[0], **fields),))
        with pytest.raises(EngineError, match=message):
            order.set({1: LendingAccount(()), 2: bad})
    for prices in ({9: 1}, {-1: 1}, {0: -1}, {0: 2**128}):
        with pytest.raises(EngineError):
            order.tick(prices)
    with pytest.raises(EngineError, match="is not there"):
        order.changes(2, 0)
    assert order.status(2) is None
    assert order.status(1) == status_at(account, PRICES)
    assert order.remove(1)
    assert not order.remove(1)


def test_threads_that_share_an_order_wait_for_each_other() -> None:
    random = Random(3)
    order = LendingOrder(PRICES)
    order.set({number: borrower(random) for number in range(500)})
    falls = [PRICES[0] * (1_000 - step) // 1_000 for step in range(200)]
    with ThreadPoolExecutor(4) as threads:
        ticking = threads.submit(lambda: [order.tick({0: price}) for price in falls])
        assert list(threads.map(lambda _: order.audit(), range(40))) == [[]] * 40
        assert len(ticking.result()) == 200
    assert order.audit() == []
