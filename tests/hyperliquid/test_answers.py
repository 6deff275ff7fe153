"""Any answer is understood or refused: no text of an endpoint crashes the reader."""

import copy
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hyperliquid import published
from tests.hyperliquid.published import CAPTURED, DOCUMENTED, VENUE, needs_capture
from xmargin import records, untrusted_json
from xmargin.errors import DecodeError
from xmargin.model.hyperliquid import HyperliquidAccount, HyperliquidMarket
from xmargin.venues.hyperliquid import account_of, markets_of

Tree = Any
Place = tuple[Tree, Any]

STRANGE: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [None, True, 0, -1, 1.5, float("nan"), float("inf"), 10**400, "", "NaN", "-", "1e5"]
    ),
    st.sampled_from([[], {}, "9" * 400, "0.1", "-0.0", "1_0", " 1", "\x00", "BTC", "٣"]),
    st.text(max_size=8),
)


def places(tree: Tree) -> Iterator[Place]:
    """Every place in a JSON tree: its container, and its key there."""
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from places(tree[key])


def understood_or_refused(tree: Tree) -> None:
    try:
        state = account_of(tree, DOCUMENTED)
    except DecodeError:
        return
    record = records.account_record(DOCUMENTED, state)
    assert records.read(record, HyperliquidAccount) == state


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_answer_is_understood_or_refused(data: st.DataObject) -> None:
    tree = copy.deepcopy(published.DOCUMENTED_STATE)
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(list(places(tree))))
        if isinstance(container, dict) and data.draw(st.booleans()):
            del container[key]
        else:
            container[key] = data.draw(STRANGE)
    understood_or_refused(tree)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_meta_is_understood_or_refused(data: st.DataObject) -> None:
    tree = copy.deepcopy(published.DOCUMENTED_META)
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(list(places(tree))))
        container[key] = data.draw(STRANGE)
    try:
        markets = markets_of(tree, VENUE)
    except DecodeError:
        return
    for market in markets:
        record = records.market_record(VENUE, "market", market.coin, market)
        assert records.read(record, HyperliquidMarket) == market


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_text_is_json_and_understood_or_refused(data: st.DataObject) -> None:
    text = json.dumps(published.DOCUMENTED_STATE)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    try:
        tree = untrusted_json.loads(text[:start] + data.draw(st.text(max_size=5)) + text[end:])
    except ValueError:
        return
    understood_or_refused(tree)


@pytest.mark.parametrize("tree", [None, [], 7, "x", float("nan"), {}, {"time": 1}, [[[]]]])
def test_what_is_no_state_is_refused(tree: Tree) -> None:
    for read in (lambda: account_of(tree, DOCUMENTED), lambda: markets_of(tree, VENUE)):
        with pytest.raises(DecodeError):
            read()


def changed(change: Callable[[Tree, Tree], object]) -> Tree:
    tree = copy.deepcopy(published.DOCUMENTED_STATE)
    change(tree, tree["assetPositions"][0]["position"])
    return tree


CHANGES: tuple[tuple[Callable[[Tree, Tree], object], str], ...] = (
    (lambda t, _: t.update(time="1708622398623"), "time: expected an integer"),
    (lambda t, _: t.update(time=-1), "time: expected an integer from 1"),
    (lambda t, _: t.update(time=True), "time: expected an integer"),
    (lambda t, _: t.update(withdrawable=1.5), "withdrawable: expected a decimal as text"),
    (lambda t, _: t.update(withdrawable="NaN"), "withdrawable: expected a decimal as text"),
    (lambda t, _: t.update(withdrawable="9" * 40), "withdrawable: expected a decimal as text"),
    (lambda t, _: t.update(assetPositions={}), "assetPositions: expected a list"),
    (
        lambda t, _: t["assetPositions"].append(t["assetPositions"][0]),
        "coin ETH stands there twice",
    ),
    (lambda t, _: t["assetPositions"][0].update(type="hedge"), "type: 'hedge' is not known"),
    (lambda _, p: p["leverage"].update(type="pooled"), "leverage.type: 'pooled' is not known"),
    (lambda _, p: p["leverage"].pop("rawUsd"), "rawUsd: expected a decimal as text, not None"),
    (lambda _, p: p["leverage"].update(value=0), "leverage.value: expected an integer from 1"),
    (lambda _, p: p.update(coin="xyz:GOLD"), "'xyz:GOLD' is no coin of the first perp dex"),
    (lambda _, p: p.update(szi="0.0"), "is no position"),
    (lambda _, p: p.update(positionValue="-100.02765"), "is no position"),
    (lambda _, p: p.update(szi="-0.0335"), "marginSummary.accountValue says 13109.482328"),
    (lambda _, p: p.update(positionValue="100.03"), "marginSummary.totalNtlPos says 100.02765"),
    (
        lambda t, _: t["crossMarginSummary"].update(accountValue="13104.6"),
        "crossMarginSummary.accountValue says 13104.6",
    ),
    (
        lambda t, _: t["marginSummary"].update(totalRawUsd="13104.514502"),
        "marginSummary.totalRawUsd says 13104.514502, its parts come to 13009.454678",
    ),
)


@pytest.mark.parametrize(("change", "says"), CHANGES, ids=range(len(CHANGES)))
def test_what_is_wrong_with_an_answer_is_said(
    change: Callable[[Tree, Tree], object], says: str
) -> None:
    with pytest.raises(DecodeError) as refused:
        account_of(changed(change), DOCUMENTED)
    assert says in refused.value.message


def test_every_digit_of_an_answer_is_kept() -> None:
    state = published.documented()
    assert str(state.cross.account_value) == "13104.514502"
    assert str(state.cross.notional) == "0.0"
    (held,) = state.positions
    assert (str(held.size), str(held.value)) == ("0.0335", "100.02765")
    assert held.isolated_raw_usd == Decimal("-95.059824")
    record = records.account_record(DOCUMENTED, state)
    assert '"account_value":"13104.514502"' in record.content
    assert '"notional":"0.0"' in record.content


@needs_capture
def test_the_captured_answers_are_understood() -> None:
    state = account_of(published.captured_state(), CAPTURED)
    assert len(state.positions) == 12
    assert {one.coin for one in state.positions} <= published.captured_markets().keys()


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"name": "X", "szDecimals": 1, "maxLeverage": 0}, "maxLeverage"),
        ({"name": "X", "szDecimals": 99, "maxLeverage": 5}, "szDecimals"),
        ({"name": "X Y", "szDecimals": 1, "maxLeverage": 5}, "is no coin"),
        ({"name": "BTC", "szDecimals": 1, "maxLeverage": 5}, "name BTC stands there twice"),
        (
            {"name": "X", "szDecimals": 1, "maxLeverage": 5, "marginTableId": 77},
            "there is no margin table 77",
        ),
    ],
)
def test_what_is_wrong_with_a_market_is_said(row: Tree, says: str) -> None:
    tree = copy.deepcopy(published.DOCUMENTED_META)
    tree["universe"].append(row)
    with pytest.raises(DecodeError, match=says):
        markets_of(tree, VENUE)


@pytest.mark.parametrize(
    "tiers",
    [
        [],
        [{"lowerBound": "1.0", "maxLeverage": 5}],
        [{"lowerBound": "0.0", "maxLeverage": 5}, {"lowerBound": "0.0", "maxLeverage": 3}],
        [{"lowerBound": "0.0", "maxLeverage": 5}, {"lowerBound": "9.0", "maxLeverage": 6}],
    ],
)
def test_tiers_ascend_from_zero_with_ever_less_leverage(tiers: Tree) -> None:
    tree = copy.deepcopy(published.DOCUMENTED_META)
    tree["marginTables"].append([99, {"description": "", "marginTiers": tiers}])
    with pytest.raises(DecodeError, match="do not ascend from zero"):
        markets_of(tree, VENUE)


def test_a_table_below_fifty_is_the_leverage_of_its_one_tier() -> None:
    (tier,) = published.documented_markets()["HPOS"].tiers
    assert (tier.value_min, tier.leverage_max) == (Decimal(0), 3)
