"""A quorum that cannot be met, or cannot be counted, is told before anything runs."""

import pytest

from xmargin.config import parse_config
from xmargin.errors import ConfigError

FEED = "0xFdB631F5EE196F0ed6FAa767959853A9F217697D"
CHAIN = """
[[chains]]
id = "eip155:42161"
name = "arbitrum"
kind = "evm"
quorum = {quorum}
{more}
{endpoints}

[[portfolios]]
id = "alice"
accounts = ["wallet@eip155:42161/0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
"""
ENDPOINT = """
[[chains.endpoints]]
label = "{label}"
http = "https://{label}.example.org"
"""


def written(quorum: int, *operators: str | None, more: str = "") -> str:
    rows = [
        ENDPOINT.format(label=f"n{i}") + (f'operator = "{operator}"\n' if operator else "")
        for i, operator in enumerate(operators)
    ]
    return CHAIN.format(quorum=quorum, more=more, endpoints="".join(rows))


def test_a_quorum_counts_operators() -> None:
    (chain,) = parse_config(written(2, "a", "a", "b")).chains
    assert chain.quorum == 2
    assert [endpoint.operator for endpoint in chain.endpoints] == ["a", "a", "b"]


def test_no_quorum_is_asked_for_unless_said() -> None:
    (chain,) = parse_config(written(1, None, None)).chains
    assert chain.quorum == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (written(2, "a", "a"), "quorum 2 wants so many operators; there are 1: a"),
        (written(4, "a", "b", "c"), "quorum 4 wants so many operators; there are 3: a, b, c"),
        (written(2, "a", None, "b"), "quorum 2 counts operators; name the operator of n1"),
        (written(0, "a"), "greater than or equal to 1"),
    ],
)
def test_a_quorum_that_cannot_be_met_is_told(text: str, why: str) -> None:
    with pytest.raises(ConfigError) as told:
        parse_config(text)
    assert why in told.value.message


def test_a_sequencer_feed_is_watched_with_its_grace() -> None:
    text = written(1, "a", more=f'sequencer_feed = "{FEED}"\nsequencer_grace_s = 600')
    (spec,) = parse_config(text).registry().chains
    assert spec.sequencer_feed == f"sequencer@eip155:42161/{FEED.lower()}"
    assert spec.sequencer_grace_s == 600
