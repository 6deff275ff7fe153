"""Wallets on an EVM chain: the native coin and ERC-20 balances of watched addresses.

A token that reverts, answers garbage or claims absurd decimals excludes itself: it gets a fault
and is not asked for balances. A balance of rebasing tokens moves without a log; the reader's
rolling re-reads find it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xmargin.errors import DecodeError
from xmargin.evm_abi import WORD_BYTES, Function, address_in
from xmargin.model import (
    AccountId,
    ChainId,
    Fact,
    Registry,
    TokenBalance,
    TokenId,
    TokenSpec,
    TokenState,
    TokenSupply,
    VenueSpec,
    address_of,
    chain_of,
    is_instrument,
    is_native,
    token_address,
)
from xmargin.reads import EvmCall, EvmLog, EvmRead
from xmargin.venues.base import EvmAccess, EvmVenue, Unit, accounts_at

DECIMALS_MAX: Final = 36
NATIVE_DECIMALS: Final = 18

BALANCE_OF = Function("balanceOf(address)", "uint256")
DECIMALS = Function("decimals()", "uint256")
TOTAL_SUPPLY = Function("totalSupply()", "uint256")
SYMBOL = Function("symbol()", "string")
SYMBOL_BYTES32 = Function("symbol()", "bytes32")
ETH_BALANCE = Function("getEthBalance(address)", "uint256")

_SYMBOL_CHARACTERS_MAX = 32


@dataclass(frozen=True, slots=True)
class EvmWallets:
    """All watched wallets of a chain. A unit is ``(account, token)``.

    ``moving_reads`` are native balances, which have no logs, and how much there is of tokens with
    a bound, with what escrows lock for them.
    """

    accounts_by_address: Mapping[str, AccountId]
    tokens_by_address: Mapping[str, TokenId]
    moving_reads: tuple[EvmRead, ...]
    units: tuple[Unit, ...]
    static_facts: tuple[Fact, ...]

    @property
    def log_addresses(self) -> Sequence[str]:
        """The ERC-20 contracts that are not at fault."""
        return tuple(self.tokens_by_address)

    def block_reads(self) -> Sequence[EvmRead]:
        """What may move without a log, or must be as of every block."""
        return self.moving_reads

    def unit_read(self, unit: Unit) -> EvmRead:
        """One ``balanceOf``."""
        account, token = unit
        call = BALANCE_OF(token_address(token), address_of(account))
        return _balance_read(account, token, call)

    def touched(self, log: EvmLog) -> Iterable[Unit]:
        """Watched wallets among the indexed arguments, whatever the event."""
        token = self.tokens_by_address.get(log.address)
        if token is None:
            return ()
        accounts = (self.accounts_by_address.get(address_in(topic)) for topic in log.topics[1:])
        return [(account, token) for account in accounts if account is not None]


def _balance_read(account: AccountId, token: TokenId, call: EvmCall) -> EvmRead:
    def decode(results: Sequence[bytes | None]) -> list[Fact]:
        try:
            (amount,) = BALANCE_OF.decode(results[0])
        except DecodeError as error:
            return [TokenBalance(account, token, 0, fault=error.message)]
        return [TokenBalance(account, token, amount, fault="")]

    return EvmRead((call,), decode)


def _supply_read(token: TokenId) -> EvmRead:
    def decode(results: Sequence[bytes | None]) -> list[Fact]:
        try:
            (amount,) = TOTAL_SUPPLY.decode(results[0])
        except DecodeError as error:
            return [TokenSupply(token, 0, fault=error.message)]
        return [TokenSupply(token, amount, fault="")]

    return EvmRead((TOTAL_SUPPLY(token_address(token)),), decode)


def _supply_reads(registry: Registry, chain: ChainId) -> Iterator[EvmRead]:
    """The supplies to be read on a chain, and what is locked there for tokens of any chain."""
    for supply in registry.supplies:
        if chain_of(supply.token) == chain:
            yield _supply_read(supply.token)
    escrows = sorted({(one.escrow, one.locked) for one in registry.supplies if one.escrow})
    for escrow, locked in escrows:
        if chain_of(escrow) == chain:
            call = BALANCE_OF(token_address(locked), address_of(escrow))
            yield _balance_read(escrow, locked, call)


async def discover(spec: VenueSpec, registry: Registry, access: EvmAccess) -> EvmVenue:
    """Ask every ERC-20 of the chain what it is."""
    tokens = _tokens(spec, registry)
    natives = [token for token in tokens if is_native(token.id)]
    contracts = [token for token in tokens if not is_native(token.id)]
    results = await access.call(
        [function(token_address(t.id)) for t in contracts for function in (DECIMALS, SYMBOL)]
    )
    states = [
        _token_state(token, results[2 * index], results[2 * index + 1])
        for index, token in enumerate(contracts)
    ]
    accounts = accounts_at(registry, spec.id)
    trusted = tuple(state.token for state in states if not state.fault)
    return EvmWallets(
        accounts_by_address={address_of(account): account for account in accounts},
        tokens_by_address={token_address(token): token for token in trusted},
        moving_reads=(
            *(
                _balance_read(
                    account, token.id, ETH_BALANCE(access.multicall3, address_of(account))
                )
                for account in accounts
                for token in natives
            ),
            *_supply_reads(registry, chain_of(spec.id)),
        ),
        units=tuple((account, token) for account in accounts for token in trusted),
        static_facts=(
            *(TokenState(t.id, NATIVE_DECIMALS, t.symbol, fault="") for t in natives),
            *states,
        ),
    )


def _token_state(token: TokenSpec, decimals: bytes | None, symbol: bytes | None) -> TokenState:
    try:
        (number,), text = DECIMALS.decode(decimals), _symbol(symbol)
    except DecodeError as error:
        return TokenState(token.id, 0, "", fault=error.message)
    if number > DECIMALS_MAX:
        fault = f"claims {number} decimals; at most {DECIMALS_MAX} are believed"
        return TokenState(token.id, 0, text, fault)
    return TokenState(token.id, number, text, fault="")


def _symbol(data: bytes | None) -> str:
    """The symbol, of which some old tokens make a ``bytes32``; nothing in it is trusted."""
    if data is not None and len(data) == WORD_BYTES:
        (raw,) = SYMBOL_BYTES32.decode(data)
        text = raw.rstrip(b"\0").decode(errors="replace")
    else:
        (text,) = SYMBOL.decode(data)
    printable = "".join(c for c in text if c.isprintable())
    return printable[:_SYMBOL_CHARACTERS_MAX]


def fault_facts(spec: VenueSpec, registry: Registry, fault: str) -> list[Fact]:
    """Every token at fault: nothing held on the chain is known."""
    return [TokenState(token.id, 0, "", fault) for token in _tokens(spec, registry)]


def _tokens(spec: VenueSpec, registry: Registry) -> list[TokenSpec]:
    """Those that a wallet of the chain can hold."""
    here = (token for token in registry.tokens if chain_of(token.id) == chain_of(spec.id))
    return [token for token in here if not is_instrument(token.id)]
