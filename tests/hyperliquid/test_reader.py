"""The reader over HTTP: what is answered is told, and what is wrong is a fault, never a crash."""

import copy
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from tests.following import Told, now_ms, running
from tests.hyperliquid import published
from tests.hyperliquid.api import InfoApi
from tests.hyperliquid.published import CHAIN, DOCUMENTED, DOCUMENTED_USER, VENUE, needs_capture
from tests.spine import examples
from xmargin import records
from xmargin.config import ChainConfig, parse_config
from xmargin.engine import Engine
from xmargin.errors import ConfigError
from xmargin.model import (
    ChainKind,
    ChainSpec,
    Condition,
    FeedSpec,
    Finality,
    HealthStatus,
    Observation,
    PortfolioSpec,
    Registry,
    TokenSpec,
    TokenState,
    VenueRecord,
    VenueSetting,
    VenueSpec,
)
from xmargin.model.hyperliquid import HyperliquidAccount, HyperliquidMarket
from xmargin.params import load_parameters
from xmargin.reading.hyperliquid import HyperliquidReader
from xmargin.service.intake import reader_plans
from xmargin.snapshot import cut
from xmargin.view import View

USDC = f"{CHAIN}/token:0x6d1e7cde53ba9467b783cb7c530ce054"
ETH = f"{CHAIN}/perp:hyperliquid.ETH"
GONE = f"{CHAIN}/perp:hyperliquid.GONE"
OTHER_USER = "0x" + "0a" * 20
OTHER = f"{VENUE}/{OTHER_USER}"

REGISTRY = Registry(
    chains=(
        ChainSpec(examples.CHAIN, "alpha", ChainKind.EVM, 60_000),
        ChainSpec(CHAIN, "hyper", ChainKind.HYPERLIQUID, 60_000),
    ),
    tokens=(
        TokenSpec(ETH, "ETH-PERP", "ETH", "ETH"),
        TokenSpec(GONE, "GONE-PERP", "GONE", "GONE"),
        TokenSpec(USDC, "USDC", "USDC", "USDC"),
    ),
    feeds=(
        FeedSpec(examples.ETH_FEED, "ETH", "USD", 3600, 60),
        FeedSpec(examples.USDC_FEED, "USDC", "USD", 86_400, 60),
    ),
    venues=(VenueSpec(VENUE, "hyperliquid", "", (VenueSetting("quote", USDC),)),),
    portfolios=(PortfolioSpec("maker", (DOCUMENTED,)), PortfolioSpec("other", (OTHER,))),
)


def chain_config(*apis: InfoApi, **changes: Any) -> ChainConfig:
    document = {
        "id": CHAIN,
        "name": "hyper",
        "kind": "hyperliquid",
        "endpoints": [{"label": f"api-{i}", "http": a.http_url} for i, a in enumerate(apis)],
        "poll_ms": 50,
        "request_timeout_ms": 1_000,
        "head_age_ms_max": 60_000,
    }
    return ChainConfig.model_validate(document | changes)


def documented_api() -> InfoApi:
    states = dict.fromkeys((DOCUMENTED_USER, OTHER_USER), published.DOCUMENTED_STATE)
    return InfoApi(published.DOCUMENTED_META, states)


@asynccontextmanager
async def following(*apis: InfoApi, **changes: Any) -> AsyncIterator[Told]:
    told = Told(REGISTRY)
    reader = HyperliquidReader(chain_config(*apis, **changes), REGISTRY, now_ms)
    async with running(reader, told):
        yield told


def record_of(told: Told, account: str = DOCUMENTED) -> VenueRecord:
    fact = told.world.facts("venue-record")["venue-record", VENUE, "account", account]
    assert isinstance(fact, VenueRecord)
    return fact


def view_of(told: Told) -> View:
    """With prices of ETH and USDC, as another chain's feeds would give them."""
    told.world.apply(Observation(load_parameters("unified-v1"), told.world.now_ms))
    where = replace(examples.block(7), time_s=told.world.now_ms // 1000)
    rounds = [
        examples.feed_round(examples.ETH_FEED, 298_590_000_000, where, "ETH / USD"),
        examples.feed_round(examples.USDC_FEED, 10**8, where, "USDC / USD"),
    ]
    for observation in examples.committed([*rounds], where):
        told.world.apply(observation)
    snapshot = cut(told.world)
    return View(snapshot, Engine().evaluate(snapshot), 1, "")


# --- Reading --------------------------------------------------------------------------------------


async def test_accounts_and_markets_are_told_as_they_were_answered() -> None:
    async with documented_api() as api, following(api) as told:
        await told.until(lambda: len(told.heads) >= 2)
    state = records.read(record_of(told), HyperliquidAccount)
    assert replace(state, time_ms=published.DOCUMENTED_STATE["time"]) == published.documented()
    markets = {
        fact.key: records.read(fact, HyperliquidMarket)
        for fact in told.world.facts("venue-record").values()
        if isinstance(fact, VenueRecord) and fact.record == "market"
    }
    assert markets == published.documented_markets()
    assert told.status.condition is Condition.OK
    assert api.asked["meta"] == 1, "markets are asked anew once a minute"


async def test_a_block_is_the_oldest_answer_and_claims_no_finality() -> None:
    async with documented_api() as api, following(api) as told:
        await told.until(lambda: len(told.heads) >= 3)
    blocks = [head.block for head in told.heads]
    heights = [block.height for block in blocks if block is not None]
    assert heights == sorted(set(heights))
    last = told.heads[-1].block
    assert last is not None
    assert (last.hash, last.time_s) == ("", last.height // 1000)
    states = [
        records.read(observation.fact, HyperliquidAccount)
        for observation in told.batches[-1]
        if isinstance(observation.fact, VenueRecord) and observation.fact.record == "account"
    ]
    assert last.height == min(state.time_ms for state in states)
    (chain,) = (one for one in view_of(told).metadata.as_of if one.chain == CHAIN)
    assert chain.finality is Finality.LATEST
    assert chain.condition is Condition.OK


async def test_the_account_is_healthy_and_its_perp_is_in_the_unified_margin() -> None:
    async with documented_api() as api, following(api) as told:
        await told.until(lambda: bool(told.heads))
    health = view_of(told).health("maker")
    (account,) = health.accounts
    assert account.status is HealthStatus.HEALTHY
    assert (account.counted_base, account.requirement_base) == (4_967_826, 1_000_276)
    assert (account.base_unit, account.base_decimals) == ("USDC", 6)
    held = {position.token: position.amount for position in health.positions}
    assert held == {ETH: Decimal("0.0335"), USDC: Decimal("13009.454678")}
    assert health.equity is not None
    # 0.0335 ETH at 2,985.90 and the cash: what the venue says the account is worth.
    assert abs(health.equity - Decimal("13109.482328")) < Decimal("0.001")
    assert health.status is HealthStatus.NO_DEBT, "cash and a long, nothing owed"


async def test_an_account_below_its_maintenance_margin_is_in_the_order() -> None:
    due = copy.deepcopy(published.DOCUMENTED_STATE)
    due["assetPositions"][0]["position"]["leverage"]["rawUsd"] = "-99.5"
    due["marginSummary"] |= {"totalRawUsd": "13005.014502", "accountValue": "13105.042152"}
    async with documented_api() as api:
        api.states[OTHER_USER] = due
        async with following(api) as told:
            await told.until(lambda: bool(told.heads))
    view = view_of(told)
    (first,) = view.liquidations()
    assert (first.portfolio, first.account) == ("other", OTHER)
    assert first.health_factor == Decimal("0.527504408783175843")
    # 0.527650 of the 1.000276 that it needs
    assert first.shortfall == Decimal("0.472626")
    assert view.plans.of_account(OTHER).why.startswith("due, but no plan is made of venues")


async def test_a_token_of_no_market_is_at_fault() -> None:
    async with documented_api() as api, following(api) as told:
        await told.until(lambda: bool(told.heads))
    states = {f.token: f for f in told.world.facts("token").values() if isinstance(f, TokenState)}
    assert (states[ETH].decimals, states[ETH].fault) == (4, "")
    assert (states[USDC].decimals, states[USDC].fault) == (6, "")
    assert states[GONE].fault == f"{VENUE} has no such market"


@needs_capture
async def test_the_capture_is_served_over_http_and_stands_as_the_venue_said() -> None:
    user = published.CAPTURED_USER
    account = published.CAPTURED
    registry = replace(REGISTRY, portfolios=(PortfolioSpec("maker", (account,)),))
    answers = {user: published.captured_answer("get_user_state")}
    async with InfoApi(published.captured_answer("get_info"), answers) as api:
        told = Told(registry)
        reader = HyperliquidReader(chain_config(api), registry, now_ms)
        async with running(reader, told):
            await told.until(lambda: bool(told.heads))
    health = view_of(told).health("maker")
    (stands,) = health.accounts
    assert stands.status is HealthStatus.HEALTHY
    assert Decimal(stands.collateral_base).scaleb(-6) == Decimal("1182.312496")
    assert Decimal(stands.available_borrows_base).scaleb(-6) == Decimal("1010.57173")
    # Eleven of its coins are not in [[tokens]]: what they are worth is not known here.
    assert health.status is HealthStatus.REFUSED


# --- Answers that are wrong -----------------------------------------------------------------------


def spoiling(change: Callable[[Any], Any]) -> Callable[[str, Any], Any]:
    """Answers about the documented user, and no other, are changed."""
    return lambda subject, answer: change(answer) if subject == DOCUMENTED_USER else answer


WRONG: tuple[tuple[Callable[[Any], Any], str], ...] = (
    (lambda _: None, "the answer: expected an object"),
    (lambda _: [], "the answer: expected an object"),
    (lambda _: float("nan"), "the answer: expected an object, not nan"),
    (lambda a: a | {"withdrawable": float("nan")}, "withdrawable: expected a decimal as text"),
    (lambda a: a | {"withdrawable": 1.5}, "withdrawable: expected a decimal as text"),
    (lambda a: a | {"withdrawable": "9" * 10_000}, "withdrawable: expected a decimal as text"),
    (lambda a: a | {"marginSummary": a["crossMarginSummary"]}, "contradicts itself"),
    (lambda a: a | {"assetPositions": []}, "contradicts itself"),
    (lambda a: a | {"time": now_ms() + 10**7}, "ms ahead of our clock"),
    (lambda a: a | {"time": 0}, "time: expected an integer from 1"),
)


@pytest.mark.parametrize(("change", "says"), WRONG, ids=range(len(WRONG)))
async def test_a_wrong_answer_about_one_account_is_its_own_fault(
    change: Callable[[Any], Any], says: str
) -> None:
    async with documented_api() as api:
        api.spoil = spoiling(change)
        async with following(api) as told:
            await told.until(lambda: bool(told.heads))
    assert says in record_of(told).fault
    assert not record_of(told, OTHER).fault
    view = view_of(told)
    (account,) = view.health("maker").accounts
    assert account.status is HealthStatus.REFUSED
    assert view.health("other").status is HealthStatus.NO_DEBT


async def test_a_position_in_a_coin_without_market_leaves_no_figures() -> None:
    async with documented_api() as api:
        api.meta = {"universe": published.DOCUMENTED_META["universe"][2:]}
        async with following(api) as told:
            await told.until(lambda: bool(told.heads))
    (account,) = view_of(told).health("maker").accounts
    assert account.status is HealthStatus.REFUSED
    assert "HyperliquidMarket that it rests on was not read yet" in account.fault


BROKEN: tuple[tuple[Callable[[], Any], Condition, str], ...] = (
    (lambda: web.Response(status=500), Condition.UNREACHABLE, "HTTP 500"),
    (lambda: web.Response(status=429), Condition.UNREACHABLE, "HTTP 429"),
    (lambda: web.Response(text='{"time": 17086'), Condition.INVALID, "the answer is not JSON"),
    (lambda: web.Response(text="[" * 10**5), Condition.INVALID, "the answer is not JSON"),
    (lambda: web.Response(body=b"\xff\xfe"), Condition.INVALID, "the answer is not JSON"),
    (lambda: web.Response(body=b" " * (33 << 20)), Condition.INVALID, "answer larger than"),
)


@pytest.mark.parametrize(("answer", "condition", "says"), BROKEN, ids=range(len(BROKEN)))
async def test_an_endpoint_that_does_not_answer_at_all_is_said_to_be(
    answer: Callable[[], Any], condition: Condition, says: str
) -> None:
    async with documented_api() as api:
        api.spoil = lambda _, __: answer()
        async with following(api, request_timeout_ms=5_000) as told:
            status = await told.told(condition)
    assert says in status.reason
    assert not told.heads


async def test_an_answer_that_breaks_off_is_none() -> None:
    async with documented_api() as api, following(api) as told:
        await told.until(lambda: bool(told.heads))
        api.is_cut_short = True
        status = await told.told(Condition.UNREACHABLE)
        assert "the connection broke" in status.reason
        api.is_cut_short = False
        await told.told(Condition.OK)


async def test_an_endpoint_that_is_silent_is_unreachable() -> None:
    async with documented_api() as api, following(api, request_timeout_ms=100) as told:
        await told.until(lambda: bool(told.heads))
        api.is_silent = True
        status = await told.told(Condition.UNREACHABLE)
        assert "no answer within 100 ms" in status.reason
        api.is_silent = False
        await told.told(Condition.OK)


async def test_markets_that_make_no_sense_are_the_endpoints_fault() -> None:
    async with documented_api() as api:
        api.meta = {"universe": [{"name": "ETH"}]}
        async with following(api) as told:
            status = await told.told(Condition.INVALID)
    assert "meta: universe[0].maxLeverage: expected an integer" in status.reason
    assert not told.heads


async def test_when_no_account_can_be_read_the_endpoint_is_invalid() -> None:
    async with documented_api() as api:
        api.spoil = lambda subject, answer: answer if subject == "meta" else {"time": 7}
        async with following(api) as told:
            status = await told.told(Condition.INVALID)
    assert "no account could be read, the first: assetPositions" in status.reason


async def test_time_that_goes_back_is_refused_and_nothing_old_is_told() -> None:
    async with documented_api() as api, following(api) as told:
        await told.until(lambda: bool(told.heads))
        api.time_ms = lambda: now_ms() - 30_000
        status = await told.told(Condition.LAGGING)
        assert "ms older than one before" in status.reason
        newest = records.read(record_of(told), HyperliquidAccount).time_ms
        api.time_ms = now_ms
        await told.told(Condition.OK)
    heights = [head.block.height for head in told.heads if head.block is not None]
    assert heights == sorted(heights)
    assert records.read(record_of(told), HyperliquidAccount).time_ms >= newest


async def test_a_chain_that_stands_still_is_seen_by_the_age_of_its_head() -> None:
    async with documented_api() as api:
        halted_ms = now_ms()
        api.time_ms = lambda: halted_ms
        async with following(api, head_age_ms_max=1_000) as told:
            await told.until(lambda: bool(told.heads))
            await told.told(Condition.LAGGING)


async def test_another_endpoint_takes_over_and_time_does_not_go_back_there_either() -> None:
    async with (
        documented_api() as first,
        documented_api() as second,
        following(first, second, request_timeout_ms=200) as told,
    ):
        await told.until(lambda: bool(told.heads))
        first.is_silent = True
        await told.until(lambda: second.asked["clearinghouseState"] > 4)
        before = len(told.heads)
        await told.until(lambda: len(told.heads) > before)
    assert told.status.condition is Condition.OK
    assert "no answer within 200 ms" in told.status.reason


# --- Configuration --------------------------------------------------------------------------------

CONFIGURATION = f"""
[[chains]]
id = "{CHAIN}"
name = "hyper"
kind = "hyperliquid"
endpoints = [{{ label = "api", http = "https://api.hyperliquid.xyz/info" }}]

[[chains]]
id = "eip155:1"
name = "ethereum"
kind = "evm"
endpoints = [{{ label = "node", http = "http://127.0.0.1:1" }}]

[[feeds]]
id = "chainlink@eip155:1/{"0x" + "f2" * 20}"
base = "USDC"
heartbeat_s = 86400

[[tokens]]
id = "{USDC}"
symbol = "USDC"
asset = "USDC"
price = "USDC"

[[venues]]
id = "{VENUE}"
kind = "hyperliquid"
settings = {{ quote = "{USDC}" }}

[[portfolios]]
id = "maker"
accounts = ["{DOCUMENTED}"]
"""


def test_a_configuration_gives_a_reader() -> None:
    plans = reader_plans(parse_config(CONFIGURATION), now_ms)
    (plan,) = (plan for plan in plans if plan.chain == CHAIN)
    assert isinstance(plan.make(), HyperliquidReader)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('kind = "hyperliquid"\nend', 'kind = "hyperliquid"\nreader = "x"\nend', "remove reader"),
        ('http = "https', 'ws = "ws://h", http = "https', "it is polled; remove ws"),
        ("quote =", "money =", "settings.quote: give the one token"),
        (f'quote = "{USDC}"', 'quote = "hyper:mainnet/token:0x00"', "settings.quote: give the"),
        ('"\nkind = "hyperliquid"\nset', '"\nkind = "aave-v9"\nset', "no venue kind 'aave-v9'"),
        (f'["{DOCUMENTED}"]', "[]", "no portfolio has an account there"),
        (
            f'["{DOCUMENTED}"]',
            f'["{DOCUMENTED}", "wallet@{CHAIN}/{DOCUMENTED_USER}"]',
            "no wallets are read on hyper:mainnet",
        ),
        ("chainlink@eip155:1/", f"chainlink@{CHAIN}/", "no feeds are read on hyper:mainnet"),
    ],
)
def test_what_the_api_cannot_tell_is_refused_before_anything_runs(
    before: str, after: str, says: str
) -> None:
    assert before in CONFIGURATION
    with pytest.raises(ConfigError) as refused:
        reader_plans(parse_config(CONFIGURATION.replace(before, after)), now_ms)
    assert says in refused.value.message


def test_answers_of_two_moments_make_no_quorum() -> None:
    one, two = InfoApi({}, {}), InfoApi({}, {})
    one.http_url, two.http_url = "http://127.0.0.1:1/info", "http://127.0.0.1:2/info"
    operators = [
        {"label": "a", "http": one.http_url, "operator": "x"},
        {"label": "b", "http": two.http_url, "operator": "y"},
    ]
    with pytest.raises(ConfigError, match="cannot agree; remove quorum"):
        HyperliquidReader(chain_config(quorum=2, endpoints=operators), REGISTRY, now_ms)
