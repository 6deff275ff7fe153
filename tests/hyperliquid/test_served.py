"""The whole of xmargin over Hyperliquid and an EVM chain whose feeds price its coins."""

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.chains.running import now_ms, running_on
from tests.hyperliquid import published
from tests.hyperliquid.api import InfoApi
from tests.hyperliquid.published import CHAIN, DOCUMENTED, DOCUMENTED_USER, VENUE
from xmargin.cli.probes import Grade, examine
from xmargin.config import Config, parse_config
from xmargin.model import HealthStatus
from xmargin.spine import replay
from xmargin.testbed import chainlink
from xmargin.testbed.anvil import Anvil
from xmargin.testbed.chainlink import PriceFeed
from xmargin.testbed.script import Script
from xmargin.view import View

USDC = f"{CHAIN}/token:0x6d1e7cde53ba9467b783cb7c530ce054"
ETH = f"{CHAIN}/perp:hyperliquid.ETH"


@pytest.fixture
async def feeds(anvil: Anvil) -> list[PriceFeed]:
    script = await Script.begin(anvil, anvil.admin)
    prices = {"ETH": Decimal("2985.9"), "USDC": Decimal(1)}
    made = [chainlink.deploy_feed(script, anvil.admin, b, p) for b, p in prices.items()]
    await script.run()
    return made


def table(header: str, **entries: Any) -> str:
    lines = [f"{key} = {json.dumps(value)}" for key, value in entries.items()]
    return "\n".join([header, *lines])


def config(node: Anvil, api: InfoApi, feeds: list[PriceFeed], tape: Path) -> Config:
    age_ms = 10**9
    rows = [
        table("[service]", tape=str(tape)),
        table("[[chains]]", id=CHAIN, name="hyper", kind="hyperliquid", poll_ms=50),
        table("[[chains.endpoints]]", label="api", http=api.http_url),
        table("[[chains]]", id=node.chain, name="evm", kind="evm", head_age_ms_max=age_ms),
        table("[[chains.endpoints]]", label="anvil", http=node.http_url, ws=node.ws_url),
        *(
            table(
                "[[feeds]]",
                id=f"chainlink@{node.chain}/{feed.proxy.address.lower()}",
                base=feed.base,
                heartbeat_s=10**9,
                decimals=chainlink.PRICE_DECIMALS,
                description=f"{feed.base} / USD",
            )
            for feed in feeds
        ),
        table("[[tokens]]", id=USDC, symbol="USDC", asset="USDC", price="USDC"),
        table("[[tokens]]", id=ETH, symbol="ETH-PERP", asset="ETH", price="ETH"),
        f'[[venues]]\nid = "{VENUE}"\nkind = "hyperliquid"\nsettings = {{ quote = "{USDC}" }}',
        table("[[portfolios]]", id="maker", accounts=[DOCUMENTED]),
    ]
    return parse_config("\n".join(rows))


def status_of(view: View) -> HealthStatus:
    (account,) = view.health("maker").accounts
    return account.status


async def test_an_account_is_served_beside_its_prices_and_its_falling_due_is_told(
    anvil: Anvil, feeds: list[PriceFeed], tmp_path: Path
) -> None:
    tape = tmp_path / "a.tape"
    states = {DOCUMENTED_USER: published.DOCUMENTED_STATE}
    due = copy.deepcopy(published.DOCUMENTED_STATE)
    due["assetPositions"][0]["position"]["leverage"]["rawUsd"] = "-99.5"
    due["marginSummary"] |= {"totalRawUsd": "13005.014502", "accountValue": "13105.042152"}
    async with (
        InfoApi(published.DOCUMENTED_META, states) as api,
        running_on(config(anvil, api, feeds, tape), tape) as xmargin,
    ):
        view = await xmargin.until(
            lambda one: not one.metadata.partial and status_of(one) is HealthStatus.HEALTHY
        )
        equity = view.health("maker").equity
        assert equity is not None
        assert abs(equity - Decimal("13109.482328")) < Decimal("0.001")
        api.states[DOCUMENTED_USER] = due
        view = await xmargin.until(lambda one: status_of(one) is HealthStatus.LIQUIDATABLE)
        assert view.liquidations()[0].account == DOCUMENTED
        told = xmargin.spine.crossings.after(0)
    assert told is not None
    changes = [(one.before, one.after) for one in told if one.account == DOCUMENTED]
    assert changes[-1] == (HealthStatus.HEALTHY, HealthStatus.LIQUIDATABLE)
    replayed = {one.metadata.tape_sequence: one.sha256 for one in replay(tape)}
    assert replayed[view.metadata.tape_sequence] == view.sha256


async def test_the_doctor_reads_the_venue_and_says_which_account_it_cannot(
    anvil: Anvil, feeds: list[PriceFeed], tmp_path: Path
) -> None:
    states = {DOCUMENTED_USER: published.DOCUMENTED_STATE}
    async with InfoApi(published.DOCUMENTED_META, states) as api:
        sound = config(anvil, api, feeds, tmp_path / "a.tape")
        checks = await examine(sound, now_ms)
        assert {one.grade for one in checks if one.kind != "heads"} == {Grade.OK}
        (venue,) = (one for one in checks if one.kind == "venue")
        assert venue.detail == "4 accounts and markets read"
        other = f"{VENUE}/0x" + "0a" * 20
        api.states[other.split("/")[1]] = {}
        watched = sound.portfolios[0].model_copy(update={"accounts": (DOCUMENTED, other)})
        checks = await examine(sound.model_copy(update={"portfolios": (watched,)}), now_ms)
    (bad,) = (one for one in checks if one.grade is Grade.BAD)
    assert (bad.kind, bad.subject) == ("account", other)
    assert "assetPositions: expected a list" in bad.detail
