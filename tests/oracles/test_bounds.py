"""Bounds of one feed of its own: price, liquidity, and the growth of a rate."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.oracles.rounds import (
    CHAINLINK,
    CHAINLINK_ROUND,
    NOW_MS,
    PUBLISHED_AT_S,
    chain,
    judge,
)
from xmargin.model import BlockRef, FeedRole, FeedSpec, Verdict
from xmargin.oracles.findings import Guard
from xmargin.oracles.guards import rate_cap

PRICE = Decimal("2500.12345678")
UNIT_MORE = Decimal("0.00000001")
YEAR_S = 365 * 86_400


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [
        ({"price_min": PRICE}, ""),
        ({"price_max": PRICE}, ""),
        (
            {"price_min": PRICE + UNIT_MORE},
            "its price is 2500.12345678 USD; 2500.12345679 is the least believed",
        ),
        (
            {"price_max": PRICE - UNIT_MORE},
            "its price is 2500.12345678 USD; 2500.12345677 is the most believed",
        ),
    ],
)
def test_a_price_outside_of_the_feed_s_own_bounds_is_refused(
    bounds: dict[str, Any], reason: str
) -> None:
    found = judge(replace(CHAINLINK, **bounds), CHAINLINK_ROUND, CHAINLINK_ROUND)
    assert found.reasons == ((reason,) if reason else ())
    assert found.verdict is (Verdict.REFUSE if reason else Verdict.OK)
    assert found.price == (0 if reason else PRICE)


# --- Liquidity ------------------------------------------------------------------------------------

POOL = replace(CHAINLINK, liquidity_min=100, liquidity_ample=1_000, haircut_bps=300)


def with_liquidity(liquidity: int | None) -> Verdict:
    return judge(POOL, replace(CHAINLINK_ROUND, liquidity=liquidity), CHAINLINK_ROUND).verdict


@pytest.mark.parametrize(
    ("liquidity", "verdict"),
    [
        (None, Verdict.REFUSE),
        (0, Verdict.REFUSE),
        (99, Verdict.REFUSE),
        (100, Verdict.HAIRCUT),
        (999, Verdict.HAIRCUT),
        (1_000, Verdict.OK),
    ],
)
def test_liquidity_below_the_floor_is_refused_and_below_ample_cut(
    liquidity: int | None, verdict: Verdict
) -> None:
    assert with_liquidity(liquidity) is verdict


def test_a_haircut_widens_the_range_by_its_share_of_each_end() -> None:
    thin = replace(CHAINLINK_ROUND, answer=2500_00000000, confidence=10_00000000, liquidity=100)
    found = judge(POOL, thin, CHAINLINK_ROUND)
    assert (found.low, found.price, found.high) == (
        Decimal("2415.3"),
        Decimal(2500),
        Decimal("2585.3"),
    )
    assert found.reasons == (
        "the liquidity behind it is 100, ample is 1,000; its range is widened by 300 bps",
    )


def test_a_feed_without_liquidity_bounds_needs_to_say_nothing_of_it() -> None:
    assert judge(CHAINLINK, CHAINLINK_ROUND, CHAINLINK_ROUND).verdict is Verdict.OK


# --- Rates ----------------------------------------------------------------------------------------

RATE = replace(
    CHAINLINK,
    id=CHAINLINK.id.replace("chainlink", "erc4626"),
    base="WSTETH",
    quote="ETH",
    decimals=18,
    description="",
    rate_snapshot=Decimal("1.2"),
    rate_snapshot_at_s=PUBLISHED_AT_S - YEAR_S // 2,
    rate_growth_bps_max=1_000,
)
RATE_ROUND = replace(
    CHAINLINK_ROUND, feed=RATE.id, answer=12 * 10**17, exponent=-18, description="",
    published_at_s=0,
)  # fmt: skip


def test_the_cap_grows_linearly_from_its_snapshot() -> None:
    at_s = RATE.rate_snapshot_at_s
    assert rate_cap(RATE, at_s) == Decimal("1.2")
    assert rate_cap(RATE, at_s - 1) == Decimal("1.2")
    assert rate_cap(RATE, at_s + YEAR_S // 2) == Decimal("1.26")
    assert rate_cap(RATE, at_s + YEAR_S) == Decimal("1.32")
    assert rate_cap(RATE, at_s + 1) == Decimal("1.200000003805175038051750380517503805")


def test_a_rate_at_its_cap_passes_and_one_unit_more_is_capped_and_told() -> None:
    at_cap = replace(RATE_ROUND, answer=126 * 10**16)
    assert judge(RATE, at_cap, at_cap).verdict is Verdict.OK
    above = replace(RATE_ROUND, answer=126 * 10**16 + 1)
    found = judge(RATE, above, at_cap)
    assert (found.verdict, found.guards) == (Verdict.FLAG, ("rate-cap",))
    assert (found.low, found.price, found.high) == (Decimal("1.26"),) * 3
    assert found.reasons == (
        "its rate is 1.260000000000000001; it is capped at 1.26, which is 1.2 grown by "
        "1,000 bps a year",
    )
    uncapped = judge(RATE, above, at_cap, without=frozenset({Guard.RATE_CAP}))
    assert (uncapped.verdict, uncapped.price) == (Verdict.OK, Decimal("1.260000000000000001"))


def test_a_rate_that_fell_is_taken_as_it_is() -> None:
    fallen = replace(RATE_ROUND, answer=9 * 10**17)
    found = judge(RATE, fallen, RATE_ROUND)
    assert (found.verdict, found.price, found.role) == (
        Verdict.OK,
        Decimal("0.9"),
        FeedRole.RATE,
    )


@pytest.mark.parametrize(
    "spec", [replace(RATE, rate_snapshot=None), replace(RATE, rate_growth_bps_max=None)]
)
def test_a_rate_that_nothing_caps_is_refused(spec: FeedSpec) -> None:
    found = judge(spec, RATE_ROUND, RATE_ROUND)
    assert (found.verdict, found.price) == (Verdict.REFUSE, Decimal(0))
    assert found.reasons == ("it is a rate, and nothing caps its growth",)


def test_what_is_computed_from_state_is_as_old_as_the_head() -> None:
    head = replace(chain(), block=BlockRef(100, "0x1", "0x0", PUBLISHED_AT_S - 5))
    found = judge(RATE, RATE_ROUND, RATE_ROUND, head)
    assert (found.published_at_s, found.price_age_ms) == (PUBLISHED_AT_S - 5, 15_000)
    late_ms = (PUBLISHED_AT_S - 5 + RATE.heartbeat_s + RATE.tolerance_s) * 1000
    assert judge(RATE, RATE_ROUND, RATE_ROUND, head, late_ms).verdict is Verdict.OK
    assert judge(RATE, RATE_ROUND, RATE_ROUND, head, late_ms + 1).verdict is Verdict.REFUSE
    assert late_ms > NOW_MS
