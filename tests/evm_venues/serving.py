"""The whole service over one local chain with one venue: its configuration."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from xmargin.config import Config, parse_config
from xmargin.testbed import chainlink
from xmargin.testbed.anvil import Anvil
from xmargin.testbed.chainlink import PriceFeed


def config_of(
    node: Anvil,
    tape: Path,
    *,
    venue: Mapping[str, Any],
    settings: Mapping[str, Any] | None = None,
    tokens: Iterable[Mapping[str, Any]],
    feeds: Iterable[PriceFeed],
    accounts: Iterable[str],
    beside: Iterable[Mapping[str, Any]] = (),
) -> Config:
    """A chain, a venue, tokens and feeds, and one portfolio of all accounts."""
    owned = list(accounts)
    chain = {"id": node.chain, "name": "local", "kind": "evm", "head_age_ms_max": 10**9}
    endpoint = {"label": "anvil", "http": node.http_url, "ws": node.ws_url}
    rows = [
        _table("[service]", {"tape": str(tape)}),
        _table("[[chains]]", chain | {"poll_ms": 100}),
        _table("[[chains.endpoints]]", endpoint),
        _table("[[venues]]", venue),
        _table("[venues.settings]", settings or {}),
        *(_table("[[venues]]", other) for other in beside),
        *(_table("[[tokens]]", token) for token in tokens),
        *(_table("[[feeds]]", _feed(node, feed)) for feed in feeds),
        _table("[[portfolios]]", {"id": "everyone", "accounts": owned}),
    ]
    return parse_config("\n".join(rows))


def _table(header: str, entries: Mapping[str, Any]) -> str:
    return "\n".join([header, *(f"{key} = {json.dumps(value)}" for key, value in entries.items())])


def _feed(node: Anvil, feed: PriceFeed) -> dict[str, Any]:
    return {
        "id": f"chainlink@{node.chain}/{feed.proxy.address.lower()}",
        "base": feed.base,
        "heartbeat_s": 10**9,  # these tests travel in time
        "decimals": chainlink.PRICE_DECIMALS,
        "description": f"{feed.base} / USD",
    }
