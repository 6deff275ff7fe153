"""What a token stands for: another token, at a rate that its contract says."""

from dataclasses import dataclass
from typing import Final

from xmargin.model.identifiers import AccountId, TokenId, address_of, chain_of

CLAIM_RECORD: Final = "claim"
"""The record of a :class:`TokenClaim`; its key is the token's id."""


@dataclass(frozen=True, slots=True)
class TokenClaim:
    """``shares`` units of ``token`` stand for ``assets`` units of ``underlying``.

    ``custodian`` is who holds what stands behind the token (a vault, a bridge's lock), as
    ``<chain>/<address>``: who watches an account of it too counts it there. A claim that is
    ``kept`` has a price and a risk of its own (a bridged twin) and is not replaced by what it
    stands for.
    """

    token: TokenId
    underlying: TokenId
    assets: int
    shares: int
    custodian: str
    kept: bool


def holder_of(account: AccountId) -> str:
    """Whose account it is, as custodians are written."""
    return f"{chain_of(account)}/{address_of(account)}"
