"""Accounts in golden files: most of their bytes are zero."""

import base64
import random
import zlib

from solders.keypair import Keypair


def packed(text: str) -> str:
    """Base64 of an account, compressed."""
    return base64.b64encode(zlib.compress(base64.b64decode(text), 9)).decode()


def unpacked(text: str) -> bytes:
    """The account again."""
    return zlib.decompress(base64.b64decode(text))


def key(dice: random.Random) -> str:
    """Some address."""
    return str(Keypair.from_seed(dice.randbytes(32)).pubkey())
