"""``[[supplies]]``: what may be there of a token, and the mistakes that are told by their key."""

import pytest

from tests.config.test_config import GOOD, OWNER, TOKEN
from xmargin.config import parse_config
from xmargin.errors import ConfigError
from xmargin.model import SupplySpec

TOKEN_ID = f"eip155:1/erc20:{TOKEN}"
ESCROW = f"wallet@eip155:1/{OWNER}"
APPROVED = f"""
[[supplies]]
token = "{TOKEN_ID}"
approved = 1_000_000
approved_at_s = 1_700_000_000
growth_bps_max = 500
"""
LOCKED = f"""
[[supplies]]
token = "{TOKEN_ID}"
escrow = "{ESCROW}"
locked = "{TOKEN_ID}"
"""


def test_a_supply_becomes_a_bound_of_the_registry() -> None:
    token = TOKEN_ID.lower()
    approved = SupplySpec(token, 1_000_000, 1_700_000_000, 500)
    assert parse_config(GOOD + APPROVED).registry().supplies == (approved,)
    locked = SupplySpec(token, escrow=ESCROW, locked=token)
    assert parse_config(GOOD + LOCKED).registry().supplies == (locked,)


def test_venue_prices_are_compared_unless_it_is_switched_off() -> None:
    assert parse_config(GOOD).registry().venue_price_bps_max == 200
    off = parse_config(GOOD + "\n[risk]\nvenue_price_bps_max = 0\n").registry()
    assert off.venue_price_bps_max == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (APPROVED + LOCKED, "stands there twice"),
        (APPROVED.replace("approved_at_s = 1_700_000_000\n", ""), "give approved_at_s"),
        (APPROVED.replace("approved = 1_000_000\n", ""), "else nothing is bounded"),
        (LOCKED.replace(f'locked = "{TOKEN_ID}"\n', ""), "give escrow and locked, or neither"),
        (LOCKED.replace(f'locked = "{TOKEN_ID}"', f'locked = "{TOKEN_ID[:-2]}ff"'), "locked"),
        (LOCKED.replace("@eip155:1/", "@eip155:10/"), "escrow"),
        (APPROVED.replace(TOKEN_ID, "eip155:1/slip44:60"), "a native coin"),
        (APPROVED.replace(TOKEN_ID, f"{TOKEN_ID[:-2]}ff"), "[[tokens]]"),
    ],
)
def test_a_mistake_is_told_by_its_key(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config(GOOD + text)
    assert "supplies" in str(raised.value)
    assert says in str(raised.value)
