"""Names of chains, tokens, venues, accounts, feeds and portfolios, and their canonical forms."""

import re
from typing import TypeAlias

from xmargin.errors import InvalidArgumentError

ChainId: TypeAlias = str  # CAIP-2, e.g. ``eip155:1``
# CAIP-19, e.g. ``eip155:1/erc20:0xc02a…``, hex in lower case; of a perp ``…/perp:<venue>.<market>``
TokenId: TypeAlias = str
VenueId: TypeAlias = str  # ``aave-v3@eip155:1``
AccountId: TypeAlias = str  # ``aave-v3@eip155:1/0xabc…``: venue / address [/ sub-account]
FeedId: TypeAlias = str  # ``chainlink@eip155:1/0xproxy…``: feed kind @ chain / address
PortfolioId: TypeAlias = str

# Namespaces that we know are held to their own form, all others to that of CAIP-2.
_CHAIN = re.compile(
    r"(eip155:[1-9][0-9]{0,31}"
    r"|solana:[1-9A-HJ-NP-Za-km-z]{32}"
    r"|(?!(?:eip155|solana):)[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32})"
)
_KIND_AT_CHAIN = re.compile(rf"([a-z0-9][a-z0-9.-]*)@{_CHAIN.pattern}")
_EVM_ADDRESSES = ("eip155:", "hyper:")
"""Namespaces whose accounts are named by EVM addresses."""

_OTHER_ADDRESS = re.compile(r"[-.%a-zA-Z0-9]{1,128}")  # CAIP-10, and references of CAIP-19
_EVM_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
_SOLANA_ADDRESS = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32,44}")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_SOLANA_ADDRESS_BYTES = 32
_SHOWN_CHARACTERS_MAX = 100
_SUB_ACCOUNT = re.compile(r"[0-9A-Za-z_-]{1,64}")
_PORTFOLIO = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_COIN = re.compile(r"0|[1-9][0-9]{0,9}")
_TOKEN = re.compile(r"(erc20|token|slip44|perp):(.+)")
_INSTRUMENT = re.compile(r"[a-z0-9][a-z0-9-]*\.[0-9A-Za-z-]{1,64}")


def chain_of(identifier: str) -> ChainId:
    """The CAIP-2 chain inside a token, venue, account or feed id."""
    chain = identifier.split("/", 1)[0].rpartition("@")[2]
    if _CHAIN.fullmatch(chain) is None:
        raise InvalidArgumentError(f"{_shown(identifier)} names no chain; expected CAIP-2 in it")
    return chain


def address_of(account_or_feed: str) -> str:
    """The address part of an account or feed id (without a sub-account)."""
    return account_or_feed.split("/")[1]


def venue_of(account: AccountId) -> VenueId:
    """The venue part of an account id."""
    return account.split("/", 1)[0]


def kind_of(venue_or_feed: str) -> str:
    """The part before the ``@``: which protocol or feed kind this is."""
    return venue_or_feed.split("@", 1)[0]


def is_wallet(account: AccountId) -> bool:
    """Whether an account holds bare tokens, at no venue of its own."""
    return kind_of(venue_of(account)) == "wallet"


def _shown(text: str) -> str:
    """What of a wrong text a message repeats: enough to know it by."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS_MAX else f"{text[:_SHOWN_CHARACTERS_MAX]}…")


def parse_chain_id(text: str, field: str = "chain") -> ChainId:
    """``text`` if it is a CAIP-2 id, else :class:`InvalidArgumentError`."""
    if _CHAIN.fullmatch(text) is None:
        raise InvalidArgumentError(
            f"{field}: {_shown(text)} is no CAIP-2 id; write eip155:<number>, "
            "solana:<32 characters> or <namespace of 3 to 8>:<reference>",
            field=field,
        )
    return text


def parse_address(chain: ChainId, text: str, field: str = "address") -> str:
    """The canonical form of an address on ``chain``: EVM's in lower case, others as they are."""
    if chain.startswith(_EVM_ADDRESSES):
        lowered = text.lower()
        if _EVM_ADDRESS.fullmatch(lowered):
            return lowered
        raise InvalidArgumentError(
            f"{field}: {_shown(text)} is no EVM address; write 0x and 40 hex digits", field=field
        )
    if not chain.startswith("solana:"):
        return _other_address(text, field)
    if _SOLANA_ADDRESS.fullmatch(text) and _base58_bytes(text) == _SOLANA_ADDRESS_BYTES:
        return text
    raise InvalidArgumentError(
        f"{field}: {_shown(text)} is no Solana address; write the base58 form of 32 bytes",
        field=field,
    )


def _other_address(text: str, field: str) -> str:
    """An address of a chain whose own form we do not know."""
    if _OTHER_ADDRESS.fullmatch(text) is None:
        raise InvalidArgumentError(
            f"{field}: {_shown(text)} is no address; use 1 to 128 letters, digits, '-', '.' or '%'",
            field=field,
        )
    return text


def _base58_bytes(text: str) -> int:
    """How many bytes base58 text stands for: each leading ``1`` is a zero byte."""
    value = 0
    for character in text:
        value = value * 58 + _BASE58.index(character)
    zeros = len(text) - len(text.lstrip("1"))
    return zeros + (value.bit_length() + 7) // 8


def parse_venue_id(text: str, field: str = "venue") -> VenueId:
    """``text`` if it is ``<kind>@<CAIP-2>``."""
    if _KIND_AT_CHAIN.fullmatch(text) is None:
        raise InvalidArgumentError(
            f"{field}: {_shown(text)} is no venue id; write <venue>@<chain>, e.g. aave-v3@eip155:1",
            field=field,
        )
    return text


def parse_account_id(text: str, field: str = "account") -> AccountId:
    """The canonical form of ``<venue>@<chain>/<address>[/<sub-account>]``."""
    venue, _, rest = text.partition("/")
    if not rest:
        raise InvalidArgumentError(
            f"{field}: {_shown(text)} is no account id; write <venue>@<chain>/<address>",
            field=field,
        )
    parse_venue_id(venue, field)
    address, slash, sub_account = rest.partition("/")
    if slash and _SUB_ACCOUNT.fullmatch(sub_account) is None:
        raise InvalidArgumentError(
            f"{field}: {_shown(sub_account)} is no sub-account; "
            "use 1 to 64 letters, digits, '_' or '-'",
            field=field,
        )
    return f"{venue}/{parse_address(chain_of(venue), address, field)}{slash}{sub_account}"


def parse_feed_id(text: str, field: str = "feed") -> FeedId:
    """The canonical form of ``<feed kind>@<chain>/<address>``."""
    return parse_account_id(text, field)


def parse_token_id(text: str, field: str = "token") -> TokenId:
    """The canonical form of a CAIP-19 token id."""
    chain, _, asset = text.partition("/")
    parse_chain_id(chain, field)
    match = _TOKEN.fullmatch(asset)
    if match is None:
        raise InvalidArgumentError(
            f"{field}: {_shown(text)} is no CAIP-19 id; write <chain>/erc20:<address>, "
            "<chain>/token:<mint>, <chain>/slip44:<coin> or <chain>/perp:<venue>.<market>",
            field=field,
        )
    namespace, reference = match.groups()
    if namespace == "slip44":
        if _COIN.fullmatch(reference) is None:
            raise InvalidArgumentError(
                f"{field}: slip44 takes a number without leading zeros, not {_shown(reference)}",
                field=field,
            )
        return text
    if namespace == "perp":
        if _INSTRUMENT.fullmatch(reference) is None:
            raise InvalidArgumentError(
                f"{field}: a perp is written perp:<venue>.<market>, not {_shown(reference)}",
                field=field,
            )
        return text
    of_evm = chain.startswith("eip155:")
    if (namespace == "erc20") is not of_evm:
        raise InvalidArgumentError(
            f"{field}: {_shown(text)}: tokens of this chain are written "
            f"{'erc20:<address>' if of_evm else 'token:<mint>'}",
            field=field,
        )
    if not of_evm and not chain.startswith("solana:"):
        return f"{chain}/{namespace}:{_other_address(reference, field)}"
    return f"{chain}/{namespace}:{parse_address(chain, reference, field)}"


def parse_portfolio_id(text: str, field: str = "portfolio_id") -> PortfolioId:
    """``text`` if it is 1 to 64 of ``a-z 0-9 . _ -``, starting with a letter or digit."""
    if _PORTFOLIO.fullmatch(text) is None:
        raise InvalidArgumentError(
            f"{field}: {_shown(text)} is no portfolio id; use 1 to 64 of a-z, 0-9, '.', '_', '-', "
            "beginning with a letter or digit",
            field=field,
        )
    return text


def is_native(token: TokenId) -> bool:
    """Whether the token is a chain's own coin."""
    return "/slip44:" in token


def is_instrument(token: TokenId) -> bool:
    """Whether it is a derivative of a venue, which no wallet can hold."""
    return "/perp:" in token


def token_address(token: TokenId) -> str:
    """The contract or mint address of a token that is not a native coin."""
    return token.rsplit(":", 1)[1]
