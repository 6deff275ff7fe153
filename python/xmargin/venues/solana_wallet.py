"""Wallets on Solana: SOL, and SPL and Token-2022 balances in associated token accounts.

Accounts are decoded from their layout (spl-token ``Mint`` and ``Account``; Token-2022 appends an
account type and extensions). A mint that is not what it should be excludes its token, a token
account that is not excludes that balance, never the wallet. Tokens a wallet holds outside its
associated token account are not counted.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from xmargin import records
from xmargin.errors import DecodeError
from xmargin.model import (
    AccountId,
    ChainId,
    Fact,
    Registry,
    TokenBalance,
    TokenId,
    TokenSpec,
    TokenState,
    VenueRecord,
    VenueSpec,
    address_of,
    chain_of,
    is_instrument,
    is_native,
    kind_of,
    token_address,
)
from xmargin.model.token_terms import TOKEN_TERMS_RECORD, TokenTerms
from xmargin.reads import SolanaAccount, SolanaRead
from xmargin.venues import token_2022
from xmargin.venues.base import Unit

if TYPE_CHECKING:
    from solders.pubkey import Pubkey

KIND: Final = "wallet"
SYSTEM_PROGRAM: Final = "11111111111111111111111111111111"
TOKEN_PROGRAM: Final = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"  # noqa: S105 - an address
TOKEN_2022_PROGRAM: Final = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"  # noqa: S105 - an address
ASSOCIATED_TOKEN_PROGRAM: Final = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL"  # noqa: S105
_PROGRAMS: Final = frozenset({TOKEN_PROGRAM, TOKEN_2022_PROGRAM})
SOL_DECIMALS: Final = 9
DECIMALS_MAX: Final = 36

MINT_BYTES: Final = 82
CLOCK_SYSVAR: Final = "SysvarC1ock11111111111111111111111111111111"
_EPOCH: Final = slice(16, 24)
_CLOCK_BYTES: Final = 40
_MINT_DECIMALS_AT, _MINT_INITIALIZED_AT = 44, 45
_AMOUNT_AT: Final = 64
_STATE_AT: Final = 108
_INITIALIZED, _FROZEN = 1, 2
_KEY_BYTES: Final = 32


_NO_TERMS: Final = TokenTerms(0, 0, 0, ())


# --- What to read -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SolanaWallets:
    """All watched wallets of a chain. A unit is ``(token,)``, or ``(account, token)``."""

    tokens: Mapping[TokenId, TokenSpec]
    units: tuple[Unit, ...]
    static_facts: tuple[Fact, ...]

    def unit_read(self, unit: Unit) -> SolanaRead:
        """A mint, or a balance."""
        *account, token = unit
        spec = self.tokens[token]
        return _balance_read(account[0], spec) if account else _mint_read(spec)

    def rests_on(self, fact: Fact) -> Iterable[Unit]:
        """Mints and balances stand for themselves."""
        return ()


def watch(spec: VenueSpec, registry: Registry) -> SolanaWallets:
    """One unit a mint, then one for every wallet and every token.

    The native coin has no mint: what is true of it is told without asking.
    """
    chain = chain_of(spec.id)
    tokens = _tokens(registry, chain)
    mints = ((token.id,) for token in tokens if not is_native(token.id))
    balances = ((a, token.id) for a in _wallets(registry, chain) for token in tokens)
    natives = (token for token in tokens if is_native(token.id))
    return SolanaWallets(
        tokens={token.id: token for token in tokens},
        units=(*mints, *balances),
        static_facts=tuple(TokenState(t.id, SOL_DECIMALS, t.symbol, fault="") for t in natives),
    )


def _tokens(registry: Registry, chain: ChainId) -> list[TokenSpec]:
    """Those that a wallet of the chain can hold."""
    here = (token for token in registry.tokens if chain_of(token.id) == chain)
    return [token for token in here if not is_instrument(token.id)]


def _wallets(registry: Registry, chain: ChainId) -> list[AccountId]:
    accounts = (a for portfolio in registry.portfolios for a in portfolio.accounts)
    return sorted(a for a in accounts if kind_of(a) == KIND and chain_of(a) == chain)


def associated_token_account(owner: str, mint: str, program: str) -> str:
    """The address of ``owner``'s account of ``mint``.

    Raises:
        DecodeError: an address is no 32-byte key.
    """
    from solders.pubkey import Pubkey

    seeds = [bytes(_key(address)) for address in (owner, program, mint)]
    address, _ = Pubkey.find_program_address(seeds, _key(ASSOCIATED_TOKEN_PROGRAM))
    return str(address)


@functools.lru_cache(maxsize=1024)
def _key(address: str) -> "Pubkey":
    from solders.pubkey import Pubkey

    try:
        return Pubkey.from_string(address)
    except ValueError:
        raise DecodeError(f"{address} is no Solana address: it has not 32 bytes") from None


def token_program(token: TokenSpec) -> str:
    """The program a token's mint must belong to; SPL Token where the registry names none."""
    return token.program or TOKEN_PROGRAM


# --- Mints --------------------------------------------------------------------------------------


def _mint_read(token: TokenSpec) -> SolanaRead:
    """A mint; of Token-2022 with the clock, as its fees are of an epoch."""
    has_terms = token_program(token) == TOKEN_2022_PROGRAM

    def decode(accounts: Sequence[SolanaAccount | None]) -> list[Fact]:
        try:
            data = _mint(token, accounts[0])
            terms = token_2022.terms_of_mint(data, MINT_BYTES, _epoch(*accounts[1:]))
            state = TokenState(token.id, _decimals(data), token.symbol, "")
        except DecodeError as error:
            return [TokenState(token.id, 0, token.symbol, fault=error.message)]
        return [state, _terms_record(token, terms or _NO_TERMS)] if has_terms else [state]

    # A mint's decimals never change, though its supply does all the time.
    mint = token_address(token.id)
    return SolanaRead((mint, CLOCK_SYSVAR) if has_terms else (mint,), decode, announced=False)


def _terms_record(token: TokenSpec, terms: TokenTerms) -> VenueRecord:
    wallets = f"{KIND}@{chain_of(token.id)}"
    return records.market_record(wallets, TOKEN_TERMS_RECORD, token.id, terms)


def _epoch(clock: SolanaAccount | None = None) -> int | None:
    """The epoch that the Clock sysvar says; ``None`` if it does not."""
    if clock is None or len(clock.data) != _CLOCK_BYTES:
        return None
    return int.from_bytes(clock.data[_EPOCH], "little")


def _mint(token: TokenSpec, mint: SolanaAccount | None) -> bytes:
    if mint is None:
        raise DecodeError("there is no mint at the token's address")
    data = _of_program(mint, token_program(token), "mint")
    if len(data) < MINT_BYTES:
        raise DecodeError(f"the mint has {len(data)} bytes; {MINT_BYTES} were expected")
    return data


def _decimals(data: bytes) -> int:
    if data[_MINT_INITIALIZED_AT] != 1:
        raise DecodeError("the mint is not initialised")
    decimals = data[_MINT_DECIMALS_AT]
    if decimals > DECIMALS_MAX:
        raise DecodeError(f"claims {decimals} decimals; at most {DECIMALS_MAX} are believed")
    return decimals


# --- Balances -----------------------------------------------------------------------------------


def _balance_read(account: AccountId, token: TokenSpec) -> SolanaRead:
    owner = address_of(account)
    try:
        if is_native(token.id):
            return _read_of(account, token.id, str(_key(owner)), _lamports)
        mint, program = token_address(token.id), token_program(token)
        holder = associated_token_account(owner, mint, program)
    except DecodeError as error:
        return SolanaRead((), _always(TokenBalance(account, token.id, 0, error.message)))

    def amount(holding: SolanaAccount | None) -> int:
        return _token_amount(holding, owner, mint, program)

    return _read_of(account, token.id, holder, amount)


def _always(fact: Fact) -> Callable[[Sequence[SolanaAccount | None]], list[Fact]]:
    return lambda _: [fact]


def _read_of(
    account: AccountId,
    token: TokenId,
    address: str,
    amount: Callable[[SolanaAccount | None], int],
) -> SolanaRead:
    def decode(accounts: Sequence[SolanaAccount | None]) -> list[Fact]:
        try:
            return [TokenBalance(account, token, amount(accounts[0]), fault="")]
        except DecodeError as error:
            return [TokenBalance(account, token, 0, fault=error.message)]

    return SolanaRead((address,), decode)


def _lamports(wallet: SolanaAccount | None) -> int:
    """What a wallet holds in lamports; one that does not exist holds nothing.

    Lamports of an account that a program owns (a stake, a vault) are not the wallet's to pay with.
    """
    if wallet is None:
        return 0
    if wallet.owner != SYSTEM_PROGRAM:
        raise DecodeError(f"the address is an account of program {wallet.owner}, not a wallet")
    return wallet.lamports


def _token_amount(holding: SolanaAccount | None, owner: str, mint: str, program: str) -> int:
    """The amount in a token account; one that was never created holds nothing."""
    if holding is None or holding.lamports == 0:
        return 0
    data = _of_program(holding, program, "token account")
    token_2022.check_account(data)
    if _key_at(data, 0) != mint:
        raise DecodeError(f"the token account is of mint {_key_at(data, 0)}, not of {mint}")
    if _key_at(data, _KEY_BYTES) != owner:
        raise DecodeError(f"the token account belongs to {_key_at(data, _KEY_BYTES)} now")
    if data[_STATE_AT] == _FROZEN:
        raise DecodeError("the token account is frozen")
    if data[_STATE_AT] != _INITIALIZED:
        raise DecodeError("the token account is not initialised")
    return int.from_bytes(data[_AMOUNT_AT : _AMOUNT_AT + 8], "little")


# --- Layout -------------------------------------------------------------------------------------


def _key_at(data: bytes, offset: int) -> str:
    from solders.pubkey import Pubkey

    return str(Pubkey.from_bytes(data[offset : offset + _KEY_BYTES]))


def _of_program(account: SolanaAccount, program: str, what: str) -> bytes:
    if program not in _PROGRAMS:
        raise DecodeError(f"program {program} is neither SPL Token nor Token-2022")
    if account.owner != program:
        raise DecodeError(f"the {what} is owned by {account.owner}, not by {program}")
    return account.data
