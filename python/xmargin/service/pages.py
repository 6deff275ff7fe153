"""Page tokens: opaque to clients, stable under new views, refused when tampered with.

A token holds where the next page begins and a digest over that and over the question it continues
(as AIP-158 asks: only ``page_size`` may change between pages). It holds no secret and grants
nothing, so the digest needs no key and tokens survive a restart.
"""

import base64
import binascii
import hashlib

from xmargin.errors import InvalidArgumentError

PAGE_SIZE_DEFAULT = 100
PAGE_SIZE_MAX = 1_000

_DIGEST_BYTES = 12


def page_size(asked: int, most: int = PAGE_SIZE_MAX) -> int:
    """How many to give: ``asked``, or the default for 0.

    Raises:
        InvalidArgumentError: beyond the most that one page holds.
    """
    if asked > most:
        raise InvalidArgumentError(
            f"page_size: {asked} is too many; ask for 1 to {most}, or 0 for {PAGE_SIZE_DEFAULT}",
            field="page_size",
        )
    return asked or PAGE_SIZE_DEFAULT


def write_token(question: str, position: str) -> str:
    """The token that continues ``question`` after ``position``."""
    content = position.encode()
    return base64.urlsafe_b64encode(_digest(question, content) + content).decode()


def read_token(question: str, token: str) -> str | None:
    """Where the page begins: after this position, or at the start (``None``) without a token.

    Raises:
        InvalidArgumentError: the token was not given out for this question.
    """
    if not token:
        return None
    try:
        position = base64.urlsafe_b64decode(token.encode())[_DIGEST_BYTES:].decode()
        # Base64 spells some bytes in several ways; written again, there is only ours.
        if write_token(question, position) == token:
            return position
    except (binascii.Error, UnicodeError):
        pass  # refused below, as any other token that is not ours
    raise InvalidArgumentError(
        "page_token: is not a token of this request; pass next_page_token unchanged, with the "
        "same arguments, or leave it empty to begin anew",
        field="page_token",
    )


def _digest(question: str, content: bytes) -> bytes:
    return hashlib.sha256(f"xmargin page {question}\n".encode() + content).digest()[:_DIGEST_BYTES]
