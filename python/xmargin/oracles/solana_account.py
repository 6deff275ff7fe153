"""What every feed account on Solana is held against before a number of it is looked at."""

from collections.abc import Callable, Collection, Sequence

from xmargin.errors import DecodeError
from xmargin.model import Fact, FeedRound, FeedSpec, address_of
from xmargin.reads import SolanaAccount, SolanaRead


def account_read(
    feed: FeedSpec, decode: Callable[[FeedSpec, SolanaAccount | None], FeedRound]
) -> SolanaRead:
    """The read of one account; what cannot be decoded is a round with its fault."""

    def decoded(accounts: Sequence[SolanaAccount | None]) -> list[Fact]:
        try:
            return [decode(feed, accounts[0])]
        except DecodeError as error:
            return [FeedRound(feed.id, 0, 0, 0, 0, 0, "", "", "", fault=error.message)]

    return SolanaRead((address_of(feed.id),), decoded)


def checked_account(
    account: SolanaAccount | None, owners: Collection[str], owner_name: str, length: int
) -> SolanaAccount:
    """The account, if it is there, of the right owner and exactly ``length`` bytes long.

    Raises:
        DecodeError: it is not.
    """
    if account is None:
        raise DecodeError("there is no account at the feed's address")
    if account.owner not in owners:
        raise DecodeError(f"the account is owned by {account.owner}, not by {owner_name}")
    if len(account.data) != length:
        raise DecodeError(f"the account has {len(account.data)} bytes, not {length}")
    return account


def base58(key: bytes) -> str:
    """A public key as Solana writes it."""
    from solders.pubkey import Pubkey

    return str(Pubkey.from_bytes(key))
