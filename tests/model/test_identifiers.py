"""Identifiers are checked once, at the border, and have one form ever after."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmargin import model
from xmargin.errors import InvalidArgumentError

SOLANA = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"
BITCOIN = "bip122:000000000019d6689c085ae165831e93"
SYSTEM = "1" * 32
WSOL = "So11111111111111111111111111111111111111112"
EVM = "0x" + "Ab" * 20


@pytest.mark.parametrize(
    ("parse", "text", "canonical"),
    [
        (model.parse_chain_id, "eip155:1", "eip155:1"),
        (model.parse_chain_id, SOLANA, SOLANA),
        (model.parse_venue_id, "aave-v3@eip155:1", "aave-v3@eip155:1"),
        (model.parse_account_id, f"wallet@eip155:1/{EVM}", f"wallet@eip155:1/{EVM.lower()}"),
        (model.parse_account_id, f"wallet@{SOLANA}/{SYSTEM}", f"wallet@{SOLANA}/{SYSTEM}"),
        (model.parse_account_id, f"perp@eip155:1/{EVM}/7", f"perp@eip155:1/{EVM.lower()}/7"),
        (model.parse_token_id, f"eip155:1/erc20:{EVM}", f"eip155:1/erc20:{EVM.lower()}"),
        (model.parse_token_id, "eip155:1/slip44:60", "eip155:1/slip44:60"),
        (model.parse_token_id, f"{SOLANA}/token:{WSOL}", f"{SOLANA}/token:{WSOL}"),
        (model.parse_chain_id, BITCOIN, BITCOIN),
        (model.parse_chain_id, "abc:-_Z9", "abc:-_Z9"),
        (model.parse_venue_id, "x@hyper:mainnet", "x@hyper:mainnet"),
        (model.parse_account_id, f"x@hyper:mainnet/{EVM}", f"x@hyper:mainnet/{EVM.lower()}"),
        (model.parse_account_id, f"x@{BITCOIN}/bc1-Q.%20/a", f"x@{BITCOIN}/bc1-Q.%20/a"),
        (model.parse_token_id, f"{BITCOIN}/slip44:0", f"{BITCOIN}/slip44:0"),
        (model.parse_token_id, "hyper:mainnet/token:0xAb", "hyper:mainnet/token:0xAb"),
        (model.parse_token_id, "hyper:mainnet/perp:x.kPEPE", "hyper:mainnet/perp:x.kPEPE"),
        (model.parse_portfolio_id, "fund-7.a_b", "fund-7.a_b"),
    ],
)
def test_a_well_formed_id_gets_its_canonical_form(parse, text: str, canonical: str) -> None:  # type: ignore[no-untyped-def]
    assert parse(text) == canonical
    assert parse(canonical) == canonical


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (model.parse_chain_id, "eip155:0"),
        (model.parse_chain_id, "eip155:1 "),
        (model.parse_chain_id, "solana:short"),
        (model.parse_chain_id, "eip155:01"),
        (model.parse_chain_id, "eip155:abc"),
        (model.parse_chain_id, "ab:1"),
        (model.parse_chain_id, "hyperliquid:mainnet"),
        (model.parse_chain_id, "Cosmos:hub"),
        (model.parse_chain_id, "cosmos:"),
        (model.parse_chain_id, f"cosmos:{'x' * 33}"),
        (model.parse_chain_id, "cosmos:hub/4"),
        (model.parse_account_id, "x@hyper:mainnet/mine"),
        (model.parse_account_id, f"x@{BITCOIN}/"),
        (model.parse_account_id, f"x@{BITCOIN}/bc1_q"),
        (model.parse_account_id, f"x@{BITCOIN}/{'a' * 129}"),
        (model.parse_token_id, f"{BITCOIN}/erc20:{EVM}"),
        (model.parse_token_id, f"{BITCOIN}/token:a/b"),
        (model.parse_venue_id, "aave@nowhere"),
        (model.parse_account_id, "wallet@eip155:1"),
        (model.parse_account_id, "wallet@eip155:1/0x12"),
        (model.parse_account_id, f"wallet@{SOLANA}/{'1' * 31}"),
        (model.parse_account_id, f"wallet@{SOLANA}/{'1' * 44}"),
        (model.parse_account_id, f"wallet@{SOLANA}/{'z' * 44}"),
        (model.parse_account_id, f"wallet@{SOLANA}/{WSOL[:-1]}0"),
        (model.parse_account_id, f"perp@eip155:1/{EVM}/"),
        (model.parse_account_id, f"perp@eip155:1/{EVM}/a/b"),
        (model.parse_token_id, "eip155:1/slip44:eth"),
        (model.parse_token_id, f"eip155:1/erc721:{EVM}"),
        (model.parse_token_id, f"eip155:1/token:{EVM}"),
        (model.parse_token_id, f"{SOLANA}/erc20:{WSOL}"),
        (model.parse_portfolio_id, ""),
        (model.parse_portfolio_id, "-a"),
        (model.parse_portfolio_id, "A"),
        (model.parse_portfolio_id, "a" * 65),
        (model.parse_portfolio_id, "a\n"),
    ],
)
def test_a_malformed_id_is_refused_and_the_field_named(parse, text: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidArgumentError) as caught:
        parse(text, "somewhere")
    assert caught.value.field == "somewhere"
    assert "somewhere" in caught.value.message


@given(st.text(max_size=80))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for parse in (
        model.parse_chain_id,
        model.parse_venue_id,
        model.parse_account_id,
        model.parse_token_id,
        model.parse_portfolio_id,
    ):
        try:
            canonical = parse(text)
        except InvalidArgumentError:
            continue
        assert parse(canonical) == canonical


def test_parts_of_an_id_are_found_again() -> None:
    account = f"aave-v3@eip155:1/{EVM.lower()}/3"
    assert model.chain_of(account) == "eip155:1"
    assert model.venue_of(account) == "aave-v3@eip155:1"
    assert model.kind_of(model.venue_of(account)) == "aave-v3"
    assert model.address_of(account) == EVM.lower()


@pytest.mark.parametrize("chain", ["eip155:1", SOLANA, BITCOIN, "hyper:mainnet"])
def test_the_chain_of_an_id_stands_between_its_kind_and_its_address(chain: str) -> None:
    for one in (chain, f"{chain}/slip44:0", f"x@{chain}", f"x@{chain}/a-b/eip155", f"x.y@{chain}"):
        assert model.chain_of(one) == chain


@pytest.mark.parametrize("text", ["", "chainlink", "x@/a", f"longer{SOLANA}", "a/x@eip155:1"])
def test_what_names_no_chain_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="names no chain"):
        model.chain_of(text)


def test_the_worst_verdict_wins_and_none_is_ok() -> None:
    assert model.worst() is model.Verdict.OK
    assert model.worst(model.Verdict.FLAG, model.Verdict.HOLD) is model.Verdict.HOLD
    assert model.worst(*reversed(model.Verdict)) is model.Verdict.REFUSE
