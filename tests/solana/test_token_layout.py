"""Mints and token accounts decoded from their layouts; each mistake excludes what it must."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey
from spl.token.instructions import get_associated_token_address

from xmargin.errors import DecodeError
from xmargin.model import (
    ChainKind,
    ChainSpec,
    PortfolioSpec,
    Registry,
    TokenBalance,
    TokenSpec,
    TokenState,
    VenueSpec,
)
from xmargin.reads import SolanaAccount, SolanaRead
from xmargin.venues import solana_wallet as wallet

CAPTURES = Path(__file__).resolve().parents[3] / "shared/data/chain/solana"
CHAIN = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"
OWNER, OTHER = (str(Pubkey.from_bytes(bytes([n] * 32))) for n in (1, 2))
MINT = Pubkey.from_bytes(bytes([9] * 32))
ACCOUNT = f"wallet@{CHAIN}/{OWNER}"
SPL = TokenSpec(f"{CHAIN}/token:{MINT}", "USDC", "USD", "USDC")
T22 = replace(SPL, program=wallet.TOKEN_2022_PROGRAM)
SOL = TokenSpec(f"{CHAIN}/slip44:501", "SOL", "SOL", "SOL")


def registry(*tokens: TokenSpec, accounts: tuple[str, ...] = (ACCOUNT,)) -> Registry:
    chains = (ChainSpec(CHAIN, "main", ChainKind.SOLANA, 60_000),)
    return Registry(chains, tokens, (), (), (PortfolioSpec("p1", accounts),))


def mint_bytes(decimals: int = 6, initialized: int = 1) -> bytes:
    return bytes(36) + (10**9).to_bytes(8, "little") + bytes([decimals, initialized]) + bytes(36)


def holding_bytes(
    amount: int = 1_234_567, mint: Pubkey = MINT, owner: str = OWNER, state: int = 1
) -> bytes:
    head = bytes(mint) + bytes(Pubkey.from_string(owner)) + amount.to_bytes(8, "little")
    return head + bytes(36) + bytes([state]) + bytes(56)


def extension(kind: int, content: bytes) -> bytes:
    return kind.to_bytes(2, "little") + len(content).to_bytes(2, "little") + content


def extended(base: bytes, account_type: int, *extensions: bytes) -> bytes:
    return base.ljust(165, b"\0") + bytes([account_type]) + b"".join(extensions)


def account(data: bytes, owner: str = wallet.TOKEN_PROGRAM, lamports: int = 1) -> SolanaAccount:
    return SolanaAccount("", lamports, owner, data)


def wallets(watched: Registry, chain: str = CHAIN) -> wallet.SolanaWallets:
    return wallet.watch(VenueSpec(f"wallet@{chain}", "wallet"), watched)


def reads(watched: Registry, chain: str = CHAIN) -> list[SolanaRead]:
    of_chain = wallets(watched, chain)
    return [of_chain.unit_read(unit) for unit in of_chain.units]


def token(spec: TokenSpec, found: SolanaAccount | None) -> TokenState:
    read = reads(registry(spec))[0]
    fact = read.decode([found])[0]
    assert isinstance(fact, TokenState)
    return fact


def the_balance_read(spec: TokenSpec, *accounts: str) -> SolanaRead:
    return reads(registry(spec, accounts=accounts or (ACCOUNT,)))[-1]


def balance(spec: TokenSpec, found: SolanaAccount | None) -> TokenBalance:
    (fact,) = the_balance_read(spec).decode([found])
    assert isinstance(fact, TokenBalance)
    return fact


# --- Addresses ----------------------------------------------------------------------------------


@given(st.binary(min_size=32, max_size=32), st.sampled_from([SPL, T22]))
def test_associated_accounts_are_those_of_the_spl_library(key: bytes, spec: TokenSpec) -> None:
    owner = Pubkey.from_bytes(key)
    program = wallet.token_program(spec)
    expected = get_associated_token_address(owner, MINT, Pubkey.from_string(program))
    assert wallet.associated_token_account(str(owner), str(MINT), program) == str(expected)


def test_what_is_read_is_the_mint_the_wallet_and_its_associated_account() -> None:
    watched = registry(SOL, SPL)
    mint, native, tokens = reads(watched)
    assert mint.addresses == (str(MINT),)
    assert native.addresses == (OWNER,)
    assert tokens.addresses == (
        wallet.associated_token_account(OWNER, str(MINT), wallet.TOKEN_PROGRAM),
    )
    assert wallets(watched).static_facts == (TokenState(SOL.id, 9, "SOL", ""),)


def test_nothing_of_another_chain_or_venue_is_read() -> None:
    elsewhere = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1"
    accounts = (f"wallet@{elsewhere}/{OWNER}", f"drift@{CHAIN}/{OWNER}")
    assert len(reads(registry(SOL, SPL, accounts=accounts))) == 1, "the mint alone"
    assert reads(registry(SPL), elsewhere) == []


# 44 characters of base58, as the registry wants them, but of 33 bytes.
TOO_LONG = "z" * 44


def test_an_owner_that_is_no_key_is_at_fault_and_never_asked_for() -> None:
    with pytest.raises(DecodeError, match="is no Solana address"):
        wallet.associated_token_account(TOO_LONG, str(MINT), wallet.TOKEN_PROGRAM)
    for spec in (SOL, SPL):
        read = the_balance_read(spec, f"wallet@{CHAIN}/{TOO_LONG}")
        assert read.addresses == ()
        (fact,) = read.decode([])
        assert isinstance(fact, TokenBalance)
        assert "is no Solana address" in fact.fault


# --- Mints --------------------------------------------------------------------------------------


def test_a_mint_says_its_decimals() -> None:
    for decimals in (0, 8, 36):
        found = account(mint_bytes(decimals))
        assert token(SPL, found) == TokenState(SPL.id, decimals, "USDC", "")
    bare = account(mint_bytes(8), wallet.TOKEN_2022_PROGRAM)
    assert token(T22, bare) == TokenState(T22.id, 8, "USDC", "")


def test_a_real_token_2022_mint_with_eight_extensions_is_read() -> None:
    if not CAPTURES.exists():
        pytest.skip(f"the captures are not here: {CAPTURES} is absent")
    captured = json.loads((CAPTURES / "marginfi/pyUSD.json").read_text())
    data = base64.b64decode(captured["account"]["data"][0])
    spec = replace(T22, id=f"{CHAIN}/token:{captured['pubkey']}", symbol="PYUSD")
    state = token(spec, account(data, captured["account"]["owner"]))
    assert state == TokenState(spec.id, 6, "PYUSD", "")


MINT_FAULTS = [
    (SPL, None, "there is no mint at the token's address"),
    (SPL, account(mint_bytes(), wallet.SYSTEM_PROGRAM), "the mint is owned by 1111"),
    (SPL, account(mint_bytes(), wallet.TOKEN_2022_PROGRAM), "the mint is owned by TokenzQd"),
    (T22, account(mint_bytes()), "the mint is owned by Tokenkeg"),
    (SPL, account(mint_bytes()[:-1]), "the mint has 81 bytes; 82 were expected"),
    (SPL, account(b""), "the mint has 0 bytes; 82 were expected"),
    (SPL, account(mint_bytes(initialized=0)), "the mint is not initialised"),
    (SPL, account(mint_bytes(255)), "claims 255 decimals; at most 36 are believed"),
    (SPL, account(holding_bytes()), "the mint has 165 bytes; 82 were expected"),
    (replace(SPL, program=wallet.SYSTEM_PROGRAM), account(mint_bytes()), "is neither SPL Token"),
]


@pytest.mark.parametrize(("spec", "found", "fault"), MINT_FAULTS)
def test_a_mint_that_is_none_excludes_its_token(
    spec: TokenSpec, found: SolanaAccount | None, fault: str
) -> None:
    state = token(spec, found)
    assert state.decimals == 0
    assert fault in state.fault


EXTENDED_MINT_FAULTS = [
    (extended(mint_bytes(), 2), "holds an account of another type"),
    (extended(mint_bytes() + b"\1", 1), "holds an account of another type"),
    (extended(mint_bytes(), 1, extension(3, bytes(32))[:-1]), "breaks off in extension 3"),
    (extended(mint_bytes(), 1, b"\3\0\1"), "breaks off in extension 3"),
    (extended(mint_bytes(), 1, b"\3\0"), "breaks off in extension 3"),
    (extended(mint_bytes(), 1, extension(9, b"")), "the mint cannot be transferred"),
    (extended(mint_bytes(), 1, extension(10, bytes(52))), "accrues interest"),
    (
        extended(mint_bytes(), 1, extension(3, bytes(32)), extension(25, bytes(56))),
        "scales its balances",
    ),
    (extended(mint_bytes(), 1, bytes(355 - 166)), "the mint has 355 bytes"),
]


@pytest.mark.parametrize(("data", "fault"), EXTENDED_MINT_FAULTS)
def test_an_extended_mint_that_cannot_be_counted_excludes_its_token(
    data: bytes, fault: str
) -> None:
    assert fault in token(T22, account(data, wallet.TOKEN_2022_PROGRAM)).fault


def test_unused_room_after_the_extensions_is_nothing() -> None:
    data = extended(mint_bytes(), 1, extension(3, bytes(32)), bytes(7))
    assert token(T22, account(data, wallet.TOKEN_2022_PROGRAM)).fault == ""


# --- Balances -----------------------------------------------------------------------------------


def test_a_wallet_that_does_not_exist_holds_nothing() -> None:
    assert balance(SOL, None) == TokenBalance(ACCOUNT, SOL.id, 0, "")
    assert balance(SPL, None) == TokenBalance(ACCOUNT, SPL.id, 0, "")


def test_lamports_are_the_balance_of_a_wallet() -> None:
    found = account(b"", wallet.SYSTEM_PROGRAM, lamports=2**64 - 1)
    assert balance(SOL, found) == TokenBalance(ACCOUNT, SOL.id, 2**64 - 1, "")


def test_lamports_of_a_programs_account_are_not_the_wallets() -> None:
    stake = "Stake11111111111111111111111111111111111111"
    found = balance(SOL, account(bytes(200), stake, lamports=10**9))
    assert (found.amount, found.fault) == (
        0,
        f"the address is an account of program {stake}, not a wallet",
    )


@pytest.mark.parametrize("amount", [0, 1, 2**64 - 1])
def test_the_amount_is_exact(amount: int) -> None:
    assert balance(SPL, account(holding_bytes(amount))).amount == amount
    data = extended(holding_bytes(amount), 2, extension(7, b""))
    assert balance(T22, account(data, wallet.TOKEN_2022_PROGRAM)) == TokenBalance(
        ACCOUNT, T22.id, amount, ""
    )


BALANCE_FAULTS = [
    (account(holding_bytes(), wallet.SYSTEM_PROGRAM), "the token account is owned by 1111"),
    (account(holding_bytes()[:-1]), "the token account has 164 bytes; 165 were expected"),
    (account(holding_bytes(mint=Pubkey.default())), "is of mint 1111"),
    (account(holding_bytes(owner=OTHER)), f"the token account belongs to {OTHER} now"),
    (account(holding_bytes(state=2)), "the token account is frozen"),
    (account(holding_bytes(state=0)), "the token account is not initialised"),
    (account(holding_bytes(state=3)), "the token account is not initialised"),
    (account(extended(holding_bytes(), 1)), "holds an account of another type"),
    (account(mint_bytes()), "the token account has 82 bytes; 165 were expected"),
]


@pytest.mark.parametrize(("found", "fault"), BALANCE_FAULTS)
def test_a_token_account_that_is_none_excludes_that_balance(
    found: SolanaAccount, fault: str
) -> None:
    told = balance(SPL, found)
    assert told.amount == 0
    assert fault in told.fault


@given(st.binary(max_size=400), st.sampled_from([SPL, T22]))
def test_no_bytes_whatever_raise(data: bytes, spec: TokenSpec) -> None:
    found = account(data, wallet.token_program(spec))
    assert token(spec, found).fault or len(data) == 82 or len(data) > 165
    assert balance(spec, found).fault or len(data) >= 165
